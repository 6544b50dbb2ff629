package awshttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A server that stops answering delays neither a call nor the reading of its answer
// beyond the limit.
func TestBoundEndsASilentRequest(t *testing.T) {
	for name, answer := range map[string]string{"no answer": "", "half an answer": "half"} {
		t.Run(name, func(t *testing.T) {
			client := Bound(http.DefaultClient, 100*time.Millisecond)
			response, err := client.Do(request(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				if answer != "" {
					_, _ = io.WriteString(w, answer)
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
			})))
			if err == nil {
				_, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want that of the deadline", err)
			}
		})
	}
}

// An answer in time is complete, and its context is valid until it is read.
func TestBoundLetsAnAnswerBeRead(t *testing.T) {
	client := Bound(http.DefaultClient, time.Minute)
	response, err := client.Do(request(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "second")
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != "first second" {
		t.Errorf("read %q, %v", body, err)
	}
	if err := response.Request.Context().Err(); err != nil {
		t.Errorf("before the body is closed: %v", err)
	}
	_ = response.Body.Close()
	if err := response.Request.Context().Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("after the body is closed: %v, want the end of the context", err)
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func request(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
