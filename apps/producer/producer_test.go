package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/mystique-unicorn/sales-events/apps/internal/event"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/producer/config"
)

func start(t *testing.T, c config.Config) (p *producer, faults *localaws.Faults, log *bytes.Buffer) {
	t.Helper()
	faults, log = &localaws.Faults{}, &bytes.Buffer{}
	server, err := localaws.New(localaws.Config{Region: "eu-west-1", AccountID: "000000000000", Queues: []localaws.Queue{{Name: "q"}}}, localaws.WithFaults(faults))
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	client := sqs.NewFromConfig(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	c.Queue = "q"
	return newProducer(c, client, listener.URL+"/000000000000/q", slog.New(slog.NewJSONHandler(log, nil)), prometheus.NewRegistry()), faults, log
}

func count(t *testing.T, p *producer) int {
	t.Helper()
	out, err := p.client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &p.queueURL, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	return n
}

// The log names each message that the queue holds, with what its object must
// be, and no other: the demo judges by it.
func TestLogIsWhatTheQueueHolds(t *testing.T) {
	p, faults, log := start(t, config.Config{Total: 95, BadPercent: 20, DuplicatePercent: 20})
	faults.Add(localaws.Fault{Action: "SendMessageBatch", Times: 12, Code: "InternalError", Entry: true})
	if err := p.produce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := count(t, p); n != 95 {
		t.Errorf("the queue holds %d messages, want 95", n)
	}
	// What the demo needs of a message, whose attributes and body SQS has.
	type message struct {
		requestID, eventType, sha256 string
		ts                           time.Time
	}
	logged, held, originals := map[message]int{}, map[message]int{}, map[string]bool{}
	for line := range strings.Lines(log.String()) {
		var entry struct {
			Msg       string    `json:"msg"`
			RequestID string    `json:"request_id"`
			Type      string    `json:"event_type"`
			TS        time.Time `json:"ts"`
			SHA256    string    `json:"sha256"`
			Duplicate bool      `json:"duplicate"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg == "event produced" {
			logged[message{entry.RequestID, entry.Type, entry.SHA256, entry.TS}]++
			if !entry.Duplicate {
				if originals[entry.RequestID] {
					t.Errorf("%s was sent twice, and is no deliberate duplicate", entry.RequestID)
				}
				originals[entry.RequestID] = true
			}
		}
	}
	for n := 0; n < 95; {
		out, err := p.client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &p.queueURL, MaxNumberOfMessages: maxBatch, MessageAttributeNames: []string{event.TypeAttribute},
		})
		if err != nil || len(out.Messages) == 0 {
			t.Fatalf("received %d messages, then %v", n, err)
		}
		for _, m := range out.Messages {
			var e event.Event
			if err := json.Unmarshal([]byte(*m.Body), &e); err != nil {
				t.Fatal(err)
			}
			held[message{e.RequestID, *m.MessageAttributes[event.TypeAttribute].StringValue, fmt.Sprintf("%x", sha256.Sum256([]byte(*m.Body))), e.TS}]++
			n++
		}
	}
	if !maps.Equal(logged, held) {
		t.Errorf("the log names %v, the queue holds %v", logged, held)
	}
}

func TestFailureForGoodIsAnError(t *testing.T) {
	p, faults, log := start(t, config.Config{Total: 1})
	faults.Add(localaws.Fault{Action: "SendMessageBatch", Times: 1, Code: "AccessDenied", Status: 403})
	if err := p.produce(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
		t.Errorf("error %v, want AccessDenied", err)
	}
	if strings.Contains(log.String(), "event produced") {
		t.Error("a message that was not sent is named as produced")
	}
}

func TestEndsBetweenMessages(t *testing.T) {
	p, _, log := start(t, config.Config{WaitSeconds: 3600})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.produce(ctx); err != nil {
		t.Fatal(err)
	}
	if n := count(t, p); n != 1 || strings.Count(log.String(), "event produced") != 1 {
		t.Errorf("the queue holds %d messages, the log is %s", n, log)
	}
}

// A good message passes the consumer's own check, a bad one never does.
func TestMessagesAreEvents(t *testing.T) {
	for range 200 {
		for _, bad := range []bool{false, true} {
			m := newMessage(bad, time.Now())
			if _, err := event.Parse(m.body, m.eventType); (err != nil) != bad {
				t.Fatalf("bad=%t: %v\n%s", bad, err, m.body)
			}
			var fields map[string]any
			if err := json.Unmarshal([]byte(m.body), &fields); err != nil {
				t.Fatal(err)
			}
			if _, has := fields["store_id"]; has == bad {
				t.Fatalf("bad=%t and store_id present: %t", bad, has)
			}
		}
	}
}
