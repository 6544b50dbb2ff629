// Package localaws simulates the part of AWS that this system uses, on one port. Each
// service is a package of its own. Tests run it in process; the local cluster runs it as a
// pod. docs/localaws.md lists every action, and how it differs from AWS.
//
// Its state is lost at a restart. The queues, buckets, roles and policies of its Config
// are created again; with a SessionKey, temporary credentials stay valid.
//
// With Config.Enforce it verifies each call's signature and evaluates the caller's
// policies. Without it, every caller is an administrator. There is one account and one
// region. It must not know the events that pass through it.
package localaws

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/authz"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/cloudwatch"
	"github.com/mystique-unicorn/sales-events/apps/localaws/ec2"
	"github.com/mystique-unicorn/sales-events/apps/localaws/eks"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/logs"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/recording"
	"github.com/mystique-unicorn/sales-events/apps/localaws/s3"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sigv4"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sns"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sqs"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sts"
)

// Server answers AWS requests, and GET /healthz. It is safe for concurrent use.
type Server struct {
	clock    Clock
	faults   *Faults
	services map[string]service // by the service name in the signature of a request
	recorder *recording.Recorder

	account *iam.Account
	anyone  *access.Caller // every caller, if permissions are not enforced
	// guard, verifier and keys are set only if permissions are enforced.
	guard    *authz.Guard
	verifier *sigv4.Verifier
	keys     map[string]administrator // by access key
	sessions *sts.Sessions
}

// service is a service of AWS. refuse answers a request with a bad signature.
type service struct {
	http.Handler

	refuse refusal
}

type administrator struct {
	secret string
	caller *access.Caller
}

// The types that a program needs to create a Server.
type (
	// Queue is a queue that exists from the start.
	Queue = sqs.Queue
	// Redrive names the dead-letter queue of a queue.
	Redrive = sqs.Redrive
	// Clock is the source of a server's time.
	Clock = clock.Clock
	// FakeClock is a Clock that a test advances.
	FakeClock = clock.Fake
	// Fault describes failures that a server injects.
	Fault = fault.Fault
	// Faults are the faults of a server. They may change while it runs.
	Faults = fault.Faults
)

// NewFakeClock returns a clock that shows now until a test advances it.
func NewFakeClock(now time.Time) *FakeClock { return clock.NewFake(now) }

// Option is an option of New.
type Option func(*Server)

// WithClock sets the server's clock. The default is the system's clock.
func WithClock(c Clock) Option { return func(s *Server) { s.clock = c } }

// WithFaults injects faults, including those that are added later.
func WithFaults(f *Faults) Option { return func(s *Server) { s.faults = f } }

