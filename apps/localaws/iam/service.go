package iam

import (
	"encoding/base64"
	"net/http"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	Account *Account
	Guard   access.Guard
	Clock   clock.Clock
	Faults  *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	*Account
	query.Handler[*Service]

	guard access.Guard
}

// Namespace is the XML namespace of the service's answers.
const Namespace = "https://iam.amazonaws.com/doc/2010-05-08/"

// New returns a service for an account.
func New(options Options) *Service {
	s := &Service{Account: options.Account, guard: options.Guard}
	s.Handler = query.Handler[*Service]{
		Service: s, Prefix: "iam", Namespace: Namespace, Actions: actions, Clock: options.Clock, Faults: options.Faults,
	}
	return s
}

type (
	call    = query.Call
	members = query.Members[tag]
)

// with returns an action that holds the account's lock.
func with[In any](do func(*Service, *call, *In) (protocol.Elements, error)) query.Action[*Service] {
	return query.With(func(s *Service, c *call, in *In) (protocol.Elements, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return do(s, c, in)
	})
}

var actions = map[string]query.Action[*Service]{
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

// page holds the parameters that all lists have.
type page struct {
	MaxItems *int
	Marker   string
}

const maxItems = 1000

// cut returns one page of a sorted list, and the elements of the answer that say
// whether more follow. The marker is the last key of the page before.
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
		return nil, nil, query.Errorf("InvalidInput", http.StatusBadRequest, "Invalid Marker")
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

// allow asks the guard about the action of a call. The guard reads the account, so the
// lock is released meanwhile, and what was read before may have changed.
func (s *Service) allow(c *call, resource string, keys map[string][]string) error {
	return s.allowed(c, access.Check{Action: "iam:" + c.Action, Resource: resource, Context: keys})
}

func (s *Service) allowed(c *call, checks ...access.Check) error {
	s.mu.Unlock()
	defer s.mu.Lock()
	return s.guard.Allow(c, checks...)
}
