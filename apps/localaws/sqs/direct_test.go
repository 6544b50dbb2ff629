package sqs

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

// TestDirect sends without JSON and receives with it, and the reverse. Both ways hide,
// count, delete and refuse alike.
func TestDirect(t *testing.T) {
	ctx, faults, text := t.Context(), &fault.Faults{}, "sale_event"
	delay := 0
	s := newService(clock.System{}, faults, Queue{Name: "q", DelaySeconds: &delay})
	d := s.Direct("http://x/000000000000/q")
	sent := Outgoing{Body: `{"a":"b"}`, Attributes: map[string]Attribute{"event_type": {DataType: "String", StringValue: &text}}}
	if refused, err := d.Send(ctx, []Outgoing{sent, {}}); err != nil || len(refused) != 1 || refused[0].Index != 1 || !refused[0].Sender {
		t.Fatalf("an empty body: %+v, %v", refused, err)
	}
	var out struct{ Messages []receivedMessage }
	if err := json.Unmarshal(do(s, "ReceiveMessage", receiveMany("q", 10)), &out); err != nil || len(out.Messages) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	if m := out.Messages[0]; m.Body != sent.Body || !reflect.DeepEqual(m.MessageAttributes, sent.Attributes) {
		t.Errorf("with JSON: %+v", m)
	}
	if c, err := d.Counts(ctx); err != nil || c != (Counts{InFlight: 1}) {
		t.Errorf("counts %+v, %v", c, err)
	}
	handle := out.Messages[0].ReceiptHandle
	if refused, err := d.Hide(ctx, []string{handle}, []time.Duration{0}); err != nil || len(refused) > 0 {
		t.Fatalf("hide: %+v, %v", refused, err)
	}
	found, err := d.Receive(ctx, 10, 0, time.Minute)
	if err != nil || len(found) != 1 || found[0].Body != sent.Body || found[0].Received != 2 || !reflect.DeepEqual(found[0].Attributes, sent.Attributes) {
		t.Fatalf("received %+v, %v", found, err)
	}
	// The older handle can no longer hide the message.
	if refused, err := d.Hide(ctx, []string{handle}, []time.Duration{time.Minute}); err != nil || len(refused) != 1 || !strings.Contains(refused[0].Err.Error(), "MessageNotInflight") {
		t.Errorf("hide by an old handle: %+v, %v", refused, err)
	}
	if refused, err := d.Delete(ctx, []string{found[0].Handle}); err != nil || len(refused) > 0 {
		t.Errorf("delete: %+v, %v", refused, err)
	}
	if c, err := d.Counts(ctx); err != nil || c != (Counts{}) {
		t.Errorf("counts %+v, %v", c, err)
	}
	if _, err := d.Receive(ctx, 11, 0, 0); err == nil || !strings.Contains(err.Error(), "MaxNumberOfMessages") {
		t.Errorf("eleven messages at a time: %v", err)
	}
	if _, err := s.Direct("http://x/000000000000/other").Counts(ctx); err == nil || !strings.Contains(err.Error(), "QueueDoesNotExist") {
		t.Errorf("no such queue: %v", err)
	}
	suffering := fault.NewContext(context.Background(), faults)
	faults.Add(fault.Fault{Action: "SendMessageBatch", Code: "InternalFailure", Times: 1})
	if _, err := d.Send(suffering, []Outgoing{sent}); err == nil {
		t.Error("no fault strikes")
	}
}
