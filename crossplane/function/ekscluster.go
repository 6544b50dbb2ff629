package function

import (
	"fmt"
	"strings"

	"github.com/crossplane/function-sdk-go/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// eksCluster is the spec of an EKSCluster: see its definition.
type eksCluster struct {
	placement

	PermissionsBoundary string            `json:"permissionsBoundary"`
	Zones               []string          `json:"zones"`
	Version             string            `json:"version"`
	AddonVersions       map[string]string `json:"addonVersions"`
	AllowedCIDRs        []string          `json:"allowedCIDRs"`
	Logs                []string          `json:"logs"`
	LogRetentionDays    int64             `json:"logRetentionDays"`
	PodLogs             *podLogs          `json:"podLogs"`
	Admins              []string          `json:"admins"`
	SecretsKeyARN       string            `json:"secretsKeyARN"`
	HubRoleARN          string            `json:"hubRoleARN"`
	AutoMode            bool              `json:"autoMode"`
	Nodes               nodes             `json:"nodes"`
	DeletionProtection  bool              `json:"deletionProtection"`
}

// podLogs sends containers' logs to CloudWatch.
type podLogs struct {
	RetentionDays int64 `json:"retentionDays"`
}

type nodes struct {
	InstanceTypes []string `json:"instanceTypes"`
	MinSize       int64    `json:"minSize"`
	DesiredSize   int64    `json:"desiredSize"`
	MaxSize       int64    `json:"maxSize"`
	DiskSizeGiB   int64    `json:"diskSizeGiB"`
	// ReleaseVersion is the version of the AMI.
	ReleaseVersion string            `json:"releaseVersion"`
	Labels         map[string]string `json:"labels"`
}

// composeEKSCluster composes the control plane, access to it, its add-ons and its
// nodes, each as soon as AWS accepts it. Two parts wait for what AWS
// assigns: the OIDC provider for the issuer, the nodes for the version of their
// launch template.
func composeEKSCluster(c *composition) error {
	var spec eksCluster
	if err := c.spec(&spec); err != nil {
		return err
	}
	cluster, err := names.ForCluster(spec.ClusterName)
	if err != nil {
		return named(err)
	}
	if c.xr.GetName() != spec.ClusterName {
		return fmt.Errorf("metadata.name: is %q, and spec.clusterName is %q", c.xr.GetName(), spec.ClusterName)
	}
	e := eksComposer{composition: c, eksCluster: spec, cluster: cluster}
	steps := []func() error{e.addRoles, e.addLogGroup, e.addControlPlane, e.addAccess}
	if !spec.AutoMode {
		steps = append(steps, e.addAddons, e.addNodes)
	}
	steps = append(steps, e.addOIDCProvider, e.addPodLogs)
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	e.orderDeletion()
	// Kept until EKS has turned off its own deletion protection: otherwise the cluster
	// would outlive its XR.
	if spec.DeletionProtection || c.observedTrue("cluster", "status.atProvider.deletionProtection") {
		c.protect("all that runs on it would be gone; set spec.deletionProtection to false first, which EKS takes a moment for")
	}
	c.reportExternalNames()
	c.report("clusterARN", "cluster", "status.atProvider.arn")
	c.report("endpoint", "cluster", "status.atProvider.endpoint")
	c.report("oidcIssuer", "cluster", issuerPath)
	c.report("oidcProviderARN", "oidc-provider", "status.atProvider.arn")
	return nil
}

// Fields with values that AWS assigns and other resources wait for.
const (
	issuerPath        = "status.atProvider.identity[0].oidc[0].issuer"
	latestVersionPath = "status.atProvider.latestVersion"
)

// eksComposer composes the parts of an EKSCluster.
type eksComposer struct {
	*composition
	eksCluster

	cluster names.ClusterName
}

// part adds a managed resource under the name <cluster>-eks-<name>.
func (e eksComposer) part(id, name, externalName string, forProvider managed) error {
	return e.add(resource.Name(id), e.name(name), externalName, e.ProviderConfigName, forProvider)
}

func (e eksComposer) name(purpose string) string { return e.cluster.EKS(purpose) }

func (e eksComposer) roleARN(purpose string) string {
	return e.roleARNOf(e.name(purpose))
}

// addLogGroup creates the log group that EKS writes to, or adopts the one that EKS
// created, which would keep its logs forever.
func (e eksComposer) addLogGroup() error {
	if len(e.Logs) == 0 {
		return nil
	}
	group := fmt.Sprintf("/aws/eks/%s/cluster", e.ClusterName)
	return e.part("logs", "logs", group, logGroup{e.Region, e.LogRetentionDays, e.tags()})
}

func (e eksComposer) addControlPlane() error {
	compute := computeConfig{Enabled: e.AutoMode}
	if e.AutoMode {
		compute.NodePools, compute.NodeRoleARN = []string{"general-purpose", "system"}, e.roleARN("node")
	}
	var encryption *encryptionConfig
	if e.SecretsKeyARN != "" {
		encryption = &encryptionConfig{keyProvider{e.SecretsKeyARN}, []string{"secrets"}}
	}
	return e.add("cluster", e.ClusterName, e.ClusterName, e.ProviderConfigName, eksControlPlane{
		EncryptionConfig: encryption,
		Region:           e.Region,
		Version:          e.kubernetesVersion(),
		RoleARN:          e.roleARN("cluster"),
		// The principal that provisions the cluster does not administer it.
		AccessConfig: accessConfig{AuthenticationMode: "API", BootstrapClusterCreatorAdminPermissions: false},
		VPCConfig: vpcConfig{
			EndpointPrivateAccess: true,
			EndpointPublicAccess:  len(e.AllowedCIDRs) > 0,
			PublicAccessCIDRs:     e.AllowedCIDRs,
			SubnetIDRefs:          e.privateSubnets(),
		},
		EnabledClusterLogTypes:  e.Logs,
		UpgradePolicy:           upgradePolicy{SupportType: "STANDARD"},
		DeletionProtection:      e.DeletionProtection,
		ComputeConfig:           compute,
		KubernetesNetworkConfig: kubernetesNetworkConfig{enabled{e.AutoMode}},
		StorageConfig:           storageConfig{enabled{e.AutoMode}},
		Tags:                    e.tags(),
	})
}

// kubernetesVersion returns the version in the spec, or the running one if that is newer.
// EKS upgrades a cluster at the end of its version's support, and never downgrades it. If
// the provider asked for the old version, AWS would reject every other change, too.
func (e eksComposer) kubernetesVersion() string {
	wanted, err := version.ParseGeneric(e.Version)
	if err != nil {
		return e.Version // EKS reports what is wrong with it
	}
	runs, err := version.ParseGeneric(e.observedString("cluster", "status.atProvider.version"))
	if err != nil || !wanted.LessThan(runs) {
		return e.Version
	}
	running := fmt.Sprintf("%d.%d", runs.Major(), runs.Minor())
	e.waitFor(fmt.Sprintf("EKS runs Kubernetes %s, and spec.version is %s: raise it, EKS does not go back", running, e.Version))
	return running
}

// privateSubnets returns references to the private subnets of the Network with the same
// name.
func (e eksComposer) privateSubnets() []reference {
	var subnets []reference
	for _, zone := range e.Zones {
		subnets = append(subnets, *to(e.ClusterName + "-" + private + "-" + zone))
	}
	return subnets
}

// vpcCNI allows 110 pods on a node instead of one for each of its addresses, and enforces
// NetworkPolicies.
const vpcCNI = `{"enableNetworkPolicy":"true","env":{"ENABLE_PREFIX_DELEGATION":"true","WARM_PREFIX_TARGET":"1"}}`

func (e eksComposer) addAddons() error {
	for name, configuration := range map[string]string{"vpc-cni": vpcCNI, "kube-proxy": "", "coredns": ""} {
		if !e.after("cluster", resource.Name("addon-"+name)) {
			continue
		}
		err := e.part("addon-"+name, name, "", addon{
			Region: e.Region, ClusterName: e.ClusterName,
			AddonName: name, AddonVersion: e.AddonVersions[name], ConfigurationValues: configuration,
			ResolveConflictsOnCreate: "OVERWRITE", ResolveConflictsOnUpdate: "OVERWRITE", Tags: e.tags(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// addNodes adds nodes once two things are ready. The VPC CNI, because EKS decides
// how many pods fit on a node when it creates the node. And the network's way to the
// cluster's endpoint, because a node that cannot join fails its group.
func (e eksComposer) addNodes() error {
	name := e.name("nodes")
	if err := e.part("node-template", "nodes", "", e.launchTemplate(name)); err != nil {
		return err
	}
	version := e.observedString("node-template", latestVersionPath)
	if version == "" {
		e.wait(fmt.Sprintf("LaunchTemplate %s has not reported its latest version", name), "nodes")
		return nil
	}
	if !e.after("addon-vpc-cni", "nodes") || !e.reachesOut("nodes") {
		return nil
	}
	err := e.part("nodes", "nodes", name, nodeGroup{
		Region: e.Region, ClusterNameRef: to(e.ClusterName), AMIType: "AL2023_x86_64_STANDARD",
		InstanceTypes: e.Nodes.InstanceTypes, Labels: e.Nodes.Labels,
		LaunchTemplate: launchTemplateUse{Name: name, Version: version},
		NodeRoleARN:    e.roleARN("node"),
		ScalingConfig:  scalingConfig{MinSize: e.Nodes.MinSize, MaxSize: e.Nodes.MaxSize},
		SubnetIDRefs:   e.privateSubnets(),
		UpdateConfig:   updateConfig{MaxUnavailable: 1},
		// EKS replaces nodes that its monitoring reports as broken.
		NodeRepairConfig: enabled{true},
		Version:          e.Version,
		ReleaseVersion:   e.Nodes.ReleaseVersion,
		Tags:             e.tags(),
	})
	if err != nil {
		return err
	}
	e.initially("nodes", map[string]any{"scalingConfig": map[string]any{"desiredSize": e.Nodes.DesiredSize}})
	return nil
}

// reachesOut reports whether resources that need internet access can be composed.
// Resources that were composed before stay composed.
func (e eksComposer) reachesOut(id resource.Name) bool {
	network := e.require("network", schema.GroupVersionKind{Group: Group, Version: Version, Kind: "Network"}, e.ClusterName)
	if _, composedBefore := e.observed[id]; composedBefore {
		return true
	}
	if network != nil {
		if egress, _, _ := unstructured.NestedBool(network.Object, "status", "egress"); egress {
			return true
		}
	}
	e.wait(fmt.Sprintf("Network %s/%s has not reported status.egress", e.xr.GetNamespace(), e.ClusterName), id)
	return false
}

func (e eksComposer) launchTemplate(name string) launchTemplate {
	tags := e.tags()
	tags["Name"] = name
	return launchTemplate{
		Region:               e.Region,
		Name:                 name,
		UpdateDefaultVersion: true,
		BlockDeviceMappings: []blockDevice{{
			DeviceName: "/dev/xvda",
			EBS:        ebs{Encrypted: "true", DeleteOnTermination: "true", VolumeSize: e.Nodes.DiskSizeGiB, VolumeType: "gp3"},
		}},
		// With one hop, pods cannot reach their node's credentials.
		MetadataOptions:   metadataOptions{HTTPEndpoint: "enabled", HTTPTokens: "required", HTTPPutResponseHopLimit: 1},
		TagSpecifications: []tagSpecifications{{"instance", tags}, {"volume", tags}},
		Tags:              tags,
	}
}

func (e eksComposer) addOIDCProvider() error {
	issuer := e.observedString("cluster", issuerPath)
	if issuer == "" {
		e.wait(fmt.Sprintf("Cluster %s has not reported its OIDC issuer", e.ClusterName), "oidc-provider")
		return nil
	}
	return e.part("oidc-provider", "oidc", "", openIDConnectProvider{URL: issuer, ClientIDList: []string{"sts.amazonaws.com"}, Tags: e.tags()})
}

// orderDeletion keeps each part until the parts that need it are gone. Nodes need their
// role and the VPC CNI to release their network interfaces, and EKS needs the cluster's
// role to release its own. Before that, no subnet and no security group can be deleted.
func (e eksComposer) orderDeletion() {
	nodeRole := e.partsOf("node-role")
	e.keepFor("nodes", append(nodeRole, "addon-vpc-cni", "node-template", "cluster")...)
	e.keepFor("cluster", append(e.partsOf("cluster-role"), "logs")...)
	if e.AutoMode { // the cluster has its nodes itself
		e.keepFor("cluster", nodeRole...)
	}
}

// partsOf returns the names of a role and its policies.
func (e eksComposer) partsOf(role string) []resource.Name {
	var parts []resource.Name
	for id := range e.desired {
		if strings.HasPrefix(string(id), role) {
			parts = append(parts, id)
		}
	}
	return parts
}
