package iam

import "fmt"

// Kind says what a policy is attached to. That decides which elements it must have, and
// which it must not.
type Kind string

// A permissions boundary has the form of an identity policy.
const (
	IdentityPolicy Kind = "identity policy"
	ResourcePolicy Kind = "resource policy"
	TrustPolicy    Kind = "trust policy"
)

// Effect is what a statement does to the requests that it matches.
type Effect string

// The grammar has only these two, in this spelling.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Policy is a well-formed document, as [Parse] returns it.
type Policy struct {
	// Name is the policy's name in messages.
	Name string
	Kind Kind
	// Version is 2008-10-17 if the document has none, as on AWS: policy variables are
	// then literal text.
	Version    string
	Statements []Statement

	offsets map[string]int
}

// Offset returns the position, in bytes, of the value at one of this package's JSON
// paths; false if there is no such value.
func (p *Policy) Offset(path string) (int, bool) {
	offset, ok := p.offsets[path]
	return offset, ok
}

// variables reports whether the policy can have variables: "Variables were introduced in
// version 2012-10-17" (reference_policies_variables).
func (p *Policy) variables() bool { return p.Version == "2012-10-17" }

// Statement is one statement of a policy.
type Statement struct {
	// Index counts from 0, even if the document has a single statement without a list.
	Index  int
	Sid    string
	Effect Effect
	// Path is the JSON path of the statement, such as Statement[0].
	Path string
	// Principals is empty in an identity policy.
	Principals Principals
	Actions    Element
	// Resources is empty in a trust policy, and in a resource policy that means the
	// resource to which it is attached.
	Resources  Element
	Conditions []Condition
}

// Element is Action, Resource or their negation.
type Element struct {
	// Not is true for NotAction and NotResource.
	Not    bool
	Path   string
	Values []Value
}

// Value is a string in a policy, and its position.
type Value struct {
	Text string
	Path string
}

// Principals is the element Principal or its negation.
type Principals struct {
	// Not is true for NotPrincipal.
	Not    bool
	Path   string
	Values []PrincipalValue
}

// PrincipalValue is a principal in a policy, and its position.
type PrincipalValue struct {
	Principal
	Path string
}

// PrincipalKind is the key under which a policy names a principal.
type PrincipalKind string

// Everyone is the kind of the plain "Principal": "*".
const (
	Everyone      PrincipalKind = "*"
	AWS           PrincipalKind = "AWS"
	Federated     PrincipalKind = "Federated"
	Service       PrincipalKind = "Service"
	CanonicalUser PrincipalKind = "CanonicalUser"
)

// Principal is the sender of a request, or a principal that a policy names. ID is an ARN,
// an account, a service name or "*". The zero Principal of a request is an unknown one:
// only "*" matches it.
type Principal struct {
	Kind PrincipalKind
	ID   string
}

// Condition is one key of one operator of a statement's Condition.
type Condition struct {
	// Operator has the document's spelling, such as ForAnyValue:StringLike.
	Operator string
	Key      string
	Values   []Value
	Path     string

	operator operator
}

// Grant is what one Allow statement grants. An Allow with NotAction or NotResource grants
// "*": what it leaves out does not limit what AWS may add.
type Grant struct {
	Statement int
	Sid       string
	Actions   []Value
	Resources []Value
	// Conditional means that the statement has a condition.
	Conditional bool
}

// Grants lists what the policy's Allow statements grant, in order. It ignores Deny
// statements, boundaries and conditions.
func (p *Policy) Grants() []Grant {
	var grants []Grant
	for _, s := range p.Statements {
		if s.Effect != Allow {
			continue
		}
		grants = append(grants, Grant{
			Statement:   s.Index,
			Sid:         s.Sid,
			Actions:     s.Actions.granted(),
			Resources:   s.Resources.granted(),
			Conditional: len(s.Conditions) > 0,
		})
	}
	return grants
}

func (e Element) granted() []Value {
	if e.Not {
		return []Value{{Text: "*", Path: e.Path}}
	}
	return e.Values
}

// name returns the statement's name in messages.
func (s *Statement) name(p *Policy) string {
	if s.Sid == "" {
		return fmt.Sprintf("policy %q, %s", p.Name, s.Path)
	}
	return fmt.Sprintf("policy %q, %s (Sid %q)", p.Name, s.Path, s.Sid)
}
