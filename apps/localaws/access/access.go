// Package access defines what a service of the local AWS asks before it acts: may this
// caller do this to these resources? It must not know any service, nor how a caller is
// found or a policy evaluated.
package access

import (
	"context"
	"fmt"

	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Check is one decision that a call needs before it has any effect. A call may
// need several: its own action on each resource, and the actions that depend on
// it (iam:PassRole, ec2:CreateTags), as the Service Authorization Reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/) lists
// them.
type Check struct {
	// Action is service:Action, such as ec2:CreateSubnet.
	Action string
	// Resource is an ARN, or * for an action without a resource.
	Resource string
	// Context has the condition keys of the call that the service knows, such as
	// aws:RequestTag/team. The guard adds the caller's.
	Context map[string][]string
	// Policy is the resource's own policy, such as a queue's policy or a role's trust
	// policy; nil if it has none.
	Policy *iam.Policy
}

// Guard decides calls.
type Guard interface {
	// Allow returns nil if the caller of ctx may do what every check asks. For the first
	// check that fails it returns a *Denied.
	Allow(ctx context.Context, checks ...Check) error
}

// Anyone is the guard of a server that does not enforce permissions: it allows every
// call.
type Anyone struct{}

// Allow implements Guard.
func (Anyone) Allow(context.Context, ...Check) error { return nil }

// Denied says why a call was refused. Each service answers with its own error code, and
// with this message.
type Denied struct {
	Check
	// Caller is the ARN of the caller.
	Caller string
	// Reason names the policy that denied the call, or says that none allows it, in the
	// words that AWS uses.
	Reason string
}

// Error has the form of AWS's own message.
func (d *Denied) Error() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", d.Caller, d.Action, d.Resource, d.Reason)
}

// Caller is the identity that signed a call.
type Caller struct {
	// ARN, ID and Account are the answer of sts:GetCallerIdentity.
	ARN, ID, Account string
	// Role is the ARN of the session's role, with its path; empty for users, which are
	// administrators.
	Role string
	// Session has the condition keys of the session, such as aws:FederatedProvider.
	Session map[string][]string
}

// Call is the part of a call that does not depend on its service.
type Call struct {
	// Caller is nil for an unsigned call.
	Caller   *Caller
	SourceIP string
}

type contextKey struct{}

// NewContext returns a context that carries a call.
func NewContext(ctx context.Context, call Call) context.Context {
	return context.WithValue(ctx, contextKey{}, call)
}

// Of returns the call that a context carries.
func Of(ctx context.Context) Call {
	call, _ := ctx.Value(contextKey{}).(Call)
	return call
}
