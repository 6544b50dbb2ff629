// Package observe serves the endpoints for kubelet and Prometheus: /healthz, /readyz and
// /metrics. It must not know the work.
//
// The metrics library writes only the text format: Prometheus' own library needs Protocol
// Buffers, which would be a sixth of a workload's program.
package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Server listens on one address until its context ends.
type Server struct {
	ready   atomic.Bool
	address string
}

// Address returns the address on which it listens. A port of 0 has been replaced by the
// chosen one.
func (s *Server) Address() string { return s.address }

// SetReady sets the answer of /readyz: 200, or 503, which is the initial one.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Start listens, and serves the metrics of set and of the process in the background. It
// logs its address. It returns an error only if it cannot listen.
func Start(ctx context.Context, address string, set *metrics.Set, log *slog.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("serve health and metrics on HTTP_ADDR=%s: %w", address, err)
	}
	metrics.ExposeMetadata(true)
	s := &Server{address: listener.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		// Prometheus rejects an answer without a content type.
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	log.Info("serving", "address", s.address)
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.SetReady(false)
		}
	}()
	return s, nil
}
