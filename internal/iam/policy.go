package iam

import "fmt"

// Kind says what a policy is attached to, which decides the elements it must
// and must not have.
type Kind string

// A permissions boundary is written as an identity policy.
const (
	IdentityPolicy Kind = "identity policy"
	ResourcePolicy Kind = "resource policy"
	TrustPolicy    Kind = "trust policy"
)

// Effect is what a statement does to the requests it applies to.
type Effect string

// The grammar knows these two, in this spelling.
const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Policy is a document that [Parse] found to be well formed.
type Policy struct {
	// Name is what messages call the policy.
	Name string
	Kind Kind
	// Version is 2008-10-17 where the document names none, as AWS takes it:
	// policy variables are literal text then.
	Version    string
	Statements []Statement

	offsets map[string]int
}

// Offset is where in the document the value at a JSON path of this package
// begins, in bytes; false if there is none.
func (p *Policy) Offset(path string) (int, bool) {
	offset, ok := p.offsets[path]
	return offset, ok
}

// variables reports whether ${name} stands for something: "Variables were
// introduced in version 2012-10-17" (reference_policies_variables).
func (p *Policy) variables() bool { return p.Version == "2012-10-17" }

// Statement is one statement of a policy.
type Statement struct {
	// Index counts from 0, also where the document has one statement without a
	// list.
	Index  int
	Sid    string
	Effect Effect
	// Path is the JSON path of the statement, such as Statement[0].
	Path string
	// Principals is empty in an identity policy.
	Principals Principals
	Actions    Element
	// Resources is empty in a trust policy, and in a resource policy whose
	// statement is about whatever it is attached to.
	Resources  Element
	Conditions []Condition
}

// Element is Action, Resource or their negation.
type Element struct {
	// Not is set for NotAction and NotResource.
	Not    bool
	Path   string
	Values []Value
}

// Value is one string of a policy and where it is.
type Value struct {
	Text string
	Path string
}

// Principals is the element Principal or its negation.
type Principals struct {
	// Not is set for NotPrincipal.
	Not    bool
	Path   string
	Values []PrincipalValue
}

// PrincipalValue is a principal that a policy names and where it does.
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

// Principal is who sends a request, or who a policy names. ID is an ARN, an
// account, a service name or "*". The zero Principal of a request is one that
// is not known: only "*" names it.
type Principal struct {
	Kind PrincipalKind
	ID   string
}

// Condition is one key of one operator of a statement's Condition.
type Condition struct {
	// Operator is as the document has it, such as ForAnyValue:StringLike.
	Operator string
	Key      string
	Values   []Value
	Path     string

	operator operator
}

// Grant is what one Allow statement grants. An Allow of NotAction or
// NotResource is a grant of "*": what it leaves out is no limit on what AWS adds.
type Grant struct {
	Statement int
	Sid       string
	Actions   []Value
	Resources []Value
	// Conditional says that the statement has a condition.
	Conditional bool
}

// Grants lists what the policy's Allow statements grant, in their order.
// It ignores Deny statements, boundaries and conditions.
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

// name is how messages call a statement.
func (s *Statement) name(p *Policy) string {
	if s.Sid == "" {
		return fmt.Sprintf("policy %q, %s", p.Name, s.Path)
	}
	return fmt.Sprintf("policy %q, %s (Sid %q)", p.Name, s.Path, s.Sid)
}
