package eks

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

const (
	creating     = "CREATING"
	active       = "ACTIVE"
	updating     = "UPDATING"
	deleting     = "DELETING"
	degraded     = "DEGRADED"
	failed       = "FAILED"
	createFailed = "CREATE_FAILED"
	gone         = "" // deleted: no call shows it
)

type cluster struct {
	Name                    string            `json:"name"`
	ARN                     string            `json:"arn"`
	CreatedAt               seconds           `json:"createdAt"`
	Version                 string            `json:"version"`
	PlatformVersion         string            `json:"platformVersion"`
	Status                  string            `json:"status"`
	RoleARN                 string            `json:"roleArn"`
	Endpoint                string            `json:"endpoint,omitempty"`
	CertificateAuthority    certificate       `json:"certificateAuthority"`
	Identity                *identity         `json:"identity,omitempty"`
	VPC                     vpcConfig         `json:"resourcesVpcConfig"`
	KubernetesNetworkConfig networkConfig     `json:"kubernetesNetworkConfig"`
	Logging                 logging           `json:"logging"`
	AccessConfig            accessConfig      `json:"accessConfig"`
	UpgradePolicy           upgradePolicy     `json:"upgradePolicy"`
	ComputeConfig           *computeConfig    `json:"computeConfig,omitempty"`
	StorageConfig           *storageConfig    `json:"storageConfig,omitempty"`
	EncryptionConfig        []encryption      `json:"encryptionConfig,omitempty"`
	DeletionProtection      bool              `json:"deletionProtection"`
	Health                  health            `json:"health"`
	Tags                    map[string]string `json:"tags"`

	changes    time.Time
	failure    *protocol.Error
	nodegroups []*nodegroup
	addons     []*addon
	entries    []*entry
}

type certificate struct {
	Data string `json:"data,omitempty"`
}

type identity struct {
	OIDC struct {
		Issuer string `json:"issuer"`
	} `json:"oidc"`
}

// vpcConfig is the network configuration, in a request and in an answer.
type vpcConfig struct {
	SubnetIDs              []string `json:"subnetIds"`
	SecurityGroupIDs       []string `json:"securityGroupIds"`
	EndpointPublicAccess   *bool    `json:"endpointPublicAccess"`
	EndpointPrivateAccess  *bool    `json:"endpointPrivateAccess"`
	PublicAccessCIDRs      []string `json:"publicAccessCidrs"`
	VPCID                  string   `json:"vpcId,omitempty"`
	ClusterSecurityGroupID string   `json:"clusterSecurityGroupId,omitempty"`
}

type networkConfig struct {
	ServiceIPv4CIDR      string   `json:"serviceIpv4Cidr,omitempty"`
	IPFamily             string   `json:"ipFamily,omitempty"`
	ElasticLoadBalancing *enabled `json:"elasticLoadBalancing,omitempty"`
}

type enabled struct {
	Enabled *bool `json:"enabled"`
}

func (e *enabled) on() bool { return e != nil && e.Enabled != nil && *e.Enabled }

type logging struct {
	ClusterLogging []logSetup `json:"clusterLogging"`
}

type logSetup struct {
	Types   []string `json:"types"`
	Enabled bool     `json:"enabled"`
}

type accessConfig struct {
	AuthenticationMode string `json:"authenticationMode,omitempty"`
	BootstrapAdmin     *bool  `json:"bootstrapClusterCreatorAdminPermissions,omitempty"`
}

type upgradePolicy struct {
	SupportType string `json:"supportType,omitempty"`
}

type computeConfig struct {
	Enabled     *bool    `json:"enabled"`
	NodePools   []string `json:"nodePools,omitempty"`
	NodeRoleARN string   `json:"nodeRoleArn,omitempty"`
}

func (c *computeConfig) on() bool { return c != nil && c.Enabled != nil && *c.Enabled }

type storageConfig struct {
	BlockStorage *enabled `json:"blockStorage,omitempty"`
}

func (s *storageConfig) on() bool { return s != nil && s.BlockStorage.on() }

type encryption struct {
	Resources []string `json:"resources"`
	Provider  struct {
		KeyARN string `json:"keyArn"`
	} `json:"provider"`
}

type health struct {
	Issues []issue `json:"issues"`
}

type issue struct {
	Code        string   `json:"code"`
	Message     string   `json:"message"`
	ResourceIDs []string `json:"resourceIds"`
}

// answer is a cluster in the form of answers.
type answer struct {
	Cluster *cluster `json:"cluster"`
}

func (c *cluster) settle(s *Service, now time.Time) {
	for _, g := range c.nodegroups {
		g.settle(s, now)
	}
	c.nodegroups = slices.DeleteFunc(c.nodegroups, func(g *nodegroup) bool { return g.Status == gone })
	for _, a := range c.addons {
		a.settle(c, now)
	}
	c.addons = slices.DeleteFunc(c.addons, func(a *addon) bool { return a.Status == gone })
	if now.Before(c.changes) {
		return
	}
	switch c.Status {
	case creating:
		c.ready(s)
	case updating:
		c.Status = active
	case deleting:
		s.Network.Detach(c.ARN)
		s.Network.DeleteGroup(c.VPC.ClusterSecurityGroupID)
		c.Status = gone
	}
}

// ready ends CREATING.
func (c *cluster) ready(s *Service) {
	c.Status = active
	if c.failure != nil {
		c.Status, c.Health.Issues = failed, []issue{{c.failure.Code, c.failure.Message, nil}}
		return
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	digits := strings.ToUpper(hex.EncodeToString(id[:]))
	var server Server
	if s.Server.Cluster == "" || s.Server.Cluster == c.Name {
		server = s.Server
	}
	c.Endpoint, c.Identity = server.Endpoint, &identity{}
	if c.Endpoint == "" {
		c.Endpoint = "https://" + digits + ".gr7." + s.Region + ".eks.amazonaws.com"
	}
	c.CertificateAuthority.Data = base64.StdEncoding.EncodeToString([]byte(server.CertificateAuthority))
	if server.CertificateAuthority == "" {
		c.CertificateAuthority.Data = base64.StdEncoding.EncodeToString([]byte("simulated: no control plane has this certificate\n"))
	}
	c.Identity.OIDC.Issuer = server.Issuer
	if server.Issuer == "" {
		c.Identity.OIDC.Issuer = "https://oidc.eks." + s.Region + ".amazonaws.com/id/" + digits
	}
}
