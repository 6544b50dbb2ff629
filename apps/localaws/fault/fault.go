// Package fault is the failures that the local AWS server injects.
package fault

import (
	"net/http"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Fault is failures to come.
type Fault struct {
	// Action is an SQS action, such as SendMessage, or S3: and an HTTP method,
	// such as S3:PUT.
	Action string
	// Times is how many calls it hits, or entries with Entry.
	Times int
	// Latency is waited before anything else, by the server's clock. With
	// Entry it is not waited: add a Fault for the call.
	Latency time.Duration
	// Code is the AWS error code of the answer, such as RequestThrottled or
	// InternalError. A Fault without Code is Latency alone.
	Code string
	// Status is the answer's HTTP status; 0 is what AWS answers with Code, or
	// 400. From 500 on the fault is the receiver's.
	Status int
	// Entry fails single entries of a batch, the call answers 200. Such an
	// entry's fault is the receiver's unless Status is from 400 to 499.
	Entry bool
	// Late lets the call take effect and answers with the error nevertheless:
	// an answer that got lost. It has no meaning with Entry.
	Late bool
}

// Faults are the failures that a Server injects, each action's in the order in
// which they were added. The zero value is none; it is safe for concurrent use.
type Faults struct {
	mu     sync.Mutex
	coming []Fault
}

// Add appends a fault.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.coming = append(f.coming, fault)
}

// Left is how many failures of an action are still to come.
func (f *Faults) Left(action string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.coming {
		if fault.Action == action && fault.Times > 0 {
			n += fault.Times
		}
	}
	return n
}

// Take uses up one hit; without one the Fault is zero, which does nothing.
func (f *Faults) Take(action string, entry bool) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.coming {
		fault := &f.coming[i]
		if fault.Action == action && fault.Entry == entry && fault.Times > 0 {
			fault.Times--
			return *fault
		}
	}
	return Fault{}
}

// Err is nil if the fault has no Code.
func (f Fault) Err() *protocol.Error {
	if f.Code == "" {
		return nil
	}
	receiver := f.Status >= http.StatusInternalServerError || f.Entry && f.Status == 0
	return &protocol.Error{Code: f.Code, Message: "injected by the local AWS server", Status: f.Status, Receiver: receiver}
}
