// Package bubble runs scenarios in a separate process. A bubble of testing/synctest
// exists only in a test. An ordinary program can run tests with testing.Main, but that
// exits the program. So this program starts itself again, and the two exchange lines of
// JSON.
//
// The package knows how to make runs, and must not know what they mean.
package bubble

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
	"github.com/mystique-unicorn/sales-events/tools/simulate/internal/world"
)

// variable is the environment variable that tells the program to simulate.
const variable = "SIMULATE_BUBBLE"

// work is a run to make.
type work struct {
	Job      int               `json:"job"`
	Scenario scenario.Scenario `json:"scenario"`
	Phase    world.Phase       `json:"phase"`
	End      world.End         `json:"end"`
	// Slim omits the samples.
	Slim bool `json:"slim"`
}

// made is a finished run.
type made struct {
	Job   int       `json:"job"`
	Run   world.Run `json:"run"`
	Error string    `json:"error,omitempty"`
}

// ServeIfAsked simulates and exits, if Simulate has started this process. Otherwise it
// does nothing.
func ServeIfAsked() {
	if os.Getenv(variable) == "" {
		return
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(1000) // a run allocates much, and is short
	}
	klog.SetLogger(logr.Discard())
	logf.SetLogger(logr.Discard())
	in, out := os.Stdin, os.Stdout
	os.Stdout = os.Stderr // package testing prints PASS to it
	os.Args = os.Args[:1]
	testing.Main(
		func(string, string) (bool, error) { return true, nil },
		[]testing.InternalTest{{Name: "Simulate", F: func(t *testing.T) {
			if err := serve(t, in, out); err != nil {
				t.Fatal(err)
			}
			// Otherwise PASS would end the command's output.
			os.Exit(0)
		}}}, nil, nil,
	)
}

// serve makes the runs that it reads, as many at the same time as there are cores.
func serve(t *testing.T, in io.Reader, out io.Writer) error {
	jobs := make(chan work)
	results := make(chan made)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for w := range jobs {
				results <- simulate(t, w)
			}
		})
	}
	var reading error
	go func() {
		reading = read(in, jobs)
		close(jobs)
		workers.Wait()
		close(results)
	}()
	encoder := json.NewEncoder(out)
	for m := range results {
		if err := encoder.Encode(m); err != nil {
			return err
		}
	}
	return reading
}

func read(in io.Reader, jobs chan<- work) error {
	decoder := json.NewDecoder(bufio.NewReaderSize(in, 1<<20))
	for {
		var w work
		if err := decoder.Decode(&w); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read what to simulate: %w", err)
		}
		jobs <- w
	}
}

func simulate(t *testing.T, w work) made {
	run, err := world.SimulateUntil(t, w.Scenario, w.Phase, w.End)
	if w.Slim {
		run.Samples, run.PerSecond = nil, nil
	}
	m := made{Job: w.Job, Run: run}
	if err != nil {
		m.Error = err.Error()
	}
	return m
}

// Options say how many runs to make, and what to return.
type Options struct {
	// Phases is the number of runs for each scenario.
	Phases int
	// Slim omits the samples.
	Slim bool
	// Drained ends each run when its load is handled; its pod-seconds end then, too.
	Drained bool
	// Progress, if it is set, is called with the number of finished runs.
	Progress func(made, all int)
}

// Simulate runs scenarios, each in all phases, and returns the runs in the order of
// their phases.
func Simulate(ctx context.Context, scenarios []scenario.Scenario, o Options) ([][]world.Run, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program, to start it once more: %w", err)
	}
	child := exec.CommandContext(ctx, program)
	child.Env = append(os.Environ(), variable+"=1")
	var said bytes.Buffer
	child.Stderr = &said
	in, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start %s once more, to simulate: %w", program, err)
	}
	go ask(in, scenarios, o)
	runs, err := collect(out, scenarios, o)
	if err != nil {
		cancel()
	}
	waited := child.Wait()
	if err == nil && runs == nil && waited == nil {
		waited = errors.New("it ended before its work was done")
	}
	if err == nil && waited != nil {
		err = fmt.Errorf("the simulation broke off: %w\n%s", waited, tail(said.String()))
	}
	return runs, err
}

// ask writes all work. If the child is gone, the reader notices.
func ask(in io.WriteCloser, scenarios []scenario.Scenario, o Options) {
	defer in.Close()
	encoder := json.NewEncoder(in)
	end := world.Settled
	if o.Drained {
		end = world.Drained
	}
	for job, s := range scenarios {
		for phase := range o.Phases {
			if encoder.Encode(work{job, s, world.Phase{Index: phase, Of: o.Phases}, end, o.Slim}) != nil {
				return
			}
		}
	}
}

func collect(out io.Reader, scenarios []scenario.Scenario, o Options) ([][]world.Run, error) {
	runs := make([][]world.Run, len(scenarios))
	for i := range runs {
		runs[i] = make([]world.Run, o.Phases)
	}
	decoder := json.NewDecoder(bufio.NewReaderSize(out, 1<<20))
	all := len(scenarios) * o.Phases
	for n := 1; n <= all; n++ {
		var m made
		if err := decoder.Decode(&m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, nil // the child's exit says more
			}
			return nil, fmt.Errorf("read what was simulated: %w", err)
		}
		if m.Error != "" {
			return nil, fmt.Errorf("simulate %s, run %d: %s", scenarios[m.Job].Name(), m.Run.Phase, m.Error)
		}
		runs[m.Job][m.Run.Phase] = m.Run
		if o.Progress != nil {
			o.Progress(n, all)
		}
	}
	return runs, nil
}

// tail returns the end of a program's output.
func tail(text string) string {
	const most = 4000
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-most):]
}
