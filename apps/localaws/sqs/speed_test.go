package sqs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

const eventBody = `{\"request_id\":\"2f1c6f0e-7d1c-4a35-9d8e-6a1b2c3d4e5f\",\"store_id\":7,\"cust_id\":4711,\"category\":\"Notebooks\",` +
	`\"sku\":18123,\"price\":67.61,\"qty\":3,\"discount\":10.5,\"gift_wrap\":true,\"variant\":\"MystiqueUnicorn\",` +
	`\"priority_shipping\":false,\"ts\":\"2026-11-28T12:34:56.789012Z\"}`

const eventMessage = `"MessageBody":"` + eventBody + `","MessageAttributes":{` +
	`"event_type":{"DataType":"String","StringValue":"sale_event"},"priority_shipping":{"DataType":"String","StringValue":"false"}}`

const receiveTen = `{"QueueUrl":"http://x/000000000000/q","MaxNumberOfMessages":10,"MessageAttributeNames":["All"],"MessageSystemAttributeNames":["All"]}`

func sendBody(queue string) string {
	return `{"QueueUrl":"http://x/000000000000/` + queue + `",` + eventMessage + `}`
}

func sendTen(queue string) string {
	var entries []string
	for i := range 10 {
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

// do is a call without a socket.
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

// BenchmarkCall is the service's CPU alone: no socket, no SDK. A call carries
// ten messages, except SendMessage.
func BenchmarkCall(b *testing.B) {
	for _, call := range []struct{ action, body string }{
		{"SendMessage", sendBody("q")}, {"SendMessageBatch", tenEvents}, {"ReceiveMessage", receiveTen},
	} {
		b.Run(call.action, func(b *testing.B) {
			visibility := 0 // a receive leaves the next one as much
			s := newService(clock.System{}, &fault.Faults{}, Queue{Name: "q", VisibilityTimeout: &visibility})
			for range 10 {
				do(s, "SendMessageBatch", tenEvents)
			}
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				do(s, call.action, call.body)
			}
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "µs-cpu/call")
		})
	}
}

var tenEvents = sendTen("q")

// BenchmarkServer is the service behind HTTP on loopback, with plain clients
// in the same process: the mix of a consumer at work, a send of ten, a receive
// of ten, a delete of ten. The CPU is of both sides.
func BenchmarkServer(b *testing.B) {
	for _, queues := range []int{1, 8} {
		b.Run(fmt.Sprintf("queues=%d", queues), func(b *testing.B) {
			declared := make([]Queue, queues)
			for i := range declared {
				declared[i].Name = fmt.Sprintf("q%d", i)
			}
			s := newService(clock.System{}, &fault.Faults{}, declared...)
			listener := httptest.NewServer(s)
			defer listener.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			post := func(action, body string) []byte {
				r, _ := http.NewRequest(http.MethodPost, listener.URL, strings.NewReader(body))
				r.Header.Set("X-Amz-Target", TargetPrefix+action)
				answer, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return nil
				}
				defer answer.Body.Close()
				data, _ := io.ReadAll(answer.Body)
				return data
			}
			sends, receives := make([]string, queues), make([]string, queues)
			for i := range queues {
				name := fmt.Sprintf("q%d", i)
				sends[i] = sendTen(name)
				receives[i] = strings.Replace(receiveTen, "/q\"", "/"+name+"\"", 1)
			}
			next := make(chan int, queues)
			for i := range queues {
				next <- i
			}
			b.SetParallelism(16)
			before, started := cpu(), time.Now()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				i := <-next
				next <- i
				for pb.Next() {
					post("SendMessageBatch", sends[i])
					body, n := deleteAll(fmt.Sprintf("q%d", i), post("ReceiveMessage", receives[i]))
					if n > 0 {
						post("DeleteMessageBatch", body)
					}
				}
			})
			calls := float64(3 * b.N)
			b.ReportMetric(calls/time.Since(started).Seconds(), "calls/s")
			b.ReportMetric(float64((cpu()-before).Microseconds())/calls, "µs-cpu/call")
		})
	}
}

// BenchmarkMillion sends a million events, receives and deletes them, and
// reports what the queue takes when it is full.
func BenchmarkMillion(b *testing.B) {
	const total = 1_000_000
	for range b.N {
		s := newService(clock.System{}, &fault.Faults{}, Queue{Name: "q"})
		before, started := inUse(), time.Now()
		for range total / 10 {
			do(s, "SendMessageBatch", tenEvents)
		}
		filled := time.Since(started)
		b.ReportMetric(float64(inUse()-before)/total, "B/message")
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

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
