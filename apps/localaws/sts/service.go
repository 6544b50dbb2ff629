// Package sts serves the part of AWS STS that this system uses, in the query protocol:
// the caller's identity, and roles that callers assume under their trust policy, with a
// signed call or with the token of an OpenID Connect issuer. docs/localaws.md has every
// action, and the differences from AWS.
//
// It must not know roles and providers beyond the interface Directory, nor signatures.
package sts

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	roles "github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Directory provides roles, and the providers of issuers.
type Directory interface {
	Role(arn string) (roles.Role, bool)
	Provider(issuer string) (roles.Provider, bool)
}

// Options are the dependencies and settings of a Service.
type Options struct {
	AccountID string
	Directory Directory
	Sessions  *Sessions
	Issuers   []Issuer
	Guard     access.Guard
	Clock     clock.Clock
	Faults    *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	query.Handler[*Service]

	account   string
	directory Directory
	sessions  *Sessions
	guard     access.Guard
	issuers   map[string]*keys
}

// Namespace is the XML namespace of the service's answers.
const Namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// New returns a service. The caller has checked the issuers with Problems.
func New(options Options) *Service {
	s := &Service{
		account: options.AccountID, directory: options.Directory, sessions: options.Sessions, guard: options.Guard, issuers: map[string]*keys{},
	}
	for _, issuer := range options.Issuers {
		s.issuers[issuer.URL] = &keys{issuer: issuer, now: options.Clock.Now}
	}
	s.Handler = query.Handler[*Service]{
		Service: s, Prefix: "sts", Namespace: Namespace, Unsigned: "AssumeRoleWithWebIdentity",
		Actions: actions, Clock: options.Clock, Faults: options.Faults,
	}
	return s
}

var actions = map[string]query.Action[*Service]{
	"GetCallerIdentity":         query.With(getCallerIdentity),
	"AssumeRole":                query.With(assumeRole),
	"AssumeRoleWithWebIdentity": query.With(assumeRoleWithWebIdentity),
}

func validation(format string, args ...any) *protocol.Error {
	return query.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}

func getCallerIdentity(_ *Service, c *query.Call, _ *struct{}) (protocol.Elements, error) {
	caller := access.Of(c).Caller
	return protocol.Elements{"Arn": caller.ARN, "UserId": caller.ID, "Account": caller.Account}, nil
}

// assumption has the parameters of both ways to assume a role.
type assumption struct {
	RoleArn, RoleSessionName string
	DurationSeconds          *int
}

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[!-~]+$`)
)

const minDuration, defaultDuration = 15 * time.Minute, time.Hour

// check checks the parameters, and returns the role. A missing role is treated as one
// that nobody may assume.
func (a assumption) check(d Directory) (roles.Role, error) {
	switch {
	case !roleARN.MatchString(a.RoleArn):
		return roles.Role{}, validation("%s is invalid", a.RoleArn)
	case !sessionName.MatchString(a.RoleSessionName):
		return roles.Role{}, validation("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: "+
			`Member must satisfy regular expression pattern: [\w+=,.@-]*, with 2 to 64 characters`, a.RoleSessionName)
	}
	role, ok := d.Role(a.RoleArn)
	if !ok {
		return roles.Role{ARN: a.RoleArn, Trust: nobody, MaxSession: defaultDuration}, nil
	}
	return role, nil
}

// nobody is a trust policy that trusts nobody.
var nobody = &iam.Policy{Name: "no role", Kind: iam.TrustPolicy}

// duration returns the duration of the session.
func (a assumption) duration(limit time.Duration) (time.Duration, error) {
	duration := defaultDuration
	if a.DurationSeconds != nil {
		duration = time.Duration(*a.DurationSeconds) * time.Second
	}
	switch {
	case duration < minDuration:
		return 0, validation("1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: "+
			"Member must have value greater than or equal to 900", int(duration/time.Second))
	case duration > limit:
		return 0, validation("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return duration, nil
}

// begin creates a session of a role, and returns the elements of the answer.
func (s *Service) begin(role roles.Role, a assumption, duration time.Duration, keys map[string][]string) protocol.Elements {
	now := s.Clock.Now().UTC()
	_, path, _ := strings.Cut(role.ARN, ":role/")
	name := path[strings.LastIndex(path, "/")+1:]
	id := role.ID + ":" + a.RoleSessionName
	arn := "arn:aws:sts::" + s.account + ":assumed-role/" + name + "/" + a.RoleSessionName
	session := map[string][]string{"aws:TokenIssueTime": {now.Format(time.RFC3339)}}
	for key, values := range keys {
		session[key] = values
	}
	caller := &access.Caller{ARN: arn, ID: id, Account: s.account, Role: role.ARN, Session: session}
	return protocol.Elements{
		"Credentials":      s.sessions.Issue(caller, now.Add(duration)),
		"AssumedRoleUser":  struct{ AssumedRoleId, Arn string }{id, arn},
		"PackedPolicySize": 0,
	}
}

type assumeRoleIn struct {
	assumption
	ExternalId string
}

func assumeRole(s *Service, c *query.Call, in *assumeRoleIn) (protocol.Elements, error) {
	role, err := in.check(s.directory)
	if err != nil {
		return nil, err
	}
	caller := access.Of(c).Caller
	if strings.HasSuffix(caller.ARN, ":root") {
		return nil, query.Errorf("AccessDenied", http.StatusForbidden, "Roles may not be assumed by root accounts.")
	}
	keys := map[string][]string{"sts:RoleSessionName": {in.RoleSessionName}}
	if in.ExternalId != "" {
		keys["sts:ExternalId"] = []string{in.ExternalId}
	}
	check := access.Check{Action: "sts:AssumeRole", Resource: in.RoleArn, Context: keys, Policy: role.Trust}
	if err := s.guard.Allow(c, check); err != nil {
		return nil, err
	}
	if role.Trust == nobody {
		return nil, &access.Denied{Check: check, Caller: caller.ARN, Reason: "because the role does not exist"}
	}
	limit := role.MaxSession
	if caller.Role != "" {
		limit = defaultDuration // "role chaining limits your role session to a maximum of one hour"
	}
	duration, err := in.duration(limit)
	if err != nil {
		return nil, err
	}
	return s.begin(role, in.assumption, duration, nil), nil
}
