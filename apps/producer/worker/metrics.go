package worker

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
)

// counters count the messages that SQS acknowledged, by kind, for Prometheus.
type counters map[kind]*metrics.Counter

type kind struct {
	eventType      string
	bad, duplicate bool
}

func newCounters(set *metrics.Set) counters {
	all := counters{}
	for _, eventType := range []string{event.Sale, event.Inventory} {
		for _, bad := range []bool{false, true} {
			for _, duplicate := range []bool{false, true} {
				all[kind{eventType, bad, duplicate}] = set.NewCounter(
					fmt.Sprintf(`producer_messages_total{event_type=%q,bad="%t",duplicate="%t"}`, eventType, bad, duplicate))
			}
		}
	}
	return all
}
