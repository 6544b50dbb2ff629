package iam

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// Options are what a Service is made of.
type Options struct {
	Account *Account
	Guard   access.Guard
	Clock   clock.Clock
	Faults  *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	*Account

	guard  access.Guard
	clock  clock.Clock
	faults *fault.Faults
}

// New makes a service of an account.
func New(options Options) *Service {
	return &Service{options.Account, options.Guard, options.Clock, options.Faults}
}

// Namespace is that of the service's answers.
const Namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// ServeHTTP answers a request in the query protocol.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query, err := protocol.ReadQuery(r)
	if err != nil {
		protocol.WriteQueryError(w, Namespace, err)
		return
	}
	out, err := s.call(r.Context(), query)
	if err != nil {
		protocol.WriteQueryError(w, Namespace, err)
		return
	}
	protocol.WriteQuery(w, Namespace, query.Action, out)
}

// call is one request to an action.
type call struct {
	ctx   context.Context
	query *protocol.Query
}

func (s *Service) call(ctx context.Context, query *protocol.Query) (protocol.Elements, *protocol.Error) {
	do, ok := actions[query.Action]
	if !ok {
		return nil, errorf("InvalidAction", http.StatusBadRequest, "the local AWS server does not have the IAM action %s", query.Action)
	}
	hit := s.faults.Of(ctx).Call("iam:" + query.Action)
	clock.Sleep(ctx, s.clock, hit.Latency)
	if !hit.Late {
		if err := hit.Answer(); err != nil {
			return nil, err
		}
	}
	out, err := do(s, &call{ctx, query})
	if hit.Late {
		if late := hit.Answer(); late != nil {
			return nil, late
		}
	}
	if err != nil {
		return nil, asError(err)
	}
	return out, nil
}

// asError is the answer to an error: a *protocol.Error, or a *access.Denied.
func asError(err error) *protocol.Error {
	var answer *protocol.Error
	if errors.As(err, &answer) {
		return answer
	}
	var denied *access.Denied
	if errors.As(err, &denied) {
		return errorf("AccessDenied", http.StatusForbidden, "%v", denied)
	}
	return &protocol.Error{Code: "ServiceFailure", Message: err.Error(), Status: http.StatusInternalServerError, Receiver: true}
}

type action func(*Service, *call) (protocol.Elements, error)

// with decodes the parameters of an action. The lock of the account is held while
// it is done.
func with[In any](do func(*Service, *call, *In) (protocol.Elements, error)) action {
	return func(s *Service, c *call) (protocol.Elements, error) {
		in := new(In)
		unknown, err := c.query.Decode(in)
		switch {
		case err != nil:
			return nil, err
		case len(unknown) > 0:
			return nil, validation("the local AWS server does not have the parameter %s of %s", unknown[0], c.query.Action)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return do(s, c, in)
	}
}

var actions = map[string]action{
	"CreateRole":                    with(createRole),
	"GetRole":                       with(getRole),
	"UpdateRole":                    with(updateRole),
	"UpdateRoleDescription":         with(updateRoleDescription),
	"UpdateAssumeRolePolicy":        with(updateAssumeRolePolicy),
	"DeleteRole":                    with(deleteRole),
	"ListRoles":                     with(listRoles),
	"TagRole":                       with(tagRole),
	"UntagRole":                     with(untagRole),
	"ListRoleTags":                  with(listRoleTags),
	"PutRolePermissionsBoundary":    with(putRolePermissionsBoundary),
	"DeleteRolePermissionsBoundary": with(deleteRolePermissionsBoundary),
	"ListInstanceProfilesForRole":   with(listInstanceProfilesForRole),

	"PutRolePolicy":            with(putRolePolicy),
	"GetRolePolicy":            with(getRolePolicy),
	"DeleteRolePolicy":         with(deleteRolePolicy),
	"ListRolePolicies":         with(listRolePolicies),
	"AttachRolePolicy":         with(attachRolePolicy),
	"DetachRolePolicy":         with(detachRolePolicy),
	"ListAttachedRolePolicies": with(listAttachedRolePolicies),

	"CreatePolicy":            with(createPolicy),
	"GetPolicy":               with(getPolicy),
	"DeletePolicy":            with(deletePolicy),
	"ListPolicies":            with(listPolicies),
	"CreatePolicyVersion":     with(createPolicyVersion),
	"GetPolicyVersion":        with(getPolicyVersion),
	"ListPolicyVersions":      with(listPolicyVersions),
	"SetDefaultPolicyVersion": with(setDefaultPolicyVersion),
	"DeletePolicyVersion":     with(deletePolicyVersion),
	"ListEntitiesForPolicy":   with(listEntitiesForPolicy),
	"TagPolicy":               with(tagPolicy),
	"UntagPolicy":             with(untagPolicy),

	"CreateOpenIDConnectProvider":             with(createProvider),
	"GetOpenIDConnectProvider":                with(getProvider),
	"DeleteOpenIDConnectProvider":             with(deleteProvider),
	"ListOpenIDConnectProviders":              with(listProviders),
	"UpdateOpenIDConnectProviderThumbprint":   with(updateThumbprint),
	"AddClientIDToOpenIDConnectProvider":      with(addClientID),
	"RemoveClientIDFromOpenIDConnectProvider": with(removeClientID),
	"TagOpenIDConnectProvider":                with(tagProvider),
	"UntagOpenIDConnectProvider":              with(untagProvider),
	"ListOpenIDConnectProviderTags":           with(listProviderTags),
}

// members are a list in an answer.
type members[T any] struct {
	Member []T `xml:"member"`
}

func list[T any](items []T) members[T] { return members[T]{items} }

// page is what lists take of a request.
type page struct {
	MaxItems *int
	Marker   string
}

const maxItems = 1000

// cut is one page of a list that is in order, and the elements that say so. The
// marker is the key of the last item before.
func cut[T any](p page, items []T, key func(T) string) ([]T, protocol.Elements, error) {
	limit := 100
	if p.MaxItems != nil {
		limit = *p.MaxItems
	}
	if limit < 1 || limit > maxItems {
		return nil, nil, validation("MaxItems must be from 1 to %d, not %d", maxItems, limit)
	}
	after, err := base64.RawURLEncoding.DecodeString(p.Marker)
	if err != nil {
		return nil, nil, errorf("InvalidInput", http.StatusBadRequest, "Invalid Marker")
	}
	for len(items) > 0 && len(after) > 0 && key(items[0]) <= string(after) {
		items = items[1:]
	}
	if len(items) <= limit {
		return items, protocol.Elements{"IsTruncated": false}, nil
	}
	items = items[:limit]
	marker := base64.RawURLEncoding.EncodeToString([]byte(key(items[limit-1])))
	return items, protocol.Elements{"IsTruncated": true, "Marker": marker}, nil
}

// allow asks the guard for the action of a call. The guard asks the account: the
// lock is not held meanwhile, and what was read before may have changed.
func (s *Service) allow(c *call, resource string, keys map[string][]string) error {
	return s.allowed(c, access.Check{Action: "iam:" + c.query.Action, Resource: resource, Context: keys})
}

func (s *Service) allowed(c *call, checks ...access.Check) error {
	s.mu.Unlock()
	defer s.mu.Lock()
	if err := s.guard.Allow(c.ctx, checks...); err != nil {
		return fmt.Errorf("%w", err)
	}
	return nil
}
