package eks

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// call is one request to an action.
type call struct {
	*Service
	ctx    context.Context
	action string
	path   []string // the variables of the path
	query  url.Values
	body   []byte
	now    time.Time
	// fails is how an injected fault makes the created resource fail later.
	fails *protocol.Error
	// about has the further fields of an error's answer: the cluster, the node group.
	about map[string]string
}

// none is the input of an action that has all its parameters in the path.
type none struct{}

// of decodes the body of an action.
func of[In any](do func(*call, *In) (any, *protocol.Error)) action {
	return func(c *call) (any, *protocol.Error) {
		in := new(In)
		if err := decode(c.body, in); err != nil {
			return nil, err
		}
		return do(c, in)
	}
}

// decode decodes the body. A field that the local AWS does not simulate is an error.
func decode(body []byte, in any) *protocol.Error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one value")
		}
	}
	if err != nil {
		return &protocol.Error{Code: "InvalidParameterException", Message: "the local AWS cannot take the request: " + err.Error()}
	}
	return nil
}

// seconds is a time in the form of REST JSON.
type seconds time.Time

// MarshalJSON implements json.Marshaler.
func (t seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(t).UnixMilli())/1000, 'f', 3, 64), nil
}

func (s *Service) arn(kind, rest string) string {
	return "arn:aws:eks:" + s.Region + ":" + s.AccountID + ":" + kind + "/" + rest
}

// allow asks whether the call may do its action to a resource, with EKS's condition keys,
// and whether the further checks pass.
func (c *call) allow(arn string, keys map[string][]string, besides ...access.Check) *protocol.Error {
	return c.allowed(append([]access.Check{c.check("eks:"+c.action, arn, keys)}, besides...)...)
}

func (c *call) check(action, arn string, keys map[string][]string) access.Check {
	all := map[string][]string{"aws:RequestedRegion": {c.Region}}
	maps.Copy(all, keys)
	return access.Check{Action: action, Resource: arn, Context: all}
}

func (c *call) allowed(checks ...access.Check) *protocol.Error {
	return access.Refusal(c.Guard.Allow(c.ctx, checks...), "AccessDeniedException")
}

// creates returns the further checks for a call that creates a resource with tags.
func (c *call) creates(arn string, tags map[string]string) []access.Check {
	if len(tags) == 0 {
		return nil
	}
	return []access.Check{c.check("eks:TagResource", arn, requestTags(tags))}
}

func requestTags(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		keys["aws:RequestTag/"+key] = []string{tags[key]}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
	}
	return keys
}

func resourceTags(tags map[string]string) map[string][]string {
	keys := map[string][]string{}
	for key, value := range tags {
		keys["aws:ResourceTag/"+key] = []string{value}
	}
	return keys
}

// passes returns the check for a call that passes a role to a service.
func (c *call) passes(roleARN, to, associated string) access.Check {
	return c.check("iam:PassRole", roleARN, map[string][]string{"iam:PassedToService": {to}, "iam:AssociatedResourceArn": {associated}})
}

// linking returns the checks for a call that makes EKS create a service-linked role.
func (c *call) linking(service, role string) []access.Check {
	if c.linked[service] {
		return nil
	}
	arn := "arn:aws:iam::" + c.AccountID + ":role/aws-service-role/" + service + "/" + role
	return []access.Check{c.check("iam:CreateServiceLinkedRole", arn, map[string][]string{"iam:AWSServiceName": {service}})}
}

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags map[string]string) *protocol.Error {
	for key, value := range tags {
		if key == "" || len(key) > maxTagKey || len(value) > maxTagValue || len(key) > 4 && key[:4] == "aws:" {
			return invalid("The tag %q is invalid: a key of 1 to %d characters that does not begin with aws:, and a value of at most %d", key,
				maxTagKey, maxTagValue)
		}
	}
	if len(tags) > maxTags {
		return invalid("A resource has at most %d tags", maxTags)
	}
	return nil
}

// page returns one page of names, and the token of the next page.
func (c *call) page(names []string) ([]string, *string, *protocol.Error) {
	limit := 100
	if text := c.query.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100 {
			return nil, nil, invalid("maxResults must be from 1 to 100")
		}
		limit = n
	}
	slices.Sort(names)
	last, err := base64.RawURLEncoding.DecodeString(c.query.Get("nextToken"))
	if err != nil {
		return nil, nil, invalid("nextToken is invalid")
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name <= string(last) })
	if len(names) <= limit {
		return names, nil, nil
	}
	token := base64.RawURLEncoding.EncodeToString([]byte(names[limit-1]))
	return names[:limit], &token, nil
}

func refused(status int, code, format string, args ...any) *protocol.Error {
	return &protocol.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}

func invalid(format string, args ...any) *protocol.Error {
	return refused(http.StatusBadRequest, "InvalidParameterException", format, args...)
}

func badRequest(format string, args ...any) *protocol.Error {
	return refused(http.StatusBadRequest, "InvalidRequestException", format, args...)
}

func notFound(format string, args ...any) *protocol.Error {
	return refused(http.StatusNotFound, "ResourceNotFoundException", format, args...)
}

func inUse(format string, args ...any) *protocol.Error {
	return refused(http.StatusConflict, "ResourceInUseException", format, args...)
}

func limitExceeded(what string, limit int) *protocol.Error {
	return refused(http.StatusBadRequest, "ResourceLimitExceededException", "You've exceeded the maximum number of %s: %d", what, limit)
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

// remembered returns what an earlier call with the same token created.
func (c *call) remembered(token string) (string, *protocol.Error) {
	id, differs := c.tokens.Made(c.action, token, string(c.body))
	if differs {
		return "", invalid("clientRequestToken %s was used by a request with other parameters", token)
	}
	return id, nil
}

func (c *call) remember(token, id string) { c.tokens.Remember(c.action, token, string(c.body), id) }
