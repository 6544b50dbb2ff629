package sqs

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

func TestRequestTooLong(t *testing.T) {
	b := newBench(t, Queue{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.base, io.LimitReader(endless{}, maxRequest+1))
	b.ok(err)
	r.Header.Set("X-Amz-Target", "AmazonSQS.SendMessage")
	answer, err := http.DefaultClient.Do(r)
	b.ok(err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest || !strings.HasPrefix(answer.Header.Get("X-Amzn-Query-Error"), "InvalidParameterValue") {
		t.Errorf("status %d, error %s", answer.StatusCode, answer.Header.Get("X-Amzn-Query-Error"))
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// hastyClock ends every wait at once: it advances the clock.
type hastyClock struct{ *clock.Fake }

func (c hastyClock) After(d time.Duration) <-chan time.Time {
	c.Advance(d)
	return c.Fake.After(0)
}

// Every answer is JSON: the result of an action, or an error that says what is wrong with
// the request. Afterwards every message is in exactly one state.
func FuzzRequest(f *testing.F) {
	url := `"QueueUrl":"http://x/000000000000/q"`
	f.Add("SendMessage", `{`+url+`,"MessageBody":"m","DelaySeconds":1,"MessageAttributes":{"a":{"DataType":"Binary","BinaryValue":"AA=="}}}`)
	f.Add("SendMessage", `{`+url+`,"MessageBody":"\u0000","MessageAttributes":{"a":{"DataType":"String"},"a..b":null}}`)
	f.Add("SendMessageBatch", `{`+url+`,"Entries":[{"Id":"0","MessageBody":"m"},{"Id":"1"},null]}`)
	f.Add("ReceiveMessage", `{`+url+`,"MaxNumberOfMessages":10,"WaitTimeSeconds":20,"VisibilityTimeout":0,"MessageAttributeNames":["All"]}`)
	f.Add("DeleteMessage", `{`+url+`,"ReceiptHandle":"YSBiIGMgZA"}`)
	f.Add("DeleteMessageBatch", `{`+url+`,"Entries":[{"Id":"0","ReceiptHandle":""}]}`)
	f.Add("ChangeMessageVisibilityBatch", `{`+url+`,"Entries":[{"Id":"0","ReceiptHandle":"x","VisibilityTimeout":-1}]}`)
	f.Add("CreateQueue", `{"QueueName":"n","Attributes":{"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:000000000000:q\",\"maxReceiveCount\":1e3}"},"tags":{"a":"b"}}`)
	f.Add("SetQueueAttributes", `{`+url+`,"Attributes":{"DelaySeconds":"9999999999999999999","MessageRetentionPeriod":"60"}}`)
	f.Add("GetQueueAttributes", `{`+url+`,"AttributeNames":["All"]}`)
	f.Add("ListQueues", `{"MaxResults":1,"NextToken":"!"}`)
	f.Add("TagQueue", `{`+url+`,"Tags":{"":""}}`)
	f.Add("Nonsense", ``)
	f.Fuzz(func(t *testing.T, action, body string) {
		s := newService(hastyClock{clock.NewFake(start)}, &fault.Faults{}, Queue{Name: "q"})
		q := s.queues["q"]
		for range 2 { // one stays visible, one gets in flight
			q.add(&message{id: uuid.New(), body: "m", sent: at(start)}, 0, start)
		}
		q.receive(1, seconds(30), nil, "", once, start)

		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header["X-Amz-Target"] = []string{TargetPrefix + action}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)

		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s %s: the answer is not JSON: %v: %s", action, body, err, w.Body)
		}
		kind, isError := answer["__type"].(string)
		switch {
		case w.Code == http.StatusOK && isError, w.Code != http.StatusOK && !strings.HasPrefix(kind, "com.amazonaws.sqs#"):
			t.Errorf("%s %s: status %d, answer %s", action, body, w.Code, w.Body)
		case w.Code >= http.StatusInternalServerError:
			t.Errorf("%s %s: the server blames itself: %s", action, body, w.Body)
		}
		q.settle(s.clock.Now())
		c := q.counts()
		if c.visible+c.inFlight+c.delayed != len(q.messages) || c.delayed < 0 || c.inFlight < 0 {
			t.Errorf("%s %s: %+v of %d", action, body, c, len(q.messages))
		}
	})
}
