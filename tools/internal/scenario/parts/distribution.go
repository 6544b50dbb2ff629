package parts

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"
)

// Distribution is how long something takes: lognormal, by its median and its 99th
// percentile. Where the two are one value, it takes that long each time.
type Distribution struct{ Median, P99 time.Duration }

// Always is a distribution of one value.
func Always(d time.Duration) Distribution { return Distribution{d, d} }

// ParseDistribution reads what String writes: a duration, or a median and a 99th
// percentile as 200ms..2s.
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

// String is the distribution as a flag has it.
func (d Distribution) String() string {
	if d.Median == d.P99 {
		return d.Median.String()
	}
	return d.Median.String() + ".." + d.P99.String()
}

// MarshalJSON writes the text.
func (d Distribution) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads the text.
func (d *Distribution) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	read, err := ParseDistribution(text)
	*d = read
	return err
}

// p99Deviations is how many standard deviations the 99th percentile is above the median.
const p99Deviations = 2.3263478740408408

// At is the value that a share u of all, between 0 and 1, does not exceed.
func (d Distribution) At(u float64) time.Duration {
	if d.Median <= 0 || d.P99 <= d.Median {
		return d.Median
	}
	sigma := math.Log(float64(d.P99)/float64(d.Median)) / p99Deviations
	return time.Duration(float64(d.Median) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*u-1)))
}

// Dice draws by name: what a name draws does not depend on what is drawn before it, so
// that goroutines may draw in any order and a run can be repeated.
type Dice uint64

// Share is a number above 0 and below 1.
func (d Dice) Share(name string) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return (float64(mix(h.Sum64()^mix(uint64(d)))>>11) + 0.5) / (1 << 53)
}

// mix is the finalizer of SplitMix64: names that are alike draw what is not.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
