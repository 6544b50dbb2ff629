package localaws_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// benchServer returns a server with an administrator's key and the queue q. A received
// message is visible again at once.
func benchServer(b *testing.B, enforce bool, options ...localaws.Option) *localaws.Server {
	b.Helper()
	visibility := 0
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Queues: []localaws.Queue{{Name: "q", VisibilityTimeout: &visibility}},
		Enforce: enforce, Keys: []localaws.Key{{ID: "AKIA", Secret: "secret"}},
	}, options...)
	if err != nil {
		b.Fatal(err)
	}
	return server
}

// signed returns a signed call to SQS.
func signed(b *testing.B, signer *v4.Signer, url, action, body string, now time.Time) *http.Request {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS."+action)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	hash := sha256.Sum256([]byte(body))
	credentials := aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "secret"}
	if err := signer.SignHTTP(context.Background(), credentials, r, hex.EncodeToString(hash[:]), "sqs", "eu-west-1", now); err != nil {
		b.Fatal(err)
	}
	return r
}

const (
	sendBody = `{"QueueUrl":"http://x/000000000000/q","MessageBody":"{\"request_id\":\"2f1c6f0e-7d1c-4a35-9d8e-6a1b2c3d4e5f\",\"store_id\":7}"}`
	readBody = `{"QueueUrl":"http://x/000000000000/q","AttributeNames":["All"]}`
)

// BenchmarkEnforced measures the server's CPU for a call to SQS without a socket: with
// the signature verified and the policies evaluated, and without.
func BenchmarkEnforced(b *testing.B) {
	for _, enforce := range []bool{false, true} {
		b.Run(fmt.Sprintf("enforce=%t", enforce), func(b *testing.B) {
			now := time.Now()
			server := benchServer(b, enforce, localaws.WithClock(localaws.NewFakeClock(now)))
			r := signed(b, v4.NewSigner(), "http://localhost", "GetQueueAttributes", readBody, now)
			b.ReportAllocs()
			before := servicetest.CPU()
			for b.Loop() {
				r.Body = io.NopCloser(bytes.NewReader([]byte(readBody)))
				w := httptest.NewRecorder()
				if server.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
			b.ReportMetric(float64((servicetest.CPU()-before).Microseconds())/float64(b.N), "µs-cpu/call")
		})
	}
}

// BenchmarkServer measures the server behind HTTP on loopback. The clients sign their
// calls in the same process, so the CPU is that of both sides.
func BenchmarkServer(b *testing.B) {
	for _, enforce := range []bool{false, true} {
		b.Run(fmt.Sprintf("enforce=%t", enforce), func(b *testing.B) {
			listener := httptest.NewServer(benchServer(b, enforce))
			defer listener.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			signer := v4.NewSigner()
			b.SetParallelism(16)
			before, started := servicetest.CPU(), time.Now()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					answer, err := client.Do(signed(b, signer, listener.URL, "SendMessage", sendBody, time.Now()))
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, answer.Body)
					_ = answer.Body.Close()
					if answer.StatusCode != http.StatusOK {
						b.Error(answer.Status)
					}
				}
			})
			b.ReportMetric(float64(b.N)/time.Since(started).Seconds(), "calls/s")
			b.ReportMetric(float64((servicetest.CPU()-before).Microseconds())/float64(b.N), "µs-cpu/call")
		})
	}
}
