// Command consumer takes events from the queue and stores each in the bucket.
//
// It exits 0 after it has processed its total or was asked to end, 1 if it cannot go on,
// and 2 if a setting is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/mystique-unicorn/sales-events/apps/consumer/backend"
	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/internal/aws"
	"github.com/mystique-unicorn/sales-events/internal/observe"
)

// begun is the start of this process, to within a few milliseconds.
var begun = time.Now()

func main() {
	c, err := config.Parse(os.LookupEnv)
	if err != nil {
		fmt.Fprintf(os.Stderr, "consumer: settings:\n%v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	log := slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: c.LogLevel}))
	slog.SetDefault(log)
	err = run(ctx, c, log)
	asked := ctx.Err() != nil
	stop()
	if asked && errors.Is(err, context.Canceled) {
		log.Info("asked to end before the work began")
		return
	}
	if err != nil {
		log.Error("consumer failed", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config.Config, log *slog.Logger) error {
	set := metrics.NewSet()
	// The server stops only after the drain, not when ctx ends.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	server, err := observe.Start(serving, c.Address, set, log)
	if err != nil {
		return err
	}
	w, err := connect(ctx, c, log, set)
	if err != nil {
		return err
	}
	server.SetReady(true)
	// kubelet reports readiness only in whole seconds.
	log.Info("ready", "after_ms", time.Since(begun).Milliseconds())
	context.AfterFunc(ctx, func() { server.SetReady(false) })
	w.Run(ctx)
	return nil
}

// connect finds what the settings name.
func connect(ctx context.Context, c config.Config, log *slog.Logger, set *metrics.Set) (*worker.Worker, error) {
	awsConfig, err := aws.Load(ctx, c.Region)
	if err != nil {
		return nil, err
	}
	queue, bucket, visibility, err := backend.Connect(ctx, c, awsConfig)
	if err != nil {
		return nil, err
	}
	return worker.New(c, queue, bucket, visibility, log, set), nil
}
