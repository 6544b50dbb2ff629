package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/mystique-unicorn/sales-events/apps/internal/memhttp"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// newServer returns the local AWS with the queue q and with faults.
func newServer(t *testing.T, faults ...localaws.Fault) *localaws.Server {
	t.Helper()
	coming := &localaws.Faults{}
	for _, fault := range faults {
		coming.Add(fault)
	}
	server, err := localaws.New(localaws.Config{Region: "eu-west-1", AccountID: "000000000000", Queues: []localaws.Queue{{Name: "q"}}}, localaws.WithFaults(coming))
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func load(t *testing.T, endpoint string) aws.Config {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	c, err := Load(t.Context(), "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// client returns a client that calls the local AWS in memory, for a bubble of
// testing/synctest.
func client(t *testing.T, faults ...localaws.Fault) *sqs.Client {
	t.Helper()
	c := load(t, "http://localaws")
	c.HTTPClient = memhttp.Client(newServer(t, faults...))
	return sqs.NewFromConfig(c)
}

// askingAgain handles a request's body as net/http does: it reads as many bytes as
// announced, and keeps the body to read it once more.
type askingAgain struct {
	aws.HTTPClient
	body io.Reader
}

func (a *askingAgain) Do(request *http.Request) (*http.Response, error) {
	a.body = request.Body
	content, err := io.ReadAll(io.LimitReader(request.Body, request.ContentLength))
	if err != nil {
		return nil, err
	}
	request = request.Clone(request.Context())
	request.Body = io.NopCloser(bytes.NewReader(content))
	return a.HTTPClient.Do(request)
}

// net/http treats an error at the end of a body as a failed write, and closes the
// connection while the answer is still being read. After a quick answer it reads the body
// only when smithy-go has closed it.
func TestBodyEndsWithoutError(t *testing.T) {
	for name, test := range map[string]struct {
		sends func(aws.HTTPClient) aws.HTTPClient
		want  error
	}{
		"as all clients send it": {awshttp.PlainBodies, nil},
		// If this fails, smithy-go no longer has the problem: the comment of package
		// awshttp says what to remove.
		"as smithy-go makes it": {func(c aws.HTTPClient) aws.HTTPClient { return c }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			below := &askingAgain{HTTPClient: memhttp.Client(newServer(t))}
			c := load(t, "http://localaws")
			c.HTTPClient = test.sends(below)
			if _, err := QueueURL(t.Context(), sqs.NewFromConfig(c), "q"); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, below.body); !errors.Is(err, test.want) {
				t.Errorf("after the call its body ends with the error %v, want %v", err, test.want)
			}
		})
	}
}

func TestClientsSendPlainBodies(t *testing.T) {
	want := fmt.Sprintf("%T", awshttp.PlainBodies(nil))
	for name, client := range map[string]aws.HTTPClient{"Load": load(t, "http://localaws").HTTPClient, "New": awshttp.New()} {
		if got := fmt.Sprintf("%T", client); got != want {
			t.Errorf("%s makes a %s, want a %s", name, got, want)
		}
	}
}

// Many calls at the same time need as many connections, once.
func TestConnectionsAreKept(t *testing.T) {
	const side, rounds = 64, 20
	var connections atomic.Int64
	listener := httptest.NewUnstartedServer(newServer(t))
	listener.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	listener.Start()
	t.Cleanup(listener.Close)
	c := sqs.NewFromConfig(load(t, listener.URL))
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
	// A call may dial and then find another call's connection free. On a busy machine
	// net/http also drops a connection whose write it did not see within 50 ms. With only
	// the SDK's ten connections nearly every call would dial.
	if n := connections.Load(); n > side*rounds/2 {
		t.Errorf("%d calls, %d at the same time, took %d connections", side*rounds, side, n)
	}
}

func TestQueueURLWaitsForTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t)
		time.AfterFunc(time.Minute, func() {
			name := "later"
			if _, err := c.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name}); err != nil {
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
	})
}

// Whether to wait is a matter of the error. The SDK has given up on what it
// tries again by itself.
func TestQueueURLWaitsForWhatMayPass(t *testing.T) {
	const always = 1000
	for code, test := range map[string]struct {
		status, times int
		// refusal is empty if the queue is found.
		refusal string
	}{
		"AccessDenied":          {403, 1, ""},
		"InvalidClientTokenId":  {403, 1, "find the queue q: operation error SQS"},
		"SignatureDoesNotMatch": {403, 1, "find the queue q: operation error SQS"},
		"AccessDeniedException": {400, always, "find the queue q: waited 5m0s: operation error SQS"},
	} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := client(t, localaws.Fault{Action: "GetQueueUrl", Times: test.times, Code: code, Status: test.status})
				_, err := QueueURL(t.Context(), c, "q")
				if test.refusal == "" && err != nil {
					t.Error(err)
				}
				// SQS also names the error as its older protocol does, and the SDK reports that name.
				said := strings.TrimSuffix(code, "Exception")
				if test.refusal != "" && (err == nil || !strings.HasPrefix(err.Error(), test.refusal) || !strings.Contains(err.Error(), said)) {
					t.Errorf("error %v, want %s… %s", err, test.refusal, said)
				}
			})
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
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := QueueURL(ctx, client(t), "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that of the context", err)
		}
	})
}
