package iam

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// context is a request's context, by lower-case keys: "Condition key names are not
// case-sensitive" (reference_policies_elements_condition).
type context map[string][]string

func newContext(given map[string][]string) context {
	c := context{}
	for key, values := range given {
		key = strings.ToLower(key)
		c[key] = append(c[key], values...)
	}
	return c
}

func (c context) get(key string) []string { return c[strings.ToLower(key)] }

// setDefault sets a key that follows from the request, unless the caller has set it.
func (c context) setDefault(key, value string) {
	key = strings.ToLower(key)
	if len(c[key]) == 0 && value != "" {
		c[key] = []string{value}
	}
}

// variable returns the value of ${name}: a key of the context that has one value, the
// default in ${name, 'default'}, or one of the characters that have a meaning in
// patterns.
func (c context) variable(name string) (string, bool) {
	switch name {
	case "*", "?", "$":
		return name, true
	}
	key, fallback, hasDefault := strings.Cut(name, ",")
	if values := c.get(strings.TrimSpace(key)); len(values) == 1 {
		return values[0], true
	}
	fallback = strings.TrimSpace(fallback)
	if !hasDefault || len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' {
		return "", false
	}
	return fallback[1 : len(fallback)-1], true
}

const (
	forAnyValue  = "ForAnyValue"
	forAllValues = "ForAllValues"
	ifExists     = "IfExists"
	null         = "Null"
)

// operator is a condition operator in its parts: ForAnyValue:StringLikeIfExists is set,
// comparison and ifExists.
type operator struct {
	comparison
	name     string // name of the comparison
	set      string
	ifExists bool
}

// comparison compares one value of a policy with one of the request.
type comparison struct {
	negated   bool
	wildcards bool
	variables bool
	check     func(want string) error
	match     func(want glob, got string) bool
}

