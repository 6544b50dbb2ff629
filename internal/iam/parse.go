package iam

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Error is one violation of the grammar. Its statement is -1 if it concerns the whole
// document.
type Error struct {
	Policy    string
	Statement int
	Sid       string
	// Path is the JSON path of the value, such as Statement[0].Effect; for a missing
	// element, the path of its statement.
	Path string
	// Offset is the position of the value in the document, in bytes.
	Offset  int
	Message string
}

// Error returns one line: the policy, the position and the message.
func (e *Error) Error() string {
	text := fmt.Sprintf("policy %q", e.Policy)
	if e.Path != "" {
		text += ": " + e.Path
	}
	if e.Sid != "" {
		text += fmt.Sprintf(" (Sid %q)", e.Sid)
	}
	return text + ": " + e.Message
}

// Errors are all violations in a document, in order.
type Errors []*Error

// Error returns one line for each error.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, err := range e {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is see each error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, err := range e {
		all[i] = err
	}
	return all
}

// Parse reads a policy document of the given kind; messages call it name. The grammar is
// that of the page "Grammar of the IAM JSON policy language" (reference_policies_grammar)
// with its notes. The error has the type [Errors].
func Parse(name string, kind Kind, document []byte) (*Policy, error) {
	root, err := decode(document)
	if err != nil {
		err.Policy = name
		return nil, Errors{err}
	}
	p := parser{
		policy: &Policy{Name: name, Kind: kind, Version: "2008-10-17", offsets: map[string]int{}},
		sids:   map[string]bool{},
	}
	p.where = Error{Policy: name, Statement: -1}
	p.document(root)
	if len(p.errors) > 0 {
		return nil, p.errors
	}
	return p.policy, nil
}

type parser struct {
	policy *Policy
	errors Errors
	sids   map[string]bool
	// where names the current statement.
	where Error
}

// maxErrors is the number of errors that are kept: nobody reads more.
const maxErrors = 100

func (p *parser) fail(n node, format string, args ...any) {
	if len(p.errors) == maxErrors {
		return
	}
	e := p.where
	e.Path, e.Offset, e.Message = n.path, n.offset, fmt.Sprintf(format, args...)
	p.errors = append(p.errors, &e)
}

func (p *parser) document(root node) {
	if !p.members(root, "Version", "Id", "Statement") {
		return
	}
	if n, ok := root.get("Version"); ok {
		p.policy.Version = p.oneOf(n, "2008-10-17", "2012-10-17")
	}
	if n, ok := root.get("Id"); ok {
		p.text(n)
		if p.policy.Kind == IdentityPolicy {
			p.fail(n, "an identity policy has no Id")
		}
	}
	statements, ok := root.get("Statement")
	if !ok {
		p.fail(root, "Statement is missing")
		return
	}
	for i, n := range p.atLeastOne(statements) {
		p.statement(i, n)
	}
}

func (p *parser) statement(index int, n node) {
	p.where.Statement = index
	defer func() { p.where.Statement, p.where.Sid = -1, "" }()
	s := Statement{Index: index, Path: n.path}
	p.remember(n)
	if sid, ok := n.get("Sid"); ok {
		s.Sid = p.sid(sid)
	}
	if !p.members(n, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition") {
		return
	}
	if effect, ok := n.get("Effect"); ok {
		s.Effect = Effect(p.oneOf(effect, string(Allow), string(Deny)))
	} else {
		p.fail(n, "Effect is missing: Allow or Deny")
	}
	s.Principals = p.principals(n)
	s.Actions = p.element(n, "Action", p.action)
	s.Resources = p.element(n, "Resource", p.resource)
	if conditions, ok := n.get("Condition"); ok {
		s.Conditions = p.conditions(conditions)
	}
	p.policy.Statements = append(p.policy.Statements, s)
}

var alphanumeric = regexp.MustCompile(`^[A-Za-z0-9]*$`)

// sid checks a Sid by IAM's own rules; other services have other rules.
func (p *parser) sid(n node) string {
	sid := p.text(n)
	p.where.Sid = sid
	if p.policy.Kind == ResourcePolicy || sid == "" {
		return sid
	}
	if !alphanumeric.MatchString(sid) {
		p.fail(n, "a Sid has letters and digits only, not %q", sid)
	}
	if p.sids[sid] {
		p.fail(n, "the Sid %q is there twice", sid)
	}
	p.sids[sid] = true
	return sid
}

// choose returns the element or its negation, whichever the statement has.
func (p *parser) choose(statement node, name string) (found node, not, ok bool) {
	found, ok = statement.get(name)
	negated, both := statement.get("Not" + name)
	switch {
	case ok && both:
		p.fail(negated, "a statement has %s or Not%s, not both", name, name)
	case both:
		return negated, true, true
	}
	return found, false, ok
}

func (p *parser) element(statement node, name string, check func(node, string)) Element {
	n, not, ok := p.choose(statement, name)
	prohibited := name == "Resource" && p.policy.Kind == TrustPolicy
	optional := name == "Resource" && p.policy.Kind == ResourcePolicy
	switch {
	case ok && prohibited:
		p.fail(n, "a trust policy has no %s: its resource is the role", name)
		return Element{}
	case !ok && !prohibited && !optional:
		p.fail(statement, "%s is missing", name)
		return Element{}
	case !ok:
		return Element{}
	}
	p.remember(n)
	e := Element{Not: not, Path: n.path}
	for _, item := range p.atLeastOne(n) {
		if _, ok := item.scalar.(string); !ok {
			p.text(item)
			continue
		}
		e.Values = append(e.Values, p.value(item))
		check(item, p.text(item))
	}
	return e
}

