package worker_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// memory is an HTTP client whose server is a handler in this process: without
// sockets, a test and its AWS run in testing/synctest, where time costs nothing.
type memory struct{ http.Handler }

// Do is http.Client's. A caller that gives up leaves the handler to itself, which sees
// the end of the request's context.
func (m memory) Do(request *http.Request) (*http.Response, error) {
	arrived := request.Clone(request.Context())
	arrived.RequestURI = request.URL.RequestURI()
	if arrived.Host == "" {
		arrived.Host = request.URL.Host
	}
	arrived.Header.Set("Content-Length", strconv.FormatInt(request.ContentLength, 10))
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	} else {
		// What the caller closes when it gives up is not what the handler reads.
		arrived.Body = io.NopCloser(arrived.Body)
	}
	answered := make(chan *http.Response, 1)
	go func() {
		answer := httptest.NewRecorder()
		m.ServeHTTP(answer, arrived)
		answered <- answer.Result()
	}()
	select {
	case <-request.Context().Done():
		return nil, request.Context().Err()
	case response := <-answered:
		return response, nil
	}
}
