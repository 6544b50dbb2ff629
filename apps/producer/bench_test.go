package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// BenchmarkProducer runs the program on one core (GOMAXPROCS=1) against the local AWS
// server in another process over loopback, from start to exit:
//
//	go test -run '^$' -bench Producer -benchtime 1x ./apps/producer
//
// It reports events per second, the producer's CPU time per event and its peak memory. A
// busy machine hardly changes the CPU time. With log=INFO, the default, the producer
// writes a line for each event.
func BenchmarkProducer(b *testing.B) {
	const events = 50_000
	for _, test := range []struct {
		concurrency int
		level       string
	}{{1, "INFO"}, {8, "INFO"}, {8, "WARN"}} {
		b.Run(fmt.Sprintf("CONCURRENCY=%d/log=%s", test.concurrency, test.level), func(b *testing.B) {
			endpoint := startAWS(b)
			var wall, cpu time.Duration
			var memory int64
			for b.Loop() {
				c := exec.CommandContext(b.Context(), "producer")
				c.Stderr = os.Stderr
				c.Env = append(os.Environ(), "GOMAXPROCS=1", "AWS_ENDPOINT_URL="+endpoint, "AWS_REGION=eu-west-1",
					"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "RELIABLE_QUEUE_NAME=q", "HTTP_ADDR=127.0.0.1:0",
					"WAIT_SECS_BETWEEN_MSGS=0", "TOT_MSGS_TO_PRODUCE="+strconv.Itoa(events), "SEED=1",
					"CONCURRENCY="+strconv.Itoa(test.concurrency), "LOG_LEVEL="+test.level)
				begun := time.Now()
				if err := c.Run(); err != nil {
					b.Fatal(err)
				}
				wall += time.Since(begun)
				cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
				memory = max(memory, c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
			}
			sent := float64(events * b.N)
			b.ReportMetric(sent/wall.Seconds(), "events/s")
			b.ReportMetric(float64(cpu.Microseconds())/sent, "cpu-µs/event")
			b.ReportMetric(sent/cpu.Seconds(), "events/cpu-s")
			b.ReportMetric(float64(memory)/1024, "MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startAWS starts the server's process and returns its URL.
func startAWS(b *testing.B) string {
	b.Helper()
	c := exec.CommandContext(b.Context(), "bench-aws")
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return "http://" + strings.TrimSpace(address)
}

// benchAWS is the server's process: it serves one queue on a free port and prints its
// address.
func benchAWS() {
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Queues: []localaws.Queue{{Name: "q"}},
	})
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, server))
}
