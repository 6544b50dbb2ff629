package iam

import (
	"maps"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

type rolePolicyIn struct{ RoleName, PolicyName, PolicyDocument string }

func putRolePolicy(s *Service, c *call, in *rolePolicyIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	if r, err = r.withInline(in.PolicyName, in.PolicyDocument); err != nil {
		return nil, err
	}
	s.put(r)
	return nil, nil
}

// withInline returns a copy of the role with an inline policy.
func (r *role) withInline(name, text string) (*role, error) {
	if err := checkName("policyName", name, policyName); err != nil {
		return nil, err
	}
	others := 0
	for other, d := range r.inline {
		if other != name {
			others += characters(d.text)
		}
	}
	if others+characters(text) > maxInline {
		return nil, limitExceeded("Maximum policy size of %d bytes exceeded for role %s", maxInline, r.name)
	}
	d, err := parse(r.arn+" policy "+name, iam.IdentityPolicy, text, maxInline)
	if err != nil {
		return nil, err
	}
	r = r.edit()
	r.inline[name] = d
	return r, nil
}

func (s *Service) inline(c *call, in *rolePolicyIn) (*role, document, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, document{}, err
	}
	d, ok := r.inline[in.PolicyName]
	if !ok {
		return nil, document{}, noSuchEntity("The role policy with name %s cannot be found.", in.PolicyName)
	}
	return r, d, nil
}

func getRolePolicy(s *Service, c *call, in *rolePolicyIn) (protocol.Elements, error) {
	_, d, err := s.inline(c, in)
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"RoleName": in.RoleName, "PolicyName": in.PolicyName, "PolicyDocument": encoded(d.text)}, nil
}

func deleteRolePolicy(s *Service, c *call, in *rolePolicyIn) (protocol.Elements, error) {
	r, _, err := s.inline(c, in)
	if err != nil {
		return nil, err
	}
	r = r.edit()
	delete(r.inline, in.PolicyName)
	s.put(r)
	return nil, nil
}

func listRolePolicies(s *Service, c *call, in *pageOfRole) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	names, out, err := cut(in.page, slices.Sorted(maps.Keys(r.inline)), func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	out["PolicyNames"] = query.List(names)
	return out, nil
}

type attachIn struct{ RoleName, PolicyArn string }

func attachRolePolicy(s *Service, c *call, in *attachIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, map[string][]string{"iam:PolicyARN": {in.PolicyArn}})
	if err != nil {
		return nil, err
	}
	if r, err = s.attach(r, in.PolicyArn); err != nil {
		return nil, err
	}
	s.put(r)
	return nil, nil
}

// attach returns a copy of the role with a managed policy; attaching it again changes
// nothing.
func (a *Account) attach(r *role, arn string) (*role, error) {
	_, ok := a.now.managed(arn)
	switch {
	case !ok:
		return nil, noSuchEntity("Policy %s does not exist or is not attachable.", arn)
	case slices.Contains(r.attached, arn):
		return r, nil
	case len(r.attached) >= maxAttached:
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
	}
	r = r.edit()
	r.attached = append(r.attached, arn)
	return r, nil
}

func detachRolePolicy(s *Service, c *call, in *attachIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, map[string][]string{"iam:PolicyARN": {in.PolicyArn}})
	if err != nil {
		return nil, err
	}
	i := slices.Index(r.attached, in.PolicyArn)
	if i < 0 {
		return nil, noSuchEntity("Policy %s was not found.", in.PolicyArn)
	}
	r = r.edit()
	r.attached = slices.Delete(r.attached, i, i+1)
	s.put(r)
	return nil, nil
}

type attachedAnswer struct{ PolicyName, PolicyArn string }

type attachedIn struct {
	RoleName, PathPrefix string
	page
}

func listAttachedRolePolicies(s *Service, c *call, in *attachedIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	var found []attachedAnswer
	for _, arn := range slices.Sorted(slices.Values(r.attached)) {
		if _, path, _ := strings.Cut(arn, ":policy"); strings.HasPrefix(path, in.PathPrefix) {
			found = append(found, attachedAnswer{arn[strings.LastIndex(arn, "/")+1:], arn})
		}
	}
	found, out, err := cut(in.page, found, func(a attachedAnswer) string { return a.PolicyArn })
	if err != nil {
		return nil, err
	}
	out["AttachedPolicies"] = query.List(found)
	return out, nil
}
