//go:build linux

// Command consumer measures the consumer: with one batch after the other, and with as
// many events at a time as the clusters set. For comparison it measures a bare pipeline
// with the same SDK and no guarantees. All drain a queue of the local AWS server over
// loopback; its puts take 25 ms and its SQS calls 8 ms. The server and the measured
// program are separate processes; the latter has one core.
//
// It measures and prints. It must not know the consumer beyond its environment variables.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
)

// This program is also the server and the bare pipeline, chosen by its first argument.
const (
	serveRole = "serve"
	bareRole  = "bare"
)

func main() { os.Exit(execute()) }

func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	concurrency := flag.Int("concurrency", 128, "how many events are stored at a `time`")
	events := flag.Int("events", 20_000, "how `many` events a run stores")
	runs := flag.Int("runs", 3, "how `often` each runs; the median counts")
	flag.Parse()
	var err error
	switch flag.Arg(0) {
	case serveRole:
		err = serve(ctx)
	case bareRole:
		err = bare(ctx)
	default:
		err = bench(ctx, *concurrency, *events, max(1, *runs), os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}

func bench(ctx context.Context, concurrency, events, runs int, out io.Writer) error {
	work, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := image.Compile(ctx, ".", []string{"./apps/consumer"}, work); err != nil {
		return err
	}
	consumer := filepath.Join(work, "consumer")
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var ours, floor series
	// One event takes 25 ms, so some hundred events are enough.
	single, err := drain(ctx, []string{consumer}, 1, min(events, 300))
	if err != nil {
		return err
	}
	for range runs {
		// In turns, so that other load on the machine affects both.
		if err := ours.add(drain(ctx, []string{consumer}, concurrency, events)); err != nil {
			return err
		}
		if err := floor.add(drain(ctx, []string{self, bareRole}, concurrency, events)); err != nil {
			return err
		}
	}
	ready, idle, err := rest(ctx, consumer, concurrency)
	if err != nil {
		return err
	}
	if err := report(out, concurrency, events, single, ours.median(), floor.median(), idle); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nready %d ms after its start\n", ready.Milliseconds())
	return nil
}

func report(out io.Writer, concurrency, events int, single, ours, floor result, idle memory) error {
	fmt.Fprintf(out, "the consumer stores %.0f times as many events with CONCURRENCY=%d as one batch after the other, "+
		"%.0f %% of a bare pipeline: %d events, 1 of %d processors\n\n",
		ours.rate()/single.rate(), concurrency, 100*ours.rate()/floor.rate(), events, runtime.NumCPU())
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\tevents/s\tCPU ms/event\tSQS requests/event\tpeak memory\tof it the program's file")
	for _, row := range []struct {
		name string
		result
	}{{"CONCURRENCY=1", single}, {fmt.Sprint("CONCURRENCY=", concurrency), ours}, {"bare pipeline", floor}} {
		fmt.Fprintf(table, "%s\t%.0f\t%.2f\t%.2f\t%s\n", row.name, row.rate(), 1000*row.cpu.Seconds()/float64(row.events),
			float64(row.requests)/float64(row.events), row.memory)
	}
	fmt.Fprintf(table, "idle\t\t\t\t%s\n", idle)
	return table.Flush()
}

// result is the time and the memory for storing events.
type result struct {
	events, requests int
	took, cpu        time.Duration
	memory           memory
}

func (r result) rate() float64 { return float64(r.events) / r.took.Seconds() }

type series []result

func (s *series) add(r result, err error) error {
	*s = append(*s, r)
	return err
}

// median returns the run with the median rate.
func (s series) median() result {
	sorted := slices.SortedFunc(slices.Values(s), func(a, b result) int { return int(a.took - b.took) })
	return sorted[len(sorted)/2]
}

// drain runs a program that stores the events of a full queue and then ends.
func drain(ctx context.Context, program []string, concurrency, events int) (result, error) {
	server, err := startServer(ctx, events)
	if err != nil {
		return result{}, err
	}
	defer server.stop()
	cmd := command(ctx, program, server.url, concurrency, events)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	memory := watch(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		return result{}, fmt.Errorf("%s: %w\n%s", program, err, &text)
	}
	took := time.Since(begun)
	requests, stored, err := server.counts(ctx)
	if err != nil {
		return result{}, err
	}
	if stored != events {
		return result{}, fmt.Errorf("%s stored %d of %d events", program, stored, events)
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return result{events: events, requests: requests, took: took, cpu: cpu, memory: <-memory}, nil
}

// command runs the consumer with the environment of a pod. On a machine that sets
// AWS_CA_BUNDLE, that bundle would add 2.7 MB.
func command(ctx context.Context, program []string, url string, concurrency, events int) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Env = []string{
		"GOMAXPROCS=1", "AWS_ENDPOINT_URL=" + url, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_REGION=" + region,
		// As in the local overlay: the local AWS does not support trailing checksums.
		"AWS_REQUEST_CHECKSUM_CALCULATION=when_required",
		"RELIABLE_QUEUE_NAME=" + queue, "DEAD_LETTER_QUEUE_NAME=" + deadLetters, "STORE_EVENTS_BKT=" + bucket, "HTTP_ADDR=127.0.0.1:0",
		"MAX_MSGS_PER_BATCH=10", "MSG_PROCESS_DELAY=0",
		"CONCURRENCY=" + strconv.Itoa(concurrency), "TOT_MSGS_TO_PROCESS=" + strconv.Itoa(events),
	}
	return cmd
}

// rest returns how long the consumer takes to become ready, and its memory after some
// seconds with an empty queue.
func rest(ctx context.Context, consumer string, concurrency int) (ready time.Duration, idle memory, err error) {
	server, err := startServer(ctx, 0)
	if err != nil {
		return 0, memory{}, err
	}
	defer server.stop()
	address, err := freeAddress()
	if err != nil {
		return 0, memory{}, err
	}
	cmd := command(ctx, []string{consumer}, server.url, concurrency, 0)
	cmd.Env = append(cmd.Env, "HTTP_ADDR="+address)
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, memory{}, err
	}
	most := watch(cmd.Process.Pid)
	err = waitReady(ctx, "http://"+address+"/readyz")
	ready = time.Since(begun)
	select {
	case <-ctx.Done():
	case <-time.After(3 * time.Second):
	}
	_ = cmd.Process.Kill() // it would wait for its long poll
	_ = cmd.Wait()
	return ready, <-most, err
}

// freeAddress returns an address on which nobody listens.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// waitReady probes more often than kubelet does.
func waitReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the consumer is not ready: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}
