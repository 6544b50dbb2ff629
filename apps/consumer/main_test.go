package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/aws"
	"github.com/mystique-unicorn/sales-events/apps/internal/logtest"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// While the pod drains, it still answers probes, and says that it is not ready.
func TestNotReadyWhileItDrains(t *testing.T) {
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"}, Queues: []localaws.Queue{{Name: "q"}, {Name: "dlq"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	storing, stored := make(chan struct{}), make(chan struct{})
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			close(storing)
			select {
			case <-stored:
			case <-r.Context().Done():
			}
		}
		server.ServeHTTP(w, r)
	}))
	t.Cleanup(listener.Close)
	t.Setenv("AWS_ENDPOINT_URL", listener.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	send(t, listener.URL+"/000000000000/q")

	c := config.Config{Region: "eu-west-1", Queue: "q", DeadLetterQueue: "dlq", Bucket: "events", BatchSize: 1, Address: "127.0.0.1:0"}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	log := &logtest.Log{}
	go func() { ended <- run(ctx, c, log.Logger()) }()
	address := log.Await(t, "serving")
	<-storing
	ready := func() int {
		response, err := http.Get("http://" + address + "/readyz")
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
	close(stored)
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
