package eks

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type addon struct {
	Name                  string            `json:"addonName"`
	ARN                   string            `json:"addonArn"`
	ClusterName           string            `json:"clusterName"`
	Status                string            `json:"status"`
	Version               string            `json:"addonVersion"`
	Health                health            `json:"health"`
	CreatedAt             seconds           `json:"createdAt"`
	ModifiedAt            seconds           `json:"modifiedAt"`
	ServiceAccountRoleARN string            `json:"serviceAccountRoleArn,omitempty"`
	ConfigurationValues   string            `json:"configurationValues,omitempty"`
	Tags                  map[string]string `json:"tags"`

	changes time.Time
	failure *protocol.Error
}

// addonVersions has the add-ons, each with its default version. It is not checked whether
// a version fits the cluster.
var addonVersions = map[string]string{
	"amazon-cloudwatch-observability": "v4.7.0-eksbuild.1",
	"aws-ebs-csi-driver":              "v1.54.0-eksbuild.1",
	"coredns":                         "v1.13.1-eksbuild.1",
	"eks-pod-identity-agent":          "v1.3.10-eksbuild.1",
	"kube-proxy":                      "v1.35.0-eksbuild.2",
	"metrics-server":                  "v0.8.0-eksbuild.5",
	"vpc-cni":                         "v1.21.1-eksbuild.1",
}

// needNodes are the add-ons with a Deployment: without a node its pods stay pending.
var needNodes = []string{"amazon-cloudwatch-observability", "aws-ebs-csi-driver", "coredns", "metrics-server"}

