package iam

import (
	"fmt"
	"slices"
	"strings"
)

const (
	assumeRole = "sts:AssumeRoleWithWebIdentity"
	// audience is the audience of the tokens that EKS gives to pods for AWS.
	audience = "sts.amazonaws.com"
)

// Subject is a ServiceAccount of a cluster, as its web identity token names it.
type Subject struct {
	// Issuer is the cluster's OIDC issuer, with or without https://. Empty means that it
	// is not known yet: then any issuer fits, but the provider's ARN and the condition
	// keys must have the same one.
	Issuer string
	// Account is the AWS account of the OIDC provider; empty if it is not known.
	Account string

	Namespace      string
	ServiceAccount string
}

// Claim returns the claim sub of the token.
func (s Subject) Claim() string {
	return "system:serviceaccount:" + s.Namespace + ":" + s.ServiceAccount
}

// DefectKind is the kind of a defect in a trust policy.
type DefectKind string

// The kinds up to DefectDenied keep the subject out. They are reported only if the
// subject is kept out, except a wrong key and a wildcard that never matches, which are
// always reported. The other kinds let in more than the subject, and are always reported.
const (
	// DefectAction: no statement allows sts:AssumeRoleWithWebIdentity.
	DefectAction DefectKind = "action"
	// DefectProvider: the federated principal is another issuer, or none.
	DefectProvider DefectKind = "provider"
	// DefectAccount: the provider belongs to another account.
	DefectAccount DefectKind = "account"
	// DefectKey: a condition key is not a claim of the issuer.
	DefectKey DefectKind = "key"
	// DefectWildcard: a wildcard in an operator that compares literally.
	DefectWildcard DefectKind = "wildcard"
	// DefectSubject: sub is another ServiceAccount.
	DefectSubject DefectKind = "subject"
	// DefectCondition: the subject's token does not satisfy another condition.
	DefectCondition DefectKind = "condition"
	// DefectDenied: a Deny statement applies.
	DefectDenied DefectKind = "denied"

	// DefectAudience: aud is not, or not only, sts.amazonaws.com.
	DefectAudience DefectKind = "audience"
	// DefectNoAudience: aud is not compared.
	DefectNoAudience DefectKind = "no audience"
	// DefectNoSubject: sub is not compared, so every ServiceAccount of the cluster may
	// assume the role.
	DefectNoSubject DefectKind = "no subject"
	// DefectBroadSubject: sub is compared with a pattern.
	DefectBroadSubject DefectKind = "broad subject"
	// DefectShared: the role also trusts another subject by name. That may be intended.
	DefectShared DefectKind = "shared"
	// DefectEveryone: the principal is everyone.
	DefectEveryone DefectKind = "everyone"
)

// Defect is one fault of a trust policy.
type Defect struct {
	Kind DefectKind
	// StatementIndex is -1, and JSONPath empty, if the defect is not in a statement.
	StatementIndex int
	JSONPath       string
	// Message is one line: what is wrong, and what would be right.
	Message string
}

// Trusts decides whether a pod with this ServiceAccount may assume the role by web
// identity. It lists what keeps the subject out, and who else may assume the role. A
// subject that is kept out has at least one defect. One that is let in has none if the
// policy trusts nobody else.
func (p *Policy) Trusts(s Subject) (Decision, []Defect) {
	s.Issuer = strings.TrimPrefix(s.Issuer, "https://")
	t := trust{policy: p, subject: s}
	t.decide()
	if t.decision.Outcome == Denied {
		t.report(DefectDenied, t.decision.Path, "%s", t.decision.Reason)
	}
	fitting := 0
	for i := range p.Statements {
		t.statement = &p.Statements[i]
		if t.lets() && t.fits() {
			fitting++
			t.everyone()
			t.conditions()
		}
	}
	for i := range p.Statements {
		t.statement = &p.Statements[i]
		suits := t.lets() && t.fits()
		if t.statement.Effect == Allow && !suits {
			t.others(fitting > 0)
		}
	}
	if !t.decision.Allowed() && len(t.defects) == 0 {
		t.defects = []Defect{{DefectAction, -1, "", "no statement allows " + assumeRole + " to an OIDC provider"}}
	}
	return t.decision, t.defects
}

// trust analyses one policy for one subject.
type trust struct {
	policy   *Policy
	subject  Subject
	decision Decision
	defects  []Defect

	// statement is the current statement, provider the one in it that fits the subject.
	statement *Statement
	provider  provider
}

// provider is an IAM OIDC provider.
type provider struct{ arn, account, issuer string }

