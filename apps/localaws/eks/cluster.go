package eks

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type createClusterInput struct {
	Name                    string            `json:"name"`
	Version                 string            `json:"version"`
	RoleARN                 string            `json:"roleArn"`
	VPC                     vpcConfig         `json:"resourcesVpcConfig"`
	KubernetesNetworkConfig networkConfig     `json:"kubernetesNetworkConfig"`
	Logging                 logging           `json:"logging"`
	AccessConfig            accessConfig      `json:"accessConfig"`
	UpgradePolicy           upgradePolicy     `json:"upgradePolicy"`
	ComputeConfig           *computeConfig    `json:"computeConfig"`
	StorageConfig           *storageConfig    `json:"storageConfig"`
	EncryptionConfig        []encryption      `json:"encryptionConfig"`
	BootstrapAddons         *bool             `json:"bootstrapSelfManagedAddons"`
	DeletionProtection      bool              `json:"deletionProtection"`
	Tags                    map[string]string `json:"tags"`
	ClientRequestToken      string            `json:"clientRequestToken"`
}

const (
	linkedService = "eks.amazonaws.com"
	linkedRole    = "AWSServiceRoleForAmazonEKS"
	maxClusters   = 100
	newestDefault = "1.35"
)

func createCluster(c *call, in *createClusterInput) (any, *protocol.Error) {
	arn := c.arn("cluster", in.Name)
	besides := slices.Concat([]access.Check{c.passes(in.RoleARN, linkedService, arn), c.check("iam:GetRole", in.RoleARN, nil)},
		c.linking(linkedService, linkedRole), c.creates(arn, in.Tags))
	if in.ComputeConfig != nil && in.ComputeConfig.NodeRoleARN != "" {
		besides = append(besides, c.passes(in.ComputeConfig.NodeRoleARN, "ec2.amazonaws.com", arn))
	}
	if err := c.allow(arn, in.keys(), besides...); err != nil {
		return nil, err
	}
	c.about["clusterName"] = in.Name
	name, err := c.remembered(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if made, _ := c.find(name); made != nil {
		return answer{made}, nil
	}
	vpcID, err := c.checkCluster(in)
	if err != nil {
		return nil, err
	}
	made := in.cluster(c, arn, vpcID)
	if err := c.Network.Attach(arn, "Amazon EKS "+in.Name, in.VPC.SubnetIDs, append([]string{made.VPC.ClusterSecurityGroupID},
		in.VPC.SecurityGroupIDs...)); err != nil {
		c.Network.Detach(arn)
		c.Network.DeleteGroup(made.VPC.ClusterSecurityGroupID)
		return nil, invalid("%v", err)
	}
	made.admitCreator(c)
	c.clusters = append(c.clusters, made)
	c.linked[linkedService] = true
	c.remember(in.ClientRequestToken, in.Name)
	return answer{made}, nil
}

// keys returns the condition keys of a CreateCluster call.
func (in *createClusterInput) keys() map[string][]string {
	keys := requestTags(in.Tags)
	flags := map[string]*bool{
		"endpointPublicAccess": in.VPC.EndpointPublicAccess, "endpointPrivateAccess": in.VPC.EndpointPrivateAccess,
		"bootstrapClusterCreatorAdminPermissions": in.AccessConfig.BootstrapAdmin, "bootstrapSelfManagedAddons": in.BootstrapAddons,
		"deletionProtection": &in.DeletionProtection,
	}
	for name, value := range flags {
		if value != nil {
			keys["eks:"+name] = []string{strconv.FormatBool(*value)}
		}
	}
	for name, value := range map[string]string{
		"authenticationMode": in.AccessConfig.AuthenticationMode, "supportType": in.UpgradePolicy.SupportType, "kubernetesVersion": in.Version,
	} {
		if value != "" {
			keys["eks:"+name] = []string{value}
		}
	}
	for name, on := range map[string]bool{
		"computeConfigEnabled": in.ComputeConfig.on(), "blockStorageEnabled": in.StorageConfig.on(),
		"elasticLoadBalancingEnabled": in.KubernetesNetworkConfig.ElasticLoadBalancing.on(),
	} {
		keys["eks:"+name] = []string{strconv.FormatBool(on)}
	}
	return keys
}

var (
	clusterName    = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)
	clusterVersion = regexp.MustCompile(`^1\.(2[4-9]|3[0-9])$`)
)

// checkCluster checks the input, and returns the VPC of its subnets.
func (c *call) checkCluster(in *createClusterInput) (vpcID string, err *protocol.Error) {
	_, exists := c.find(in.Name)
	switch {
	case !clusterName.MatchString(in.Name):
		return "", invalid("The cluster name %q is invalid: 1 to 100 letters, digits, hyphens and underscores", in.Name)
	case exists == nil:
		return "", inUse("Cluster already exists with name: %s", in.Name)
	case len(c.clusters) >= maxClusters:
		return "", limitExceeded("clusters", maxClusters)
	case in.Version != "" && !clusterVersion.MatchString(in.Version):
		return "", invalid("unsupported Kubernetes version %s", in.Version)
	case in.KubernetesNetworkConfig.IPFamily == "ipv6":
		return "", invalid("the local AWS does not simulate clusters of ipFamily ipv6")
	}
	if err := first(checkTags(in.Tags), in.checkAutoMode(), in.checkModes()); err != nil {
		return "", err
	}
	if err := c.Roles.Trusts(in.RoleARN, linkedService); err != nil {
		return "", invalid("Role could not be assumed because the trusted entity is not correct: %v", err)
	}
	vpcID, zones, wrong := c.Network.VPCOf(in.VPC.SubnetIDs)
	switch {
	case wrong != nil:
		return "", invalid("%v", wrong)
	case zones < 2:
		return "", invalid("Subnets specified must be in at least two different AZs")
	}
	return vpcID, nil
}

