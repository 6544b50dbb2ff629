package iam

import (
	"fmt"
	"slices"
	"strings"
)

// Request is one call of an AWS API.
type Request struct {
	// Principal is the caller. A role and its session are different principals: a
	// resource policy that names only the session does not name the role.
	Principal Principal
	// Action has the form sqs:SendMessage; Resource is the ARN that it is about.
	Action   string
	Resource string
	// ResourceAccount is the resource's account if its ARN does not contain it, like a
	// bucket's. Empty means the principal's account.
	ResourceAccount string
	// Context has the condition keys that the service sends. aws:PrincipalArn and
	// aws:PrincipalAccount come from Principal if they are absent.
	Context map[string][]string
}

// Policies are the policies that apply to a request.
type Policies struct {
	// Identity are the policies of the principal, inline or managed.
	Identity []*Policy
	// Boundary is the principal's permissions boundary, if it has one.
	Boundary *Policy
	// Resource is the policy of the resource, or the trust policy of the role to be
	// assumed; nil if it has none.
	Resource *Policy
}

// Outcome is the result of a request.
type Outcome string

// Denied means that a Deny statement applies; NotAllowed, AWS's implicit deny, that
// no Allow does.
const (
	Allowed    Outcome = "allowed"
	Denied     Outcome = "denied"
	NotAllowed Outcome = "not allowed"
)

// Decision is the result of a request, and the reason.
type Decision struct {
	Outcome Outcome
	// Policy, Statement, Sid and Path name the statement that decided. If none
	// did, Policy is empty and Statement -1.
	Policy    string
	Statement int
	Sid       string
	Path      string
	// Reason is a clause, to be part of a message.
	Reason string
}

// Allowed reports whether the request is allowed.
func (d Decision) Allowed() bool { return d.Outcome == Allowed }

// Evaluate decides a request as "Policy evaluation logic"
// (reference_policies_evaluation-logic) describes:
//
//   - a Deny that applies, in any of the policies, decides;
//   - within an account, an Allow of the principal's policies counts if the boundary
//     allows it, too. An Allow of the resource's policy counts by itself, but only within
//     the boundary if it names the role. If it names the account, it does not count: it
//     leaves the decision to the principal's policies;
//   - across accounts both sides must allow;
//   - a KMS key and a role are used only if their own policy allows it; naming the
//     account is enough.
//
// If a key's policy is not given, it is unknown: then the principal's policies
// decide.
func (p Policies) Evaluate(r Request) Decision {
	e := newEvaluation(r)
	if by, ok := e.first(p.all(), Deny); ok {
		return by.decide(Denied, fmt.Sprintf("%s denies %s", by.name(), e.what()))
	}
	granted := e.grant(p.Resource)
	identity, allows := e.first(p.Identity, Allow)
	bounded := e.bounded(p.Boundary)
	suffices := granted.reach == namesPrincipal || granted.reach == namesRole && bounded
	switch {
	case suffices && !e.foreign():
		return granted.decide(Allowed, fmt.Sprintf("%s allows %s", granted.name(), e.what()))
	case granted.reach == notNamed && e.guarded(p.Resource):
		return e.refuse("the resource's own policy", p.Resource)
	case !bounded && (allows || granted.reach == namesRole):
		return e.refuse("the permissions boundary", p.Boundary)
	case !allows && p.Resource != nil && !e.guarded(p.Resource):
		return e.refuse("an identity policy or the resource's own", slices.Concat(p.Identity, []*Policy{p.Resource})...)
	case !allows:
		return e.refuse("an identity policy", p.Identity...)
	}
	return identity.decide(Allowed, fmt.Sprintf("%s allows %s", identity.name(), e.what()))
}

func (p Policies) all() []*Policy {
	return slices.Concat(p.Identity, []*Policy{p.Boundary, p.Resource})
}

// evaluation is a request, with values that are the same for all statements.
type evaluation struct {
	request Request
	sender  identity
	context context
}

func newEvaluation(r Request) evaluation {
	e := evaluation{request: r, sender: parsePrincipal(r.Principal), context: newContext(r.Context)}
	if r.Principal.Kind == AWS {
		e.context.setDefault("aws:PrincipalArn", e.sender.arn(r.Principal))
		e.context.setDefault("aws:PrincipalAccount", e.sender.account)
	}
	return e
}

func (e evaluation) what() string {
	if e.request.Resource == "" {
		return e.request.Action
	}
	return e.request.Action + " on " + e.request.Resource
}

// foreign reports whether principal and resource are of different accounts. A
// principal without an account, such as a service, needs no policy of its own.
func (e evaluation) foreign() bool {
	owner := e.request.ResourceAccount
	if parts := strings.SplitN(e.request.Resource, ":", arnParts); owner == "" && len(parts) == arnParts {
		owner = parts[4]
	}
	return owner != "" && e.sender.account != "" && owner != e.sender.account
}

// guarded reports whether only the resource's own policy can give access to it.
func (e evaluation) guarded(resource *Policy) bool {
	parts := strings.SplitN(e.request.Resource, ":", 4)
	key := len(parts) > 2 && parts[2] == "kms"
	return e.foreign() || resource != nil && (key || resource.Kind == TrustPolicy)
}

