// Package memhttp connects an HTTP client with a handler in the same process. Without
// sockets both can run in a bubble of testing/synctest, where time passes at once.
//
// It must not know what they exchange.
package memhttp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// ErrLost is the error of a call whose handler closed the connection.
var ErrLost = errors.New("memhttp: the connection was closed without an answer")

// Client returns an HTTP client whose server is handler.
func Client(handler http.Handler) *http.Client { return &http.Client{Transport: Transport{handler}} }

// Transport sends requests to a handler.
type Transport struct{ Handler http.Handler }

// RoundTrip implements http.RoundTripper. If the caller gives up, the handler goes on and
// sees the end of the request's context. If the handler panics with http.ErrAbortHandler,
// its answer is lost, as in net/http.
func (t Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	arrived, err := arrive(request)
	if err != nil {
		return nil, err
	}
	type answer struct {
		response *http.Response
		err      error
	}
	answered := make(chan answer, 1)
	go func() {
		response, err := t.serve(arrived) //nolint:bodyclose // the caller closes it
		answered <- answer{response, err}
	}()
	select {
	case <-request.Context().Done():
		return nil, request.Context().Err()
	case a := <-answered:
		if a.response != nil {
			a.response.Request = request
		}
		return a.response, a.err
	}
}

// arrive returns the request as a server sees it, with a copy of the body, since the
// caller closes its own when it gives up.
func arrive(request *http.Request) (*http.Request, error) {
	var body []byte
	if request.Body != nil {
		defer request.Body.Close()
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, fmt.Errorf("memhttp: read the request's body: %w", err)
		}
	}
	arrived := request.Clone(request.Context())
	arrived.RequestURI = request.URL.RequestURI()
	if arrived.Host == "" {
		arrived.Host = request.URL.Host
	}
	arrived.Header.Set("Content-Length", strconv.Itoa(len(body)))
	arrived.Body = io.NopCloser(bytes.NewReader(body))
	return arrived, nil
}

func (t Transport) serve(request *http.Request) (response *http.Response, err error) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			response, err = nil, ErrLost
		default:
			panic(p)
		}
	}()
	answer := httptest.NewRecorder()
	t.Handler.ServeHTTP(answer, request)
	return answer.Result(), nil
}
