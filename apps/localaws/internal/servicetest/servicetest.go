// Package servicetest holds what the tests of all services of the local AWS share:
// checks of answers, a guard, and what benchmarks measure.
//
// It must not know any service.
package servicetest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
)

// Fails requires an error of type E, which the SDK makes of an error in the API's model.
func Fails[E error](t testing.TB, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("error %v, want %T", err, want)
	}
}

// Code requires an error with a code, for errors that are not in the API's model.
func Code(t testing.TB, err error, want string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != want {
		t.Errorf("error %v, want code %s", err, want)
	}
}

// Step is a request to a service, with texts that its answer must have.
type Step struct {
	// Target is the header X-Amz-Target; if it is empty, the body is a form.
	Target, Body string
	Status       int
	// Want are texts that the answer must contain.
	Want []string
}

// Run sends steps one after the other, signed by a test user.
func Run(t *testing.T, service http.Handler, steps []Step) {
	t.Helper()
	for _, step := range steps {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(step.Body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if step.Target != "" {
			r.Header.Set("X-Amz-Target", step.Target)
		}
		w := httptest.NewRecorder()
		service.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), access.Call{Caller: &access.Caller{}})))
		if w.Code != step.Status {
			t.Errorf("%s%s: status %d, want %d: %s", step.Target, step.Body, w.Code, step.Status, w.Body)
		}
		for _, want := range step.Want {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s%s: %s lacks %s", step.Target, step.Body, w.Body, want)
			}
		}
	}
}

// InUse returns the bytes on the heap that are still in use.
func InUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// CPU returns the processor time that this process has used.
func CPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