func parseProvider(arn string) (provider, bool) {
	parts := strings.SplitN(arn, ":", arnParts)
	if len(parts) < arnParts || parts[2] != "iam" {
		return provider{}, false
	}
	issuer, ok := strings.CutPrefix(parts[5], "oidc-provider/")
	return provider{arn, parts[4], issuer}, ok && issuer != ""
}

func (t *trust) report(kind DefectKind, path, format string, args ...any) {
	index := t.decision.Statement
	if t.statement != nil {
		index = t.statement.Index
	}
	t.defects = append(t.defects, Defect{kind, index, path, fmt.Sprintf(format, args...)})
}

// decide evaluates the policy with each of its providers that fits the subject. A Deny
// with one of them explains more than a missing Allow with another.
func (t *trust) decide() {
	for i := range t.policy.Statements {
		t.statement = &t.policy.Statements[i]
		if !t.lets() || !t.fits() {
			continue
		}
		decision := t.assume()
		if t.decision.Outcome == "" || t.decision.Outcome == NotAllowed || decision.Allowed() {
			t.decision = decision
		}
	}
	if t.decision.Outcome == "" {
		t.provider = t.unnamed()
		t.decision = t.assume()
	}
	t.statement = nil
}

func (t *trust) assume() Decision {
	return Policies{Resource: t.policy}.Evaluate(Request{
		Principal: Principal{Federated, t.provider.arn},
		Action:    assumeRole,
		Context:   t.token(),
	})
}

// token returns the context of a request with the subject's token.
func (t *trust) token() map[string][]string {
	return map[string][]string{
		t.provider.issuer + ":sub": {t.subject.Claim()},
		t.provider.issuer + ":aud": {audience},
		"aws:FederatedProvider":    {t.provider.arn},
	}
}

// lets reports whether the statement allows web identities.
func (t *trust) lets() bool {
	return t.statement.Effect == Allow && t.statement.matchesAction(assumeRole)
}

// fits finds the provider that the statement and the subject agree on.
func (t *trust) fits() bool {
	if t.statement.Principals.Not {
		t.provider = t.unnamed()
		return true
	}
	for _, v := range t.statement.Principals.Values {
		if v.Kind == Everyone || v.Kind == Federated && v.ID == "*" {
			t.provider = t.unnamed()
			return true
		}
		named, ok := parseProvider(v.ID)
		if v.Kind == Federated && ok && t.issues(named) && t.owns(named) {
			t.provider = named
			return true
		}
	}
	return false
}

func (t *trust) issues(p provider) bool {
	return t.subject.Issuer == "" || t.subject.Issuer == p.issuer
}

func (t *trust) owns(p provider) bool {
	return t.subject.Account == "" || t.subject.Account == p.account
}

// unnamed returns a provider of the subject, for a policy that names none.
func (t *trust) unnamed() provider {
	p := provider{account: t.subject.Account, issuer: t.subject.Issuer}
	p.arn = "arn:aws:iam::" + p.account + ":oidc-provider/" + p.issuer
	return p
}

// everyone reports principals that name everyone, where only conditions limit who is let
// in.
func (t *trust) everyone() {
	list := t.statement.Principals
	if list.Not {
		t.report(DefectEveryone, list.Path, "NotPrincipal lets in everyone else: name the OIDC provider under Principal.Federated")
		return
	}
	for _, v := range list.Values {
		switch named, ok := parseProvider(v.ID); {
		case v.ID == "*":
			t.report(DefectEveryone, v.Path, `the principal "*" is everyone: name the OIDC provider under Principal.Federated`)
		case v.Kind == Federated && ok && named != t.provider && t.decision.Allowed():
			t.report(DefectShared, v.Path, "the role also trusts the OIDC provider %s", named.arn)
		}
	}
}

// others explains an Allow statement that is not for the subject's provider; it matters
// only if no other statement is.
func (t *trust) others(fitting bool) {
	s := t.statement
	federated := false
	for _, v := range s.Principals.Values {
		if v.Kind != Federated {
			continue
		}
		federated = true
		named, ok := parseProvider(v.ID)
		switch {
		case !t.lets():
		case fitting && t.decision.Allowed():
			t.report(DefectShared, v.Path, "the role also trusts the OIDC provider %s", v.ID)
		case fitting:
		case !ok:
			t.report(DefectProvider, v.Path, "%q is no OIDC provider: its ARN is arn:aws:iam::<account>:oidc-provider/<issuer>", v.ID)
		case !t.issues(named):
			t.report(DefectProvider, v.Path, "the OIDC provider is of the issuer %s, the cluster's is %s", named.issuer, t.subject.Issuer)
		default:
			t.report(DefectAccount, v.Path, "the OIDC provider is of the account %s, not of %s", named.account, t.subject.Account)
		}
	}
	switch {
	case fitting:
	case federated && !t.lets():
		t.report(DefectAction, s.Actions.Path, "a web identity needs the action %s, the statement has %s", assumeRole, s.Actions.words())
	case !federated && t.lets():
		t.report(DefectProvider, s.Path, "the statement names no OIDC provider under Principal.Federated")
	}
}

