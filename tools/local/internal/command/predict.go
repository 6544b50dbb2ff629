package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/toolchain"
	"github.com/mystique-unicorn/sales-events/tools/internal/report"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/demo"
)

// predict runs the simulation of the burst. The simulation is a module of its own, with
// another version of Kubernetes' libraries, and runs from its source. A demo works
// without a prediction: a failure is a warning.
func (e *environment) predict(ctx context.Context, burst int, shape string) *report.Prediction {
	p, err := e.simulate(ctx, burst, shape)
	if err != nil {
		if ctx.Err() == nil {
			e.log.Done("no prediction: %v", err)
		}
		return nil
	}
	e.log.Done("predicted: drained after %.0f s (%.0f to %.0f), %.0f consumers", p.Drain.P50, p.Drain.P5, p.Drain.P95, p.Peak.P50)
	return p
}

// phases are as many as a P95 takes: half of what simulate runs, in some seconds.
const phases = "100"

func (e *environment) simulate(ctx context.Context, burst int, shape string) (*report.Prediction, error) {
	load := []string{"--burst", strconv.Itoa(burst)}
	if shape != "" {
		load = []string{"--steady", "--trace", e.traceFile(shape)}
	}
	p := &report.Prediction{}
	args := slices.Concat([]string{"--root", e.root, "--format", "json", "--phases", phases}, load)
	return p, e.ask(ctx, "tools/simulate", p, args...)
}

// ask runs a command of the checkout in its folder, where its module is, and reads the
// JSON that it writes.
func (e *environment) ask(ctx context.Context, command string, answer any, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"run", "."}, args)...)
	cmd.Dir, cmd.Env = filepath.Join(e.root, filepath.FromSlash(command)), toolchain.Environ()
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return errors.Join(err, errors.New(strings.TrimSpace(said.String())))
	}
	if err := json.Unmarshal(out.Bytes(), answer); err != nil {
		return fmt.Errorf("read what %s writes: %w", command, err)
	}
	return nil
}

// traces is where those are that the local cluster's producer can replay.
const traces = "apps/producer/deploy/local/traces"

func (e *environment) traceFile(name string) string {
	return filepath.Join(e.root, filepath.FromSlash(traces), name+".csv")
}

// setShape has the run replay a trace once.
func (e *environment) setShape(o *demo.Options, name string) error {
	t, err := trace.Load(e.traceFile(name))
	if err != nil {
		return err
	}
	o.Burst = t.Messages()
	// The pace is the trace's: calls that follow each other would be another one.
	o.Producer = map[string]string{"TRACE": "/traces/" + name + ".csv", "CONCURRENCY": "16"}
	return nil
}
