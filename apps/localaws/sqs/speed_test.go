package sqs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

const eventBody = `{\"request_id\":\"2f1c6f0e-7d1c-4a35-9d8e-6a1b2c3d4e5f\",\"store_id\":7,\"cust_id\":4711,\"category\":\"Notebooks\",` +
	`\"sku\":18123,\"price\":67.61,\"qty\":3,\"discount\":10.5,\"gift_wrap\":true,\"variant\":\"MystiqueUnicorn\",` +
	`\"priority_shipping\":false,\"ts\":\"2026-11-28T12:34:56.789012Z\"}`

const eventMessage = `"MessageBody":"` + eventBody + `","MessageAttributes":{` +
	`"event_type":{"DataType":"String","StringValue":"sale_event"},"priority_shipping":{"DataType":"String","StringValue":"false"}}`

func receiveMany(queue string, n int) string {
	return fmt.Sprintf(`{"QueueUrl":"http://x/000000000000/%s","MaxNumberOfMessages":%d,"MessageAttributeNames":["All"],"MessageSystemAttributeNames":["All"]}`, queue, n)
}

func sendOne(queue string) string {
	return `{"QueueUrl":"http://x/000000000000/` + queue + `",` + eventMessage + `}`
}

func sendMany(queue string, n int) string {
	var entries []string
	for i := range n {
		entries = append(entries, fmt.Sprintf(`{"Id":"%d",%s}`, i, eventMessage))
	}
	return `{"QueueUrl":"http://x/000000000000/` + queue + `","Entries":[` + strings.Join(entries, ",") + `]}`
}

func deleteAll(queue string, answer []byte) (body string, n int) {
	var out struct {
		Messages []struct{ ReceiptHandle string }
	}
	_ = json.Unmarshal(answer, &out)
	var entries []string
	for i, m := range out.Messages {
		entries = append(entries, fmt.Sprintf(`{"Id":"%d","ReceiptHandle":"%s"}`, i, m.ReceiptHandle))
	}
	return `{"QueueUrl":"http://x/000000000000/` + queue + `","Entries":[` + strings.Join(entries, ",") + `]}`, len(out.Messages)
}

// do calls the service without a socket and returns the answer.
func do(s *Service, action, body string) []byte {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", TargetPrefix+action)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		panic(w.Body.String())
	}
	return w.Body.Bytes()
}

// BenchmarkCall measures the service's CPU without socket and SDK. A call carries ten
// messages, except SendMessage.
func BenchmarkCall(b *testing.B) {
	for _, call := range []struct{ action, body string }{
		{"SendMessage", sendOne("q")}, {"SendMessageBatch", tenEvents}, {"ReceiveMessage", receiveTen},
	} {
		b.Run(call.action, func(b *testing.B) {
			visibility := 0 // each receive finds the messages visible again
			s := newService(clock.System{}, &fault.Faults{}, Queue{Name: "q", VisibilityTimeout: &visibility})
			for range 10 {
				do(s, "SendMessageBatch", tenEvents)
			}
			b.ReportAllocs()
			before := servicetest.CPU()
			for b.Loop() {
				do(s, call.action, call.body)
			}
			b.ReportMetric(float64((servicetest.CPU()-before).Microseconds())/float64(b.N), "µs-cpu/call")
		})
	}
}

var (
	tenEvents  = sendMany("q", 10)
	receiveTen = receiveMany("q", 10)
)

// BenchmarkServer measures the service behind HTTP on loopback. Plain clients in the same
// process make the calls of a consumer and a producer: a send, a receive and a delete, of
// one message or of ten. The CPU is that of both sides.
func BenchmarkServer(b *testing.B) {
	for _, mix := range []struct {
		queues, messages int
	}{{1, 1}, {1, 10}, {8, 10}} {
		b.Run(fmt.Sprintf("queues=%d/messages=%d", mix.queues, mix.messages), func(b *testing.B) {
			declared := make([]Queue, mix.queues)
			for i := range declared {
				declared[i].Name = fmt.Sprintf("q%d", i)
			}
			listener := httptest.NewServer(newService(clock.System{}, &fault.Faults{}, declared...))
			defer listener.Close()
			c := caller{b, listener.URL, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
			var next atomic.Int64
			b.SetParallelism(16)
			before, started := servicetest.CPU(), time.Now()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				queue := declared[int(next.Add(1))%mix.queues].Name
				send, receive := sendMany(queue, mix.messages), receiveMany(queue, mix.messages)
				for pb.Next() {
					c.post("SendMessageBatch", send)
					if body, n := deleteAll(queue, c.post("ReceiveMessage", receive)); n > 0 {
						c.post("DeleteMessageBatch", body)
					}
				}
			})
			calls := float64(3 * b.N)
			b.ReportMetric(calls/time.Since(started).Seconds(), "calls/s")
			b.ReportMetric(float64((servicetest.CPU()-before).Microseconds())/calls, "µs-cpu/call")
		})
	}
}

type caller struct {
	*testing.B
	url    string
	client *http.Client
}

func (c caller) post(action, body string) []byte {
	r, err := http.NewRequest(http.MethodPost, c.url, strings.NewReader(body))
	if err != nil {
		c.Error(err)
		return nil
	}
	r.Header.Set("X-Amz-Target", TargetPrefix+action)
	answer, err := c.client.Do(r)
	if err != nil {
		c.Error(err)
		return nil
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		c.Errorf("%s: %s, %v: %s", action, answer.Status, err, data)
	}
	return data
}

// BenchmarkMillion sends a million events, receives them and deletes them. It reports the
// memory of the full queue.
func BenchmarkMillion(b *testing.B) {
	const total = 1_000_000
	for range b.N {
		s := newService(clock.System{}, &fault.Faults{}, Queue{Name: "q"})
		before, started := servicetest.InUse(), time.Now()
		for range total / 10 {
			do(s, "SendMessageBatch", tenEvents)
		}
		filled := time.Since(started)
		b.ReportMetric(float64(servicetest.InUse()-before)/total, "B/message")
		started = time.Now()
		for range total / 10 {
			body, n := deleteAll("q", do(s, "ReceiveMessage", receiveTen))
			if n == 0 {
				b.Fatal("the queue is empty too soon")
			}
			do(s, "DeleteMessageBatch", body)
		}
		b.ReportMetric(filled.Seconds(), "s-to-fill")
		b.ReportMetric(time.Since(started).Seconds(), "s-to-drain")
	}
}
