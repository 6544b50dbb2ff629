// Package access is what a service of the local AWS asks before it acts: may
// this caller do this to these resources? It knows no service, and not how a
// caller is found or a policy evaluated.
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
	// Context has the condition keys of the call that the service knows, such
	// as aws:RequestTag/team. The guard adds those of the caller.
	Context map[string][]string
	// Policy is the resource's own, such as a queue's or a role's trust policy;
	// nil if it has none.
	Policy *iam.Policy
}

// Guard decides.
type Guard interface {
	// Allow is nil if each check is allowed for the caller of ctx. It returns
	// *Denied for the first that is not.
	Allow(ctx context.Context, checks ...Check) error
}

// Anyone allows every call: the guard of a server that enforces no permissions.
type Anyone struct{}

// Allow is Guard's.
func (Anyone) Allow(context.Context, ...Check) error { return nil }

// Denied is why a call was refused. Each service answers it with its own error
// code, and with this message.
type Denied struct {
	Check
	// Caller is the ARN of who asked.
	Caller string
	// Reason names the policy that denied the call, or says that none allows it,
	// in AWS's words.
	Reason string
}

// Error has the form of AWS's own message.
func (d *Denied) Error() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", d.Caller, d.Action, d.Resource, d.Reason)
}

// Caller is who signed a call.
type Caller struct {
	// ARN, ID and Account are what sts:GetCallerIdentity answers.
	ARN, ID, Account string
	// Role is the ARN of the role whose session this is, with its path; empty for
	// users, which are administrators.
	Role string
	// Session has the condition keys that the session began with, such as
	// aws:FederatedProvider.
	Session map[string][]string
}

// Call is the part of a call that does not depend on its service.
type Call struct {
	// Caller is nil if nobody signed it.
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
