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
	// Action selects calls: an SQS action, such as SendMessage; S3: and an HTTP method,
	// such as S3:PUT; or another service's IAM action, such as iam:CreateRole. It may be
	// a pattern for path.Match: * is every call, S3:* every call to S3.
	Action string `json:"action"`
	// Times is the number of calls that it hits, or of entries with Entry. With a Rate, 0
	// means no limit.
	Times int `json:"times,omitempty"`
	// Rate is the share of calls that it hits, above 0 and up to 1. Without a Rate it
	// hits the next Times calls.
	Rate float64 `json:"rate,omitempty"`
	// Latency is how long a call waits before anything else, on the server's clock, plus
	// a random share of Spread. It has no effect with Entry: add another Fault for the
	// call.
	Latency time.Duration `json:"-"`
	Spread  time.Duration `json:"-"`
	// Code is the AWS error code of the answer, such as RequestThrottled or
	// SlowDown. A Fault without Code has only its other effects.
	Code string `json:"code,omitempty"`
	// Status is the answer's HTTP status; 0 means AWS's status for Code, or 400. From 500
	// on the error is the receiver's fault.
	Status int `json:"status,omitempty"`
	// Entry makes single entries of a batch fail, while the call answers 200. Such an
	// error is the receiver's fault unless Status is from 400 to 499.
	Entry bool `json:"entry,omitempty"`
	// Lost closes the connection instead of answering. It needs no Code.
	Lost bool `json:"lost,omitempty"`
	// Late lets the call take effect before it answers with an error, or is Lost. It has
	// no effect with Entry.
	Late bool `json:"late,omitempty"`
	// Fails lets the call succeed, and the created resource fail with Code after the time
	// in which it would become ready: a NAT gateway of ec2:CreateNatGateway, a node group
	// of eks:CreateNodegroup.
	Fails bool `json:"fails,omitempty"`
	// Duplicate makes a message be delivered once more. On ReceiveMessage the received
	// message stays visible; on DeleteMessage and DeleteMessageBatch the call succeeds
	// and the message stays in flight. It is drawn for each message.
	Duplicate bool `json:"duplicate,omitempty"`
	// Stale makes a delete with an old receipt handle succeed without deleting, as AWS
	// allows. It is drawn for each message.
	Stale bool `json:"stale,omitempty"`
	// Lag and Jitter change the answer of GetQueueAttributes: its three counts are as old
	// as Lag, at most MaxLag, and wrong by up to the share Jitter.
	Lag    time.Duration `json:"-"`
	Jitter float64       `json:"jitter,omitempty"`
}

// MaxLag is the age of the oldest counts that a queue keeps.
const MaxLag = 5 * time.Minute

// check returns an error that names the wrong field.
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

// per says what a fault is drawn for: a call, an entry or a message.
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

// Hit is the combined effect of faults on a call. The zero value has no effect.
type Hit struct {
	Latency   time.Duration
	Lost      bool
	Late      bool
	Lag       time.Duration
	Jitter    float64 // the drawn value, from -Jitter to +Jitter of the fault
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

// Answer returns the error to answer with, nil for none. If the answer is lost it does
// not return: it panics with http.ErrAbortHandler, so that net/http closes the
// connection. A handler calls it before the call takes effect, or after it if the hit is
// Late.
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

// Outcome returns the error with which the created resource fails later; nil if it does
// not fail.
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

// Set replaces all faults, and the seed of their random numbers.
func (f *Faults) Set(seed uint64, faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seed, f.coming = seed, nil
	for _, fault := range faults {
		f.add(fault)
	}
}

// Left returns the number of failures of an action that are still to come.
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

// Call returns the effect of the faults on a call of an action.
func (f *Faults) Call(action string) Hit { return f.take(action, call) }

// Entry returns the effect of the faults on one entry of a batch.
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

// Struck returns the faults that have hit a call.
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

// ofCall is the context key of a call's faults.
type ofCall struct{}

// NewContext returns a context whose calls get the faults f instead of the server's: so a
// client in the same process can decide for each of its calls.
func NewContext(ctx context.Context, f *Faults) context.Context {
	return context.WithValue(ctx, ofCall{}, f)
}

// Of returns the faults for a call: those of its context, or else f.
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
	once := false // whether a fault without a Rate has hit
	for _, fault := range f.coming {
		if fault.per() != what || fault.Rate == 0 && once || !fault.strikes(action) {
			continue
		}
		once = once || fault.Rate == 0
		hit.add(fault.Fault, fault.random)
	}
	return hit
}

// strikes draws whether the fault hits this call.
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
