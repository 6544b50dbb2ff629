package demo

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// A lost answer hides its messages for a while; a reading waits for them instead of
// missing them.
func TestQuarantinedOutwaitsALostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := &pipeline{sqs: w.sqs, dead: w.dead, hidden: 2}
	for i := range 25 {
		body := fmt.Sprintf(`{"request_id":"m%d"}`, i)
		if _, err := p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &p.dead, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	// This answer is lost.
	if _, err := p.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(p.dead), MaxNumberOfMessages: 10, VisibilityTimeout: p.hidden}); err != nil {
		t.Fatal(err)
	}
	letters, err := p.quarantined(t.Context())
	if err != nil || len(letters) != 25 {
		t.Errorf("read %d of 25, %v", len(letters), err)
	}
}
