// Package localaws is the part of AWS that this system uses, on one port of
// this machine: SQS standard queues over the JSON 1.0 protocol, and S3 by
// github.com/johannesboyne/gofakes3. Tests run it in process; the local
// cluster runs it as a pod. It stands in for AWS and is simulated throughout.
//
// What it keeps over a restart: nothing. Queues and buckets of its
// configuration are there again, empty.
//
// What it does not do: signatures and policies are not checked, and every
// account id but its own is unknown; no FIFO queues, no KMS, no cross-account
// access, no message move tasks, no tags; the Approximate* counts are exact,
// where AWS's lag; a message is never delivered twice before its visibility
// timeout ends, where AWS's at-least-once delivery may; S3 keeps no versions
// and no policies.
//
// It knows nothing of the events that pass through it.
package localaws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Clock is the server's time. Tests pass one that they move by hand.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now() }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// Server answers SQS and S3 requests. It is safe for concurrent use.
type Server struct {
	config Config
	clock  Clock
	faults *Faults
	s3     http.Handler
	mu     sync.RWMutex
	queues map[string]*queue
}

// Option changes how a Server is made.
type Option func(*Server)

// WithClock sets the clock of the queues.
func WithClock(c Clock) Option { return func(s *Server) { s.clock = c } }

// WithFaults injects failures; see Faults.
func WithFaults(f *Faults) Option { return func(s *Server) { s.faults = f } }

// New makes a server with the queues and buckets of config, empty.
func New(config Config, options ...Option) (*Server, error) {
	s := &Server{config: config, clock: systemClock{}, faults: &Faults{}, queues: map[string]*queue{}}
	for _, option := range options {
		option(s)
	}
	if err := config.validate(); err != nil {
		return nil, err
	}
	for _, q := range config.inOrder() {
		if err := s.create(q.Name, q.attributes(s)); err != nil {
			return nil, fmt.Errorf("queue %s: %w", q.Name, err)
		}
	}
	handler, err := newS3(config.Buckets)
	if err != nil {
		return nil, err
	}
	s.s3 = handler
	return s, nil
}

const targetPrefix = "AmazonSQS."

// ServeHTTP routes by the protocol: SQS names its action in X-Amz-Target,
// /healthz is the server's own, everything else is S3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, isSQS := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	switch {
	case isSQS:
		s.serveSQS(w, r, target)
	case r.URL.Path == "/healthz":
		fmt.Fprintln(w, "ok")
	default:
		if err := s.faults.next(r.Context(), "S3:"+r.Method); err != nil {
			writeS3Error(w, err)
			return
		}
		s.s3.ServeHTTP(w, r)
	}
}

func (s *Server) serveSQS(w http.ResponseWriter, r *http.Request, name string) {
	body, readErr := io.ReadAll(http.MaxBytesReader(w, r.Body, 4*maxBody))
	if readErr != nil {
		writeError(w, &apiError{code: "InvalidParameterValue", message: readErr.Error()})
		return
	}
	out, err := s.call(r.Context(), r, name, body)
	if err != nil {
		writeError(w, err)
		return
	}
	if out == nil {
		out = struct{}{}
	}
	answer, marshalErr := json.Marshal(out)
	if marshalErr != nil {
		writeError(w, &apiError{code: "InternalError", message: marshalErr.Error(), status: http.StatusInternalServerError})
		return
	}
	// In one piece, as AWS does: the SDK gives its request up when the answer
	// begins, and on a link this fast that can cut an answer in pieces short.
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

func (s *Server) call(ctx context.Context, r *http.Request, name string, body []byte) (any, *apiError) {
	do, ok := actions[name]
	if !ok {
		return nil, &apiError{code: "UnsupportedOperation", message: fmt.Sprintf("the local AWS server does not have the SQS action %s", name)}
	}
	if err := s.faults.next(ctx, name); err != nil {
		return nil, err
	}
	in, err := decode(body)
	if err != nil {
		return nil, err
	}
	return do(ctx, s, r, in)
}

func writeError(w http.ResponseWriter, err *apiError) {
	status := err.status
	if status == 0 {
		status = http.StatusBadRequest
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"__type": "com.amazonaws.sqs#" + err.code, "message": err.message})
}

func (s *Server) arn(queue string) string {
	return "arn:aws:sqs:" + s.config.Region + ":" + s.config.AccountID + ":" + queue
}

// create makes a queue, or finds one of that name.
func (s *Server) create(name string, attributes map[string]string) *apiError {
	if !validQueueName(name) {
		return &apiError{code: "InvalidParameterValue", message: fmt.Sprintf("queue name %q: 1 to 80 letters, digits, hyphens and underscores", name)}
	}
	q := newQueue(name, settings{visibility: 30, retention: 345600, maxSize: maxBody}, s.clock.Now())
	if err := s.configure(q, attributes); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.queues[name]; !exists {
		s.queues[name] = q
	}
	return nil
}

// configure sets a queue's attributes, all or none.
func (s *Server) configure(q *queue, attributes map[string]string) *apiError {
	q.mu.Lock()
	next := q.settings
	q.mu.Unlock()
	var dead *queue
	for name, text := range attributes {
		if name == "RedrivePolicy" {
			policy, target, err := s.redrivePolicy(text)
			if err != nil {
				return err
			}
			next.redrive, next.redrivePolicy, dead = policy, text, target
			continue
		}
		bounds, known := numeric[name]
		if !known {
			return &apiError{code: "InvalidAttributeName", message: "unknown attribute " + name}
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < bounds.low || n > bounds.high {
			return &apiError{code: "InvalidAttributeValue", message: fmt.Sprintf("invalid value %q for the parameter %s: %d to %d", text, name, bounds.low, bounds.high)}
		}
		*bounds.field(&next) = n
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settings = next
	if dead != nil {
		q.deadQueue = dead
	}
	return nil
}

// numeric are the attributes that are numbers, with AWS's bounds:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
var numeric = map[string]struct {
	low, high int
	field     func(*settings) *int
}{
	"DelaySeconds":                  {0, maxDelay, func(s *settings) *int { return &s.delay }},
	"VisibilityTimeout":             {0, maxVisibility, func(s *settings) *int { return &s.visibility }},
	"MessageRetentionPeriod":        {60, 1209600, func(s *settings) *int { return &s.retention }},
	"ReceiveMessageWaitTimeSeconds": {0, maxWait, func(s *settings) *int { return &s.wait }},
	"MaximumMessageSize":            {1024, maxBody, func(s *settings) *int { return &s.maxSize }},
}

func (s *Server) redrivePolicy(text string) (*Redrive, *queue, *apiError) {
	var policy struct {
		DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.Number `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return nil, nil, &apiError{code: "InvalidAttributeValue", message: "RedrivePolicy is not JSON: " + err.Error()}
	}
	name, ok := strings.CutPrefix(policy.DeadLetterTargetArn, s.arn(""))
	target, err := s.named(name)
	if !ok || err != nil {
		return nil, nil, &apiError{code: "InvalidAttributeValue", message: "RedrivePolicy: no queue has the ARN " + policy.DeadLetterTargetArn}
	}
	n, convErr := strconv.Atoi(policy.MaxReceiveCount.String())
	if convErr != nil || n < 1 || n > 1000 {
		return nil, nil, &apiError{code: "InvalidAttributeValue", message: "RedrivePolicy: maxReceiveCount must be 1 to 1000"}
	}
	return &Redrive{DeadLetterQueue: name, MaxReceiveCount: n}, target, nil
}

func validQueueName(name string) bool {
	if name == "" || len(name) > 80 {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}
