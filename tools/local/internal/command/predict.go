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

// predict simulates the burst. The simulation is a module of its own, with another
// version of Kubernetes' libraries, so it runs from source. The demo works without a
// prediction, so a failure is only a warning.
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

// phases is enough for a P95. It is half of simulate's default, and takes some seconds.
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

// ask runs a command of the checkout in the folder of its module, and decodes the JSON
// that it prints.
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

// traces is the folder of the traces that the local cluster's producer can replay.
const traces = "apps/producer/deploy/local/traces"

func (e *environment) traceFile(name string) string {
	return filepath.Join(e.root, filepath.FromSlash(traces), name+".csv")
}

// setShape makes the run replay a trace once.
func (e *environment) setShape(o *demo.Options, name string) error {
	t, err := trace.Load(e.traceFile(name))
	if err != nil {
		return err
	}
	o.Burst = t.Messages()
	// The trace sets the pace: if each call waited for the one before, they would set it.
	o.Producer = map[string]string{"TRACE": "/traces/" + name + ".csv", "CONCURRENCY": "16"}
	return nil
}
