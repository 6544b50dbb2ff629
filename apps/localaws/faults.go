package localaws

import (
	"context"
	"sync"
	"time"
)

// Fault is one failure to come. Action is an SQS action, or S3: and an HTTP
// method such as S3:PUT. Faults of one action are used up in order.
type Fault struct {
	Action string
	// Times is how many calls, or entries of a batch, it hits.
	Times int
	// Latency is waited first. A fault without Code is latency alone.
	Latency time.Duration
	// Code and Status are the error's; Status 0 is 400.
	Code   string
	Status int
	// Entry fails single entries of a batch instead of the call.
	Entry bool
}

// Faults are the failures that a Server injects. The zero value is none; it is
// safe for concurrent use.
type Faults struct {
	mu    sync.Mutex
	queue []*Fault
}

// Add appends a fault.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, &fault)
}

func (f *Faults) take(action string, entry bool) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.queue {
		if fault.Action == action && fault.Entry == entry && fault.Times > 0 {
			fault.Times--
			return fault
		}
	}
	return nil
}

func (f *Faults) next(ctx context.Context, action string) *apiError {
	fault := f.take(action, false)
	if fault == nil {
		return nil
	}
	select {
	case <-ctx.Done():
	case <-time.After(fault.Latency):
	}
	if fault.Code == "" {
		return nil
	}
	return fault.error()
}

func (f *Faults) entry(action string) *apiError {
	if fault := f.take(action, true); fault != nil {
		return fault.error()
	}
	return nil
}

func (f *Fault) error() *apiError {
	return &apiError{code: f.Code, message: "injected", status: f.Status, receiver: true}
}
