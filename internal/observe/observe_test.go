package observe

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if format := expfmt.ResponseFormat(response.Header); format.FormatType() != expfmt.TypeTextPlain {
		t.Fatalf("/metrics has the format %q", format)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

func TestServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	set := metrics.NewSet()
	set.NewCounter(`events_total{result="new"}`)
	set.NewCounter(`events_total{result="duplicate"}`)
	s, err := Start(ctx, "127.0.0.1:0", set, slog.New(slog.DiscardHandler))
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
	families := scrape(t, s.Address())
	if events := families["events_total"]; events.GetType() != dto.MetricType_COUNTER || len(events.GetMetric()) != 2 {
		t.Errorf("events_total is %v, want a counter of two results", events)
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if len(families[name].GetMetric()) != 1 {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	if _, err := Start(t.Context(), s.Address(), metrics.NewSet(), slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), s.Address()) {
		t.Errorf("an address in use: %v", err)
	}
	cancel()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
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
