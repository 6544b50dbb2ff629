package worker

import "github.com/VictoriaMetrics/metrics"

// counters are what the worker counts for Prometheus.
type counters struct {
	// received are messages, redeliveries included; quarantined are those that can never
	// be stored, retried the calls tried again and the messages put off after a failure.
	received, deleted, quarantined, retried *metrics.Counter
	// stored are the events in the bucket, by whether they were new or a duplicate.
	stored map[string]*metrics.Counter
	// inFlight are the messages in hand.
	inFlight *metrics.Gauge
	// latency is from an event's own time to its being stored, in seconds.
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
