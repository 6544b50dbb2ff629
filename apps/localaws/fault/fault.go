// Package fault injects failures into the local AWS server. Tests add
// them in process, everybody else by the admin endpoint, Handler. Random
// choices are drawn from a seed.
package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Fault describes failures that the server will inject.
type Fault struct {
	// Action is an SQS action, such as SendMessage, S3: and an HTTP method, such as
	// S3:PUT, or the IAM action of another service, such as iam:CreateRole; or a
	// pattern of these as path.Match has it: * is every call, S3:* every one to S3.
	Action string `json:"action"`
	// Times is how many calls it hits, or entries with Entry. With Rate 0 is no
	// limit.
	Times int `json:"times,omitempty"`
	// Rate is the share of calls it hits, above 0 and up to 1. Without Rate it
	// hits the next Times calls.
	Rate float64 `json:"rate,omitempty"`
	// Latency is waited before anything else, by the server's clock, and a
	// random share of Spread on top. With Entry it is not waited: add a Fault
	// for the call.
	Latency time.Duration `json:"-"`
	Spread  time.Duration `json:"-"`
	// Code is the AWS error code of the answer, such as RequestThrottled or
	// SlowDown. A Fault without Code has only its other effects.
	Code string `json:"code,omitempty"`
	// Status is the answer's HTTP status; 0 is what AWS answers with Code, or
	// 400. From 500 on the fault is the receiver's.
	Status int `json:"status,omitempty"`
	// Entry fails single entries of a batch, the call answers 200. Such an
	// entry's fault is the receiver's unless Status is from 400 to 499.
	Entry bool `json:"entry,omitempty"`
	// Lost closes the connection instead of answering. It needs no Code.
	Lost bool `json:"lost,omitempty"`
	// Late lets the call take effect before its answer is an error or Lost. It
	// has no meaning with Entry.
	Late bool `json:"late,omitempty"`
	// Fails lets the call succeed, and what it creates fail with Code after the
	// time that it takes to become ready: a NAT gateway of ec2:CreateNatGateway, a
	// node group of eks:CreateNodegroup.
	Fails bool `json:"fails,omitempty"`
	// Duplicate has a message delivered once more, of those received or
	// deleted: ReceiveMessage leaves it visible; DeleteMessage and
	// DeleteMessageBatch succeed and leave it in flight. It is drawn for each
	// message.
	Duplicate bool `json:"duplicate,omitempty"`
	// Stale has a delete by an old receipt handle succeed and delete nothing, as
	// AWS allows. It is drawn for each message.
	Stale bool `json:"stale,omitempty"`
	// Lag and Jitter are for GetQueueAttributes: its three counts are those of
	// Lag ago, at most MaxLag, and off by up to the share Jitter.
	Lag    time.Duration `json:"-"`
	Jitter float64       `json:"jitter,omitempty"`
}

// MaxLag is the oldest count that a queue remembers.
const MaxLag = 5 * time.Minute

// check names the field that is wrong.
func (f Fault) check() error {
	_, badPattern := path.Match(f.Action, "")
	switch {
	case f.Action == "" || badPattern != nil:
		return fmt.Errorf("action %q: must be an action such as SendMessage or S3:PUT, or a pattern such as S3:*", f.Action)
	case f.Times < 0:
		return fmt.Errorf("times %d: must not be negative", f.Times)
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("rate %g: must be from 0 to 1", f.Rate)
	case f.Times == 0 && f.Rate == 0:
		return errors.New("times or rate: one must be set, or it never hits")
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d: must be from 400 to 599", f.Status)
	case f.Status != 0 && f.Code == "":
		return errors.New("status: needs a code")
	case f.Latency < 0 || f.Spread < 0:
		return errors.New("latency and spread: must not be negative")
	case f.Lag < 0 || f.Lag > MaxLag:
		return fmt.Errorf("lag %s: must be from 0 to %s", f.Lag, MaxLag)
	case f.Jitter < 0 || f.Jitter > 1:
		return fmt.Errorf("jitter %g: must be from 0 to 1", f.Jitter)
	case f.Late && f.Code == "" && !f.Lost:
		return errors.New("late: needs a code, or lost")
	case f.Fails && (f.Code == "" || f.Status != 0 || f.Lost || f.Late || f.Entry || f.Duplicate || f.Stale):
		return errors.New("fails: needs a code, and excludes status, lost, late, entry, duplicate and stale")
	case f.Entry && (f.Code == "" || f.Lost || f.Late || f.Duplicate || f.Stale):
		return errors.New("entry: needs a code, and excludes lost, late, duplicate and stale")
	}
	return nil
}

// per says for what a fault is drawn: a call, an entry or a message.
type per int

const (
	call per = iota
	entry
	message
)

func (f Fault) per() per {
	switch {
	case f.Entry:
		return entry
	case f.Duplicate || f.Stale:
		return message
	}
	return call
}

// Hit is what a call suffers. The zero value is nothing.
type Hit struct {
	Latency   time.Duration
	Lost      bool
	Late      bool
	Lag       time.Duration
	Jitter    float64 // as drawn: from minus the fault's to plus it
	code      string
	status    int
	receiving bool
	fails     bool
}

// add combines the hit with another one: latencies add up, the first error counts.
func (h *Hit) add(f Fault, random *rand.Rand) {
	h.Latency += f.Latency
	if f.Spread > 0 {
		h.Latency += time.Duration(random.Float64() * float64(f.Spread))
	}
	if f.Jitter > 0 {
		h.Jitter = f.Jitter * (2*random.Float64() - 1)
	}
	h.Lag = max(h.Lag, f.Lag)
	if h.code == "" && !h.Lost {
		h.code, h.status, h.Lost, h.Late, h.receiving = f.Code, f.Status, f.Lost, f.Late, f.Entry && f.Status == 0
		h.fails = f.Fails
	}
}

