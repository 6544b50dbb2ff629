package faultsim

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

var (
	oneSeed = flag.Int("seed", -1, "run this seed alone, and show its history")
	seeds   = flag.Int("seeds", defaultSeeds, "how many seeds to run")
	from    = flag.Int("from", 0, "the first of them")
	forever = flag.Bool("forever", false, "run seeds until one fails, or this is interrupted")
)

func TestMain(m *testing.M) {
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	// A run needs little memory, and makes much garbage.
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// TestSeeds runs the workloads as they are: whatever goes wrong, what is promised holds.
func TestSeeds(t *testing.T) {
	if *oneSeed >= 0 {
		r := simulate(t, *oneSeed, nil)
		fmt.Print(r.text())
		report(t, r)
		return
	}
	runners, begun := runtime.GOMAXPROCS(0), time.Now()
	var done, calls, bubble atomic.Int64
	var failed atomic.Bool // which ends the other runners too, and only then is shown
	t.Run("all", func(t *testing.T) {
		for i := range runners {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				for seed := *from + i; (*forever || seed < *from+*seeds) && !failed.Load(); seed += runners {
					r := simulate(t, seed, nil)
					if len(r.violations) > 0 {
						failed.Store(true)
						report(t, r)
					}
					calls.Add(int64(r.calls))
					bubble.Add(int64(r.took))
					if n := done.Add(1); *forever && n%1000 == 0 {
						fmt.Printf("%d seeds, up to %d, in %s: nothing failed\n", n, seed, time.Since(begun).Round(time.Second))
					}
				}
			})
		}
	})
	t.Logf("%d seeds, %d calls, %s of their time, in %s", done.Load(), calls.Load(),
		time.Duration(bubble.Load()).Round(time.Minute), time.Since(begun).Round(100*time.Millisecond))
}

// report fails the test with all that is needed to understand why.
func report(t *testing.T, r result) {
	t.Helper()
	if len(r.violations) == 0 {
		return
	}
	t.Errorf("seed %d: %s: %s\n%s\nagain: go test -C apps/faultsim -run TestSeeds -seed=%d",
		r.seed, r.violations[0].invariant, r.violations[0].detail, r.text(), r.seed)
}

// ofTheSimulation marks a test of the simulation itself, not of the workloads.
func ofTheSimulation(t *testing.T) {
	t.Helper()
	if racing {
		t.Skip("it says the same without the race detector, in a tenth of the time")
	}
}

// TestReplay checks that a seed has the same history when it runs again. A few runs may
// differ, since the order of goroutines at the same instant is not fixed. But if a choice
// came from another source than the seed, all of them would differ.
func TestReplay(t *testing.T) {
	ofTheSimulation(t)
	const runs, want = 20, 5
	same := 0
	for seed := range runs {
		first, second := simulate(t, seed, nil), simulate(t, seed, nil)
		if first.text() == second.text() {
			same++
		}
	}
	t.Logf("%d of %d seeds have the same history again", same, runs)
	if same < want {
		t.Errorf("%d of %d seeds have the same history again, want %d", same, runs, want)
	}
}
