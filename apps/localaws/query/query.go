// Package query serves actions over the query protocol: it finds an action by its
// name, applies its faults, decodes its parameters and answers its errors. It must
// not know any service.
package query

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Call is one request to an action.
type Call struct {
	context.Context

	*protocol.Query
}

// Action is an action of a service. An error is a *protocol.Error or an
// *access.Denied; any other is the server's.
type Action[S any] func(S, *Call) (protocol.Elements, error)

// With returns an action whose parameters are the fields of In. Any other parameter is an
// error: AWS may have it, the local AWS does not.
func With[S, In any](do func(S, *Call, *In) (protocol.Elements, error)) Action[S] {
	return func(s S, c *Call) (protocol.Elements, error) {
		in := new(In)
		unknown, err := c.Decode(in)
		switch {
		case err != nil:
			return nil, err
		case len(unknown) > 0:
			return nil, Errorf(
				"ValidationError",
				http.StatusBadRequest,
				"the local AWS server does not have the parameter %s of %s",
				unknown[0],
				c.Action,
			)
		}
		return do(s, c, in)
	}
}

// Handler serves the actions of a service.
type Handler[S any] struct {
	Service S
	// Prefix is the service's prefix in IAM actions, and in faults.
	Prefix string
	// Namespace is the XML namespace of the answers.
	Namespace string
	Actions   map[string]Action[S]
	// Denied is the error code of a denied call; empty means AccessDenied.
	Denied string
	// Unsigned is the action that needs no signature, if there is one.
	Unsigned string
	Clock    clock.Clock
	Faults   *fault.Faults
}

// ServeHTTP answers a request, with its parameters in the body or in a presigned URL.
func (h *Handler[S]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := read(r)
	if err != nil {
		protocol.WriteQueryError(w, h.Namespace, err)
		return
	}
	out, err := h.call(r.Context(), query)
	if err != nil {
		protocol.WriteQueryError(w, h.Namespace, err)
		return
	}
	protocol.WriteQuery(w, h.Namespace, query.Action, out)
}

func read(r *http.Request) (*protocol.Query, *protocol.Error) {
	if r.Method == http.MethodPost {
		return protocol.ReadQuery(r)
	}
	kept := url.Values{}
	for name, values := range r.URL.Query() {
		if !strings.HasPrefix(name, "X-Amz-") {
			kept[name] = values
		}
	}
	return protocol.ParseQuery(kept.Encode())
}

func (h *Handler[S]) call(ctx context.Context, query *protocol.Query) (protocol.Elements, *protocol.Error) {
	do, ok := h.Actions[query.Action]
	switch {
	case access.Of(ctx).Caller == nil && query.Action != h.Unsigned:
		return nil, Errorf("MissingAuthenticationToken", http.StatusForbidden, "Request is missing Authentication Token")
	case !ok:
		return nil, Errorf("InvalidAction", http.StatusBadRequest, "the local AWS server does not have the action %s:%s", h.Prefix, query.Action)
	}
	var out protocol.Elements
	failed := h.Faults.Around(ctx, h.Clock, h.Prefix+":"+query.Action, func(fault.Hit) *protocol.Error {
		var err error
		out, err = do(h.Service, &Call{ctx, query})
		return access.Refusal(err, cmp.Or(h.Denied, "AccessDenied"))
	})
	return out, failed
}

// Errorf returns an error with a code, an HTTP status and a message.
func Errorf(code string, status int, format string, args ...any) *protocol.Error {
	return &protocol.Error{Code: code, Message: fmt.Sprintf(format, args...), Status: status}
}

// Members are a list in an answer.
type Members[T any] struct {
	Member []T `xml:"member"`
}

// List returns items as a list in an answer.
func List[T any](items []T) Members[T] { return Members[T]{items} }

// Tag is a tag in a request and in an answer.
type Tag struct{ Key, Value string }

// Tags returns a resource's tags, sorted by key.
func Tags(of map[string]string) []Tag {
	all := []Tag{}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		all = append(all, Tag{key, of[key]})
	}
	return all
}
