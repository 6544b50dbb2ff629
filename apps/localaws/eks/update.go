package eks

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// find returns a cluster by name.
func (s *Service) find(name string) (*cluster, *protocol.Error) {
	i := slices.IndexFunc(s.clusters, func(c *cluster) bool { return c.Name == name })
	if i < 0 {
		return nil, notFound("No cluster found for name: %s.", name)
	}
	return s.clusters[i], nil
}

// cluster returns the cluster that the path names, if the call may do its action to
// it.
func (c *call) cluster() (*cluster, *protocol.Error) {
	name := c.path[0]
	c.about["clusterName"] = name
	found, missing := c.find(name)
	var keys map[string][]string
	if found != nil {
		keys = resourceTags(found.Tags)
	}
	return found, first(c.allow(c.arn("cluster", name), keys), missing)
}

func describeCluster(c *call, _ *none) (any, *protocol.Error) {
	found, err := c.cluster()
	return answer{found}, err
}

type clusterNames struct {
	Clusters  []string `json:"clusters"`
	NextToken *string  `json:"nextToken,omitempty"`
}

func listClusters(c *call, _ *none) (any, *protocol.Error) {
	if err := c.allow("*", nil); err != nil {
		return nil, err
	}
	names := []string{}
	for _, one := range c.clusters {
		names = append(names, one.Name)
	}
	names, next, err := c.page(names)
	return clusterNames{names, next}, err
}

func deleteCluster(c *call, _ *none) (any, *protocol.Error) {
	found, err := c.cluster()
	switch {
	case err != nil:
		return nil, err
	case found.DeletionProtection:
		return nil, badRequest("Cluster %s has deletion protection enabled: disable it to delete the cluster", found.Name)
	case found.Status == creating || found.Status == updating:
		return nil, inUse("Cannot delete because cluster %s currently has an update in progress", found.Name)
	case len(found.nodegroups) > 0:
		return nil, inUse("Cluster has nodegroups attached")
	}
	if found.Status != deleting {
		found.Status, found.changes = deleting, c.in(clusterDeleteTime)
	}
	return answer{found}, nil
}

// update is a change that takes time.
type update struct {
	ID        string  `json:"id"`
	Status    string  `json:"status"`
	Type      string  `json:"type"`
	Params    []param `json:"params"`
	CreatedAt seconds `json:"createdAt"`
	Errors    []issue `json:"errors"`

	of      string // the ARN of the updated resource
	changes time.Time
}

type param struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

type updateAnswer struct {
	Update *update `json:"update"`
}

// maxUpdates is the number of updates that are kept.
const maxUpdates = 1000

func (u *update) settle(now time.Time) {
	if u.Status == "InProgress" && !now.Before(u.changes) {
		u.Status = "Successful"
	}
}

// begin starts an update that ends after d. Answers show its changes at once.
func (c *call) begin(of, kind string, d time.Duration, params ...param) *update {
	if params == nil {
		params = []param{}
	}
	u := &update{
		ID: uuid.NewString(), Status: "InProgress", Type: kind, Params: params, CreatedAt: seconds(c.now), Errors: []issue{}, of: of,
		changes: c.in(d),
	}
	c.updates = append(c.updates, u)
	if len(c.updates) > maxUpdates {
		c.updates = slices.Delete(c.updates, 0, 1)
	}
	return u
}

// parameter returns a value of a request in the form that an update shows.
func parameter(kind string, value any) param {
	text, _ := json.Marshal(value)
	return param{kind, string(text)}
}

type updateClusterConfigInput struct {
	VPC                     *vpcConfig     `json:"resourcesVpcConfig"`
	Logging                 *logging       `json:"logging"`
	AccessConfig            *accessConfig  `json:"accessConfig"`
	UpgradePolicy           *upgradePolicy `json:"upgradePolicy"`
	ComputeConfig           *computeConfig `json:"computeConfig"`
	StorageConfig           *storageConfig `json:"storageConfig"`
	KubernetesNetworkConfig *networkConfig `json:"kubernetesNetworkConfig"`
	DeletionProtection      *bool          `json:"deletionProtection"`
	ClientRequestToken      string         `json:"clientRequestToken"`
}

