// Package sqs serves standard queues as Amazon SQS does, in the protocol AWS JSON 1.0.
// docs/localaws.md has every action, and the differences from AWS.
//
// Where AWS promises little, the server does the strictest or simplest thing that AWS may
// do:
//   - The Approximate* counts are exact; a queue is created and deleted at once.
//   - Every receive sees the whole queue, and no message is delivered before
//     its timeout ends; AWS delivers at least once, at times more often.
//   - Each receive gives a new receipt handle. Deleting by an old one succeeds
//     and deletes, as standard queues mostly do; AWS promises only that the
//     call succeeds. Changing visibility takes the newest handle.
//   - A message that reached maxReceiveCount moves when a receive comes upon
//     it, and until then counts as visible.
package sqs

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	// Region and AccountID are part of ARNs and queue URLs.
	Region, AccountID string
	// Queues exist from the start.
	Queues []Queue
	// Guard decides calls; nil allows all.
	Guard  access.Guard
	Clock  clock.Clock
	Faults *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	region, account string
	guard           access.Guard
	clock           clock.Clock
	faults          *fault.Faults

	// mu guards everything below, and the content of the queues. There is one lock for
	// all queues, because a message moves between two of them in one step. It is held for
	// a few microseconds: slow work is done before and after.
	mu      sync.Mutex
	queues  map[string]*queue
	deleted map[string]time.Time // queue names that are not free yet
}

// New returns a service with the empty queues of the options. The caller has checked them
// with Problems.
func New(options Options) *Service {
	s := &Service{
		region: options.Region, account: options.AccountID, guard: options.Guard, clock: options.Clock, faults: options.Faults,
		queues: map[string]*queue{}, deleted: map[string]time.Time{},
	}
	if s.guard == nil {
		s.guard = access.Anyone{}
	}
	for _, q := range options.Queues {
		s.queues[q.Name] = newQueue(q.Name, q.settings(), s.clock.Now())
	}
	return s
}

// TargetPrefix is the prefix of the header X-Amz-Target in requests to SQS; the action
// follows.
const TargetPrefix = "AmazonSQS."

// ServeHTTP answers a request whose X-Amz-Target begins with TargetPrefix, and rejects
// others.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), TargetPrefix)
	if !ok {
		protocol.WriteXMLError(w, r, &protocol.Error{
			Code:    "UnsupportedOperation",
			Message: "the local AWS server does not speak the query protocol of SQS: use an SDK that speaks JSON 1.0 to it",
		})
		return
	}
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxRequest)); err != nil {
		writeError(w, invalidParameter("the request cannot be read: %v", err))
		return
	}
	out, err := s.call(r.Context(), action, r.Host, body.Bytes())
	if err != nil {
		writeError(w, err)
		return
	}
	protocol.WriteJSON(w, http.StatusOK, out)
}

// buffers holds buffers for request bodies. They can be reused, because decoding copies
// what it keeps.
var buffers = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// call does one action. host is the host of the queue URLs in the answer.
func (s *Service) call(ctx context.Context, name, host string, body []byte) (any, *protocol.Error) {
	return s.do(ctx, name, host, func() (*request, *protocol.Error) { return decode(body) })
}

// do performs one action. It reads the request only once the call has arrived.
func (s *Service) do(ctx context.Context, name, host string, read func() (*request, *protocol.Error)) (any, *protocol.Error) {
	do, ok := actions[name]
	if !ok {
		return nil, &protocol.Error{Code: "UnsupportedOperation", Message: "the local AWS server does not have the SQS action " + name}
	}
	faults := s.faults.Of(ctx)
	hit := faults.Call(name)
	clock.Sleep(ctx, s.clock, hit.Latency)
	if !hit.Late {
		if err := hit.Answer(); err != nil {
			return nil, err
		}
	}
	in, err := read()
	if err != nil {
		return nil, err
	}
	c := &call{ctx: ctx, action: name, host: host, faults: faults, hit: hit, request: in}
	if err := s.allow(c); err != nil {
		return nil, err
	}
	out, err := do(s, c)
	if hit.Late {
		err = first(err, hit.Answer())
	}
	return out, err
}
