package iam

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// find returns a role by name, if the caller may do its action to it. The path of a role
// that does not exist is unknown: its ARN is taken to have none.
func (s *Service) find(c *call, name string, keys map[string][]string) (*role, error) {
	if err := checkName("roleName", name, entityName); err != nil {
		return nil, err
	}
	arn, context := s.roleARN("/", name), map[string][]string{}
	if r := s.now.roles[name]; r != nil {
		arn = r.arn
		r.describe(context)
	}
	maps.Copy(context, keys)
	if err := s.allow(c, arn, context); err != nil {
		return nil, err
	}
	r := s.now.roles[name]
	if r == nil {
		return nil, noSuchEntity("The role with name %s cannot be found.", name)
	}
	return r, nil
}

// describe adds the condition keys of a role as a resource.
func (r *role) describe(keys map[string][]string) {
	if r.boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{r.boundary}
	}
	describeTags(keys, "aws:ResourceTag/", r.tags)
	describeTags(keys, "iam:ResourceTag/", r.tags)
}

func describeTags(keys map[string][]string, prefix string, tags map[string]string) {
	for key, value := range tags {
		keys[prefix+key] = []string{value}
	}
}

// requested returns the condition keys for the tags in a request.
func requested(tags []tag) map[string][]string {
	if len(tags) == 0 {
		return nil
	}
	keys := map[string][]string{}
	for _, t := range tags {
		keys["aws:RequestTag/"+t.Key] = []string{t.Value}
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], t.Key)
	}
	return keys
}

// put replaces a role.
func (a *Account) put(r *role) { a.change(func(v *view) { v.roles[r.name] = r }) }

type createRoleIn struct {
	RoleName, Path, Description, AssumeRolePolicyDocument, PermissionsBoundary string
	MaxSessionDuration                                                         *int
	Tags                                                                       []tag
}

func createRole(s *Service, c *call, in *createRoleIn) (protocol.Elements, error) {
	r, err := s.newRole(in)
	if err != nil {
		return nil, err
	}
	keys := map[string][]string{}
	if r.boundary != "" {
		keys["iam:PermissionsBoundary"] = []string{r.boundary}
	}
	maps.Copy(keys, requested(in.Tags))
	checks := []access.Check{{Action: "iam:CreateRole", Resource: r.arn, Context: keys}}
	if len(in.Tags) > 0 {
		checks = append(checks, access.Check{Action: "iam:TagRole", Resource: r.arn, Context: keys})
	}
	if err := s.allowed(c, checks...); err != nil {
		return nil, err
	}
	_, attachable := s.now.managed(r.boundary)
	switch {
	case s.now.roles[r.name] != nil:
		return nil, alreadyExists("Role with name %s already exists.", r.name)
	case r.boundary != "" && !attachable:
		return nil, noSuchEntity("Scope ARN: %s does not exist or is not attachable.", r.boundary)
	case len(s.now.roles) >= maxRoles:
		return nil, limitExceeded("Cannot exceed quota for RolesPerAccount: %d", maxRoles)
	}
	s.put(r)
	return protocol.Elements{"Role": r.answer()}, nil
}

// newRole returns the role that a request describes.
func (a *Account) newRole(in *createRoleIn) (*role, error) {
	if in.Path == "" {
		in.Path = "/"
	}
	if err := firstOf(checkName("roleName", in.RoleName, entityName), checkPath(in.Path)); err != nil {
		return nil, err
	}
	trust, err := parse("the trust policy of "+in.RoleName, iam.TrustPolicy, in.AssumeRolePolicyDocument, maxTrust)
	if err != nil {
		return nil, err
	}
	tags, err := tagged(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	r := &role{
		name: in.RoleName, path: in.Path, id: newID("AROA"), arn: a.roleARN(in.Path, in.RoleName), description: in.Description,
		created: a.clock.Now(), maxSession: defaultSession, trust: trust, boundary: in.PermissionsBoundary,
		inline: map[string]document{}, tags: tags,
	}
	return r, r.setSession(in.MaxSessionDuration)
}

func (r *role) setSession(seconds *int) error {
	if seconds == nil {
		return nil
	}
	if *seconds < minSession || *seconds > maxSession {
		return validation("maxSessionDuration must be from %d to %d, not %d", minSession, maxSession, *seconds)
	}
	r.maxSession = *seconds
	return nil
}

// firstOf returns the first error that is not nil.
func firstOf(errs ...*protocol.Error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// roleAnswer is a role in an answer.
type roleAnswer struct {
	Path, RoleName, RoleId, Arn, CreateDate string
	AssumeRolePolicyDocument                string
	Description                             string `xml:",omitempty"`
	MaxSessionDuration                      int
	PermissionsBoundary                     *boundaryAnswer `xml:",omitempty"`
	Tags                                    *members        `xml:",omitempty"`
	RoleLastUsed                            struct{}
}

type boundaryAnswer struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

func (r *role) answer() roleAnswer {
	out := roleAnswer{
		Path: r.path, RoleName: r.name, RoleId: r.id, Arn: r.arn, CreateDate: timestamp(r.created),
		AssumeRolePolicyDocument: encoded(r.trust.text), Description: r.description, MaxSessionDuration: r.maxSession,
	}
	if r.boundary != "" {
		out.PermissionsBoundary = &boundaryAnswer{"Policy", r.boundary}
	}
	if len(r.tags) > 0 {
		tags := query.List(query.Tags(r.tags))
		out.Tags = &tags
	}
	return out
}

// encoded returns a document in the form of IAM's answers: URL-encoded by RFC 3986.
func encoded(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}

type roleIn struct{ RoleName string }

func getRole(s *Service, c *call, in *roleIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"Role": r.answer()}, nil
}

type updateRoleIn struct {
	RoleName           string
	Description        *string
	MaxSessionDuration *int
}

func updateRole(s *Service, c *call, in *updateRoleIn) (protocol.Elements, error) {
	_, err := s.describe(c, in)
	return protocol.Elements{}, err
}

func updateRoleDescription(s *Service, c *call, in *updateRoleIn) (protocol.Elements, error) {
	r, err := s.describe(c, in)
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"Role": r.answer()}, nil
}

