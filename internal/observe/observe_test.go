package observe

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	response, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "events_total"}))
	s, err := Start(ctx, "127.0.0.1:0", registry)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(path string, want int) {
		t.Helper()
		if got, _ := get(t, s.Address(), path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	expect("/healthz", http.StatusOK)
	expect("/readyz", http.StatusServiceUnavailable)
	s.SetReady(true)
	expect("/readyz", http.StatusOK)
	for _, want := range []string{"events_total 0", "go_goroutines "} {
		if _, body := get(t, s.Address(), "/metrics"); !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	if _, err := Start(t.Context(), s.Address(), prometheus.NewRegistry()); err == nil || !strings.Contains(err.Error(), s.Address()) {
		t.Errorf("an address in use: %v", err)
	}
	cancel()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		response, err := http.Get("http://" + s.Address() + "/healthz")
		if err != nil {
			return
		}
		response.Body.Close()
		if time.Now().After(deadline) {
			t.Fatal("still serving after its context ended")
		}
	}
}
