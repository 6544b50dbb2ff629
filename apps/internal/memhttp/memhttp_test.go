package memhttp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The handler gets the request that a server gets, and the caller gets its answer.
func TestCall(t *testing.T) {
	client := Client(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, strings.Join([]string{r.Host, r.RequestURI, r.Header.Get("Content-Length"), string(body)}, " "))
	}))
	response, err := client.Post("http://there/a?b", "text/plain", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	if want := "there /a?b 5 hello"; response.StatusCode != http.StatusTeapot || string(body) != want {
		t.Errorf("status %d, %q; want %d, %q", response.StatusCode, body, http.StatusTeapot, want)
	}
}

func TestLostAnswer(t *testing.T) {
	client := Client(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	response, err := client.Get("http://there/")
	if err == nil {
		_ = response.Body.Close()
	}
	if !errors.Is(err, ErrLost) {
		t.Errorf("error %v, want %v", err, ErrLost)
	}
}

// A caller that gives up does not wait for the handler, which learns of it.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := false
		client := Client(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			time.Sleep(time.Minute)
			left = true
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://there/", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("error %v after %s, want %v after a second", err, took, context.DeadlineExceeded)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if !left {
			t.Error("the handler did not see the end of the request")
		}
	})
}
