package eks

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type nodegroup struct {
	Name             string            `json:"nodegroupName"`
	ARN              string            `json:"nodegroupArn"`
	ClusterName      string            `json:"clusterName"`
	Version          string            `json:"version"`
	ReleaseVersion   string            `json:"releaseVersion"`
	CreatedAt        seconds           `json:"createdAt"`
	ModifiedAt       seconds           `json:"modifiedAt"`
	Status           string            `json:"status"`
	CapacityType     string            `json:"capacityType"`
	ScalingConfig    scalingConfig     `json:"scalingConfig"`
	InstanceTypes    []string          `json:"instanceTypes"`
	Subnets          []string          `json:"subnets"`
	AMIType          string            `json:"amiType"`
	NodeRole         string            `json:"nodeRole"`
	Labels           map[string]string `json:"labels"`
	Taints           []taint           `json:"taints"`
	Resources        nodeResources     `json:"resources"`
	DiskSize         *int              `json:"diskSize,omitempty"`
	Health           health            `json:"health"`
	UpdateConfig     updateConfig      `json:"updateConfig"`
	NodeRepairConfig *enabled          `json:"nodeRepairConfig,omitempty"`
	LaunchTemplate   *templateVersion  `json:"launchTemplate,omitempty"`
	Tags             map[string]string `json:"tags"`

	// changes is the time when nodes have joined, if they can. givenUp is the time when
	// EKS gives up those that cannot.
	changes, givenUp time.Time
	failure          *protocol.Error
}

type scalingConfig struct {
	MinSize     *int `json:"minSize"`
	MaxSize     *int `json:"maxSize"`
	DesiredSize *int `json:"desiredSize"`
}

type taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

type nodeResources struct {
	AutoScalingGroups []autoScalingGroup `json:"autoScalingGroups"`
}

type autoScalingGroup struct {
	Name string `json:"name"`
}

type updateConfig struct {
	MaxUnavailable           *int   `json:"maxUnavailable,omitempty"`
	MaxUnavailablePercentage *int   `json:"maxUnavailablePercentage,omitempty"`
	UpdateStrategy           string `json:"updateStrategy,omitempty"`
}

type templateVersion struct {
	ID      string `json:"id,omitempty"`
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"`
}

// simulated marks a node group wherever a user looks: in its tags, in its health, and in
// the name of its Auto Scaling group, which the provider shows. The tag is no drift,
// because the provider ignores tags that begin with aws:.
const (
	simulated    = "simulated: no machine backs this node group"
	simulatedTag = "aws:localaws:simulated"
	simulatedASG = "simulated-no-machine-eks-"
)

