package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/aws"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// While it drains, the pod still answers, that it is not ready.
func TestNotReadyWhileItDrains(t *testing.T) {
	faults := &localaws.Faults{}
	faults.Add(localaws.Fault{Action: "S3:PUT", Times: 1, Latency: time.Second})
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"}, Queues: []localaws.Queue{{Name: "q"}, {Name: "dlq"}},
	}, localaws.WithFaults(faults))
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	t.Setenv("AWS_ENDPOINT_URL", listener.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	send(t, listener.URL+"/000000000000/q")

	c := config.Config{Region: "eu-west-1", Queue: "q", DeadLetterQueue: "dlq", Bucket: "events", BatchSize: 1, Address: freeAddress(t)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, c, slog.New(slog.DiscardHandler)) }()
	for faults.Left("S3:PUT") > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	ready := func() int {
		response, err := http.Get("http://" + c.Address + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
	if status := ready(); status != http.StatusOK {
		t.Errorf("at work: %d", status)
	}
	cancel()
	for ready() != http.StatusServiceUnavailable {
		time.Sleep(10 * time.Millisecond)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// send sends a good event.
func send(t *testing.T, url string) {
	t.Helper()
	awsConfig, err := aws.Load(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	text, eventType, kind := `{"request_id":"r-1","store_id":7,"ts":"2026-11-23T00:30:00Z"}`, "sale_event", "String"
	if _, err := sqs.NewFromConfig(awsConfig).SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &url, MessageBody: &text,
		MessageAttributes: map[string]types.MessageAttributeValue{"event_type": {DataType: &kind, StringValue: &eventType}},
	}); err != nil {
		t.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
