package iam

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// awsOwned is the prefix of the ARNs of AWS's managed policies.
const awsOwned = "arn:aws:iam::aws:policy/"

// own returns a policy of the account, if the caller may do its action to it.
func (s *Service) own(c *call, arn string, keys map[string][]string) (*policy, error) {
	context := map[string][]string{}
	if p := s.now.policies[arn]; p != nil {
		describeTags(context, "aws:ResourceTag/", p.tags)
		describeTags(context, "iam:ResourceTag/", p.tags)
	}
	maps.Copy(context, keys)
	if !strings.HasPrefix(arn, "arn:aws:iam::") {
		return nil, validation("The specified value for policyArn is invalid: %q", arn)
	}
	if err := s.allow(c, arn, context); err != nil {
		return nil, err
	}
	p := s.now.policies[arn]
	switch {
	case p == nil && awsManaged[arn].policy != nil:
		return nil, query.Errorf("AccessDenied", http.StatusForbidden, "Cannot perform the operation on the policy %s: it is AWS's", arn)
	case p == nil:
		return nil, noSuchEntity("Policy %s was not found.", arn)
	}
	return p, nil
}

// readable returns a policy of the account or of AWS.
func (s *Service) readable(c *call, arn string) (*policy, error) {
	d, ok := awsManaged[arn]
	if !ok {
		return s.own(c, arn, nil)
	}
	if err := s.allow(c, arn, nil); err != nil {
		return nil, err
	}
	name := strings.TrimPrefix(arn, awsOwned)
	return &policy{
		name: name, path: "/", id: "ANPA" + name, arn: arn, created: managedSince, updated: managedSince,
		versions: []version{{1, managedSince, d}}, current: 1, made: 1,
	}, nil
}

func (a *Account) putPolicy(p *policy) { a.change(func(v *view) { v.policies[p.arn] = p }) }

type createPolicyIn struct {
	PolicyName, Path, PolicyDocument, Description string
	Tags                                          []tag
}

func createPolicy(s *Service, c *call, in *createPolicyIn) (protocol.Elements, error) {
	p, err := s.newPolicy(in)
	if err != nil {
		return nil, err
	}
	keys := requested(in.Tags)
	checks := []access.Check{{Action: "iam:CreatePolicy", Resource: p.arn, Context: keys}}
	if len(in.Tags) > 0 {
		checks = append(checks, access.Check{Action: "iam:TagPolicy", Resource: p.arn, Context: keys})
	}
	if err := s.allowed(c, checks...); err != nil {
		return nil, err
	}
	switch {
	case s.now.policies[p.arn] != nil:
		return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", p.name)
	case len(s.now.policies) >= maxPolicies:
		return nil, limitExceeded("Cannot exceed quota for PoliciesPerAccount: %d", maxPolicies)
	}
	s.putPolicy(p)
	return protocol.Elements{"Policy": s.answer(p)}, nil
}

func (a *Account) newPolicy(in *createPolicyIn) (*policy, error) {
	if in.Path == "" {
		in.Path = "/"
	}
	if err := firstOf(checkName("policyName", in.PolicyName, policyName), checkPath(in.Path)); err != nil {
		return nil, err
	}
	arn := a.policyARN(in.Path, in.PolicyName)
	d, err := parse(arn, iam.IdentityPolicy, in.PolicyDocument, maxManaged)
	if err != nil {
		return nil, err
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	now := a.clock.Now()
	return &policy{
		name: in.PolicyName, path: in.Path, id: newID("ANPA"), arn: arn, description: in.Description, created: now, updated: now,
		versions: []version{{1, now, d}}, current: 1, made: 1, tags: tags,
	}, nil
}

type policyAnswer struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId string
	AttachmentCount, PermissionsBoundaryUsageCount    int
	IsAttachable                                      bool
	Description                                       string `xml:",omitempty"`
	CreateDate, UpdateDate                            string
	Tags                                              *members `xml:",omitempty"`
}