func updateClusterConfig(c *call, in *updateClusterConfigInput) (any, *protocol.Error) {
	found, err := c.cluster()
	if err != nil {
		return nil, err
	}
	if u, err := c.again(in.ClientRequestToken); err != nil || u != nil {
		return updateAnswer{u}, err
	}
	kind, params, err := in.change(found)
	if err := first(err, found.changeable()); err != nil {
		return nil, err
	}
	in.apply(found)
	return c.updating(found, kind, updateTime, in.ClientRequestToken, params...), nil
}

// changeable returns an error while another change is in progress.
func (c *cluster) changeable() *protocol.Error {
	if c.Status != active {
		return inUse("Cannot update because cluster %s currently has an update in progress: its status is %s", c.Name, c.Status)
	}
	return nil
}

func (c *call) updating(found *cluster, kind string, d time.Duration, token string, params ...param) updateAnswer {
	u := c.begin(found.ARN, kind, d, params...)
	found.Status, found.changes = updating, u.changes
	c.remember(token, u.ID)
	return updateAnswer{u}
}

// again returns the update that an earlier call with the same token started.
func (c *call) again(token string) (*update, *protocol.Error) {
	id, err := c.remembered(token)
	if err != nil || id == "" {
		return nil, err
	}
	i := slices.IndexFunc(c.updates, func(u *update) bool { return u.ID == id })
	if i < 0 {
		return nil, nil
	}
	return c.updates[i], nil
}

// change returns what the call changes; a call may change only one thing.
func (in *updateClusterConfigInput) change(found *cluster) (kind string, params []param, err *protocol.Error) {
	var kinds []string
	add := func(is bool, name, parameterName string, value any) {
		if is {
			kinds, params = append(kinds, name), append(params, parameter(parameterName, value))
		}
	}
	if v := in.VPC; v != nil {
		access := v.EndpointPublicAccess != nil || v.EndpointPrivateAccess != nil || len(v.PublicAccessCIDRs) > 0
		add(access, "EndpointAccessUpdate", "EndpointPublicAccess", v.EndpointPublicAccess)
		add(!access, "VpcConfigUpdate", "SubnetIds", v.SubnetIDs)
	}
	add(in.Logging != nil, "LoggingUpdate", "ClusterLogging", in.Logging)
	add(in.AccessConfig != nil, "AccessConfigUpdate", "AuthenticationMode", in.AccessConfig)
	add(in.UpgradePolicy != nil, "UpgradePolicyUpdate", "UpgradePolicy", in.UpgradePolicy)
	add(in.ComputeConfig != nil || in.StorageConfig != nil || in.KubernetesNetworkConfig != nil, "AutoModeUpdate", "ComputeConfig",
		in.ComputeConfig)
	add(in.DeletionProtection != nil, "DeletionProtectionUpdate", "DeletionProtection", in.DeletionProtection)
	switch {
	case len(kinds) == 0:
		return "", nil, invalid("No changes needed for the cluster: nothing is to be updated")
	case len(kinds) > 1:
		return "", nil, invalid("Only one type of update can be allowed: %v", kinds)
	case in.AccessConfig != nil && !mayFollow(found.AccessConfig.AuthenticationMode, in.AccessConfig.AuthenticationMode):
		return "", nil, invalid("Unsupported authentication mode update from %s to %s", found.AccessConfig.AuthenticationMode,
			in.AccessConfig.AuthenticationMode)
	case in.UpgradePolicy != nil && in.UpgradePolicy.SupportType != "STANDARD" && in.UpgradePolicy.SupportType != "EXTENDED":
		return "", nil, invalid("supportType %q is neither STANDARD nor EXTENDED", in.UpgradePolicy.SupportType)
	case kinds[0] == "AutoModeUpdate":
		err = (&createClusterInput{
			ComputeConfig: in.ComputeConfig, StorageConfig: in.StorageConfig, KubernetesNetworkConfig: *or(in.KubernetesNetworkConfig,
				&networkConfig{}),
			BootstrapAddons: new(bool), AccessConfig: found.AccessConfig,
		}).checkAutoMode()
	}
	return kinds[0], params, err
}

