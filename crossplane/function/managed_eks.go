package function

import "k8s.io/apimachinery/pkg/runtime/schema"

func eks(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// eksControlPlane is an EKS cluster; its name is the external name.
type eksControlPlane struct {
	Region                     string                  `json:"region"`
	Version                    string                  `json:"version"`
	RoleARN                    string                  `json:"roleArn"`
	AccessConfig               accessConfig            `json:"accessConfig"`
	BootstrapSelfManagedAddons bool                    `json:"bootstrapSelfManagedAddons"`
	VPCConfig                  vpcConfig               `json:"vpcConfig"`
	EncryptionConfig           *encryptionConfig       `json:"encryptionConfig,omitempty"`
	EnabledClusterLogTypes     []string                `json:"enabledClusterLogTypes"`
	UpgradePolicy              upgradePolicy           `json:"upgradePolicy"`
	DeletionProtection         bool                    `json:"deletionProtection"`
	ComputeConfig              computeConfig           `json:"computeConfig"`
	KubernetesNetworkConfig    kubernetesNetworkConfig `json:"kubernetesNetworkConfig"`
	StorageConfig              storageConfig           `json:"storageConfig"`
	Tags                       map[string]string       `json:"tags"`
}

func (eksControlPlane) kind() schema.GroupVersionKind { return eks("Cluster") }

type accessConfig struct {
	AuthenticationMode                      string `json:"authenticationMode"`
	BootstrapClusterCreatorAdminPermissions bool   `json:"bootstrapClusterCreatorAdminPermissions"`
}

type vpcConfig struct {
	EndpointPrivateAccess bool        `json:"endpointPrivateAccess"`
	EndpointPublicAccess  bool        `json:"endpointPublicAccess"`
	PublicAccessCIDRs     []string    `json:"publicAccessCidrs,omitempty"`
	SubnetIDRefs          []reference `json:"subnetIdRefs"`
}

// encryptionConfig makes EKS encrypt with a key of the account instead of its own.
type encryptionConfig struct {
	Provider  keyProvider `json:"provider"`
	Resources []string    `json:"resources"`
}

type keyProvider struct {
	KeyARN string `json:"keyArn"`
}

type upgradePolicy struct {
	SupportType string `json:"supportType"`
}

// The three parts of Auto Mode are on or off together.
type computeConfig struct {
	Enabled     bool     `json:"enabled"`
	NodePools   []string `json:"nodePools,omitempty"`
	NodeRoleARN string   `json:"nodeRoleArn,omitempty"`
}

type kubernetesNetworkConfig struct {
	ElasticLoadBalancing enabled `json:"elasticLoadBalancing"`
}

type storageConfig struct {
	BlockStorage enabled `json:"blockStorage"`
}

type enabled struct {
	Enabled bool `json:"enabled"`
}

// nodeGroup is a managed node group; its name is the external name. The
// reference waits until the cluster is active.
type nodeGroup struct {
	Region           string            `json:"region"`
	ClusterNameRef   *reference        `json:"clusterNameRef"`
	AMIType          string            `json:"amiType"`
	InstanceTypes    []string          `json:"instanceTypes"`
	Labels           map[string]string `json:"labels,omitempty"`
	LaunchTemplate   launchTemplateUse `json:"launchTemplate"`
	NodeRoleARN      string            `json:"nodeRoleArn"`
	ScalingConfig    scalingConfig     `json:"scalingConfig"`
	SubnetIDRefs     []reference       `json:"subnetIdRefs"`
	UpdateConfig     updateConfig      `json:"updateConfig"`
	NodeRepairConfig enabled           `json:"nodeRepairConfig"`
	Version          string            `json:"version"`
	ReleaseVersion   string            `json:"releaseVersion,omitempty"`
	Tags             map[string]string `json:"tags"`
}

func (nodeGroup) kind() schema.GroupVersionKind { return eks("NodeGroup") }

// launchTemplateUse refers to a version by its number: EKS reports $Latest as a number,
// which would always be a difference.
type launchTemplateUse struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type scalingConfig struct {
	MinSize int64 `json:"minSize"`
	MaxSize int64 `json:"maxSize"`
}

type updateConfig struct {
	MaxUnavailable int64 `json:"maxUnavailable"`
}

// addon has the cluster's name: a reference would be resolved before the cluster exists.
type addon struct {
	Region                   string            `json:"region"`
	ClusterName              string            `json:"clusterName"`
	AddonName                string            `json:"addonName"`
	AddonVersion             string            `json:"addonVersion,omitempty"`
	ServiceAccountRoleARN    string            `json:"serviceAccountRoleArn,omitempty"`
	ConfigurationValues      string            `json:"configurationValues,omitempty"`
	ResolveConflictsOnCreate string            `json:"resolveConflictsOnCreate"`
	ResolveConflictsOnUpdate string            `json:"resolveConflictsOnUpdate"`
	Tags                     map[string]string `json:"tags"`
}

func (addon) kind() schema.GroupVersionKind { return eks("Addon") }

// accessEntry has a reference, so it waits until the cluster exists.
type accessEntry struct {
	Region         string            `json:"region"`
	ClusterNameRef *reference        `json:"clusterNameRef"`
	PrincipalARN   string            `json:"principalArn"`
	Tags           map[string]string `json:"tags"`
}

func (accessEntry) kind() schema.GroupVersionKind { return eks("AccessEntry") }

// accessPolicyAssociation refers to an access entry for its principal, so it waits until
// that exists.
type accessPolicyAssociation struct {
	Region          string      `json:"region"`
	ClusterNameRef  *reference  `json:"clusterNameRef"`
	PrincipalARNRef *reference  `json:"principalArnRef"`
	PolicyARN       string      `json:"policyArn"`
	AccessScope     accessScope `json:"accessScope"`
}

type accessScope struct {
	Type string `json:"type"`
}

func (accessPolicyAssociation) kind() schema.GroupVersionKind { return eks("AccessPolicyAssociation") }

// launchTemplate is a launch template of EC2, for a node group.
type launchTemplate struct {
	Region               string              `json:"region"`
	Name                 string              `json:"name"`
	UpdateDefaultVersion bool                `json:"updateDefaultVersion"`
	BlockDeviceMappings  []blockDevice       `json:"blockDeviceMappings"`
	MetadataOptions      metadataOptions     `json:"metadataOptions"`
	TagSpecifications    []tagSpecifications `json:"tagSpecifications"`
	Tags                 map[string]string   `json:"tags"`
}

func (launchTemplate) kind() schema.GroupVersionKind { return ec2("LaunchTemplate") }

type blockDevice struct {
	DeviceName string `json:"deviceName"`
	EBS        ebs    `json:"ebs"`
}

// ebs has strings where the provider's booleans are strings.
type ebs struct {
	Encrypted           string `json:"encrypted"`
	DeleteOnTermination string `json:"deleteOnTermination"`
	VolumeSize          int64  `json:"volumeSize"`
	VolumeType          string `json:"volumeType"`
}

type metadataOptions struct {
	HTTPEndpoint            string `json:"httpEndpoint"`
	HTTPTokens              string `json:"httpTokens"`
	HTTPPutResponseHopLimit int64  `json:"httpPutResponseHopLimit"`
}

type tagSpecifications struct {
	ResourceType string            `json:"resourceType"`
	Tags         map[string]string `json:"tags"`
}
