// Package authz decides calls to the local AWS as AWS does: with the policies, the
// boundary and the session of the caller, and the policy of the resource. internal/iam
// evaluates them. It also counts the decisions.
//
// It must not know any service, nor where policies are stored.
package authz

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Principal holds a caller's current policies.
type Principal struct {
	Policies []*iam.Policy
	Boundary *iam.Policy
	Tags     map[string]string
}

// Directory provides the policies.
type Directory interface {
	// Principal returns what applies to a caller; no policies if its role no longer
	// exists.
	Principal(caller *access.Caller) Principal
	// Generation changes whenever an answer of Principal may change.
	Generation() uint64
}

// Options are the dependencies and settings of a Guard.
type Options struct {
	Directory Directory
	Now       func() time.Time
	// Region is the server's region.
	Region string
	// TLS sets aws:SecureTransport: calls count as made over TLS, although the server has
	// none.
	TLS bool
}

// Guard implements access.Guard. It is safe for concurrent use.
type Guard struct {
	Options

	calls Calls

	mu      sync.RWMutex
	decided map[question]answer
}

// New returns a Guard.
func New(options Options) *Guard {
	return &Guard{Options: options, decided: map[question]answer{}}
}

// question is the input of a decision for a check without its own context. A decision
// holds for one second, because a policy may compare the time.
type question struct {
	caller           *access.Caller
	action, resource string
	policy           *iam.Policy
	sourceIP         string
	generation       uint64
	second           int64
}

// answer is nil if allowed.
type answer struct{ denied *access.Denied }

// maxDecided limits the number of cached decisions.
const maxDecided = 10_000

// Allow implements access.Guard.
func (g *Guard) Allow(ctx context.Context, checks ...access.Check) error {
	call := access.Of(ctx)
	for _, check := range checks {
		denied := g.decide(call, check)
		g.calls.count(call.Caller, check, denied == nil)
		if denied != nil {
			return denied
		}
	}
	return nil
}

func (g *Guard) decide(call access.Call, check access.Check) *access.Denied {
	if check.Context != nil {
		return g.evaluate(call, check)
	}
	q := question{
		caller: call.Caller, action: check.Action, resource: check.Resource, policy: check.Policy, sourceIP: call.SourceIP,
		generation: g.Directory.Generation(), second: g.Now().Unix(),
	}
	g.mu.RLock()
	a, known := g.decided[q]
	g.mu.RUnlock()
	if known {
		return a.denied
	}
	a = answer{g.evaluate(call, check)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.decided) >= maxDecided {
		clear(g.decided)
	}
	g.decided[q] = a
	return a.denied
}

func (g *Guard) evaluate(call access.Call, check access.Check) *access.Denied {
	policies, request := iam.Policies{Resource: check.Policy}, iam.Request{Action: check.Action, Resource: check.Resource}
	request.Context = g.keys(call, check)
	denied := &access.Denied{Check: check, Caller: "anonymous"}
	if caller := call.Caller; caller != nil {
		principal := g.Directory.Principal(caller)
		policies.Identity, policies.Boundary = principal.Policies, principal.Boundary
		request.Principal = iam.Principal{Kind: iam.AWS, ID: caller.ARN}
		for key, value := range principal.Tags {
			request.Context["aws:PrincipalTag/"+key] = []string{value}
		}
		denied.Caller = caller.ARN
	}
	decision := policies.Evaluate(request)
	if decision.Allowed() {
		return nil
	}
	denied.Reason = reason(policies, request, decision)
	return denied
}

// keys returns the condition keys of a call: those that its service knows, those of the
// session, and the global keys
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
func (g *Guard) keys(call access.Call, check access.Check) map[string][]string {
	now := g.Now().UTC()
	keys := map[string][]string{
		"aws:CurrentTime":     {now.Format(time.RFC3339)},
		"aws:EpochTime":       {strconv.FormatInt(now.Unix(), 10)},
		"aws:RequestedRegion": {g.Region},
		"aws:SecureTransport": {strconv.FormatBool(g.TLS)},
	}
	if call.SourceIP != "" {
		keys["aws:SourceIp"] = []string{call.SourceIP}
	}
	if caller := call.Caller; caller != nil {
		maps.Copy(keys, caller.Session)
		keys["aws:PrincipalAccount"], keys["aws:ResourceAccount"] = []string{caller.Account}, []string{caller.Account}
		keys["aws:userid"] = []string{caller.ID}
		keys["aws:PrincipalArn"], keys["aws:PrincipalType"] = []string{caller.ARN}, []string{principalType(caller)}
		if caller.Role != "" {
			keys["aws:PrincipalArn"] = []string{caller.Role}
		}
		if _, user, ok := strings.Cut(caller.ARN, ":user/"); ok {
			keys["aws:username"] = []string{user}
		}
	}
	maps.Copy(keys, check.Context)
	return keys
}

func principalType(caller *access.Caller) string {
	switch {
	case caller.Role != "":
		return "AssumedRole"
	case strings.HasSuffix(caller.ARN, ":root"):
		return "Account"
	}
	return "User"
}

// reason explains a refusal in AWS's words:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func reason(policies iam.Policies, request iam.Request, decision iam.Decision) string {
	if decision.Outcome == iam.Denied {
		return "with an explicit deny in " + side(policies, decision.Policy)
	}
	kind := "identity-based policy"
	unbounded := policies
	unbounded.Boundary = nil
	switch {
	case policies.Resource != nil && policies.Resource.Kind == iam.TrustPolicy:
		kind = "resource-based policy"
	case policies.Boundary != nil && unbounded.Evaluate(request).Allowed():
		kind = "permissions boundary"
	}
	return fmt.Sprintf("because no %s allows the %s action", kind, request.Action)
}

// side returns the kind of the policy with a name.
func side(policies iam.Policies, name string) string {
	switch {
	case policies.Boundary != nil && policies.Boundary.Name == name:
		return "a permissions boundary"
	case policies.Resource != nil && policies.Resource.Name == name:
		return "a resource-based policy"
	}
	return "an identity-based policy"
}