func or[T any](value, otherwise *T) *T {
	if value == nil {
		return otherwise
	}
	return value
}

// mayFollow reports whether one authentication mode may follow another: only changes
// towards API are allowed.
func mayFollow(from, to string) bool {
	order := []string{"CONFIG_MAP", "API_AND_CONFIG_MAP", "API"}
	return slices.Contains(order, to) && slices.Index(order, to) > slices.Index(order, from)
}

func (in *updateClusterConfigInput) apply(found *cluster) {
	if in.VPC != nil {
		changed := *in.VPC
		changed.complete(found.VPC)
		changed.VPCID, changed.ClusterSecurityGroupID = found.VPC.VPCID, found.VPC.ClusterSecurityGroupID
		found.VPC = changed
	}
	if in.Logging != nil {
		found.Logging = *in.Logging
	}
	if in.AccessConfig != nil {
		found.AccessConfig.AuthenticationMode = in.AccessConfig.AuthenticationMode
	}
	if in.UpgradePolicy != nil {
		found.UpgradePolicy = *in.UpgradePolicy
	}
	if in.ComputeConfig != nil {
		found.ComputeConfig = in.ComputeConfig
	}
	if in.StorageConfig != nil {
		found.StorageConfig = in.StorageConfig
	}
	if in.KubernetesNetworkConfig != nil {
		found.KubernetesNetworkConfig.ElasticLoadBalancing = in.KubernetesNetworkConfig.ElasticLoadBalancing
	}
	if in.DeletionProtection != nil {
		found.DeletionProtection = *in.DeletionProtection
	}
}

type updateClusterVersionInput struct {
	Version            string `json:"version"`
	Force              bool   `json:"force"`
	ClientRequestToken string `json:"clientRequestToken"`
}

func updateClusterVersion(c *call, in *updateClusterVersionInput) (any, *protocol.Error) {
	found, err := c.cluster()
	if err != nil {
		return nil, err
	}
	if u, err := c.again(in.ClientRequestToken); err != nil || u != nil {
		return updateAnswer{u}, err
	}
	switch err := found.changeable(); {
	case err != nil:
		return nil, err
	case !clusterVersion.MatchString(in.Version):
		return nil, invalid("unsupported Kubernetes version %s", in.Version)
	case minor(in.Version) != minor(found.Version)+1:
		return nil, invalid("Unsupported Kubernetes minor version update from %s to %s", found.Version, in.Version)
	}
	for _, g := range found.nodegroups {
		if minor(g.Version) < minor(in.Version)-maxSkew {
			return nil, badRequest("Nodegroup %s must be updated to a Kubernetes version that %s supports before the cluster is", g.Name, in.Version)
		}
	}
	found.Version = in.Version
	return c.updating(found, "VersionUpdate", versionTime, in.ClientRequestToken, param{"Version", in.Version}, param{
		"PlatformVersion",
		found.PlatformVersion,
	}), nil
}

func describeUpdate(c *call, _ *none) (any, *protocol.Error) {
	found, missing := c.find(c.path[0])
	c.about["clusterName"] = c.path[0]
	arn := c.arn("cluster", c.path[0])
	var keys map[string][]string
	if found != nil {
		arn, keys = found.updated(c)
	}
	if err := first(c.allow(arn, keys), missing); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(c.updates, func(u *update) bool { return u.ID == c.path[1] && u.of == arn })
	if i < 0 {
		return nil, notFound("No update found for ID: %s", c.path[1])
	}
	return updateAnswer{c.updates[i]}, nil
}

// updated returns the resource whose update the call asks for.
func (c *cluster) updated(by *call) (arn string, keys map[string][]string) {
	if name := by.query.Get("nodegroupName"); name != "" {
		if g := c.nodegroup(name); g != nil {
			return g.ARN, resourceTags(g.Tags)
		}
		return by.arn("nodegroup", c.Name+"/"+name+"/*"), nil
	}
	if name := by.query.Get("addonName"); name != "" {
		if a := c.addon(name); a != nil {
			return a.ARN, resourceTags(a.Tags)
		}
		return by.arn("addon", c.Name+"/"+name+"/*"), nil
	}
	return c.ARN, resourceTags(c.Tags)
}