// conditions checks what the statement compares with the token.
func (t *trust) conditions() {
	if t.provider.issuer == "" {
		return // the principal is everyone, and the issuer is unknown
	}
	subject, aud := false, false
	exact := t.exact()
	for _, c := range t.statement.Conditions {
		before := len(t.defects)
		switch claim := t.claim(c); {
		case claim == "sub" && c.narrows():
			subject = true
			t.checkSubject(c, exact)
		case claim == "aud" && c.narrows():
			aud = true
			t.checkAudience(c)
		case claim == "" && c.isClaim():
			t.report(DefectKey, c.Path, "the condition key %q is no claim of the issuer: its keys are %s:sub and %[2]s:aud", c.Key,
				t.provider.issuer)
		}
		if !t.decision.Allowed() && len(t.defects) == before && !c.holds(newContext(t.token()), t.policy.variables()) {
			t.report(DefectCondition, c.Path, "a token of %s does not meet the condition %s of %s", t.subject.Claim(), c.Operator, c.Key)
		}
	}
	if !subject {
		t.report(DefectNoSubject, t.statement.Path, "every service account of the cluster is let in: compare %s:sub with %q", t.provider.issuer,
			t.subject.Claim())
	}
	if !aud {
		t.report(DefectNoAudience, t.statement.Path, "tokens for any audience are let in: compare %s:aud with %q", t.provider.issuer, audience)
	}
}

// claim returns sub or aud if the condition's key is that claim of the provider.
func (t *trust) claim(c Condition) string {
	for _, claim := range []string{"sub", "aud"} {
		if strings.EqualFold(c.Key, t.provider.issuer+":"+claim) {
			return claim
		}
	}
	return ""
}

// isClaim reports whether the key has the form of a token's claim.
func (c Condition) isClaim() bool {
	key := strings.ToLower(c.Key)
	return strings.HasSuffix(key, ":sub") || strings.HasSuffix(key, ":aud")
}

// narrows reports whether the condition says who is let in, rather than who is
// not.
func (c Condition) narrows() bool {
	return !c.operator.negated && c.operator.name != null
}

// exact reports whether one condition allows only the subject: then the other conditions
// do not matter.
func (t *trust) exact() bool {
	return slices.ContainsFunc(t.statement.Conditions, func(c Condition) bool {
		return t.claim(c) == "sub" && c.narrows() && !slices.ContainsFunc(c.Values, func(v Value) bool {
			return v.Text != t.subject.Claim() && !c.dead(v.Text)
		})
	})
}

// dead reports whether the text has a wildcard that the operator takes literally: no
// claim contains one.
func (c Condition) dead(text string) bool {
	return !c.operator.wildcards && strings.ContainsAny(text, "*?")
}

func (t *trust) checkSubject(c Condition, exact bool) {
	want := t.subject.Claim()
	for _, v := range c.Values {
		switch {
		case v.Text == want:
		case c.dead(v.Text):
			t.report(DefectWildcard, v.Path, "%s takes the wildcard in %q literally, it never matches: write %q", c.Operator, v.Text, want)
		case exact:
		case c.operator.wildcards && plain(v.Text).match(want):
			t.report(DefectBroadSubject, v.Path, "%q lets in other service accounts too: StringEquals with %q does not", v.Text, want)
		case t.decision.Allowed():
			t.report(DefectShared, v.Path, "the role also trusts %q", v.Text)
		default:
			t.report(DefectSubject, v.Path, "sub is %q, the pods are %q", v.Text, want)
		}
	}
}

func (t *trust) checkAudience(c Condition) {
	for _, v := range c.Values {
		switch {
		case v.Text == audience:
		case c.dead(v.Text):
			t.report(DefectWildcard, v.Path, "%s takes the wildcard in %q literally, it never matches: write %q", c.Operator, v.Text, audience)
		default:
			t.report(DefectAudience, v.Path, "aud is %q, the tokens of pods have %q", v.Text, audience)
		}
	}
}
