// Package observe serves what kubelet and Prometheus ask of a workload:
// /healthz, /readyz and /metrics. It knows nothing of the work.
//
// The metrics are of a library that writes text alone: Prometheus' own brings Protocol
// Buffers, a sixth of a workload's program.
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

// Server answers on one address until its context ends.
type Server struct {
	ready   atomic.Bool
	address string
}

// Address is where it listens, with the port that was chosen for port 0.
func (s *Server) Address() string { return s.address }

// SetReady decides what /readyz answers: 200, or 503, which it is at first.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// Start listens and serves in the background the metrics of set, and those of the
// process. It logs where. The error is that of listening.
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
		// Prometheus refuses an answer without a type.
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
