// Package localaws is the part of AWS that this system uses, on one port: SQS
// and S3, one package a service. Tests run it in process; the local cluster
// runs it as a pod. It stands in for AWS: simulated throughout.
// docs/localaws.md has every action, and where it differs from AWS.
//
// What it keeps over a restart: nothing. The queues and buckets of its Config
// are there again, empty.
//
// Signatures are not verified, policies not enforced; one account, one region,
// whatever the credentials say. It knows nothing of the events that pass
// through it.
package localaws

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/s3"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sqs"
)

// Server answers SQS and S3 requests, and GET /healthz. It is safe for
// concurrent use.
type Server struct {
	clock  Clock
	faults *Faults
	sqs    *sqs.Service
	s3     *s3.Service
}

// What a server is made of, from the packages that have it.
type (
	// Queue is a queue that is there from the start.
	Queue = sqs.Queue
	// Redrive is a queue's dead-letter queue.
	Redrive = sqs.Redrive
	// Clock is the time that a server goes by.
	Clock = clock.Clock
	// FakeClock is one that a test moves.
	FakeClock = clock.Fake
	// Fault is one kind of answer that goes wrong.
	Fault = fault.Fault
	// Faults are those of a server, which may change while it runs.
	Faults = fault.Faults
)

// NewFakeClock makes a clock that stands at now.
func NewFakeClock(now time.Time) *FakeClock { return clock.NewFake(now) }

// Option changes how a Server is made.
type Option func(*Server)

// WithClock sets the server's clock; without it, it is the system's.
func WithClock(c Clock) Option { return func(s *Server) { s.clock = c } }

// WithFaults injects failures, also those that are added later.
func WithFaults(f *Faults) Option { return func(s *Server) { s.faults = f } }

// New makes a server with the queues and buckets of config, empty.
func New(config Config, options ...Option) (*Server, error) {
	if problems := config.problems(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	s := &Server{clock: clock.System{}, faults: &Faults{}}
	for _, option := range options {
		option(s)
	}
	var err error
	if s.s3, err = s3.New(s3.Options{Buckets: config.Buckets, HashesOnly: config.HashesOnly, Clock: s.clock, Faults: s.faults}); err != nil {
		return nil, err
	}
	s.sqs = sqs.New(sqs.Options{
		Region: config.Region, AccountID: config.AccountID, Queues: config.Queues, Clock: s.clock, Faults: s.faults,
	})
	return s, nil
}

// ServeHTTP routes by the protocol: SQS names its action in X-Amz-Target,
// /healthz is the server's own, everything else is S3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, sqs.TargetPrefix):
		s.sqs.ServeHTTP(w, r)
	case target != "":
		protocol.WriteJSONError(w, &protocol.Error{Code: "UnknownOperationException", Message: "the local AWS server has SQS and S3, not " + target})
	case isQueryProtocol(r):
		protocol.WriteXMLError(w, r, &protocol.Error{Code: "UnsupportedOperation", Message: "the local AWS server does not speak the query protocol: use an SDK that speaks JSON 1.0 to SQS"})
	case r.URL.Path == healthPath && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	default:
		s.s3.ServeHTTP(w, r)
	}
}

const healthPath = "/healthz"

// isQueryProtocol tells old SQS clients, which would get puzzling S3 errors.
func isQueryProtocol(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && kind == "application/x-www-form-urlencoded"
}
