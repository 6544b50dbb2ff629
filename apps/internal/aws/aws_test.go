package aws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

func client(t *testing.T, faults ...localaws.Fault) *sqs.Client {
	t.Helper()
	c, _ := clientAndConnections(t, faults...)
	return c
}

// clientAndConnections counts the connections that the server has been asked for.
func clientAndConnections(t *testing.T, faults ...localaws.Fault) (*sqs.Client, *atomic.Int64) {
	t.Helper()
	coming := &localaws.Faults{}
	for _, fault := range faults {
		coming.Add(fault)
	}
	server, err := localaws.New(localaws.Config{Region: "eu-west-1", AccountID: "000000000000", Queues: []localaws.Queue{{Name: "q"}}}, localaws.WithFaults(coming))
	if err != nil {
		t.Fatal(err)
	}
	connections := &atomic.Int64{}
	listener := httptest.NewUnstartedServer(server)
	listener.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	listener.Start()
	t.Cleanup(listener.Close)
	t.Setenv("AWS_ENDPOINT_URL", listener.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	c, err := Load(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	return sqs.NewFromConfig(c), connections
}

// One call after the other needs one connection. That net/http closes one below an
// answer is a race: where package awshttp does nothing, one in about sixty calls, here
// some 75. On a busy machine net/http itself gives up one that it did not see written
// within 50 ms.
func TestNoConnectionIsLost(t *testing.T) {
	c, connections := clientAndConnections(t)
	url, err := QueueURL(t.Context(), c, "q")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 500)
	for range 1500 {
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
		received, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range received.Messages {
			if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := connections.Load(); n > 5 {
		t.Errorf("4500 calls took %d connections", n)
	}
}

// Many calls at the same time need as many connections, once.
func TestConnectionsAreKept(t *testing.T) {
	const side, rounds = 64, 20
	c, connections := clientAndConnections(t)
	url, err := QueueURL(t.Context(), c, "q")
	if err != nil {
		t.Fatal(err)
	}
	for range rounds {
		var calls sync.WaitGroup
		for range side {
			calls.Go(func() {
				if _, err := c.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url}); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	// A call may dial, and then find that another one's connection is free.
	if n := connections.Load(); n > 2*side {
		t.Errorf("%d calls, %d at the same time, took %d connections", side*rounds, side, n)
	}
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

// Whether to wait is a matter of the error. The SDK has given up on what it
// tries again by itself.
func TestQueueURLWaitsForWhatMayPass(t *testing.T) {
	const always = 100
	for code, test := range map[string]struct {
		status, times int
		// refusal is empty if the queue is found.
		refusal string
	}{
		"AccessDenied":          {403, 1, ""},
		"InvalidClientTokenId":  {403, 1, "find the queue q: operation error SQS"},
		"SignatureDoesNotMatch": {403, 1, "find the queue q: operation error SQS"},
		"AccessDeniedException": {400, always, "find the queue q: waited 100ms: operation error SQS"},
	} {
		t.Run(code, func(t *testing.T) {
			patience := time.Minute
			if test.times == always {
				patience = 100 * time.Millisecond
			}
			c := client(t, localaws.Fault{Action: "GetQueueUrl", Times: test.times, Code: code, Status: test.status})
			_, err := queueURL(t.Context(), c, "q", patience)
			if test.refusal == "" && err != nil {
				t.Error(err)
			}
			// SQS also names the error as its older protocol does, and the SDK reports that name.
			said := strings.TrimSuffix(code, "Exception")
			if test.refusal != "" && (err == nil || !strings.HasPrefix(err.Error(), test.refusal) || !strings.Contains(err.Error(), said)) {
				t.Errorf("error %v, want %s… %s", err, test.refusal, said)
			}
		})
	}
}

func TestMayPass(t *testing.T) {
	answer := func(code string, status int) error {
		return &sdkhttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: &smithy.GenericAPIError{Code: code},
		}}
	}
	refused := &url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"no such queue":      {answer("AWS.SimpleQueueService.NonExistentQueue", 400), true},
		"throttled":          {answer("RequestThrottled", 403), true},
		"AWS fails":          {answer("InternalFailure", 500), true},
		"nobody listens":     {refused, true},
		"no name yet":        {&url.Error{Op: "Post", Err: &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}}, true},
		"a role unknown yet": {fmt.Errorf("retrieve credentials: %w", answer("AccessDenied", 403)), true},
		"a key unknown":      {answer("InvalidClientTokenId", 403), false},
		"a bad request":      {answer("InvalidParameterValue", 400), false},
		"no credentials":     {errors.New("no EC2 IMDS role found"), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mayPass(test.err); got != test.want {
				t.Errorf("%v: %t, want %t", test.err, got, test.want)
			}
		})
	}
}

// Which checksum S3 gets is the environment's choice, as the endpoint is.
func TestChecksumsAreTheSDKs(t *testing.T) {
	for value, want := range map[string]aws.RequestChecksumCalculation{
		"":              aws.RequestChecksumCalculationWhenSupported,
		"when_required": aws.RequestChecksumCalculationWhenRequired,
	} {
		t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", value)
		c, err := Load(t.Context(), "eu-west-1")
		if err != nil {
			t.Fatal(err)
		}
		if got := S3(c).Options().RequestChecksumCalculation; got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
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