// New returns a server with the resources of config. Its queues and buckets are empty.
func New(config Config, options ...Option) (*Server, error) {
	if problems := config.problems(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	s := &Server{clock: clock.System{}, faults: &Faults{}, services: map[string]service{}}
	for _, option := range options {
		option(s)
	}
	s.recorder = recording.NewRecorder(s.clock)
	s.anyone = user(config.AccountID, "anyone")
	var err error
	if s.account, err = iam.NewAccount(config.AccountID, config.IAM, s.clock); err != nil {
		return nil, err
	}
	if s.sessions, err = sts.NewSessions(config.SessionKey); err != nil {
		return nil, err
	}
	return s, s.serve(config, s.enforce(config))
}

// enforce returns the guard. If permissions are enforced, it also prepares the checks of
// signatures.
func (s *Server) enforce(config Config) access.Guard {
	if !config.Enforce {
		return access.Anyone{}
	}
	s.guard = authz.New(authz.Options{Directory: s.account, Now: s.clock.Now, Region: config.Region, TLS: config.AssumeTLS})
	s.verifier = sigv4.NewVerifier(config.Region, s.clock.Now, "iam", "sts")
	s.keys = map[string]administrator{}
	for _, key := range config.Keys {
		s.keys[key.ID] = administrator{key.Secret, user(config.AccountID, key.User)}
	}
	return s.guard
}

// user returns a user of the account, or without a name its root user.
func user(account, name string) *access.Caller {
	if name == "" {
		return &access.Caller{ARN: "arn:aws:iam::" + account + ":root", ID: account, Account: account}
	}
	return &access.Caller{ARN: "arn:aws:iam::" + account + ":user/" + name, ID: "AIDA" + name, Account: account}
}

// serve creates the services.
func (s *Server) serve(config Config, guard access.Guard) error {
	objects, err := s3.New(s3.Options{
		Region: config.Region, Buckets: config.Buckets, HashesOnly: config.HashesOnly, Guard: guard, Clock: s.clock, Faults: s.faults,
	})
	if err != nil {
		return err
	}
	s.services["s3"] = service{objects, refuseS3}
	s.services["sqs"] = service{sqs.New(sqs.Options{
		Region: config.Region, AccountID: config.AccountID, Queues: config.Queues, Guard: guard, Clock: s.clock, Faults: s.faults,
	}), refuseSQS}
	s.services["iam"] = service{
		iam.New(iam.Options{Account: s.account, Guard: guard, Clock: s.clock, Faults: s.faults}),
		refuseQuery(iam.Namespace),
	}
	s.services["sts"] = service{sts.New(sts.Options{
		AccountID: config.AccountID, Directory: s.account, Sessions: s.sessions, Issuers: config.Issuers,
		Guard: guard, Clock: s.clock, Faults: s.faults,
	}), refuseQuery(sts.Namespace)}
	s.services["monitoring"] = service{cloudwatch.New(cloudwatch.Options{
		Region: config.Region, AccountID: config.AccountID, Guard: guard, Clock: s.clock, Faults: s.faults,
	}), refuseQuery(cloudwatch.Namespace)}
	s.services["sns"] = service{sns.New(sns.Options{
		Region: config.Region, AccountID: config.AccountID, Guard: guard, Clock: s.clock, Faults: s.faults,
	}), refuseQuery(sns.Namespace)}
	s.services["logs"] = service{logs.New(logs.Options{
		Region: config.Region, AccountID: config.AccountID, Guard: guard, Clock: s.clock, Faults: s.faults,
	}), refuseJSON}
	network := ec2.New(ec2.Options{
		Region: config.Region, AccountID: config.AccountID, Speed: config.Speed, Guard: guard, Clock: s.clock, Faults: s.faults,
	})
	s.services["ec2"] = service{network, refuseEC2}
	s.services["eks"] = service{eks.New(eks.Options{
		Region: config.Region, AccountID: config.AccountID, Speed: config.Speed, Server: config.Cluster, Roles: s.account, Network: network,
		Guard: guard, Clock: s.clock, Faults: s.faults,
	}), refuseRESTJSON}
	return nil
}

// ServeHTTP finds the service and the caller of a request by its signature, and lets the
// service answer. The server answers /healthz itself.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == healthPath && r.Method == http.MethodGet {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
		return
	}
	signature, err := sigv4.Parse(r)
	name := unsignedService(r)
	if err == nil {
		name = signature.Service
	}
	to, ok := s.services[name]
	if !ok {
		refuseUnknown(w, r, name)
		return
	}
	caller, err := s.authenticate(r, signature, err)
	if err != nil {
		to.refuse(w, r, err)
		return
	}
	call := access.Call{Caller: caller}
	call.SourceIP, _, _ = net.SplitHostPort(r.RemoteAddr)
	s.recorder.Serve(w, r.WithContext(access.NewContext(r.Context(), call)), name, to)
}

const healthPath = "/healthz"

// unsignedService returns the service of an unsigned request. Clients without credentials
// assume roles with a web identity, or read objects.
func unsignedService(r *http.Request) string {
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(target, sqs.TargetPrefix):
		return "sqs"
	case target != "":
		return target
	case protocol.IsQuery(r):
		return "sts"
	}
	return "s3"
}

// authenticate returns the caller who signed a request, and nil if it is unsigned. A
// service refuses an unsigned request unless a policy or the action allows everybody. An
// error is a *sigv4.Failure.
func (s *Server) authenticate(r *http.Request, signature *sigv4.Signature, unread error) (*access.Caller, error) {
	if s.guard == nil {
		return s.anyone, nil
	}
	var failure *sigv4.Failure
	if errors.As(unread, &failure) {
		if failure.Kind == sigv4.Missing {
			return nil, nil
		}
		return nil, failure
	}
	secret, caller, err := s.lookUp(signature)
	if err != nil {
		return nil, err
	}
	return caller, s.verifier.Verify(r, signature, secret)
}

// lookUp returns the secret of an access key, and the caller to whom it belongs.
func (s *Server) lookUp(signature *sigv4.Signature) (secret string, caller *access.Caller, err error) {
	if signature.Token == "" {
		key, ok := s.keys[signature.AccessKey]
		if !ok {
			return "", nil, &sigv4.Failure{Kind: sigv4.UnknownKey, Message: "The security token included in the request is invalid."}
		}
		return key.secret, key.caller, nil
	}
	session, ok := s.sessions.Open(signature.AccessKey, signature.Token)
	switch {
	case !ok:
		return "", nil, &sigv4.Failure{Kind: sigv4.InvalidToken, Message: "The security token included in the request is invalid."}
	case !s.clock.Now().Before(session.Expires):
		return "", nil, &sigv4.Failure{Kind: sigv4.ExpiredToken, Message: "The security token included in the request is expired"}
	}
	return session.Secret, session.Caller, nil
}

// Calls returns how often each caller was allowed and denied an action on a resource, and
// the granted actions that no role used. It returns nothing if permissions are not enforced.
func (s *Server) Calls() ([]authz.Count, []authz.Unused) {
	if s.guard == nil {
		return nil, nil
	}
	table := s.guard.Calls().Table()
	return table, authz.UnusedBy(table, s.account.Granted())
}
