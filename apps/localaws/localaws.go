// Package localaws is the part of AWS that this system uses, on one port: SQS
// standard queues over the JSON 1.0 protocol, which it implements, and S3,
// which is github.com/johannesboyne/gofakes3. Tests run it in process; the
// local cluster runs it as a pod. It stands in for AWS: simulated throughout.
//
// What it keeps over a restart: nothing. The queues and buckets of its Config
// are there again, empty.
//
// What it does not do:
//   - Signatures are not verified, policies not enforced; one account, one
//     region, whatever the credentials say. SenderId is always the same.
//   - SQS: no FIFO and no fair queues, no KMS, no AddPermission, no message
//     move tasks, no list of a dead-letter queue's sources, no query protocol.
//   - S3: no versioning that anything here tests, no policies, no checksum
//     trailers (aws-chunked with a trailer is refused, not misread), If-Match
//     and If-None-Match on PutObject alone.
//
// Where AWS promises little, it does the strictest or simplest thing that AWS
// may do:
//   - The Approximate* counts are exact; a new or deleted queue is so at once.
//   - Every receive sees the whole queue, and no message is delivered before
//     its timeout ends; AWS delivers at least once, at times more often.
//   - Each receive gives a new receipt handle. Deleting by an old one succeeds
//     and deletes, as standard queues mostly do; AWS promises only that the
//     call succeeds. Changing visibility takes the newest handle.
//   - A message that reached maxReceiveCount moves when a receive comes upon
//     it, and until then counts as visible.
//
// It knows nothing of the events that pass through it.
package localaws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Server answers SQS and S3 requests, and GET /healthz. It is safe for
// concurrent use.
type Server struct {
	config Config
	clock  Clock
	faults *Faults
	s3     http.Handler

	// mu guards everything below, and all that queues hold. One lock for all
	// queues, because a message moves between two of them in one step.
	mu      sync.Mutex
	queues  map[string]*queue
	deleted map[string]time.Time // queue names that are not free yet
}

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
	s := &Server{config: config, clock: systemClock{}, faults: &Faults{}, queues: map[string]*queue{}, deleted: map[string]time.Time{}}
	for _, option := range options {
		option(s)
	}
	for _, q := range config.Queues {
		s.queues[q.Name] = newQueue(q.Name, q.settings(), s.clock.Now())
	}
	var err error
	if s.s3, err = newS3(config.Buckets, s.clock); err != nil {
		return nil, err
	}
	return s, nil
}

// ServeHTTP routes by the protocol: SQS names its action in X-Amz-Target,
// /healthz is the server's own, everything else is S3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	action, isSQS := strings.CutPrefix(target, targetPrefix)
	switch {
	case isSQS:
		s.serveSQS(w, r, action)
	case target != "":
		writeError(w, &apiError{code: "UnknownOperationException", message: "the local AWS server has SQS and S3, not " + target})
	case isQueryProtocol(r):
		writeS3Error(w, r, &apiError{code: "UnsupportedOperation", message: "the local AWS server does not speak the query protocol: use an SDK that speaks JSON 1.0 to SQS"})
	case r.URL.Path == healthPath && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	default:
		s.serveS3(w, r)
	}
}

const (
	targetPrefix = "AmazonSQS."
	healthPath   = "/healthz"
)

// isQueryProtocol tells old SQS clients, which would get puzzling S3 errors.
func isQueryProtocol(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && kind == "application/x-www-form-urlencoded"
}

func (s *Server) serveSQS(w http.ResponseWriter, r *http.Request, action string) {
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if readErr != nil {
		writeError(w, invalidParameter("the request cannot be read: %v", readErr))
		return
	}
	out, err := s.call(r.Context(), action, r.Host, body)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// call does one SQS action. host is the one that queue URLs of the answer
// name.
func (s *Server) call(ctx context.Context, name, host string, body []byte) (any, *apiError) {
	do, ok := actions[name]
	if !ok {
		return nil, &apiError{code: "UnsupportedOperation", message: "the local AWS server does not have the SQS action " + name}
	}
	fault := s.faults.take(name, false)
	sleep(ctx, s.clock, fault.Latency)
	if err := fault.err(); err != nil && !fault.Late {
		return nil, err
	}
	in, err := decode(body)
	if err != nil {
		return nil, err
	}
	out, err := do(s, &call{ctx: ctx, action: name, host: host, request: in})
	if err == nil {
		err = fault.err()
	}
	return out, err
}