func (a *Account) answer(p *policy) policyAnswer {
	out := policyAnswer{
		PolicyName: p.name, PolicyId: p.id, Arn: p.arn, Path: p.path, DefaultVersionId: versionID(p.current),
		AttachmentCount: len(a.users(p.arn, false)), PermissionsBoundaryUsageCount: len(a.users(p.arn, true)),
		IsAttachable: true, Description: p.description, CreateDate: timestamp(p.created), UpdateDate: timestamp(p.updated),
	}
	if len(p.tags) > 0 {
		tags := query.List(query.Tags(p.tags))
		out.Tags = &tags
	}
	return out
}

// users returns the roles that have a managed policy, attached or as their boundary.
func (a *Account) users(arn string, boundary bool) (found []*role) {
	for _, name := range slices.Sorted(maps.Keys(a.now.roles)) {
		r := a.now.roles[name]
		if boundary && r.boundary == arn || !boundary && slices.Contains(r.attached, arn) {
			found = append(found, r)
		}
	}
	return found
}

func versionID(number int) string { return "v" + strconv.Itoa(number) }

type policyIn struct{ PolicyArn string }

func getPolicy(s *Service, c *call, in *policyIn) (protocol.Elements, error) {
	p, err := s.readable(c, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"Policy": s.answer(p)}, nil
}

func deletePolicy(s *Service, c *call, in *policyIn) (protocol.Elements, error) {
	p, err := s.own(c, in.PolicyArn, nil)
	switch {
	case err != nil:
		return nil, err
	case len(s.users(p.arn, false)) > 0 || len(s.users(p.arn, true)) > 0:
		return nil, deleteConflict("Cannot delete a policy attached to entities.")
	case len(p.versions) > 1:
		return nil, deleteConflict(
			"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. " +
				"The default version is deleted with the policy.",
		)
	}
	s.change(func(v *view) { delete(v.policies, p.arn) })
	return nil, nil
}

type listPoliciesIn struct {
	Scope, PathPrefix, PolicyUsageFilter string
	OnlyAttached                         bool
	page
}

func listPolicies(s *Service, c *call, in *listPoliciesIn) (protocol.Elements, error) {
	if err := s.allow(c, "arn:aws:iam::"+s.id+":policy/", nil); err != nil {
		return nil, err
	}
	if in.Scope == "AWS" || in.PolicyUsageFilter != "" {
		return nil, validation("the local AWS server lists policies of the account only: Scope must be Local")
	}
	var found []policyAnswer
	for _, arn := range slices.Sorted(maps.Keys(s.now.policies)) {
		answer := s.answer(s.now.policies[arn])
		if strings.HasPrefix(answer.Path, in.PathPrefix) && (!in.OnlyAttached || answer.AttachmentCount > 0) {
			found = append(found, answer)
		}
	}
	found, out, err := cut(in.page, found, func(p policyAnswer) string { return p.Arn })
	if err != nil {
		return nil, err
	}
	out["Policies"] = query.List(found)
	return out, nil
}

type versionIn struct {
	PolicyArn, PolicyDocument, VersionId string
	SetAsDefault                         bool
	page
}

type versionAnswer struct {
	Document         string `xml:",omitempty"`
	VersionId        string
	IsDefaultVersion bool
	CreateDate       string
}

func (p *policy) answer(v version, full bool) versionAnswer {
	out := versionAnswer{VersionId: versionID(v.number), IsDefaultVersion: v.number == p.current, CreateDate: timestamp(v.created)}
	if full {
		out.Document = encoded(v.text)
	}
	return out
}

func createPolicyVersion(s *Service, c *call, in *versionIn) (protocol.Elements, error) {
	p, err := s.own(c, in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	d, invalid := parse(p.arn, iam.IdentityPolicy, in.PolicyDocument, maxManaged)
	switch {
	case invalid != nil:
		return nil, invalid
	case len(p.versions) >= maxVersions:
		return nil, limitExceeded(
			"A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.",
			maxVersions,
		)
	}
	p = p.edit()
	p.made++
	p.updated = s.clock.Now()
	next := version{p.made, p.updated, d}
	p.versions = append(p.versions, next)
	if in.SetAsDefault {
		p.current = p.made
	}
	s.putPolicy(p)
	return protocol.Elements{"PolicyVersion": p.answer(next, false)}, nil
}

// numbered returns the version that a request names.
func (p *policy) numbered(id string) (version, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(id, "v"))
	found, ok := p.version(number)
	if err != nil || !ok {
		return version{}, noSuchEntity("Policy %s version %s does not exist or is not attachable.", p.arn, id)
	}
	return found, nil
}

