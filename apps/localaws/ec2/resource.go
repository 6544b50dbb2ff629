package ec2

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// resource is anything with an id.
type resource interface {
	base() *meta
	// keys returns EC2's condition keys for the resource, except those of its tags.
	keys(s *Service) map[string]string
}

// meta has the fields that every resource has.
type meta struct {
	id   string
	kind *kind
	Tags []tag `xml:"tagSet>item"`
}

func (m *meta) base() *meta { return m }

func (m *meta) keys(*Service) map[string]string { return nil }

func (m *meta) tag(key string) (string, bool) {
	i := slices.IndexFunc(m.Tags, func(t tag) bool { return t.Key == key })
	if i < 0 {
		return "", false
	}
	return m.Tags[i].Value, true
}

// kind is a kind of resource.
type kind struct {
	// name is the kind in ARNs and tag specifications; prefix begins its ids.
	name, prefix string
	// missing and malformed are the error codes for an id that does not exist, or is not
	// valid.
	missing, malformed string
	// limit is AWS's quota for a new account, and overLimit the error code beyond it. The
	// quota is for the region, unless the action that creates the resource counts
	// otherwise.
	limit     int
	overLimit string
}

var (
	vpcKind = &kind{"vpc", "vpc", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed", 5, "VpcLimitExceeded"}
	// The quota of both is for one VPC.
	subnetKind   = &kind{"subnet", "subnet", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed", 200, "SubnetLimitExceeded"}
	tableKind    = &kind{"route-table", "rtb", "InvalidRouteTableID.NotFound", "InvalidRouteTableId.Malformed", 200, "RouteTableLimitExceeded"}
	aclKind      = &kind{"network-acl", "acl", "InvalidNetworkAclID.NotFound", "InvalidNetworkAclId.Malformed", 200, "NetworkAclLimitExceeded"}
	internetKind = &kind{
		"internet-gateway", "igw", "InvalidInternetGatewayID.NotFound", "InvalidInternetGatewayId.Malformed", 5, "InternetGatewayLimitExceeded",
	}
	addressKind = &kind{"elastic-ip", "eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.Malformed", 5, "AddressLimitExceeded"}
	// The quota is for one availability zone.
	natKind   = &kind{"natgateway", "nat", "NatGatewayNotFound", "NatGatewayMalformed", 5, "NatGatewayLimitExceeded"}
	groupKind = &kind{"security-group", "sg", "InvalidGroup.NotFound", "InvalidGroupId.Malformed", 2500, "SecurityGroupLimitExceeded"}
	// The quota is for one direction of a group.
	ruleKind = &kind{
		"security-group-rule", "sgr", "InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed", 60,
		"RulesPerSecurityGroupLimitExceeded",
	}
	// The quota is for a VPC's interface endpoints; a region has 20 gateway endpoints.
	endpointKind = &kind{
		"vpc-endpoint", "vpce", "InvalidVpcEndpointId.NotFound", "InvalidVpcEndpointId.Malformed", 50,
		"VpcEndpointLimitExceeded",
	}
	interfaceKind = &kind{
		"network-interface", "eni", "InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.Malformed", 5000,
		"NetworkInterfaceLimitExceeded",
	}
	templateKind = &kind{
		"launch-template", "lt", "InvalidLaunchTemplateId.NotFound", "InvalidLaunchTemplateId.Malformed", 5000, "LaunchTemplateLimitExceeded",
	}
	flowLogKind = &kind{"vpc-flow-log", "fl", "InvalidFlowLogId.NotFound", "InvalidFlowLogId.Malformed", 2, "FlowLogsLimitExceeded"}
)

var kinds = []*kind{
	vpcKind, subnetKind, tableKind, aclKind, internetKind, addressKind, natKind, groupKind, ruleKind, endpointKind, interfaceKind,
	templateKind, flowLogKind,
}

// newID returns an id in AWS's usual form: prefix-0 and 16 hexadecimal digits.
func newID(prefix string) string {
	var digits [8]byte
	_, _ = rand.Read(digits[:])
	return prefix + "-0" + hex.EncodeToString(digits[:])
}

func newMeta(k *kind, tags []tag) meta { return meta{id: newID(k.prefix), kind: k, Tags: tags} }

func (s *Service) add(r resource) {
	id := r.base().id
	s.resources[id] = r
	s.order = append(s.order, id)
}

func (s *Service) remove(id string) {
	delete(s.resources, id)
	s.order = slices.DeleteFunc(s.order, func(other string) bool { return other == id })
}

// get returns the resource with an id, if it has the type.
func get[R resource](s *Service, id string) (R, bool) {
	r, ok := s.resources[id].(R)
	return r, ok
}

// all returns the resources of a type in the order of their creation.
func all[R resource](s *Service) (list []R) {
	for _, id := range s.order {
		if r, ok := s.resources[id].(R); ok {
			list = append(list, r)
		}
	}
	return list
}

// where returns the resources of a type for which ok holds.
func where[R resource](s *Service, ok func(R) bool) (list []R) {
	for _, r := range all[R](s) {
		if ok(r) {
			list = append(list, r)
		}
	}
	return list
}

// find is like get, but returns AWS's error for an unknown id.
func find[R resource](s *Service, k *kind, parameter, id string) (R, *protocol.Error) {
	r, ok := get[R](s, id)
	switch {
	case ok:
		return r, nil
	case id == "":
		return r, missing(parameter)
	case !strings.HasPrefix(id, k.prefix+"-"):
		return r, refused(k.malformed, "Invalid id: %q (expecting \"%s-...\")", id, k.prefix)
	}
	return r, notFound(k, id)
}

func notFound(k *kind, id string) *protocol.Error {
	return refused(k.missing, "The %s ID '%s' does not exist", k.name, id)
}

// room returns an error for a resource that would exceed the quota.
func (k *kind) room(have int) *protocol.Error {
	if have >= k.limit {
		return refused(k.overLimit, "The maximum number of %s resources has been reached: %d", k.name, k.limit)
	}
	return nil
}

// tag is a tag in a request and in an answer.
type tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

// tagSpecification gives tags to what a call creates.
type tagSpecification struct {
	ResourceType string
	Tag          []tag
}

// tagging has the parameters of actions that create a resource; their inputs embed it.
type tagging struct {
	TagSpecification []tagSpecification
}

// tags returns the tags for a kind. Only that kind is created, so tags for another
// are an error.
func (t tagging) tags(k *kind) ([]tag, *protocol.Error) {
	var tags []tag
	for _, s := range t.TagSpecification {
		if s.ResourceType != k.name {
			return nil, refused("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", s.ResourceType)
		}
		tags = append(tags, s.Tag...)
	}
	return withTags(nil, tags)
}

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// withTags returns the tags of a resource with some added.
func withTags(had, added []tag) ([]tag, *protocol.Error) {
	tags := slices.Clone(had)
	seen := map[string]bool{}
	for _, t := range added {
		switch {
		case t.Key == "" || len(t.Key) > maxTagKey:
			return nil, refused("InvalidParameterValue", "Tag key '%s' is invalid: it has 1 to %d characters.", t.Key, maxTagKey)
		case len(t.Value) > maxTagValue:
			return nil, refused("InvalidParameterValue", "Tag value of '%s' exceeds the maximum length of %d characters.", t.Key, maxTagValue)
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, refused("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
		case seen[t.Key]:
			return nil, refused("InvalidParameterValue", "Duplicate tag key '%s' specified.", t.Key)
		}
		seen[t.Key] = true
		if i := slices.IndexFunc(tags, func(other tag) bool { return other.Key == t.Key }); i >= 0 {
			tags[i].Value = t.Value
			continue
		}
		tags = append(tags, t)
	}
	if len(tags) > maxTags {
		return nil, refused("TagLimitExceeded", "The maximum number of tags for a resource has been reached: %d", maxTags)
	}
	return tags, nil
}

type createTagsInput struct {
	Resources []string `query:"ResourceId"`
	Tags      []tag    `query:"Tag"`
	common
}

func createTags(c *call, in *createTagsInput) (protocol.Elements, *protocol.Error) {
	tagged, err := c.tagged(in.Resources, in.Tags)
	if err != nil {
		return nil, err
	}
	after := make([][]tag, len(tagged))
	for i, r := range tagged {
		if after[i], err = withTags(r.base().Tags, in.Tags); err != nil {
			return nil, err
		}
	}
	for i, r := range tagged {
		r.base().Tags = after[i]
	}
	return done, nil
}

type deleteTagsInput struct {
	Resources []string `query:"ResourceId"`
	// A tag without a value is deleted whatever its value is.
	Tags []struct {
		Key   string
		Value *string
	} `query:"Tag"`
	common
}

func deleteTags(c *call, in *deleteTagsInput) (protocol.Elements, *protocol.Error) {
	var named []tag
	for _, t := range in.Tags {
		named = append(named, tag{Key: t.Key})
	}
	tagged, err := c.tagged(in.Resources, named)
	if err != nil {
		return nil, err
	}
	for _, r := range tagged {
		r.base().Tags = slices.DeleteFunc(r.base().Tags, func(had tag) bool {
			if len(in.Tags) == 0 {
				return true
			}
			for _, t := range in.Tags {
				if t.Key == had.Key && (t.Value == nil || *t.Value == had.Value) {
					return true
				}
			}
			return false
		})
	}
	return done, nil
}

// tagged returns the resources with ids, if the call may change their tags.
func (c *call) tagged(ids []string, tags []tag) (list []resource, err *protocol.Error) {
	var targets []target
	for _, id := range ids {
		k := kindOf(id)
		if k == nil {
			return nil, refused("InvalidID", "The ID '%s' is not valid", id)
		}
		t := c.on(k, id)
		for key, values := range requestTags(tags) {
			t.keys[key] = values
		}
		targets = append(targets, t)
	}
	if err := c.allow(targets...); err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		return nil, missing("ResourceId")
	}
	for _, id := range ids {
		r, found := c.resources[id]
		if !found {
			return nil, notFound(kindOf(id), id)
		}
		list = append(list, r)
	}
	return list, nil
}

// kindOf returns the kind of a resource with the id.
func kindOf(id string) *kind {
	prefix, _, _ := strings.Cut(id, "-")
	i := slices.IndexFunc(kinds, func(k *kind) bool { return k.prefix == prefix })
	if i < 0 {
		return nil
	}
	return kinds[i]
}