// comparisons are the operators of the page "Condition operators"
// (reference_policies_elements_condition_operators).
var comparisons = map[string]comparison{
	"StringEquals":              {variables: true, check: anything, match: equal},
	"StringNotEquals":           {variables: true, check: anything, match: equal, negated: true},
	"StringEqualsIgnoreCase":    {variables: true, check: anything, match: equalFold},
	"StringNotEqualsIgnoreCase": {variables: true, check: anything, match: equalFold, negated: true},
	"StringLike":                {variables: true, wildcards: true, check: anything, match: glob.match},
	"StringNotLike":             {variables: true, wildcards: true, check: anything, match: glob.match, negated: true},

	"ArnEquals":    {variables: true, wildcards: true, check: anything, match: glob.matchARN},
	"ArnLike":      {variables: true, wildcards: true, check: anything, match: glob.matchARN},
	"ArnNotEquals": {variables: true, wildcards: true, check: anything, match: glob.matchARN, negated: true},
	"ArnNotLike":   {variables: true, wildcards: true, check: anything, match: glob.matchARN, negated: true},

	"NumericEquals":            {check: number, match: numbers(func(c int) bool { return c == 0 })},
	"NumericNotEquals":         {check: number, match: numbers(func(c int) bool { return c == 0 }), negated: true},
	"NumericLessThan":          {check: number, match: numbers(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":    {check: number, match: numbers(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":       {check: number, match: numbers(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals": {check: number, match: numbers(func(c int) bool { return c >= 0 })},

	"DateEquals":            {check: date, match: dates(func(c int) bool { return c == 0 })},
	"DateNotEquals":         {check: date, match: dates(func(c int) bool { return c == 0 }), negated: true},
	"DateLessThan":          {check: date, match: dates(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":    {check: date, match: dates(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":       {check: date, match: dates(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals": {check: date, match: dates(func(c int) bool { return c >= 0 })},

	"Bool":         {variables: true, check: boolean, match: equalFold},
	"BinaryEquals": {check: binary, match: equal}, // both values are in base64
	"IpAddress":    {check: network, match: contains},
	"NotIpAddress": {check: network, match: contains, negated: true},
	null:           {check: boolean},
}

// parseOperator splits an operator's name into its parts. Names are case-sensitive, as
// documented.
func parseOperator(text string) (operator, error) {
	set, name, ok := strings.Cut(text, ":")
	if !ok {
		set, name = "", text
	}
	name, exists := strings.CutSuffix(name, ifExists)
	c, known := comparisons[name]
	switch {
	case set != "" && set != forAnyValue && set != forAllValues, ok && set == "":
		return operator{}, fmt.Errorf("there is no set operator %q: %s and %s are the two", set, forAnyValue, forAllValues)
	case !known:
		for candidate := range comparisons {
			if strings.EqualFold(candidate, name) {
				return operator{}, fmt.Errorf("there is no condition operator %q: did you mean %s?", text, candidate)
			}
		}
		return operator{}, fmt.Errorf("there is no condition operator %q", text)
	case name == null && (exists || set != ""):
		return operator{}, fmt.Errorf("%s stands alone: there is no %q", null, text)
	}
	return operator{comparison: c, name: name, set: set, ifExists: exists}, nil
}

// holds reports whether the condition is met. A policy variable that the request does
// not resolve matches nothing; under a negated operator, where that would widen the
// statement, the condition is not met at all ("any attempt to match it fails and causes
// the statement to be invalid", reference_policies_variables).
func (c Condition) holds(request context, variables bool) bool {
	values := request.get(c.Key)
	if c.operator.name == null {
		absent := len(meaningful(values)) == 0
		for _, v := range c.Values {
			if strings.EqualFold(v.Text, strconv.FormatBool(absent)) {
				return true
			}
		}
		return false
	}
	if c.operator.ifExists && len(values) == 0 {
		return true
	}
	wanted, resolved := c.wanted(request, variables)
	if c.operator.negated && !resolved {
		return false
	}
	return c.operator.compare(wanted, values)
}

// compare combines the values as
// reference_policies_condition-single-vs-multi-valued-context-keys says: one of the
// policy's values must match or, with a negated operator, none may. An absent key
// satisfies only negated operators and ForAllValues. Without a set operator, which AWS
// demands for a key with many values, one matching value of the request is enough.
func (o operator) compare(wanted []glob, values []string) bool {
	one := func(got string) bool {
		for _, want := range wanted {
			if o.match(want, got) {
				return true
			}
		}
		return false
	}
	switch o.set {
	case forAnyValue:
		for _, got := range meaningful(values) {
			if one(got) != o.negated {
				return true
			}
		}
		return false
	case forAllValues:
		for _, got := range meaningful(values) {
			if one(got) == o.negated {
				return false
			}
		}
		return true
	}
	for _, got := range values {
		if one(got) {
			return !o.negated
		}
	}
	return o.negated
}

// wanted returns the policy's values for this request; false if a variable has no
// value.
func (c Condition) wanted(request context, variables bool) ([]glob, bool) {
	if !variables || !c.operator.variables {
		request = nil
	}
	var wanted []glob
	for _, v := range c.Values {
		if g, ok := expand(v.Text, c.operator.wildcards, request); ok {
			wanted = append(wanted, g)
		}
	}
	return wanted, len(wanted) == len(c.Values)
}

// meaningful drops empty strings: Null and the set operators treat a key with an
// empty value as absent.
func meaningful(values []string) []string {
	var kept []string
	for _, v := range values {
		if v != "" {
			kept = append(kept, v)
		}
	}
	return kept
}

func anything(string) error { return nil }

func equal(want glob, got string) bool { return want.literal() == got }

func equalFold(want glob, got string) bool { return strings.EqualFold(want.literal(), got) }

func boolean(want string) error {
	if !strings.EqualFold(want, "true") && !strings.EqualFold(want, "false") {
		return fmt.Errorf("%q is neither true nor false", want)
	}
	return nil
}

func binary(want string) error {
	if _, err := base64.StdEncoding.DecodeString(want); err != nil {
		return fmt.Errorf("%q is not base64", want)
	}
	return nil
}

var decimal = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

func parseNumber(text string) (float64, error) {
	if !decimal.MatchString(text) {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return strconv.ParseFloat(text, 64)
}

func number(want string) error {
	_, err := parseNumber(want)
	return err
}

func numbers(holds func(int) bool) func(glob, string) bool {
	return func(want glob, got string) bool {
		w, err := parseNumber(want.literal())
		g, errGot := parseNumber(got)
		return err == nil && errGot == nil && holds(cmp.Compare(g, w))
	}
}

// dateLayouts are the formats of the W3C's note on date and time; without a zone the time
// is UTC.
var dateLayouts = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

func parseDate(text string) (time.Time, error) {
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a date such as 2030-01-31T12:00:00Z", text)
}

func date(want string) error {
	_, err := parseDate(want)
	return err
}

func dates(holds func(int) bool) func(glob, string) bool {
	return func(want glob, got string) bool {
		w, err := parseDate(want.literal())
		g, errGot := parseDate(got)
		return err == nil && errGot == nil && holds(g.Compare(w))
	}
}

// parseNetwork parses a CIDR block; an address without a prefix is a block of one
// address.
func parseNetwork(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err == nil {
		return prefix, nil
	}
	address, errAddress := netip.ParseAddr(text)
	if errAddress != nil {
		return prefix, errors.Join(err, errAddress)
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

func network(want string) error {
	if _, err := parseNetwork(want); err != nil {
		return fmt.Errorf("%q is neither an IP address nor a range such as 203.0.113.0/24", want)
	}
	return nil
}

func contains(want glob, got string) bool {
	prefix, err := parseNetwork(want.literal())
	address, errGot := netip.ParseAddr(got)
	return err == nil && errGot == nil && prefix.Contains(address)
}
