// Package awshttp is how every AWS client of this repository sends its requests.
//
// It knows no service and no endpoint.
package awshttp

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// New is the SDK's own client, made safe by PlainBodies.
func New() aws.HTTPClient { return PlainBodies(awshttp.NewBuildableClient()) }

// PlainBodies hides from net/http that a request's body can write itself.
//
// When an answer is there, smithy-go closes the request's body. The WriteTo of a
// closed body returns io.EOF, which for io.Copy is an error. net/http asks a body
// once more after its last byte, and where the server was quicker than that, takes
// the error for a failed write and closes the connection, from which the answer is
// still being read: a receive is lost with a status of 200 and "use of closed
// network connection", and its messages stay hidden for the visibility timeout.
//
// That is so in smithy-go up to v1.28.8; docs/upstream.md has the report. Once it
// is fixed, this can go: the test of apps/internal/aws shows it.
func PlainBodies(client aws.HTTPClient) aws.HTTPClient { return plainBodies{client} }

type plainBodies struct{ aws.HTTPClient }

// Do sends the request with its body as a reader alone.
func (c plainBodies) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody {
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	return c.HTTPClient.Do(request)
}

// Bound ends a request that has no answer after limit, or whose answer is not read by
// then. The timeout of the SDK's client does the same with two goroutines a request,
// because net/http does not know the transport below it.
func Bound(client aws.HTTPClient, limit time.Duration) aws.HTTPClient { return bounded{client, limit} }

type bounded struct {
	aws.HTTPClient
	limit time.Duration
}

// Do gives the request a context of its own, which ends with the answer's body.
func (c bounded) Do(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(request.Context(), c.limit)
	response, err := c.HTTPClient.Do(request.WithContext(ctx))
	if err != nil {
		cancel()
		return response, err
	}
	response.Body = boundedBody{response.Body, cancel}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close ends the request's context, too.
func (b boundedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