func (c *cluster) nodegroup(name string) *nodegroup {
	i := slices.IndexFunc(c.nodegroups, func(g *nodegroup) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return c.nodegroups[i]
}

func (g *nodegroup) settle(s *Service, now time.Time) {
	if now.Before(g.changes) {
		return
	}
	switch g.Status {
	case creating:
		g.join(s, now)
	case updating:
		g.Status = active
	case deleting:
		s.Network.Detach(g.ARN)
		g.Status = gone
	}
}

// join ends the state CREATING: the nodes have joined, or cannot join.
func (g *nodegroup) join(s *Service, now time.Time) {
	if g.failure != nil {
		g.fail(g.failure.Code, g.failure.Message)
		return
	}
	var stuck []string
	for _, subnet := range g.Subnets {
		if err := s.Network.ReachesAWS(subnet); err != nil {
			stuck = append(stuck, err.Error())
		}
	}
	switch {
	case len(stuck) == 0:
		g.Status = active
	case !now.Before(g.givenUp):
		g.fail("NodeCreationFailure", "Instances failed to join the kubernetes cluster: "+strings.Join(stuck, "; "))
	}
}

func (g *nodegroup) fail(code, message string) {
	g.Status = createFailed
	g.Health.Issues = append([]issue{{code, message, []string{g.Resources.AutoScalingGroups[0].Name}}}, g.Health.Issues...)
}

type nodegroupAnswer struct {
	Nodegroup *nodegroup `json:"nodegroup"`
}

type createNodegroupInput struct {
	Name               string            `json:"nodegroupName"`
	Version            string            `json:"version"`
	ReleaseVersion     string            `json:"releaseVersion"`
	CapacityType       string            `json:"capacityType"`
	ScalingConfig      scalingConfig     `json:"scalingConfig"`
	InstanceTypes      []string          `json:"instanceTypes"`
	Subnets            []string          `json:"subnets"`
	AMIType            string            `json:"amiType"`
	NodeRole           string            `json:"nodeRole"`
	Labels             map[string]string `json:"labels"`
	Taints             []taint           `json:"taints"`
	DiskSize           *int              `json:"diskSize"`
	UpdateConfig       updateConfig      `json:"updateConfig"`
	NodeRepairConfig   *enabled          `json:"nodeRepairConfig"`
	LaunchTemplate     *templateVersion  `json:"launchTemplate"`
	Tags               map[string]string `json:"tags"`
	ClientRequestToken string            `json:"clientRequestToken"`
}

const (
	nodeService      = "ec2.amazonaws.com"
	linkedNodes      = "eks-nodegroup.amazonaws.com"
	linkedNodesRole  = "AWSServiceRoleForAmazonEKSNodegroup"
	maxNodegroups    = 30
	maxNodesInGroup  = 450
	maxSkew          = 3 // minor versions by which nodes may be older than the control plane
	releaseOfVersion = ".0-20260301"
)

func createNodegroup(c *call, in *createNodegroupInput) (any, *protocol.Error) {
	cluster, missing := c.find(c.path[0])
	c.about["clusterName"], c.about["nodegroupName"] = c.path[0], in.Name
	arn := c.arn("nodegroup", c.path[0]+"/"+in.Name+"/"+uuid.NewString())
	keys := requestTags(in.Tags)
	if cluster != nil {
		maps.Copy(keys, resourceTags(cluster.Tags))
	}
	if err := first(c.allow(c.arn("cluster", c.path[0]), keys, in.besides(c, arn)...), missing); err != nil {
		return nil, err
	}
	name, err := c.remembered(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if made := cluster.nodegroup(name); made != nil {
		return nodegroupAnswer{made}, nil
	}
	if err := first(in.check(c, cluster), in.resolve(c)); err != nil {
		return nil, err
	}
	g := in.nodegroup(c, cluster, arn)
	if err := c.Network.Attach(arn, "", g.nodeSubnets(), []string{cluster.VPC.ClusterSecurityGroupID}); err != nil {
		g.failure = &protocol.Error{Code: "InsufficientFreeAddresses", Message: err.Error()}
	}
	cluster.nodegroups = append(cluster.nodegroups, g)
	cluster.admitNodes(c, in.NodeRole)
	c.linked[linkedNodes] = true
	c.remember(in.ClientRequestToken, in.Name)
	return nodegroupAnswer{g}, nil
}

// besides returns the checks for what EKS does on the caller's behalf.
func (in *createNodegroupInput) besides(c *call, arn string) []access.Check {
	checks := slices.Concat([]access.Check{
		c.passes(in.NodeRole, nodeService, arn), c.check("iam:GetRole", in.NodeRole, nil), c.check("iam:ListAttachedRolePolicies",
			in.NodeRole, nil),
		c.check("ec2:DescribeSubnets", "*", nil),
	}, c.linking(linkedNodes, linkedNodesRole), c.creates(arn, in.Tags))
	if in.LaunchTemplate == nil {
		return checks
	}
	template := "arn:aws:ec2:" + c.Region + ":" + c.AccountID + ":launch-template/" + in.LaunchTemplate.ID
	instances := "arn:aws:ec2:" + c.Region + ":" + c.AccountID + ":instance/*"
	return append(checks, c.check("ec2:DescribeLaunchTemplateVersions", "*", nil),
		c.check("ec2:RunInstances", instances, map[string][]string{"ec2:LaunchTemplate": {template}}),
		c.check("ec2:CreateTags", instances, map[string][]string{"ec2:CreateAction": {"RunInstances"}}))
}

var nodegroupName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,62}$`)

func (in *createNodegroupInput) check(c *call, of *cluster) *protocol.Error {
	switch {
	case !nodegroupName.MatchString(in.Name):
		return invalid("nodegroupName %q is invalid: 1 to 63 letters, digits, hyphens and underscores", in.Name)
	case of.nodegroup(in.Name) != nil:
		return inUse("NodeGroup already exists with name %s and cluster name %s", in.Name, of.Name)
	case of.Status != active && of.Status != updating:
		return badRequest("Cluster '%s' is not in ACTIVE status: it is %s", of.Name, of.Status)
	case len(of.nodegroups) >= maxNodegroups:
		return limitExceeded("node groups of a cluster", maxNodegroups)
	case in.Version != "" && (minor(in.Version) > minor(of.Version) || minor(in.Version) < minor(of.Version)-maxSkew):
		return invalid("Requested Nodegroup kubernetes version %s is not supported by the cluster's, %s", in.Version, of.Version)
	case in.LaunchTemplate != nil && in.DiskSize != nil:
		return invalid("Disk size must be specified within the launch template.")
	}
	vpcID, _, wrong := c.Network.VPCOf(in.Subnets)
	switch {
	case wrong != nil:
		return invalid("%v", wrong)
	case len(in.Subnets) == 0:
		return invalid("Subnets are required")
	case vpcID != of.VPC.VPCID:
		return invalid("Subnets are not in the VPC of the cluster: %s", of.VPC.VPCID)
	}
	if err := c.Roles.Trusts(in.NodeRole, nodeService); err != nil {
		return invalid("Following required service principals [%s] were not found in the trust relationships of nodeRole %s: %v", nodeService,
			in.NodeRole, err)
	}
	return first(checkTags(in.Tags), in.ScalingConfig.complete())
}

// minor returns N of a version 1.N.
func minor(version string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(version, "1."))
	return n
}

// complete sets the fields that are not set, and checks all.
func (s *scalingConfig) complete() *protocol.Error {
	byDefault := func(field **int, value int) {
		if *field == nil {
			*field = &value
		}
	}
	byDefault(&s.MinSize, 1)
	byDefault(&s.MaxSize, max(2, *s.MinSize))
	byDefault(&s.DesiredSize, min(*s.MaxSize, max(2, *s.MinSize)))
	switch {
	case *s.MinSize < 0 || *s.MaxSize < 1 || *s.MaxSize > maxNodesInGroup:
		return invalid("minSize must be at least 0, and maxSize from 1 to %d", maxNodesInGroup)
	case *s.MinSize > *s.DesiredSize:
		return invalid("Minimum capacity %d can't be greater than desired size %d", *s.MinSize, *s.DesiredSize)
	case *s.DesiredSize > *s.MaxSize:
		return invalid("desired capacity %d can't be greater than max size %d", *s.DesiredSize, *s.MaxSize)
	}
	return nil
}

// resolve finds the launch template that the input names.
func (in *createNodegroupInput) resolve(c *call) *protocol.Error {
	if in.LaunchTemplate == nil {
		return nil
	}
	return in.LaunchTemplate.resolve(c)
}

func (t *templateVersion) resolve(c *call) *protocol.Error {
	id, name, version, err := c.Network.Template(t.ID, t.Name, t.Version)
	if err != nil {
		return invalid("Launch template couldn't be used: %v", err)
	}
	*t = templateVersion{id, name, version}
	return nil
}

func (in *createNodegroupInput) nodegroup(c *call, of *cluster, arn string) *nodegroup {
	id := arn[strings.LastIndex(arn, "/")+1:]
	g := &nodegroup{
		Name: in.Name, ARN: arn, ClusterName: of.Name, Version: in.Version, ReleaseVersion: in.ReleaseVersion, CreatedAt: seconds(c.now),
		ModifiedAt: seconds(c.now),
		Status:     creating, CapacityType: in.CapacityType, ScalingConfig: in.ScalingConfig, InstanceTypes: in.InstanceTypes,
		Subnets: in.Subnets,
		AMIType: in.AMIType, NodeRole: in.NodeRole, Labels: map[string]string{}, Taints: in.Taints, DiskSize: in.DiskSize,
		UpdateConfig:     in.UpdateConfig,
		Resources:        nodeResources{[]autoScalingGroup{{fmt.Sprintf("%s%s-%s", simulatedASG, in.Name, id)}}},
		NodeRepairConfig: in.NodeRepairConfig,
		LaunchTemplate:   in.LaunchTemplate, Tags: map[string]string{}, Health: health{[]issue{{"Simulated", simulated, []string{}}}},
		changes: c.in(nodegroupTime), givenUp: c.in(nodegroupFailTime), failure: c.fails,
	}
	maps.Copy(g.Labels, in.Labels)
	maps.Copy(g.Tags, in.Tags)
	g.Tags[simulatedTag] = simulated
	byDefault(&g.Version, of.Version)
	byDefault(&g.ReleaseVersion, g.Version+releaseOfVersion)
	byDefault(&g.CapacityType, "ON_DEMAND")
	byDefault(&g.AMIType, "AL2023_x86_64_STANDARD")
	if len(g.InstanceTypes) == 0 && g.LaunchTemplate == nil {
		g.InstanceTypes = []string{"t3.medium"}
	}
	if g.Taints == nil {
		g.Taints = []taint{}
	}
	if size := 20; g.DiskSize == nil && g.LaunchTemplate == nil {
		g.DiskSize = &size
	}
	if one := 1; g.UpdateConfig.MaxUnavailable == nil && g.UpdateConfig.MaxUnavailablePercentage == nil {
		g.UpdateConfig.MaxUnavailable = &one
	}
	return g
}

// nodeSubnets returns a subnet for each node, in turn.
func (g *nodegroup) nodeSubnets() (subnets []string) {
	for n := range *g.ScalingConfig.DesiredSize {
		subnets = append(subnets, g.Subnets[n%len(g.Subnets)])
	}
	return subnets
}

// theNodegroup returns the node group that the path names, if the call may do its
// action to it.
func (c *call) theNodegroup() (*cluster, *nodegroup, *protocol.Error) {
	c.about["clusterName"], c.about["nodegroupName"] = c.path[0], c.path[1]
	arn, keys := c.arn("nodegroup", c.path[0]+"/"+c.path[1]+"/*"), map[string][]string(nil)
	cluster, missing := c.find(c.path[0])
	var g *nodegroup
	if cluster != nil {
		if g = cluster.nodegroup(c.path[1]); g == nil {
			missing = notFound("No node group found for name: %s.", c.path[1])
		} else {
			arn, keys = g.ARN, resourceTags(g.Tags)
		}
	}
	return cluster, g, first(c.allow(arn, keys), missing)
}

func describeNodegroup(c *call, _ *none) (any, *protocol.Error) {
	_, g, err := c.theNodegroup()
	return nodegroupAnswer{g}, err
}

type nodegroupNames struct {
	Nodegroups []string `json:"nodegroups"`
	NextToken  *string  `json:"nextToken,omitempty"`
}

func listNodegroups(c *call, _ *none) (any, *protocol.Error) {
	cluster, err := c.cluster()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, g := range cluster.nodegroups {
		names = append(names, g.Name)
	}
	names, next, err := c.page(names)
	return nodegroupNames{names, next}, err
}

func deleteNodegroup(c *call, _ *none) (any, *protocol.Error) {
	_, g, err := c.theNodegroup()
	switch {
	case err != nil:
		return nil, err
	case g.Status == updating:
		return nil, refused(http.StatusConflict, "ResourceInUseException", "Nodegroup %s cannot be deleted while it is being updated", g.Name)
	}
	if g.Status != deleting {
		g.Status, g.changes, g.ModifiedAt = deleting, c.in(nodegroupDeleteTime), seconds(c.now)
	}
	return nodegroupAnswer{g}, nil
}
