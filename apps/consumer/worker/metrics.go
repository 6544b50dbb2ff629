package worker

import "github.com/VictoriaMetrics/metrics"

// counters are the worker's Prometheus metrics.
type counters struct {
	// received counts messages, redeliveries included; quarantined the messages that can
	// never be stored; retried the retried calls, and the messages put off after a
	// failure.
	received, deleted, quarantined, retried *metrics.Counter
	// stored counts the events in the bucket, new and duplicate ones apart.
	stored map[string]*metrics.Counter
	// inFlight is the number of messages that the worker holds.
	inFlight *metrics.Gauge
	// latency is the time from an event's own timestamp until it is stored, in seconds.
	latency *metrics.PrometheusHistogram
}

func newCounters(set *metrics.Set) counters {
	return counters{
		received:    set.NewCounter("consumer_messages_received_total"),
		deleted:     set.NewCounter("consumer_messages_deleted_total"),
		quarantined: set.NewCounter("consumer_messages_quarantined_total"),
		retried:     set.NewCounter("consumer_retries_total"),
		stored: map[string]*metrics.Counter{
			resultNew:       set.NewCounter(`consumer_events_stored_total{result="` + resultNew + `"}`),
			resultDuplicate: set.NewCounter(`consumer_events_stored_total{result="` + resultDuplicate + `"}`),
		},
		inFlight: set.NewGauge("consumer_messages_in_flight", nil),
		latency: set.NewPrometheusHistogramExt("consumer_event_latency_seconds",
			[]float64{.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}),
	}
}
