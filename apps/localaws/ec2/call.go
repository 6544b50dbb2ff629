package ec2

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// call is one request to an action.
type call struct {
	*Service
	ctx    context.Context
	query  *protocol.Query
	now    time.Time
	dryRun bool
	// fails is how an injected fault makes the created resource fail later.
	fails *protocol.Error
}

// common has the parameters that every action has.
type common struct{ DryRun bool }

func (c common) asked() bool { return c.DryRun }

// of decodes the parameters of an action.
func of[In interface{ asked() bool }](do func(*call, *In) (protocol.Elements, *protocol.Error)) action {
	return func(c *call) (protocol.Elements, *protocol.Error) {
		in := new(In)
		unknown, err := c.query.Decode(in)
		if err != nil {
			return nil, err
		}
		if len(unknown) > 0 {
			return nil, &protocol.Error{
				Code: "UnknownParameter", Message: fmt.Sprintf("The parameter %s is not recognized: the local AWS does not simulate it", unknown[0]),
			}
		}
		c.dryRun = (*in).asked()
		return do(c, in)
	}
}

// done is the answer of an action that has no other output.
var done = protocol.Elements{"return": true}

// set is a list in an answer.
type set[T any] struct {
	Items []T `xml:"item"`
}

func items[T any](list []T) set[T] { return set[T]{list} }

// target is a resource of a call, in the form that policies see.
type target struct {
	arn  string
	keys map[string][]string
	// creates are the tags that the call gives to what it creates.
	creates []tag
}

func (s *Service) arn(k *kind, id string) string {
	return "arn:aws:ec2:" + s.region + ":" + s.account + ":" + k.name + "/" + id
}

// on returns the target for a resource that a call acts on, even if it does not exist.
func (c *call) on(k *kind, id string) target {
	t := target{arn: c.arn(k, id), keys: map[string][]string{}}
	r, found := c.resources[id]
	if !found || r.base().kind != k {
		return t
	}
	for name, value := range r.keys(c.Service) {
		t.keys["ec2:"+name] = []string{value}
	}
	for _, tag := range r.base().Tags {
		t.keys["aws:ResourceTag/"+tag.Key] = []string{tag.Value}
		t.keys["ec2:ResourceTag/"+tag.Key] = []string{tag.Value}
	}
	return t
}

// onAll returns the targets for several resources.
func (c *call) onAll(k *kind, ids []string) (targets []target) {
	for _, id := range ids {
		targets = append(targets, c.on(k, id))
	}
	return targets
}

// creates returns the target for what a call creates, with the condition keys that it has
// then.
func (c *call) creates(k *kind, tags []tag, keys map[string]string) target {
	t := target{arn: c.arn(k, "*"), keys: requestTags(tags), creates: tags}
	for name, value := range keys {
		t.keys["ec2:"+name] = []string{value}
	}
	return t
}

func requestTags(tags []tag) map[string][]string {
	keys := map[string][]string{}
	for _, tag := range tags {
		keys["aws:RequestTag/"+tag.Key] = []string{tag.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], tag.Key)
	}
	return keys
}

// allow asks whether the call may do its action to each of the targets, or in general if
// there are none, and tag what it creates.
func (c *call) allow(targets ...target) *protocol.Error { return c.allowWith(nil, targets...) }

// allowWith is like allow, with further checks: what AWS does on the caller's behalf.
func (c *call) allowWith(besides []access.Check, targets ...target) *protocol.Error {
	if len(targets) == 0 {
		targets = []target{{arn: "*"}}
	}
	var checks []access.Check
	for _, t := range targets {
		checks = append(checks, c.check("ec2:"+c.query.Action, t, nil))
		if len(t.creates) > 0 {
			checks = append(checks, c.check("ec2:CreateTags", t, map[string][]string{"ec2:CreateAction": {c.query.Action}}))
		}
	}
	err := c.allowed(append(checks, besides...)...)
	if err == nil && c.dryRun {
		err = &protocol.Error{
			Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: http.StatusPreconditionFailed,
		}
	}
	return err
}

func (c *call) check(action string, t target, more map[string][]string) access.Check {
	keys := map[string][]string{"aws:RequestedRegion": {c.region}, "ec2:Region": {c.region}}
	maps.Copy(keys, t.keys)
	maps.Copy(keys, more)
	return access.Check{Action: action, Resource: t.arn, Context: keys}
}

func (c *call) allowed(checks ...access.Check) *protocol.Error {
	err := access.Refusal(c.guard.Allow(c.ctx, checks...), unauthorized)
	if err != nil && err.Code == unauthorized {
		err.Message = "You are not authorized to perform this operation. " + err.Message
	}
	return err
}

const unauthorized = "UnauthorizedOperation"

// earlier returns the id that a call with the same token created.
func (c *call) earlier(token string) (string, *protocol.Error) {
	id, differs := c.tokens.Made(c.query.Action, token, c.query.Body)
	if differs {
		return "", refused("IdempotentParameterMismatch", "The client token %s was used by a call with other parameters", token)
	}
	return id, nil
}

func (c *call) remember(token, id string) { c.tokens.Remember(c.query.Action, token, c.query.Body, id) }

func missing(parameter string) *protocol.Error {
	return &protocol.Error{Code: "MissingParameter", Message: "The request must contain the parameter " + parameter}
}

