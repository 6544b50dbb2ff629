package worker_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/consumer/worker"
	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

// A bad message in quarantine has its reason and its original content, so a person can
// fix it.
func TestQuarantineKeepsMessageAndReason(t *testing.T) {
	for name, test := range map[string]struct{ body, eventType, reason string }{
		"no store_id":        {`{"request_id":"a","ts":"2026-11-23T09:00:00Z"}`, event.Sale, "no store_id"},
		"no event_type":      {body("a"), "", "no attribute event_type"},
		"unknown event_type": {body("a"), "refund_event", `unknown event_type "refund_event": must be sale_event or inventory_event`},
		"a path as an id":    {body("../../x"), event.Sale, `request_id "../../x" cannot be part of a key`},
		"a reason too long":  {body(strings.Repeat("ü", worker.MaxReason)), event.Sale, `request_id "` + strings.Repeat("ü", (worker.MaxReason-len(`request_id "`))/2) + "..."},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 30)
			w.send(t, test.body, test.eventType)
			toTotal(t, w.worker(t, config.Config{Total: 1}))
			out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.dead, MessageAttributeNames: []string{"All"}})
			if err != nil || len(out.Messages) != 1 {
				t.Fatalf("dead-letter queue: %v, %v", out, err)
			}
			m := out.Messages[0]
			if *m.Body != test.body || aws.ToString(m.MessageAttributes[event.ReasonAttribute].StringValue) != test.reason {
				t.Errorf("body %s, reason %s", *m.Body, aws.ToString(m.MessageAttributes[event.ReasonAttribute].StringValue))
			}
		})
	}
}

// While the dead-letter queue cannot be reached, a bad message stays in its queue and
// does not delay the good messages of its batch.
func TestBadMessageStaysUntilQuarantined(t *testing.T) {
	withEach(t, func(t *testing.T, concurrency int) {
		w := newWorld(t, 30)
		w.faults.Add(localaws.Fault{Action: "SendMessage", Times: worker.Attempts, Code: "ServiceUnavailable", Status: 503})
		store := body("id")
		if _, err := w.sqs.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &w.source, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("0"), MessageBody: aws.String("not JSON")},
			{Id: aws.String("1"), MessageBody: &store, MessageAttributes: map[string]types.MessageAttributeValue{event.TypeAttribute: {DataType: aws.String("String"), StringValue: aws.String(event.Sale)}}},
		}}); err != nil {
			t.Fatal(err)
		}
		start(t, w.worker(t, config.Config{Concurrency: concurrency}))
		eventually(t, "the batch is done", func() bool {
			return w.faults.Left("SendMessage") == 0 && w.metric(t, "consumer_messages_in_flight") == 0
		})
		if keys := w.keys(t); len(keys) != 1 {
			t.Errorf("stored %v, want the good one", keys)
		}
		w.holds(t, 0, 1) // the bad message is hidden
		if visible, _ := w.depth(t, w.dead); visible != 0 {
			t.Errorf("the dead-letter queue holds %d, want none", visible)
		}
	})
}

// A new reason replaces an earlier one. It is dropped if SQS's limits leave no room for
// it.
func TestQuarantineKeepsAttributes(t *testing.T) {
	const (
		maxAttributes, maxSize = 10, 1 << 20 // SQS's limits

		noType = "no attribute event_type"
		room   = len(event.ReasonAttribute + "String" + noType)
	)
	padded := func(size int) string { return body("id") + strings.Repeat(" ", size-len(body("id"))) }
	full := map[string]string{}
	for i := range maxAttributes {
		full[fmt.Sprint("a", i)] = "x"
	}
	for name, test := range map[string]struct {
		body       string
		attributes map[string]string
		reason     string
	}{
		"other attributes":         {body("id"), map[string]string{"priority_shipping": "true"}, noType},
		"an old reason":            {body("id"), map[string]string{event.ReasonAttribute: "old"}, noType},
		"no room":                  {body("id"), full, ""},
		"a full message":           {padded(maxSize), nil, ""},
		"full with its attributes": {padded(maxSize - len("aString"+"x")), map[string]string{"a": "x"}, ""},
		"a byte too long":          {padded(maxSize - room + 1), nil, ""},
		"room to the byte":         {padded(maxSize - room), nil, noType},
	} {
		inBubble(t, name, func(t *testing.T) {
			w := newWorld(t, 30)
			in := map[string]types.MessageAttributeValue{}
			for key, value := range test.attributes {
				in[key] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
			}
			if _, err := w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.source, MessageBody: &test.body, MessageAttributes: in}); err != nil {
				t.Fatal(err)
			}
			toTotal(t, w.worker(t, config.Config{Total: 1}))
			out, err := w.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.dead, MessageAttributeNames: []string{"All"}})
			if err != nil || len(out.Messages) != 1 {
				t.Fatalf("dead-letter queue: %v, %v", out, err)
			}
			if *out.Messages[0].Body != test.body {
				t.Errorf("the body has %d bytes, want the %d that were sent", len(*out.Messages[0].Body), len(test.body))
			}
			got := map[string]string{}
			for key, value := range out.Messages[0].MessageAttributes {
				got[key] = *value.StringValue
			}
			if got[event.ReasonAttribute] != test.reason {
				t.Errorf("reason %q, want %q", got[event.ReasonAttribute], test.reason)
			}
			for key, value := range test.attributes {
				if key != event.ReasonAttribute && got[key] != value {
					t.Errorf("%s=%q, want %q", key, got[key], value)
				}
			}
		})
	}
}
