package parts

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestDistribution(t *testing.T) {
	for text, want := range map[string]Distribution{
		"200ms":     {200 * time.Millisecond, 200 * time.Millisecond},
		"200ms..2s": {200 * time.Millisecond, 2 * time.Second},
		"0s":        {},
	} {
		got, err := ParseDistribution(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q became %s, %v", text, got, err)
		}
		data, err := json.Marshal(want)
		var back Distribution
		if err != nil || json.Unmarshal(data, &back) != nil || back != want {
			t.Errorf("%s came back as %s, %v", data, back, err)
		}
	}
	for _, text := range []string{"", "soon", "2s..1s", "-1s", "0s..1s", "1s..", "..1s"} {
		if got, err := ParseDistribution(text); err == nil {
			t.Errorf("%q became %s", text, got)
		}
	}
}

// TestDice: draws have the given distribution, and can be repeated.
func TestDice(t *testing.T) {
	d := Distribution{100 * time.Millisecond, 800 * time.Millisecond}
	var drawn []time.Duration
	for n := range 20000 {
		name := strconv.Itoa(n)
		drawn = append(drawn, d.At(Dice(7).Share(name)))
		if Dice(7).Share(name) != Dice(7).Share(name) || Dice(7).Share(name) == Dice(8).Share(name) {
			t.Fatalf("%s does not repeat, or is the same of other dice", name)
		}
	}
	slices.Sort(drawn)
	for share, want := range map[float64]time.Duration{0.5: d.Median, 0.99: d.P99} {
		got := drawn[int(share*float64(len(drawn)))]
		if math.Abs(float64(got-want))/float64(want) > 0.08 {
			t.Errorf("%g of the values are up to %s, want %s", share, got, want)
		}
	}
}

// TestSources: every part has a source, and can be set by its name.
func TestSources(t *testing.T) {
	p := Local()
	for _, line := range p.Lines() {
		if line.Value == "" || line.Local == "" || line.AWS == "" {
			t.Errorf("%+v", line)
		}
		if line.Part == "nodes" {
			continue // it has flags of its own
		}
		if err := p.Set(line.Part, line.Value); err != nil {
			t.Errorf("%s=%s: %v", line.Part, line.Value, err)
		}
	}
	if p != Local() {
		t.Errorf("set to what they are, parts became %+v", p)
	}
	for name, value := range map[string]string{"podStart": "soon", "podNext": "-1s", "countError": "2", "luck": "1s"} {
		if err := p.Set(name, value); err == nil {
			t.Errorf("%s=%s is accepted", name, value)
		}
	}
}
