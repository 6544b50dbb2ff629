// Package servicetest is what the tests of each service of the local AWS ask of an
// answer, and what their benchmarks measure.
//
// It knows no service.
package servicetest

import (
	"errors"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/aws/smithy-go"
)

// Fails wants an error of type E, as the SDK makes it of a modelled error.
func Fails[E error](t testing.TB, err error) {
	t.Helper()
	var want E
	if !errors.As(err, &want) {
		t.Errorf("error %v, want %T", err, want)
	}
}

// Code wants an error that the API's model does not have, or only a code.
func Code(t testing.TB, err error, want string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != want {
		t.Errorf("error %v, want code %s", err, want)
	}
}

// InUse is the bytes on the heap that are still needed.
func InUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// CPU is the processor time that this process has taken.
func CPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
