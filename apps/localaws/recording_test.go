package localaws_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/recording"
)

// recorded calls the recording's admin endpoint.
func recorded(t *testing.T, server *localaws.Server, method, query string) recording.Document {
	t.Helper()
	w := httptest.NewRecorder()
	server.Admin().ServeHTTP(w, httptest.NewRequest(method, recording.AdminPath+query, nil))
	var out recording.Document
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, query, w.Code, w.Body)
	}
	return out
}

// The recording has the calls of the role only, in order, and no secrets.
func TestRecording(t *testing.T) {
	faults := &localaws.Faults{}
	e := newEnforced(t, localaws.WithFaults(faults))
	session := e.worker()
	worker := sqs.NewFromConfig(e.with(credentials.StaticCredentialsProvider{Value: session}))
	send := func(client *sqs.Client, body string) error {
		_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: e.queue("q"), MessageBody: aws.String(body)})
		return err
	}
	if err := send(worker, "before"); err != nil {
		t.Fatal(err)
	}
	recorded(t, e.server, http.MethodPut, "?role=worker")
	if err := send(worker, "first"); err != nil {
		t.Fatal(err)
	}
	if err := send(sqs.NewFromConfig(e.config), "another's"); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: e.queue("q")}); err == nil {
		t.Fatal("the worker may receive")
	}
	faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Code: "RequestThrottled"})
	if err := send(worker, "throttled"); err == nil {
		t.Fatal("no fault hit")
	}

	got := recorded(t, e.server, http.MethodGet, "")
	if len(got.Calls) != 2 || got.LeftOut != 1 {
		t.Fatalf("%d calls are recorded and %d left out, want 2 and 1: %+v", len(got.Calls), got.LeftOut, got.Calls)
	}
	sent, denied := got.Calls[0], got.Calls[1]
	if sent.Service != "sqs" || sent.Action() != "SendMessage" || sent.Status != 200 ||
		string(sent.Body.JSON) != `{"MessageBody":"first","QueueUrl":"http://aws/000000000000/q"}` || !strings.Contains(sent.Answer.String(), "MessageId") {
		t.Errorf("the first call is %+v", sent)
	}
	if denied.Action() != "ReceiveMessage" || denied.Status != 403 || !strings.Contains(denied.Answer.String(), "AccessDenied") {
		t.Errorf("the second call is %+v", denied)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{session.AccessKeyID, session.SecretAccessKey, session.SessionToken, "Authorization", "X-Amz-Date"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the recording has %s: %s", secret, text)
		}
	}

	if ended := recorded(t, e.server, http.MethodDelete, ""); len(ended.Calls) > 0 || ended.Role != "" {
		t.Errorf("after DELETE there is %+v", ended)
	}
	if err := send(worker, "after"); err != nil {
		t.Fatal(err)
	}
	if later := recorded(t, e.server, http.MethodGet, ""); len(later.Calls) > 0 {
		t.Errorf("after DELETE there is %+v", later)
	}
}

// A lost answer closes its connection and delays no other call.
func TestRecordingLostAnswer(t *testing.T) {
	faults := &localaws.Faults{}
	e := newEnforced(t, localaws.WithFaults(faults))
	worker := sqs.NewFromConfig(e.with(credentials.StaticCredentialsProvider{Value: e.worker()}))
	recorded(t, e.server, http.MethodPut, "?role=worker")
	faults.Add(fault.Fault{Action: "SendMessage", Times: 1, Lost: true})
	for i, fails := range []bool{true, false} {
		_, err := worker.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: e.queue("q"), MessageBody: aws.String("b")})
		if (err != nil) != fails {
			t.Errorf("call %d: error %v", i, err)
		}
	}
	if got := recorded(t, e.server, http.MethodGet, ""); len(got.Calls) != 1 {
		t.Errorf("%d calls are recorded, want 1: %+v", len(got.Calls), got.Calls)
	}
}

// Concurrent calls are recorded in the order in which they take effect: later receives
// return the messages in this order.
func TestRecordingOrder(t *testing.T) {
	const callers, each = 8, 10
	// The clock stands still, so no message becomes visible again.
	e := newEnforced(t, localaws.WithClock(localaws.NewFakeClock(time.Now())))
	worker := sqs.NewFromConfig(e.with(credentials.StaticCredentialsProvider{Value: e.worker()}))
	recorded(t, e.server, http.MethodPut, "?role=worker")
	var wait sync.WaitGroup
	for range callers {
		wait.Go(func() {
			for range each {
				_, err := worker.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: e.queue("q"), MessageBody: aws.String("b")})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	got := recorded(t, e.server, http.MethodGet, "")
	if len(got.Calls) != callers*each {
		t.Fatalf("%d calls are recorded, want %d", len(got.Calls), callers*each)
	}
	for _, c := range got.Calls {
		var answer struct{ MessageID string }
		if err := json.Unmarshal(c.Answer.JSON, &answer); err != nil {
			t.Fatal(err)
		}
		out, err := sqs.NewFromConfig(e.config).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: e.queue("q")})
		if err != nil || len(out.Messages) != 1 || *out.Messages[0].MessageId != answer.MessageID {
			t.Fatalf("received %+v, %v; want the message %s", out, err, answer.MessageID)
		}
	}
}

func TestRecordingNeedsARole(t *testing.T) {
	for name, test := range map[string]struct {
		config localaws.Config
		query  string
		status int
		says   string
	}{
		"no role":           {localaws.Config{Enforce: true, Keys: []localaws.Key{{ID: "AKIA", Secret: "s"}}}, "", http.StatusBadRequest, "?role=NAME"},
		"without enforcing": {localaws.Config{}, "?role=worker", http.StatusConflict, "enforce"},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.Region, test.config.AccountID = "eu-west-1", "000000000000"
			server, err := localaws.New(test.config)
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			server.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodPut, recording.AdminPath+test.query, nil))
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.says) {
				t.Errorf("status %d, %s; want %d, %s", w.Code, w.Body, test.status, test.says)
			}
		})
	}
}
