package s3

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

// BenchmarkMillion stores a million events, lists them in pages of a thousand,
// and reports what they take.
func BenchmarkMillion(b *testing.B) {
	const total, size = 1_000_000, 300
	body := strings.Repeat("x", size)
	for _, hashesOnly := range []bool{false, true} {
		b.Run(fmt.Sprintf("hashesOnly=%t", hashesOnly), func(b *testing.B) {
			for range b.N {
				before, started := inUse(), time.Now()
				s, err := New(Options{Buckets: []string{"events"}, Clock: clock.System{}, Faults: &fault.Faults{}, HashesOnly: hashesOnly})
				if err != nil {
					b.Fatal(err)
				}
				for range total {
					r := httptest.NewRequest(http.MethodPut, "/events/sales/event_type=sale_event/dt=2026_11_28/"+uuid.NewString()+".json", strings.NewReader(body))
					r.Header.Set("Content-Length", fmt.Sprint(size))
					s.ServeHTTP(nowhere{http.Header{}}, r)
				}
				b.ReportMetric(float64(inUse()-before)/total, "B/object")
				b.ReportMetric(time.Since(started).Seconds(), "s-to-fill")
				started = time.Now()
				if n := list(s); n != total {
					b.Fatalf("%d objects are listed", n)
				}
				b.ReportMetric(time.Since(started).Seconds(), "s-to-list")
			}
		})
	}
}

// list counts the keys of all pages.
func list(s *Service) (n int) {
	for token := ""; ; {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/events?list-type=2"+token, nil))
		answer := w.Body.String()
		n += strings.Count(answer, "<Key>")
		_, rest, more := strings.Cut(answer, "<NextContinuationToken>")
		if !more {
			return n
		}
		next, _, _ := strings.Cut(rest, "<")
		token = "&continuation-token=" + next
	}
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
