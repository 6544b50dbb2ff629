package eks

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// entry is an access entry: it gives an IAM principal access to a cluster.
type entry struct {
	ARN              string            `json:"accessEntryArn"`
	ClusterName      string            `json:"clusterName"`
	PrincipalARN     string            `json:"principalArn"`
	KubernetesGroups []string          `json:"kubernetesGroups"`
	Username         string            `json:"username"`
	Type             string            `json:"type"`
	CreatedAt        seconds           `json:"createdAt"`
	ModifiedAt       seconds           `json:"modifiedAt"`
	Tags             map[string]string `json:"tags"`

	policies []*accessPolicy
}

type accessPolicy struct {
	PolicyARN    string      `json:"policyArn"`
	AccessScope  accessScope `json:"accessScope"`
	AssociatedAt seconds     `json:"associatedAt"`
	ModifiedAt   seconds     `json:"modifiedAt"`
}

type accessScope struct {
	Type       string   `json:"type"`
	Namespaces []string `json:"namespaces"`
}

const (
	maxEntries     = 1000
	policyPrefix   = "arn:aws:eks::aws:cluster-access-policy/"
	nodeType       = "EC2_LINUX"
	standardType   = "STANDARD"
	nodesGroup     = "system:nodes"
	nodesUsername  = "system:node:{{EC2PrivateDNSName}}"
	reservedGroups = "system:"
)

var accessPolicies = []string{
	"AmazonEKSAdminPolicy", "AmazonEKSAdminViewPolicy", "AmazonEKSAutoNodePolicy", "AmazonEKSBlockStorageClusterPolicy",
	"AmazonEKSBlockStoragePolicy",
	"AmazonEKSClusterAdminPolicy", "AmazonEKSComputeClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSEditPolicy",
	"AmazonEKSLoadBalancingClusterPolicy",
	"AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingClusterPolicy", "AmazonEKSNetworkingPolicy", "AmazonEKSViewPolicy",
}

// principal matches the ARN of a role or a user. The groups are the account, role or
// user, and the name with its path.
var principal = regexp.MustCompile(`^arn:aws:iam::([0-9]{12}):(role|user)/([\w+=,.@/-]+)$`)

func (c *cluster) entry(principalARN string) *entry {
	i := slices.IndexFunc(c.entries, func(e *entry) bool { return e.PrincipalARN == principalARN })
	if i < 0 {
		return nil
	}
	return c.entries[i]
}

// newEntry returns nil if the principal is malformed.
func (c *call) newEntry(of *cluster, principalARN, kind string) *entry {
	parts := principal.FindStringSubmatch(principalARN)
	if parts == nil {
		return nil
	}
	name := parts[3][strings.LastIndex(parts[3], "/")+1:]
	e := &entry{
		ARN:         c.arn("access-entry", strings.Join([]string{of.Name, parts[2], parts[1], name, uuid.NewString()}, "/")),
		ClusterName: of.Name, PrincipalARN: principalARN, KubernetesGroups: []string{}, Type: kind, CreatedAt: seconds(c.now),
		ModifiedAt: seconds(c.now),
		Tags:       map[string]string{},
	}
	e.Username = principalARN
	if parts[2] == "role" {
		e.Username = "arn:aws:sts::" + parts[1] + ":assumed-role/" + name + "/{{SessionName}}"
	}
	return e
}

// admitNodes adds the access entry that EKS creates for the nodes of a group.
func (c *cluster) admitNodes(by *call, roleARN string) {
	if c.AccessConfig.AuthenticationMode == "CONFIG_MAP" || c.entry(roleARN) != nil {
		return
	}
	if e := by.newEntry(c, roleARN, nodeType); e != nil {
		e.KubernetesGroups, e.Username = []string{nodesGroup}, nodesUsername
		c.entries = append(c.entries, e)
	}
}

// admitCreator makes the caller an administrator, unless the request forbids it.
func (c *cluster) admitCreator(by *call) {
	caller := access.Of(by.ctx).Caller
	if caller == nil || c.AccessConfig.AuthenticationMode == "CONFIG_MAP" || !*c.AccessConfig.BootstrapAdmin {
		return
	}
	if e := by.newEntry(c, cmp.Or(caller.Role, caller.ARN), standardType); e != nil {
		e.policies = []*accessPolicy{{
			policyPrefix + "AmazonEKSClusterAdminPolicy", accessScope{"cluster", []string{}}, seconds(by.now), seconds(by.now),
		}}
		c.entries = append(c.entries, e)
	}
}

type entryAnswer struct {
	AccessEntry *entry `json:"accessEntry"`
}

