package parts

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"
)

// Distribution is a lognormal distribution of durations, given by its median and its 99th
// percentile. If both are equal, it is that one duration.
type Distribution struct{ Median, P99 time.Duration }

// Always returns a distribution with only one value.
func Always(d time.Duration) Distribution { return Distribution{d, d} }

// ParseDistribution parses what String returns: a duration, or a median and a 99th
// percentile such as 200ms..2s.
func ParseDistribution(text string) (Distribution, error) {
	low, high, two := strings.Cut(text, "..")
	if !two {
		high = low
	}
	median, err := time.ParseDuration(strings.TrimSpace(low))
	if err != nil {
		return Distribution{}, fmt.Errorf("%q: write a duration such as 200ms, or a median and a 99th percentile such as 200ms..2s", text)
	}
	p99, err := time.ParseDuration(strings.TrimSpace(high))
	if err != nil || median < 0 || p99 < median || two && median == 0 {
		return Distribution{}, fmt.Errorf("%q: write a median above 0, then a 99th percentile that is no shorter, such as 200ms..2s", text)
	}
	return Distribution{median, p99}, nil
}

// String returns the distribution in the form of a flag.
func (d Distribution) String() string {
	if d.Median == d.P99 {
		return d.Median.String()
	}
	return d.Median.String() + ".." + d.P99.String()
}

// MarshalJSON encodes the distribution as text.
func (d Distribution) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON decodes the text.
func (d *Distribution) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	read, err := ParseDistribution(text)
	*d = read
	return err
}

// p99Deviations is the distance from the median to the 99th percentile, in standard
// deviations.
const p99Deviations = 2.3263478740408408

// At returns the value that a share u of all values, between 0 and 1, does not exceed.
func (d Distribution) At(u float64) time.Duration {
	if d.Median <= 0 || d.P99 <= d.Median {
		return d.Median
	}
	sigma := math.Log(float64(d.P99)/float64(d.Median)) / p99Deviations
	return time.Duration(float64(d.Median) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*u-1)))
}

// Dice draws random numbers by name. A draw does not depend on earlier draws, so
// goroutines may draw in any order and a run can be repeated.
type Dice uint64

// Share returns a number greater than 0 and less than 1.
func (d Dice) Share(name string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return (float64(mix(h.Sum64()^mix(uint64(d)))>>11) + 0.5) / (1 << 53)
}

// mix is the finalizer of SplitMix64: similar inputs have unrelated results.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
