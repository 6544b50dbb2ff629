package aws

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

func client(t *testing.T) *sqs.Client {
	t.Helper()
	server, err := localaws.New(localaws.Config{Region: "eu-west-1", AccountID: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	t.Setenv("AWS_ENDPOINT_URL", listener.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	c, err := Load(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	return sqs.NewFromConfig(c)
}

func TestQueueURLWaitsForTheQueue(t *testing.T) {
	c := client(t)
	time.AfterFunc(200*time.Millisecond, func() {
		name := "later"
		if _, err := c.CreateQueue(context.WithoutCancel(t.Context()), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
			t.Error(err)
		}
	})
	url, err := QueueURL(t.Context(), c, "later")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url}); err != nil {
		t.Errorf("the URL %s is of no use: %v", url, err)
	}
}

func TestQueueURLEndsWithItsContext(t *testing.T) {
	c := client(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := QueueURL(ctx, c, "never"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want that of the context", err)
	}
}
