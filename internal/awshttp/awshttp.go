// Package awshttp is the HTTP client of every AWS client in this repository.
//
// It must not know any service or endpoint.
package awshttp

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// New returns the SDK's own client, with the fix of PlainBodies.
func New() aws.HTTPClient { return PlainBodies(awshttp.NewBuildableClient()) }

// PlainBodies hides from net/http that a request's body can write itself.
//
// When an answer has arrived, smithy-go closes the request's body. The WriteTo of a
// closed body returns io.EOF, which io.Copy takes for an error. net/http reads the body
// once more after its last byte. If the server has answered by then, net/http sees that
// error as a failed write, and closes the connection while the answer is still being
// read. A receive is then lost with status 200 and "use of closed network connection",
// and its messages stay hidden for the visibility timeout.
//
// This is the behaviour of smithy-go up to v1.28.8; docs/upstream.md has the report. Once
// it is fixed this function can go: the test in apps/internal/aws shows it.
func PlainBodies(client aws.HTTPClient) aws.HTTPClient { return plainBodies{client} }

type plainBodies struct{ aws.HTTPClient }

// Do sends the request with a body that is only a reader.
func (c plainBodies) Do(request *http.Request) (*http.Response, error) {
	if request.Body != nil && request.Body != http.NoBody {
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	return c.HTTPClient.Do(request)
}

// Bound cancels a request that has no complete answer after limit. The timeout of the
// SDK's client does the same, but with two goroutines for each request, because net/http
// does not know the transport below it.
func Bound(client aws.HTTPClient, limit time.Duration) aws.HTTPClient { return bounded{client, limit} }

type bounded struct {
	aws.HTTPClient
	limit time.Duration
}

// Do gives the request a context of its own, which ends when the answer's body is closed.
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

// Close also ends the request's context.
func (b boundedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