func (p *parser) action(n node, text string) {
	if text == "*" {
		return
	}
	service, action, ok := strings.Cut(text, ":")
	if !ok || service == "" || action == "" {
		p.fail(n, "%q is not service:Action", text)
	}
}

// resource checks identity policies, by the rules that IAM names when it rejects one. In
// other policies the service decides the form of a resource.
func (p *parser) resource(n node, text string) {
	if p.policy.Kind != IdentityPolicy || text == "*" {
		return
	}
	parts := strings.SplitN(text, ":", 6)
	switch {
	case parts[0] != "arn" || len(parts) < 3:
		p.fail(n, `%q is neither an ARN nor "*"`, text)
	case strings.ContainsAny(parts[2], "*?"):
		p.fail(n, "%q: the service of an ARN takes no wildcard", text)
	case p.policy.variables() && strings.Contains(strings.Join(parts[:min(5, len(parts))], ":"), "${"):
		p.fail(n, "%q: a policy variable may stand only after the fifth colon of an ARN", text)
	}
}

func (p *parser) principals(statement node) Principals {
	n, not, ok := p.choose(statement, "Principal")
	switch {
	case ok && p.policy.Kind == IdentityPolicy:
		p.fail(n, "an identity policy names no principal: it is whom the policy is attached to")
		return Principals{}
	case !ok && p.policy.Kind != IdentityPolicy:
		p.fail(statement, "Principal is missing")
		return Principals{}
	case !ok:
		return Principals{}
	}
	p.remember(n)
	list := Principals{Not: not, Path: n.path}
	if n.scalar == "*" {
		list.Values = []PrincipalValue{{Principal{Everyone, "*"}, n.path}}
		return list
	}
	if !p.members(n, string(AWS), string(Federated), string(Service), string(CanonicalUser)) {
		return list
	}
	if len(n.keys) == 0 {
		p.fail(n, "names nobody")
	}
	for i, kind := range n.keys {
		for _, item := range p.atLeastOne(n.items[i]) {
			id := p.text(item)
			if strings.Contains(id, "*") && id != "*" {
				p.fail(item, "%q: a principal is named in full, or is \"*\"", id)
			}
			p.remember(item)
			list.Values = append(list.Values, PrincipalValue{Principal{PrincipalKind(kind), id}, item.path})
		}
	}
	return list
}

func (p *parser) conditions(n node) []Condition {
	if !n.object {
		p.fail(n, "is %s where an object belongs", n.typeName())
		return nil
	}
	p.duplicates(n)
	var conditions []Condition
	for i, name := range n.keys {
		op, err := parseOperator(name)
		if err != nil {
			p.fail(n.items[i], "%v", err)
			continue
		}
		keys := n.items[i]
		if !keys.object {
			p.fail(keys, "is %s where an object belongs", keys.typeName())
			continue
		}
		p.duplicates(keys)
		for j, key := range keys.keys {
			conditions = append(conditions, p.condition(name, op, key, keys.items[j]))
		}
	}
	return conditions
}

func (p *parser) condition(name string, op operator, key string, n node) Condition {
	p.remember(n)
	c := Condition{Operator: name, Key: key, Path: n.path, operator: op}
	if key == "" {
		p.fail(n, "the condition key is empty")
	}
	for _, item := range p.atLeastOne(n) {
		value := p.value(item)
		c.Values = append(c.Values, value)
		if op.variables && p.policy.variables() && strings.Contains(value.Text, "${") {
			continue
		}
		if err := op.check(value.Text); err != nil {
			p.fail(item, "%s: %v", name, err)
		}
	}
	return c
}

// value returns a scalar as the string that AWS makes of it: numbers and Booleans need no
// quotes.
func (p *parser) value(n node) Value {
	p.remember(n)
	switch scalar := n.scalar.(type) {
	case json.Number:
		return Value{scalar.String(), n.path}
	case bool:
		return Value{strconv.FormatBool(scalar), n.path}
	case string:
		return Value{scalar, n.path}
	}
	p.fail(n, "is %s where a string belongs", n.typeName())
	return Value{Path: n.path}
}

func (p *parser) text(n node) string {
	text, ok := n.scalar.(string)
	if !ok {
		p.fail(n, "is %s where a string belongs", n.typeName())
	}
	return text
}

func (p *parser) oneOf(n node, allowed ...string) string {
	text, ok := n.scalar.(string)
	if !ok || !slices.Contains(allowed, text) {
		p.fail(n, "must be %s", strings.Join(allowed, " or "))
	}
	return text
}

// atLeastOne returns the values of a list, which must not be empty, or a single value.
func (p *parser) atLeastOne(n node) []node {
	if n.array && len(n.items) == 0 {
		p.fail(n, "the list is empty")
	}
	return n.list()
}

// members reports whether the value is an object. Keys that are unknown or duplicate are
// errors.
func (p *parser) members(n node, known ...string) bool {
	if !n.object {
		p.fail(n, "is %s where an object belongs", n.typeName())
		return false
	}
	for i, key := range n.keys {
		if slices.Contains(known, key) {
			continue
		}
		near := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, key) })
		if near >= 0 {
			p.fail(n.items[i], "the key is not %q but %q", key, known[near])
			continue
		}
		p.fail(n.items[i], "the key %q does not belong here", key)
	}
	p.duplicates(n)
	return true
}

// duplicates reports duplicate keys and ignores case: condition keys do, and of two
// spellings of any other key one is unknown anyway.
func (p *parser) duplicates(n node) {
	seen := map[string]bool{}
	for i, key := range n.keys {
		lower := strings.ToLower(key)
		if seen[lower] {
			p.fail(n.items[i], "the key %q is there twice", key)
		}
		seen[lower] = true
	}
}

func (p *parser) remember(n node) { p.policy.offsets[n.path] = n.offset }
