package eks

import (
	"slices"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type updateNodegroupConfigInput struct {
	ScalingConfig    *scalingConfig `json:"scalingConfig"`
	UpdateConfig     *updateConfig  `json:"updateConfig"`
	NodeRepairConfig *enabled       `json:"nodeRepairConfig"`
	Labels           *struct {
		AddOrUpdate map[string]string `json:"addOrUpdateLabels"`
		Remove      []string          `json:"removeLabels"`
	} `json:"labels"`
	Taints *struct {
		AddOrUpdate []taint `json:"addOrUpdateTaints"`
		Remove      []taint `json:"removeTaints"`
	} `json:"taints"`
	ClientRequestToken string `json:"clientRequestToken"`
}

func updateNodegroupConfig(c *call, in *updateNodegroupConfigInput) (any, *protocol.Error) {
	of, g, err := c.theNodegroup()
	if err != nil {
		return nil, err
	}
	if u, err := c.again(in.ClientRequestToken); err != nil || u != nil {
		return updateAnswer{u}, err
	}
	scaling := g.ScalingConfig
	if in.ScalingConfig != nil {
		scaling = scalingConfig{
			MinSize: or(in.ScalingConfig.MinSize, scaling.MinSize), MaxSize: or(in.ScalingConfig.MaxSize, scaling.MaxSize),
			DesiredSize: or(in.ScalingConfig.DesiredSize, scaling.DesiredSize),
		}
	}
	if err := first(g.changeable(), scaling.complete()); err != nil {
		return nil, err
	}
	if *scaling.DesiredSize != *g.ScalingConfig.DesiredSize {
		if err := c.resize(of, g, scaling); err != nil {
			return nil, err
		}
	}
	g.ScalingConfig = scaling
	in.apply(g)
	return c.updatingNodegroup(g, "ConfigUpdate", updateTime, in.ClientRequestToken, parameter("DesiredSize", scaling.DesiredSize)), nil
}

// resize gives each node of a resized group its interface.
func (c *call) resize(of *cluster, g *nodegroup, scaling scalingConfig) *protocol.Error {
	resized, groups := *g, []string{of.VPC.ClusterSecurityGroupID}
	resized.ScalingConfig = scaling
	c.Network.Detach(g.ARN)
	err := c.Network.Attach(g.ARN, "", resized.nodeSubnets(), groups)
	if err == nil {
		return nil
	}
	c.Network.Detach(g.ARN)
	_ = c.Network.Attach(g.ARN, "", g.nodeSubnets(), groups) // it could attach them before
	return badRequest("The node group cannot have %d nodes: %v", *scaling.DesiredSize, err)
}

// changeable returns an error while another change is in progress.
func (g *nodegroup) changeable() *protocol.Error {
	if g.Status != active {
		return inUse("Nodegroup %s cannot be updated while its status is %s", g.Name, g.Status)
	}
	return nil
}

func (in *updateNodegroupConfigInput) apply(g *nodegroup) {
	if in.UpdateConfig != nil {
		g.UpdateConfig = *in.UpdateConfig
	}
	if in.NodeRepairConfig != nil {
		g.NodeRepairConfig = in.NodeRepairConfig
	}
	if in.Labels != nil {
		for key, value := range in.Labels.AddOrUpdate {
			g.Labels[key] = value
		}
		for _, key := range in.Labels.Remove {
			delete(g.Labels, key)
		}
	}
	if in.Taints != nil {
		for _, t := range slices.Concat(in.Taints.Remove, in.Taints.AddOrUpdate) {
			g.Taints = slices.DeleteFunc(g.Taints, func(had taint) bool { return had.Key == t.Key && had.Effect == t.Effect })
		}
		g.Taints = append(g.Taints, in.Taints.AddOrUpdate...)
	}
}

func (c *call) updatingNodegroup(g *nodegroup, kind string, d time.Duration, token string, params ...param) updateAnswer {
	u := c.begin(g.ARN, kind, d, params...)
	g.Status, g.changes, g.ModifiedAt = updating, u.changes, seconds(c.now)
	c.remember(token, u.ID)
	return updateAnswer{u}
}

type updateNodegroupVersionInput struct {
	Version            string           `json:"version"`
	ReleaseVersion     string           `json:"releaseVersion"`
	LaunchTemplate     *templateVersion `json:"launchTemplate"`
	Force              bool             `json:"force"`
	ClientRequestToken string           `json:"clientRequestToken"`
}

func updateNodegroupVersion(c *call, in *updateNodegroupVersionInput) (any, *protocol.Error) {
	of, g, err := c.theNodegroup()
	if err != nil {
		return nil, err
	}
	if u, err := c.again(in.ClientRequestToken); err != nil || u != nil {
		return updateAnswer{u}, err
	}
	version := in.Version
	byDefault(&version, g.Version)
	switch err := g.changeable(); {
	case err != nil:
		return nil, err
	case minor(version) > minor(of.Version) || minor(version) < minor(g.Version):
		return nil, invalid("Requested Nodegroup kubernetes version %s is not between its own, %s, and the cluster's, %s", version, g.Version,
			of.Version)
	case in.LaunchTemplate != nil && g.LaunchTemplate == nil:
		return nil, invalid("Nodegroup %s was created without a launch template, and cannot be given one", g.Name)
	}
	if in.LaunchTemplate != nil {
		if err := in.LaunchTemplate.resolve(c); err != nil {
			return nil, err
		}
		g.LaunchTemplate = in.LaunchTemplate
	}
	if version != g.Version || in.ReleaseVersion != "" {
		g.ReleaseVersion = in.ReleaseVersion
		byDefault(&g.ReleaseVersion, version+releaseOfVersion)
	}
	g.Version = version
	params := []param{{"Version", g.Version}, {"ReleaseVersion", g.ReleaseVersion}}
	return c.updatingNodegroup(g, "VersionUpdate", versionTime, in.ClientRequestToken, params...), nil
}
