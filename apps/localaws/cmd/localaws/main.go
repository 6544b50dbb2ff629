// Command localaws serves SQS and S3 on one port, in memory, for the local
// cluster: simulated AWS. See package localaws for what it keeps and lacks.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

func main() {
	file := flag.String("config", "", "YAML file that declares the queues and buckets (required)")
	address := flag.String("addr", ":4566", "address to listen on")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	config, err := localaws.LoadConfig(*file)
	if err != nil {
		log.Error("configuration", "file", *file, "error", err)
		os.Exit(2)
	}
	server, err := localaws.New(config)
	if err != nil {
		log.Error("configuration", "file", *file, "error", err)
		os.Exit(2)
	}
	if err := serve(*address, server, log); err != nil {
		log.Error("serve", "error", err)
		os.Exit(1)
	}
}

// serve ends at SIGTERM; open long polls are cut, which SDKs retry.
func serve(address string, handler http.Handler, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	log.Info("serving", "address", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