type createAccessEntryInput struct {
	PrincipalARN       string            `json:"principalArn"`
	KubernetesGroups   []string          `json:"kubernetesGroups"`
	Username           string            `json:"username"`
	Type               string            `json:"type"`
	Tags               map[string]string `json:"tags"`
	ClientRequestToken string            `json:"clientRequestToken"`
}

func createAccessEntry(c *call, in *createAccessEntryInput) (any, *protocol.Error) {
	byDefault(&in.Type, standardType)
	of, missing := c.find(c.path[0])
	c.about["clusterName"] = c.path[0]
	keys := requestTags(in.Tags)
	maps.Copy(keys, map[string][]string{
		"eks:principalArn": {in.PrincipalARN}, "eks:kubernetesGroups": in.KubernetesGroups, "eks:username": {in.Username},
		"eks:accessEntryType": {in.Type},
	})
	made := (*entry)(nil)
	arn := c.arn("access-entry", c.path[0]+"/*")
	if of != nil {
		maps.Copy(keys, resourceTags(of.Tags))
		if made = c.newEntry(of, in.PrincipalARN, in.Type); made != nil {
			arn = made.ARN
		}
	}
	if err := first(c.allow(c.arn("cluster", c.path[0]), keys, c.creates(arn, in.Tags)...), missing); err != nil {
		return nil, err
	}
	earlier, err := c.remembered(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if had := of.entry(earlier); had != nil {
		return entryAnswer{had}, nil
	}
	switch {
	case made == nil:
		return nil, invalid("The specified principalArn is invalid: invalid principal: %s", in.PrincipalARN)
	case of.entry(in.PrincipalARN) != nil:
		return nil, inUse("The specified access entry resource is already in use on this cluster.")
	case len(of.entries) >= maxEntries:
		return nil, limitExceeded("access entries of a cluster", maxEntries)
	}
	if err := first(of.takesEntries(), checkTags(in.Tags), in.check()); err != nil {
		return nil, err
	}
	maps.Copy(made.Tags, in.Tags)
	made.set(in.KubernetesGroups, in.Username)
	of.entries = append(of.entries, made)
	c.remember(in.ClientRequestToken, in.PrincipalARN)
	return entryAnswer{made}, nil
}

func (c *cluster) takesEntries() *protocol.Error {
	if c.AccessConfig.AuthenticationMode == "CONFIG_MAP" {
		return badRequest("The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	}
	return nil
}

func (in *createAccessEntryInput) check() *protocol.Error {
	if !slices.Contains([]string{standardType, nodeType, "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX"}, in.Type) {
		return invalid("The access entry type %q is invalid", in.Type)
	}
	if in.Type != standardType && len(in.KubernetesGroups) > 0 {
		return invalid("Kubernetes groups cannot be set for an access entry of type %s", in.Type)
	}
	return checkGroups(in.KubernetesGroups)
}

func checkGroups(groups []string) *protocol.Error {
	for _, group := range groups {
		if strings.HasPrefix(group, reservedGroups) {
			return invalid("The kubernetes group name %s is invalid, it cannot start with %s", group, reservedGroups)
		}
	}
	return nil
}

func (e *entry) set(groups []string, username string) {
	if groups != nil {
		e.KubernetesGroups = groups
	}
	if username != "" {
		e.Username = username
	}
}

// theEntry returns the access entry that the path names, if the call may do its
// action to it.
func (c *call) theEntry(keys map[string][]string) (*entry, *protocol.Error) {
	c.about["clusterName"] = c.path[0]
	arn, all := c.arn("access-entry", c.path[0]+"/*"), map[string][]string{"eks:principalArn": {c.path[1]}}
	maps.Copy(all, keys)
	of, missing := c.find(c.path[0])
	var e *entry
	if of != nil {
		if e = of.entry(c.path[1]); e == nil {
			missing = notFound("The specified principalArn could not be found. " +
				"You can view your available access entries with 'list-access-entries'.")
		} else {
			arn = e.ARN
			maps.Copy(all, resourceTags(e.Tags))
		}
	}
	return e, first(c.allow(arn, all), missing)
}

func describeAccessEntry(c *call, _ *none) (any, *protocol.Error) {
	e, err := c.theEntry(nil)
	return entryAnswer{e}, err
}

type entryNames struct {
	AccessEntries []string `json:"accessEntries"`
	NextToken     *string  `json:"nextToken,omitempty"`
}

func listAccessEntries(c *call, _ *none) (any, *protocol.Error) {
	of, err := c.cluster()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range of.entries {
		names = append(names, e.PrincipalARN)
	}
	names, next, err := c.page(names)
	return entryNames{names, next}, err
}

type updateAccessEntryInput struct {
	KubernetesGroups   []string `json:"kubernetesGroups"`
	Username           string   `json:"username"`
	ClientRequestToken string   `json:"clientRequestToken"`
}

func updateAccessEntry(c *call, in *updateAccessEntryInput) (any, *protocol.Error) {
	e, err := c.theEntry(map[string][]string{"eks:kubernetesGroups": in.KubernetesGroups, "eks:username": {in.Username}})
	if err != nil {
		return nil, err
	}
	if err := checkGroups(in.KubernetesGroups); err != nil {
		return nil, err
	}
	e.set(in.KubernetesGroups, in.Username)
	e.ModifiedAt = seconds(c.now)
	return entryAnswer{e}, nil
}

func deleteAccessEntry(c *call, _ *none) (any, *protocol.Error) {
	e, err := c.theEntry(nil)
	if err != nil {
		return nil, err
	}
	of, _ := c.find(c.path[0])
	of.entries = slices.DeleteFunc(of.entries, func(other *entry) bool { return other == e })
	return none{}, nil
}

type associateAccessPolicyInput struct {
	PolicyARN   string      `json:"policyArn"`
	AccessScope accessScope `json:"accessScope"`
}

type associationAnswer struct {
	ClusterName  string        `json:"clusterName"`
	PrincipalARN string        `json:"principalArn"`
	Policy       *accessPolicy `json:"associatedAccessPolicy"`
}

func associateAccessPolicy(c *call, in *associateAccessPolicyInput) (any, *protocol.Error) {
	e, err := c.theEntry(map[string][]string{
		"eks:policyArn": {in.PolicyARN}, "eks:accessScope": {in.AccessScope.Type}, "eks:namespaces": in.AccessScope.Namespaces,
	})
	if err != nil {
		return nil, err
	}
	name, _ := strings.CutPrefix(in.PolicyARN, policyPrefix)
	namespaced := in.AccessScope.Type == "namespace"
	switch {
	case !slices.Contains(accessPolicies, name):
		return nil, invalid("The policyArn parameter format is not valid: %s", in.PolicyARN)
	case !namespaced && in.AccessScope.Type != "cluster":
		return nil, invalid("The access scope type %q is neither cluster nor namespace", in.AccessScope.Type)
	case namespaced != (len(in.AccessScope.Namespaces) > 0):
		return nil, invalid("Namespaces are set for the access scope namespace, and for it alone")
	}
	if in.AccessScope.Namespaces == nil {
		in.AccessScope.Namespaces = []string{}
	}
	i := slices.IndexFunc(e.policies, func(p *accessPolicy) bool { return p.PolicyARN == in.PolicyARN })
	if i < 0 {
		i = len(e.policies)
		e.policies = append(e.policies, &accessPolicy{PolicyARN: in.PolicyARN, AssociatedAt: seconds(c.now)})
	}
	e.policies[i].AccessScope, e.policies[i].ModifiedAt = in.AccessScope, seconds(c.now)
	return associationAnswer{e.ClusterName, e.PrincipalARN, e.policies[i]}, nil
}

type associationsAnswer struct {
	ClusterName  string          `json:"clusterName"`
	PrincipalARN string          `json:"principalArn"`
	Policies     []*accessPolicy `json:"associatedAccessPolicies"`
	NextToken    *string         `json:"nextToken,omitempty"`
}

func listAssociatedAccessPolicies(c *call, _ *none) (any, *protocol.Error) {
	e, err := c.theEntry(nil)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, p := range e.policies {
		names = append(names, p.PolicyARN)
	}
	names, next, err := c.page(names)
	out := associationsAnswer{e.ClusterName, e.PrincipalARN, []*accessPolicy{}, next}
	for _, p := range e.policies {
		if slices.Contains(names, p.PolicyARN) {
			out.Policies = append(out.Policies, p)
		}
	}
	return out, err
}

func disassociateAccessPolicy(c *call, _ *none) (any, *protocol.Error) {
	e, err := c.theEntry(map[string][]string{"eks:policyArn": {c.path[2]}})
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(e.policies, func(p *accessPolicy) bool { return p.PolicyARN == c.path[2] }) {
		return nil, notFound("The policyArn %s is not associated with the access entry", c.path[2])
	}
	e.policies = slices.DeleteFunc(e.policies, func(p *accessPolicy) bool { return p.PolicyARN == c.path[2] })
	return none{}, nil
}

type policyAnswer struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
}

func listAccessPolicies(c *call, _ *none) (any, *protocol.Error) {
	if err := c.allow("*", nil); err != nil {
		return nil, err
	}
	names, next, err := c.page(slices.Clone(accessPolicies))
	out := struct {
		Policies  []policyAnswer `json:"accessPolicies"`
		NextToken *string        `json:"nextToken,omitempty"`
	}{[]policyAnswer{}, next}
	for _, name := range names {
		out.Policies = append(out.Policies, policyAnswer{name, policyPrefix + name})
	}
	return out, err
}