func (c *cluster) addon(name string) *addon {
	i := slices.IndexFunc(c.addons, func(a *addon) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return c.addons[i]
}

func (a *addon) settle(of *cluster, now time.Time) {
	if now.Before(a.changes) {
		return
	}
	switch a.Status {
	case creating, updating, active, degraded:
		a.Status, a.Health.Issues = active, []issue{}
		switch {
		case a.failure != nil:
			a.Status, a.Health.Issues = createFailed, []issue{{a.failure.Code, a.failure.Message, []string{}}}
		case slices.Contains(needNodes, a.Name) && !of.hasNodes():
			message := "The add-on is unhealthy because it doesn't have the desired number of replicas."
			a.Status, a.Health.Issues = degraded, []issue{{"InsufficientNumberOfReplicas", message, []string{}}}
		}
	case deleting:
		a.Status = gone
	}
}

// hasNodes reports whether a pod could be scheduled.
func (c *cluster) hasNodes() bool {
	return c.ComputeConfig.on() || slices.ContainsFunc(c.nodegroups, func(g *nodegroup) bool {
		return g.Status == active ||
			g.Status == updating
	})
}

type addonAnswer struct {
	Addon *addon `json:"addon"`
}

type createAddonInput struct {
	Name                  string            `json:"addonName"`
	Version               string            `json:"addonVersion"`
	ConfigurationValues   string            `json:"configurationValues"`
	ResolveConflicts      string            `json:"resolveConflicts"`
	ServiceAccountRoleARN string            `json:"serviceAccountRoleArn"`
	Tags                  map[string]string `json:"tags"`
	ClientRequestToken    string            `json:"clientRequestToken"`
}

func createAddon(c *call, in *createAddonInput) (any, *protocol.Error) {
	of, missing := c.find(c.path[0])
	c.about["clusterName"], c.about["addonName"] = c.path[0], in.Name
	arn := c.arn("addon", c.path[0]+"/"+in.Name+"/"+uuid.NewString())
	keys := requestTags(in.Tags)
	besides := c.creates(arn, in.Tags)
	if in.ServiceAccountRoleARN != "" {
		besides = append(besides, c.passes(in.ServiceAccountRoleARN, linkedService, arn))
	}
	if of != nil {
		maps.Copy(keys, resourceTags(of.Tags))
	}
	if err := first(c.allow(c.arn("cluster", c.path[0]), keys, besides...), missing); err != nil {
		return nil, err
	}
	name, err := c.remembered(in.ClientRequestToken)
	if err != nil {
		return nil, err
	}
	if made := of.addon(name); made != nil {
		return addonAnswer{made}, nil
	}
	version, known := addonVersions[in.Name]
	byDefault(&in.Version, version)
	switch {
	case !known:
		return nil, invalid("Addon %s specified is not supported", in.Name)
	case of.addon(in.Name) != nil:
		return nil, inUse("Addon already exists.")
	case of.Status != active && of.Status != updating:
		return nil, invalid("Addon %s cannot be created while the cluster is in %s status", in.Name, of.Status)
	}
	if err := first(checkTags(in.Tags), checkConfiguration(in.ConfigurationValues), checkConflicts(in.ResolveConflicts)); err != nil {
		return nil, err
	}
	a := &addon{
		Name: in.Name, ARN: arn, ClusterName: of.Name, Status: creating, Version: in.Version, Health: health{[]issue{}},
		CreatedAt:  seconds(c.now),
		ModifiedAt: seconds(c.now), ServiceAccountRoleARN: in.ServiceAccountRoleARN, ConfigurationValues: in.ConfigurationValues,
		Tags:    map[string]string{},
		changes: c.in(addonTime), failure: c.fails,
	}
	maps.Copy(a.Tags, in.Tags)
	of.addons = append(of.addons, a)
	c.remember(in.ClientRequestToken, a.Name)
	return addonAnswer{a}, nil
}

// checkConfiguration checks only that values which look like JSON are JSON: it knows no
// add-on's schema.
func checkConfiguration(values string) *protocol.Error {
	if strings.HasPrefix(strings.TrimSpace(values), "{") && !json.Valid([]byte(values)) {
		return invalid("ConfigurationValue provided in request is not supported: Json schema validation failed with error: it is not JSON")
	}
	return nil
}

func checkConflicts(resolve string) *protocol.Error {
	if resolve != "" && !slices.Contains([]string{"OVERWRITE", "NONE", "PRESERVE"}, resolve) {
		return invalid("resolveConflicts %q is none of OVERWRITE, NONE and PRESERVE", resolve)
	}
	return nil
}

// theAddon returns the add-on that the path names, if the call may do its action to
// it.
func (c *call) theAddon() (*addon, *protocol.Error) {
	c.about["clusterName"], c.about["addonName"] = c.path[0], c.path[1]
	arn, keys := c.arn("addon", c.path[0]+"/"+c.path[1]+"/*"), map[string][]string(nil)
	of, missing := c.find(c.path[0])
	var a *addon
	if of != nil {
		if a = of.addon(c.path[1]); a == nil {
			missing = notFound("No addon: %s found in cluster: %s", c.path[1], of.Name)
		} else {
			arn, keys = a.ARN, resourceTags(a.Tags)
		}
	}
	return a, first(c.allow(arn, keys), missing)
}

func describeAddon(c *call, _ *none) (any, *protocol.Error) {
	a, err := c.theAddon()
	return addonAnswer{a}, err
}

type addonNames struct {
	Addons    []string `json:"addons"`
	NextToken *string  `json:"nextToken,omitempty"`
}

func listAddons(c *call, _ *none) (any, *protocol.Error) {
	of, err := c.cluster()
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, a := range of.addons {
		names = append(names, a.Name)
	}
	names, next, err := c.page(names)
	return addonNames{names, next}, err
}

func deleteAddon(c *call, _ *none) (any, *protocol.Error) {
	a, err := c.theAddon()
	switch {
	case err != nil:
		return nil, err
	case a.Status == creating || a.Status == updating:
		return nil, inUse("Addon %s cannot be deleted while its status is %s", a.Name, a.Status)
	}
	if a.Status != deleting {
		a.Status, a.changes, a.ModifiedAt = deleting, c.in(addonDeleteTime), seconds(c.now)
	}
	return addonAnswer{a}, nil
}

type updateAddonInput struct {
	Version               string  `json:"addonVersion"`
	ConfigurationValues   *string `json:"configurationValues"`
	ResolveConflicts      string  `json:"resolveConflicts"`
	ServiceAccountRoleARN string  `json:"serviceAccountRoleArn"`
	ClientRequestToken    string  `json:"clientRequestToken"`
}

func updateAddon(c *call, in *updateAddonInput) (any, *protocol.Error) {
	a, err := c.theAddon()
	if err != nil {
		return nil, err
	}
	if u, err := c.again(in.ClientRequestToken); err != nil || u != nil {
		return updateAnswer{u}, err
	}
	values := *or(in.ConfigurationValues, &a.ConfigurationValues)
	if err := first(checkConfiguration(values), checkConflicts(in.ResolveConflicts)); err != nil {
		return nil, err
	}
	if in.ServiceAccountRoleARN != "" {
		if err := c.allowed(c.passes(in.ServiceAccountRoleARN, linkedService, a.ARN)); err != nil {
			return nil, err
		}
	}
	if a.Status != active && a.Status != degraded {
		return nil, inUse("Addon %s cannot be updated while its status is %s", a.Name, a.Status)
	}
	byDefault(&in.Version, a.Version)
	byDefault(&in.ServiceAccountRoleARN, a.ServiceAccountRoleARN)
	a.Version, a.ConfigurationValues, a.ServiceAccountRoleARN = in.Version, values, in.ServiceAccountRoleARN
	u := c.begin(a.ARN, "AddonUpdate", addonTime, param{"AddonVersion", a.Version}, parameter("ConfigurationValues", values))
	a.Status, a.changes, a.ModifiedAt = updating, u.changes, seconds(c.now)
	c.remember(in.ClientRequestToken, u.ID)
	return updateAnswer{u}, nil
}