// verdict is how much of a statement matches a request.
type verdict struct {
	policy    *Policy
	statement *Statement
	stage     stage
	reach     reach
	// miss says what did not match.
	miss string
}

// stage is the part of a statement that did not match, in the order of evaluation.
type stage int

const (
	missedAction stage = iota
	missedResource
	missedPrincipal
	missedCondition
	applies
)

func (v verdict) name() string { return v.statement.name(v.policy) }

func (v verdict) decide(outcome Outcome, reason string) Decision {
	return Decision{outcome, v.policy.Name, v.statement.Index, v.statement.Sid, v.statement.Path, reason}
}

// first returns the first statement of that effect that applies.
func (e evaluation) first(policies []*Policy, effect Effect) (verdict, bool) {
	for _, p := range policies {
		for _, v := range e.verdicts(p, effect) {
			if v.stage == applies {
				return v, true
			}
		}
	}
	return verdict{}, false
}

// grant returns the Allow of a resource's policy that names the principal most closely. A
// policy without principals is not a resource's policy, and grants nothing.
func (e evaluation) grant(resource *Policy) verdict {
	var closest verdict
	for _, v := range e.verdicts(resource, Allow) {
		if v.stage == applies && v.reach > closest.reach && len(v.statement.Principals.Values) > 0 {
			closest = v
		}
	}
	return closest
}

func (e evaluation) bounded(boundary *Policy) bool {
	_, ok := e.first([]*Policy{boundary}, Allow)
	return ok || boundary == nil
}

// verdicts returns how far each statement of one effect matches.
func (e evaluation) verdicts(p *Policy, effect Effect) []verdict {
	if p == nil {
		return nil
	}
	var all []verdict
	for i := range p.Statements {
		if p.Statements[i].Effect == effect {
			all = append(all, e.judge(p, &p.Statements[i]))
		}
	}
	return all
}

func (e evaluation) judge(p *Policy, s *Statement) verdict {
	v := verdict{policy: p, statement: s, reach: s.covers(e.request.Principal)}
	variables := e.context
	if !p.variables() {
		variables = nil
	}
	switch {
	case !s.matchesAction(e.request.Action):
		v.stage = missedAction
	case !s.matchesResource(e.request.Resource, p.Kind, variables):
		v.stage, v.miss = missedResource, "is about "+s.Resources.words()
	case v.reach == notNamed:
		v.stage, v.miss = missedPrincipal, "is not about "+e.request.Principal.words()
	default:
		v.stage = applies
		for _, c := range s.Conditions {
			if !c.holds(e.context, p.variables()) {
				v.stage, v.miss = missedCondition, "has a condition that is not met, "+c.words(e.context)
				break
			}
		}
	}
	return v
}

func (s *Statement) matchesAction(action string) bool {
	for _, v := range s.Actions.Values {
		if matchAction(v.Text, action) {
			return !s.Actions.Not
		}
	}
	return s.Actions.Not
}

// matchesResource reports whether the statement is about a resource. With NotResource, a
// variable that the request does not resolve keeps the statement from applying.
func (s *Statement) matchesResource(arn string, kind Kind, variables context) bool {
	if len(s.Resources.Values) == 0 {
		return true
	}
	for _, v := range s.Resources.Values {
		text := v.Text
		if kind == IdentityPolicy {
			text = completed(text)
		}
		pattern, ok := expand(text, true, variables)
		if !ok {
			if s.Resources.Not {
				return false
			}
			continue
		}
		if pattern.resource().match(arn) {
			return !s.Resources.Not
		}
	}
	return s.Resources.Not
}

// refuse explains a missing Allow by the statement that came closest.
func (e evaluation) refuse(side string, policies ...*Policy) Decision {
	var nearest verdict
	names := []string{}
	for _, p := range policies {
		if p == nil {
			continue
		}
		names = append(names, fmt.Sprintf("%q", p.Name))
		for _, v := range e.verdicts(p, Allow) {
			if v.stage > nearest.stage && v.stage < applies {
				nearest = v
			}
		}
	}
	reason := fmt.Sprintf("%s must allow %s, and there is none", side, e.what())
	if len(names) > 0 {
		reason = fmt.Sprintf("%s must allow %s, and %s does not", side, e.what(), strings.Join(names, ", "))
	}
	if nearest.statement != nil {
		reason += fmt.Sprintf(": %s %s", nearest.name(), nearest.miss)
	}
	return Decision{Outcome: NotAllowed, Statement: -1, Reason: reason}
}

func (e Element) words() string {
	texts := make([]string, len(e.Values))
	for i, v := range e.Values {
		texts[i] = v.Text
	}
	words := strings.Join(texts, ", ")
	if e.Not {
		return "all but " + words
	}
	return words
}

func (p Principal) words() string {
	if p.ID == "" {
		return "a principal that is not known"
	}
	return p.ID
}

func (c Condition) words(request context) string {
	got := "not there"
	if values := request.get(c.Key); len(values) > 0 {
		got = strings.Join(values, ", ")
	}
	return fmt.Sprintf("%s (%s is %s)", c.Path, c.Key, got)
}
