// Command producer sends sale and inventory events of the physical stores to
// the queue.
//
// It exits 0 after it has sent its total or was asked to end, 1 if sending failed for
// good, and 2 if a setting, or the trace that it names, is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/internal/aws"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/apps/producer/trace"
	"github.com/mystique-unicorn/sales-events/apps/producer/worker"
	"github.com/mystique-unicorn/sales-events/internal/observe"
)

// begun is the start of this process, to within a few milliseconds.
var begun = time.Now()

func main() {
	c, err := config.Parse(os.LookupEnv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "producer: settings:\n%v\n", err)
		os.Exit(2)
	}
	replay, err := load(c.Trace)
	if err != nil {
		fmt.Fprintf(os.Stderr, "producer: TRACE: %v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: c.LogLevel}))
	slog.SetDefault(log)
	err = run(ctx, c, replay, log)
	asked := ctx.Err() != nil
	stop()
	if asked && errors.Is(err, context.Canceled) {
		log.Info("asked to end before the work began")
		return
	}
	if err != nil {
		log.Error("producer failed", "error", err)
		os.Exit(1)
	}
}

// load reads the trace that the settings name, if any.
func load(file string) (trace.Trace, error) {
	if file == "" {
		return nil, nil
	}
	replay, err := trace.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w; mount it, or leave TRACE out", err)
	}
	return replay, err
}

func run(ctx context.Context, c config.Config, replay trace.Trace, log *slog.Logger) error {
	set := metrics.NewSet()
	server, err := observe.Start(ctx, c.Address, set, log)
	if err != nil {
		return err
	}
	awsConfig, err := aws.Load(ctx, c.Region)
	if err != nil {
		return err
	}
	client := sqs.NewFromConfig(awsConfig)
	url, err := aws.QueueURL(ctx, client, c.Queue)
	if err != nil {
		return err
	}
	server.SetReady(true)
	// kubelet reports readiness only in whole seconds.
	log.Info("ready", "after_ms", time.Since(begun).Milliseconds())
	return worker.New(c, replay, client, url, log, set).Run(ctx)
}