func (s *Service) describe(c *call, in *updateRoleIn) (*role, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	r = r.edit()
	if in.Description != nil {
		r.description = *in.Description
	}
	if err := r.setSession(in.MaxSessionDuration); err != nil {
		return nil, err
	}
	s.put(r)
	return r, nil
}

type trustIn struct{ RoleName, PolicyDocument string }

func updateAssumeRolePolicy(s *Service, c *call, in *trustIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	trust, invalid := parse("the trust policy of "+in.RoleName, iam.TrustPolicy, in.PolicyDocument, maxTrust)
	if invalid != nil {
		return nil, invalid
	}
	r = r.edit()
	r.trust = trust
	s.put(r)
	return nil, nil
}

func deleteRole(s *Service, c *call, in *roleIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	switch {
	case err != nil:
		return nil, err
	case len(r.attached) > 0:
		return nil, deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(r.inline) > 0:
		return nil, deleteConflict("Cannot delete entity, must delete policies first.")
	}
	s.change(func(v *view) { delete(v.roles, r.name) })
	return nil, nil
}

type listRolesIn struct {
	PathPrefix string
	page
}

func listRoles(s *Service, c *call, in *listRolesIn) (protocol.Elements, error) {
	if in.PathPrefix == "" {
		in.PathPrefix = "/"
	}
	if err := s.allow(c, "arn:aws:iam::"+s.id+":role"+in.PathPrefix, nil); err != nil {
		return nil, err
	}
	var found []roleAnswer
	for _, name := range slices.Sorted(maps.Keys(s.now.roles)) {
		if r := s.now.roles[name]; strings.HasPrefix(r.path, in.PathPrefix) {
			found = append(found, r.answer())
		}
	}
	found, out, err := cut(in.page, found, func(r roleAnswer) string { return r.RoleName })
	if err != nil {
		return nil, err
	}
	out["Roles"] = query.List(found)
	return out, nil
}

type tagRoleIn struct {
	RoleName string
	Tags     []tag
}

func tagRole(s *Service, c *call, in *tagRoleIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, requested(in.Tags))
	if err != nil {
		return nil, err
	}
	tags, invalid := tagged(r.tags, in.Tags)
	if invalid != nil {
		return nil, invalid
	}
	r = r.edit()
	r.tags = tags
	s.put(r)
	return nil, nil
}

type untagRoleIn struct {
	RoleName string
	TagKeys  []string
}

func untagRole(s *Service, c *call, in *untagRoleIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, map[string][]string{"aws:TagKeys": in.TagKeys})
	if err != nil {
		return nil, err
	}
	r = r.edit()
	r.tags = untagged(r.tags, in.TagKeys)
	s.put(r)
	return nil, nil
}

type pageOfRole struct {
	RoleName string
	page
}

func listRoleTags(s *Service, c *call, in *pageOfRole) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	tags, out, err := cut(in.page, query.Tags(r.tags), func(t tag) string { return t.Key })
	if err != nil {
		return nil, err
	}
	out["Tags"] = query.List(tags)
	return out, nil
}

type boundaryIn struct{ RoleName, PermissionsBoundary string }

func putRolePermissionsBoundary(s *Service, c *call, in *boundaryIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, map[string][]string{"iam:PermissionsBoundary": {in.PermissionsBoundary}})
	if err != nil {
		return nil, err
	}
	if _, ok := s.now.managed(in.PermissionsBoundary); !ok {
		return nil, noSuchEntity("Scope ARN: %s does not exist or is not attachable.", in.PermissionsBoundary)
	}
	r = r.edit()
	r.boundary = in.PermissionsBoundary
	s.put(r)
	return nil, nil
}

func deleteRolePermissionsBoundary(s *Service, c *call, in *roleIn) (protocol.Elements, error) {
	r, err := s.find(c, in.RoleName, nil)
	if err != nil {
		return nil, err
	}
	if r.boundary == "" {
		return nil, query.Errorf("NoSuchEntity", http.StatusNotFound, "The role %s has no permissions boundary.", in.RoleName)
	}
	r = r.edit()
	r.boundary = ""
	s.put(r)
	return nil, nil
}

// listInstanceProfilesForRole returns an empty list: the server has no instance profiles.
func listInstanceProfilesForRole(s *Service, c *call, in *pageOfRole) (protocol.Elements, error) {
	if _, err := s.find(c, in.RoleName, nil); err != nil {
		return nil, err
	}
	return protocol.Elements{"InstanceProfiles": query.List[string](nil), "IsTruncated": false}, nil
}
