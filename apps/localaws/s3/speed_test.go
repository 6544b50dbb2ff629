package s3

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// BenchmarkPut measures the CPU of a PutObject without socket and SDK.
func BenchmarkPut(b *testing.B) {
	s, err := New(Options{Buckets: []string{"events"}, Clock: clock.System{}, Faults: &fault.Faults{}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := servicetest.CPU()
	for b.Loop() {
		put(s)
	}
	b.ReportMetric(float64((servicetest.CPU()-before).Microseconds())/float64(b.N), "µs-cpu/put")
}

// put stores an event under a new key.
func put(s *Service) {
	r := httptest.NewRequest(http.MethodPut, "/events/sales/event_type=sale_event/dt=2026_11_28/"+uuid.NewString()+".json", strings.NewReader(eventBody))
	r.Header.Set("Content-Length", strconv.Itoa(len(eventBody)))
	s.ServeHTTP(nowhere{http.Header{}}, r)
}

var eventBody = strings.Repeat("x", 300)

// BenchmarkMillion stores a million events and lists them in pages of a thousand. It
// reports CPU and memory.
func BenchmarkMillion(b *testing.B) {
	const total = 1_000_000
	for _, hashesOnly := range []bool{false, true} {
		b.Run(fmt.Sprintf("hashesOnly=%t", hashesOnly), func(b *testing.B) {
			for range b.N {
				before, started := servicetest.InUse(), time.Now()
				s, err := New(Options{Buckets: []string{"events"}, Clock: clock.System{}, Faults: &fault.Faults{}, HashesOnly: hashesOnly})
				if err != nil {
					b.Fatal(err)
				}
				for range total {
					put(s)
				}
				b.ReportMetric(float64(servicetest.InUse()-before)/total, "B/object")
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
