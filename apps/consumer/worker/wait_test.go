package worker

import (
	"slices"
	"testing"
	"time"
)

// The wait after an empty receive doubles up to its maximum. It starts over as soon as
// messages arrive.
func TestBackoff(t *testing.T) {
	for name, test := range map[string]struct {
		first, max, resetAfter int
		want                   []int
	}{
		"the demo's":        {2, 512, 0, []int{2, 4, 8, 16, 32, 64, 128, 256, 512, 2, 4}},
		"between two steps": {2, 20, 0, []int{2, 4, 8, 16, 2, 4}},
		"constant":          {3, 3, 0, []int{3, 3, 3}},
		"messages arrive":   {2, 512, 3, []int{2, 4, 8, 2, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			b := backoff{first: time.Duration(test.first) * time.Second, max: time.Duration(test.max) * time.Second}
			var got []int
			for i := range test.want {
				if test.resetAfter > 0 && i == test.resetAfter {
					b.reset()
				}
				got = append(got, int(b.next().Seconds()))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("waits %v, want %v", got, test.want)
			}
		})
	}
}

// The delays of a failing message's ten receives add up to more than an hour, so it
// survives an outage of an hour.
func TestPutOff(t *testing.T) {
	for _, test := range []struct {
		visibility time.Duration
		received   int
		want       time.Duration
	}{
		{30 * time.Second, 1, 30 * time.Second},
		{30 * time.Second, 3, 2 * time.Minute},
		{30 * time.Second, 10, maxPutOff},
		{0, 1, time.Second},
		{time.Hour, 1, time.Hour},
		{time.Hour, 9, time.Hour},
		{time.Second, 1 << 30, maxPutOff},
	} {
		if got := putOffFor(test.visibility, test.received); got != test.want {
			t.Errorf("visibility %v, received %d: %v, want %v", test.visibility, test.received, got, test.want)
		}
	}
}
