package worker

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	received, deleted, quarantined, retried prometheus.Counter
	stored                                  *prometheus.CounterVec
	inFlight                                prometheus.Gauge
	latency                                 prometheus.Histogram
}

func newMetrics(registry *prometheus.Registry) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		received:    counter("consumer_messages_received_total", "Messages received, redeliveries included."),
		deleted:     counter("consumer_messages_deleted_total", "Messages deleted from the queue."),
		quarantined: counter("consumer_messages_quarantined_total", "Messages sent to the dead-letter queue because they can never be stored."),
		retried:     counter("consumer_retries_total", "Calls tried again and messages put off after a failure."),
		stored: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "consumer_events_stored_total", Help: "Events in the bucket, by whether they were new or a duplicate that was folded.",
		}, []string{"result"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "consumer_messages_in_flight", Help: "Messages that this consumer holds."}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "consumer_event_latency_seconds", Help: "From the event's own time to its being stored.",
			Buckets: []float64{.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800},
		}),
	}
	registry.MustRegister(m.received, m.deleted, m.quarantined, m.retried, m.stored, m.inFlight, m.latency)
	return m
}