// Answer is the error to answer with, nil for none. Where the answer is lost it
// does not return: it panics with http.ErrAbortHandler, for which net/http
// closes the connection. A handler calls it before the call takes effect if the
// hit is not Late, and after it if it is.
func (h Hit) Answer() *protocol.Error {
	if h.Lost {
		panic(http.ErrAbortHandler)
	}
	if h.code == "" || h.fails {
		return nil
	}
	status := cmp.Or(h.status, statuses[h.code])
	return &protocol.Error{
		Code: h.code, Message: Message, Status: status, Receiver: status >= http.StatusInternalServerError || h.receiving,
	}
}

// Outcome is the error with which the created resource fails later; nil if it does not fail.
func (h Hit) Outcome() *protocol.Error {
	if !h.fails {
		return nil
	}
	return &protocol.Error{Code: h.code, Message: Message}
}

// Message is the message of every injected error.
const Message = "injected by the local AWS server"

// statuses are AWS's HTTP statuses of the errors that any service may return; a
// service sets the status of its own errors.
var statuses = map[string]int{
	"AccessDenied":          403,
	"AccessDeniedException": 403,
	"InternalError":         500,
	"InternalFailure":       500,
	"RequestLimitExceeded":  503,
	"ServiceUnavailable":    503,
	"SlowDown":              503,
	"ThrottlingException":   429,
	"UnauthorizedOperation": 403,
}

// Faults are the failures that a server injects. Of the faults that match a call,
// the first one without a Rate hits it, and so does each one with a Rate for
// which the draw says so. The zero value injects none. Faults is safe for
// concurrent use.
type Faults struct {
	mu     sync.Mutex
	seed   uint64
	coming []*armed
}

// armed is a fault and its record. Each fault has its own random numbers, so
// that other calls and other faults do not change whether its n-th call is hit.
type armed struct {
	Fault
	random *rand.Rand
	left   int
	hits   int
}

// Add appends a fault.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.add(fault)
}

func (f *Faults) add(fault Fault) {
	random := rand.New(rand.NewPCG(f.seed, uint64(len(f.coming))))
	f.coming = append(f.coming, &armed{Fault: fault, random: random, left: fault.Times})
}

// Set replaces all faults, and the seed from which they draw.
func (f *Faults) Set(seed uint64, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seed, f.coming = seed, nil
	for _, fault := range faults {
		f.add(fault)
	}
}

// Left is how many failures of an action are still to come.
func (f *Faults) Left(action string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.coming {
		if fault.Action == action {
			n += max(fault.left, 0)
		}
	}
	return n
}

// Call is what a call of an action suffers.
func (f *Faults) Call(action string) Hit { return f.take(action, call) }

// Entry is what an entry of a batch suffers.
func (f *Faults) Entry(action string) Hit { return f.take(action, entry) }

// Duplicate reports whether a message of a call is to be delivered once more.
func (f *Faults) Duplicate(action string) bool {
	return f.message(action, func(fault Fault) bool { return fault.Duplicate })
}

// Stale reports whether a message of a call with an old receipt handle is to stay.
func (f *Faults) Stale(action string) bool {
	return f.message(action, func(fault Fault) bool { return fault.Stale })
}

func (f *Faults) message(action string, kind func(Fault) bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.coming {
		if fault.per() == message && kind(fault.Fault) && fault.strikes(action) {
			return true
		}
	}
	return false
}

// Struck are the faults that have hit.
func (f *Faults) Struck() (struck []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.coming {
		if fault.hits > 0 {
			struck = append(struck, fault.Fault)
		}
	}
	return struck
}

// ofCall is the key of a context's faults.
type ofCall struct{}

// NewContext makes a context whose calls suffer f, in place of the server's faults:
// a client in the same process decides for each of its calls.
func NewContext(ctx context.Context, f *Faults) context.Context {
	return context.WithValue(ctx, ofCall{}, f)
}

// Of are the faults of a call with the context: its own, or else f.
func (f *Faults) Of(ctx context.Context) *Faults {
	if own, ok := ctx.Value(ofCall{}).(*Faults); ok {
		return own
	}
	return f
}

// Around does a call of an action under its faults: late, with an error instead of
// its answer, or not at all.
func (f *Faults) Around(ctx context.Context, c clock.Clock, action string, do func(Hit) *protocol.Error) *protocol.Error {
	hit := f.Of(ctx).Call(action)
	clock.Sleep(ctx, c, hit.Latency)
	if !hit.Late {
		if err := hit.Answer(); err != nil {
			return err
		}
	}
	err := do(hit)
	if err == nil && hit.Late {
		err = hit.Answer()
	}
	return err
}

func (f *Faults) take(action string, what per) (hit Hit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	once := false // a fault without Rate has hit
	for _, fault := range f.coming {
		if fault.per() != what || fault.Rate == 0 && once || !fault.strikes(action) {
			continue
		}
		once = once || fault.Rate == 0
		hit.add(fault.Fault, fault.random)
	}
	return hit
}

// strikes draws.
func (a *armed) strikes(action string) bool {
	limited := a.Rate == 0 || a.Times > 0
	if limited && a.left <= 0 || !a.meant(action) || a.Rate > 0 && a.random.Float64() >= a.Rate {
		return false
	}
	a.left--
	a.hits++
	return true
}

func (a *armed) meant(action string) bool {
	if !strings.ContainsAny(a.Action, `*?[\`) {
		return a.Action == action
	}
	matched, err := path.Match(a.Action, action)
	return matched && err == nil
}