func getPolicyVersion(s *Service, c *call, in *versionIn) (protocol.Elements, error) {
	p, err := s.readable(c, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	v, err := p.numbered(in.VersionId)
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"PolicyVersion": p.answer(v, true)}, nil
}

func listPolicyVersions(s *Service, c *call, in *versionIn) (protocol.Elements, error) {
	p, err := s.readable(c, in.PolicyArn)
	if err != nil {
		return nil, err
	}
	var all []versionAnswer
	for _, v := range slices.Backward(p.versions) {
		all = append(all, p.answer(v, false))
	}
	return protocol.Elements{"Versions": query.List(all), "IsTruncated": false}, nil
}

func setDefaultPolicyVersion(s *Service, c *call, in *versionIn) (protocol.Elements, error) {
	p, err := s.own(c, in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	v, err := p.numbered(in.VersionId)
	if err != nil {
		return nil, err
	}
	p = p.edit()
	p.current, p.updated = v.number, s.clock.Now()
	s.putPolicy(p)
	return nil, nil
}

func deletePolicyVersion(s *Service, c *call, in *versionIn) (protocol.Elements, error) {
	p, err := s.own(c, in.PolicyArn, nil)
	if err != nil {
		return nil, err
	}
	v, err := p.numbered(in.VersionId)
	switch {
	case err != nil:
		return nil, err
	case v.number == p.current:
		return nil, deleteConflict("Cannot delete the default version of a policy.")
	}
	p = p.edit()
	p.versions = slices.DeleteFunc(p.versions, func(other version) bool { return other.number == v.number })
	s.putPolicy(p)
	return nil, nil
}

type entitiesIn struct {
	PolicyArn, EntityFilter, PathPrefix, PolicyUsageFilter string
	page
}

type entityAnswer struct{ RoleName, RoleId string }

func listEntitiesForPolicy(s *Service, c *call, in *entitiesIn) (protocol.Elements, error) {
	if _, err := s.readable(c, in.PolicyArn); err != nil {
		return nil, err
	}
	var roles []entityAnswer
	for _, r := range s.users(in.PolicyArn, in.PolicyUsageFilter == "PermissionsBoundary") {
		if strings.HasPrefix(r.path, in.PathPrefix) && (in.EntityFilter == "" || in.EntityFilter == "Role") {
			roles = append(roles, entityAnswer{r.name, r.id})
		}
	}
	roles, out, err := cut(in.page, roles, func(e entityAnswer) string { return e.RoleName })
	if err != nil {
		return nil, err
	}
	out["PolicyRoles"], out["PolicyGroups"], out["PolicyUsers"] = query.List(roles), query.List[string](nil), query.List[string](nil)
	return out, nil
}

type tagPolicyIn struct {
	PolicyArn string
	Tags      []tag
	TagKeys   []string
}

func tagPolicy(s *Service, c *call, in *tagPolicyIn) (protocol.Elements, error) {
	p, err := s.own(c, in.PolicyArn, requested(in.Tags))
	if err != nil {
		return nil, err
	}
	tags, invalid := tagged(p.tags, in.Tags)
	if invalid != nil {
		return nil, invalid
	}
	p = p.edit()
	p.tags = tags
	s.putPolicy(p)
	return nil, nil
}

func untagPolicy(s *Service, c *call, in *tagPolicyIn) (protocol.Elements, error) {
	p, err := s.own(c, in.PolicyArn, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	p = p.edit()
	p.tags = untagged(p.tags, in.TagKeys)
	s.putPolicy(p)
	return nil, nil
}