// checkAutoMode requires that the three parts of Auto Mode are on or off together.
func (in *createClusterInput) checkAutoMode() *protocol.Error {
	compute, storage, balancing := in.ComputeConfig.on(), in.StorageConfig.on(), in.KubernetesNetworkConfig.ElasticLoadBalancing.on()
	switch {
	case compute != storage || compute != balancing:
		return invalid("For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, " +
			"and blockStorage are all either fully enabled or fully disabled.")
	case compute && (in.BootstrapAddons == nil || *in.BootstrapAddons):
		return invalid("When EKS Auto Mode is enabled, bootstrapSelfManagedAddons must be set to false")
	case compute && in.AccessConfig.AuthenticationMode == "CONFIG_MAP":
		return invalid("When EKS Auto Mode is enabled, the authentication mode must include API")
	case compute && len(in.ComputeConfig.NodePools) > 0 && in.ComputeConfig.NodeRoleARN == "":
		return invalid("When Compute Config nodePools are specified, nodeRoleArn must be provided")
	case compute && len(in.ComputeConfig.NodePools) == 0 && in.ComputeConfig.NodeRoleARN != "":
		return invalid("When Compute Config nodeRoleArn is not null or empty, nodePool value(s) must be provided.")
	}
	return nil
}

func (in *createClusterInput) checkModes() *protocol.Error {
	if mode := in.AccessConfig.AuthenticationMode; mode != "" && !slices.Contains(authenticationModes, mode) {
		return invalid("authenticationMode %q is none of %v", mode, authenticationModes)
	}
	if support := in.UpgradePolicy.SupportType; support != "" && support != "STANDARD" && support != "EXTENDED" {
		return invalid("supportType %q is neither STANDARD nor EXTENDED", support)
	}
	return nil
}

var authenticationModes = []string{"API", "API_AND_CONFIG_MAP", "CONFIG_MAP"}

// cluster returns the cluster that the input describes, with AWS's defaults.
func (in *createClusterInput) cluster(c *call, arn, vpcID string) *cluster {
	made := &cluster{
		Name: in.Name, ARN: arn, CreatedAt: seconds(c.now), Version: in.Version, PlatformVersion: "eks.1", Status: creating, RoleARN: in.RoleARN,
		VPC: in.VPC, KubernetesNetworkConfig: in.KubernetesNetworkConfig, Logging: in.Logging, AccessConfig: in.AccessConfig,
		UpgradePolicy: in.UpgradePolicy, ComputeConfig: in.ComputeConfig, StorageConfig: in.StorageConfig, EncryptionConfig: in.EncryptionConfig,
		DeletionProtection: in.DeletionProtection, Tags: map[string]string{}, changes: c.in(clusterTime), failure: c.fails,
		Health: health{[]issue{}},
	}
	maps.Copy(made.Tags, in.Tags)
	byDefault(&made.Version, newestDefault)
	byDefault(&made.AccessConfig.AuthenticationMode, "CONFIG_MAP")
	byDefault(&made.UpgradePolicy.SupportType, "EXTENDED")
	byDefault(&made.KubernetesNetworkConfig.ServiceIPv4CIDR, "172.20.0.0/16")
	byDefault(&made.KubernetesNetworkConfig.IPFamily, "ipv4")
	yes, no := true, false
	if made.AccessConfig.BootstrapAdmin == nil {
		made.AccessConfig.BootstrapAdmin = &yes
	}
	if made.KubernetesNetworkConfig.ElasticLoadBalancing == nil {
		made.KubernetesNetworkConfig.ElasticLoadBalancing = &enabled{&no}
	}
	made.VPC.complete(vpcConfig{
		EndpointPublicAccess: &yes, EndpointPrivateAccess: &no, PublicAccessCIDRs: []string{"0.0.0.0/0"},
		SecurityGroupIDs: []string{},
	})
	made.VPC.VPCID = vpcID
	made.VPC.ClusterSecurityGroupID = c.Network.NewGroup(vpcID, "eks-cluster-sg-"+in.Name+"-"+uuid.NewString()[:8],
		"EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
		map[string]string{"aws:eks:cluster-name": in.Name, "kubernetes.io/cluster/" + in.Name: "owned", "Name": "eks-cluster-sg-" + in.Name})
	return made
}

func byDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// complete sets the fields that are not set.
func (v *vpcConfig) complete(from vpcConfig) {
	if v.SubnetIDs == nil {
		v.SubnetIDs = from.SubnetIDs
	}
	if v.SecurityGroupIDs == nil {
		v.SecurityGroupIDs = from.SecurityGroupIDs
	}
	if v.EndpointPublicAccess == nil {
		v.EndpointPublicAccess = from.EndpointPublicAccess
	}
	if v.EndpointPrivateAccess == nil {
		v.EndpointPrivateAccess = from.EndpointPrivateAccess
	}
	switch {
	case !*v.EndpointPublicAccess:
		v.PublicAccessCIDRs = []string{}
	case len(v.PublicAccessCIDRs) == 0:
		v.PublicAccessCIDRs = from.PublicAccessCIDRs
	}
}