func invalid(parameter, value, why string) *protocol.Error {
	return refused("InvalidParameterValue", "Value (%s) for parameter %s is invalid. %s", value, parameter, why)
}

func refused(code, format string, args ...any) *protocol.Error {
	return &protocol.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// unsupported returns the error for a parameter that AWS has and this server does not.
func unsupported(what string) *protocol.Error {
	return refused("UnsupportedOperation", "The local AWS does not simulate %s", what)
}

func dependent(k *kind, id string) *protocol.Error {
	return refused("DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", k.name, id)
}

// first returns the first of several checks that failed.
func first(errs ...*protocol.Error) *protocol.Error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// describing has the parameters of actions that describe; their inputs embed it.
type describing struct {
	Filter     []filter
	MaxResults *int
	NextToken  string
	common
}

// filter matches a resource if an attribute has one of the values; * and ? stand for any
// characters.
type filter struct {
	Name   string
	Values []string `query:"Value"`
}

// attributes are the filters of a kind by name: each returns the values of a resource.
type attributes[R resource] map[string]func(R) []string

// one returns a filter for an attribute with a single value.
func one[R resource](value func(R) string) func(R) []string {
	return func(r R) []string { return []string{value(r)} }
}

// values returns an attribute of each element of a list, for a filter with several
// values.
func values[T any](list []T, value func(T) string) (found []string) {
	for _, element := range list {
		found = append(found, value(element))
	}
	return found
}

const (
	minResults = 5
	maxResults = 1000
	maxFilters = 200
)

// describe returns the resources of a kind that match the filters. With ids it describes
// only those, and each must exist. The string is the token of the next page.
func describe[R resource](c *call, k *kind, ids []string, in describing, by attributes[R]) ([]R, string, *protocol.Error) {
	if err := first(c.allow(), in.check(), known(in.Filter, by)); err != nil {
		return nil, "", err
	}
	if len(ids) > 0 && in.MaxResults != nil {
		return nil, "", refused("InvalidParameterCombination", "The parameter %sIds cannot be used with the parameter maxResults", k.name)
	}
	for _, id := range ids {
		if _, err := find[R](c.Service, k, k.name+"Id", id); err != nil {
			return nil, "", err
		}
	}
	matching := where(c.Service, func(r R) bool {
		return (len(ids) == 0 || slices.Contains(ids, r.base().id)) && matches(r, in.Filter, by)
	})
	return page(in, matching)
}

func (in describing) check() *protocol.Error {
	if in.MaxResults != nil && (*in.MaxResults < minResults || *in.MaxResults > maxResults) {
		return invalid("maxResults", strconv.Itoa(*in.MaxResults), "Expecting a value from 5 to 1000.")
	}
	for _, f := range in.Filter {
		if len(f.Values) == 0 || len(f.Values) > maxFilters {
			return refused("InvalidParameterValue", "The filter '%s' has %d values: 1 to %d are allowed", f.Name, len(f.Values), maxFilters)
		}
	}
	return nil
}

// known returns an error for a filter that the kind does not have.
func known[R resource](filters []filter, by attributes[R]) *protocol.Error {
	for _, f := range filters {
		if _, found := by[f.Name]; !found && f.Name != "tag-key" && !strings.HasPrefix(f.Name, "tag:") {
			return refused("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
	}
	return nil
}

func matches[R resource](r R, filters []filter, by attributes[R]) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(valuesOf(r, f.Name, by), f.holds) {
			return false
		}
	}
	return true
}

func valuesOf[R resource](r R, name string, by attributes[R]) (values []string) {
	if key, tagged := strings.CutPrefix(name, "tag:"); tagged {
		if value, found := r.base().tag(key); found {
			return []string{value}
		}
		return nil
	}
	if name == "tag-key" {
		for _, t := range r.base().Tags {
			values = append(values, t.Key)
		}
		return values
	}
	return by[name](r)
}

// literal escapes what path.Match treats as special and EC2 does not.
var literal = strings.NewReplacer(`[`, `\[`, `/`, "\x00")

func (f filter) holds(value string) bool {
	return slices.ContainsFunc(f.Values, func(pattern string) bool {
		matched, err := path.Match(literal.Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
		return matched && err == nil
	})
}

// page returns the resources after the token, at most MaxResults. The token is the last
// id of the previous page.
func page[R resource](in describing, list []R) ([]R, string, *protocol.Error) {
	last, err := base64.RawURLEncoding.DecodeString(in.NextToken)
	if err != nil {
		return nil, "", refused("InvalidNextToken", "The token '%s' is invalid", in.NextToken)
	}
	if in.NextToken != "" {
		i := slices.IndexFunc(list, func(r R) bool { return r.base().id == string(last) })
		if i < 0 {
			return nil, "", refused("InvalidNextToken", "The token '%s' is invalid or has expired", in.NextToken)
		}
		list = list[i+1:]
	}
	limit := maxResults
	if in.MaxResults != nil {
		limit = *in.MaxResults
	}
	if len(list) <= limit {
		return list, "", nil
	}
	return list[:limit], base64.RawURLEncoding.EncodeToString([]byte(list[limit-1].base().id)), nil
}

// described returns an answer with one page.
func described[R resource](name string, list []R, next string) protocol.Elements {
	out := protocol.Elements{name: items(list)}
	if next != "" {
		out["nextToken"] = next
	}
	return out
}
