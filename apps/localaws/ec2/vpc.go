package ec2

import (
	"net/netip"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type vpc struct {
	meta
	ID              string            `xml:"vpcId"`
	OwnerID         string            `xml:"ownerId"`
	State           string            `xml:"state"`
	CIDRBlock       string            `xml:"cidrBlock"`
	CIDRBlocks      []cidrAssociation `xml:"cidrBlockAssociationSet>item"`
	DHCPOptionsID   string            `xml:"dhcpOptionsId"`
	InstanceTenancy string            `xml:"instanceTenancy"`
	IsDefault       bool              `xml:"isDefault"`

	block      netip.Prefix
	attributes map[string]bool
}

type cidrAssociation struct {
	AssociationID string `xml:"associationId"`
	CIDRBlock     string `xml:"cidrBlock"`
	State         string `xml:"cidrBlockState>state"`
}

func (v *vpc) keys(*Service) map[string]string {
	return map[string]string{"VpcID": v.id, "Tenancy": v.InstanceTenancy}
}

// inVPC returns the condition keys of a resource in a VPC.
func (s *Service) inVPC(id string) map[string]string {
	return map[string]string{"Vpc": s.arn(vpcKind, id)}
}

const (
	available = "available"
	pending   = "pending"
	deleting  = "deleting"
	deleted   = "deleted"
	failed    = "failed"
)

type createVPCInput struct {
	CidrBlock, InstanceTenancy  string
	AmazonProvidedIpv6CidrBlock bool
	tagging
	common
}

func createVPC(c *call, in *createVPCInput) (protocol.Elements, *protocol.Error) {
	tenancy := in.InstanceTenancy
	if tenancy == "" {
		tenancy = "default"
	}
	tags, err := in.tags(vpcKind)
	if err := first(err, c.allow(c.creates(vpcKind, tags, map[string]string{"Tenancy": tenancy}))); err != nil {
		return nil, err
	}
	block, err := parseBlock(in.CidrBlock, "InvalidVpc.Range")
	switch {
	case err != nil:
		return nil, err
	case tenancy != "default":
		return nil, unsupported("the tenancy " + tenancy)
	case in.AmazonProvidedIpv6CidrBlock:
		return nil, unsupported("IPv6")
	}
	if err := vpcKind.room(len(all[*vpc](c.Service))); err != nil {
		return nil, err
	}
	v := &vpc{
		meta: newMeta(vpcKind, tags), OwnerID: c.account, State: available, CIDRBlock: block.String(), DHCPOptionsID: "dopt-0123456789abcdef0",
		InstanceTenancy: tenancy, CIDRBlocks: []cidrAssociation{{newID("vpc-cidr-assoc"), block.String(), "associated"}}, block: block,
		attributes: map[string]bool{"enableDnsSupport": true, "enableDnsHostnames": false, "enableNetworkAddressUsageMetrics": false},
	}
	v.ID = v.id
	c.add(v)
	c.addDefaults(v)
	answer := *v
	answer.State = pending
	return protocol.Elements{"vpc": &answer}, nil
}

// addDefaults creates what every VPC has from the start.
func (c *call) addDefaults(v *vpc) {
	table := c.newTable(v, nil)
	table.Associations = []*association{{ID: newID("rtbassoc"), TableID: table.id, Main: true, State: "associated"}}
	acl := &networkACL{meta: newMeta(aclKind, nil), VPCID: v.id, OwnerID: c.account, Default: true}
	acl.ID = acl.id
	for _, egress := range []bool{true, false} {
		acl.Entries = append(acl.Entries,
			aclEntry{RuleNumber: 100, Protocol: "-1", Action: "allow", Egress: egress, CIDRBlock: everywhere},
			aclEntry{RuleNumber: 32767, Protocol: "-1", Action: "deny", Egress: egress, CIDRBlock: everywhere})
	}
	c.add(acl)
	group := c.newGroup(v.id, defaultGroup, "default VPC security group", nil)
	group.addRule(c.Service, &rule{Protocol: anyProtocol, Referenced: &referencedGroup{GroupID: group.id, UserID: c.account}}, nil)
}

// parseBlock parses a CIDR block of a size from /16 to /28.
func parseBlock(text, outOfRange string) (netip.Prefix, *protocol.Error) {
	if text == "" {
		return netip.Prefix{}, missing("cidrBlock")
	}
	block, err := netip.ParsePrefix(text)
	if err != nil || !block.Addr().Is4() {
		return netip.Prefix{}, invalid("cidrBlock", text, "This is not a valid CIDR block.")
	}
	if block.Bits() < 16 || block.Bits() > 28 {
		return netip.Prefix{}, refused(outOfRange, "The CIDR '%s' is invalid.", text)
	}
	return block.Masked(), nil
}

type deleteVPCInput struct {
	VpcId string
	common
}

func deleteVPC(c *call, in *deleteVPCInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(vpcKind, in.VpcId)); err != nil {
		return nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	if err != nil {
		return nil, err
	}
	var defaults []string
	for _, id := range c.order {
		switch r := c.resources[id].(type) {
		case inside:
			of, withVPC := r.inside()
			if of == v.id && !withVPC {
				return nil, dependent(vpcKind, v.id)
			}
			if of == v.id {
				defaults = append(defaults, id)
			}
		case *rule:
			if group, found := get[*securityGroup](c.Service, r.GroupID); found && group.VPCID == v.id {
				defaults = append(defaults, id)
			}
		}
	}
	for _, id := range append(defaults, v.id) {
		c.remove(id)
	}
	return done, nil
}

// inside is a resource in a VPC. It prevents the deletion of the VPC, unless AWS creates
// or deletes it together with the VPC.
type inside interface {
	inside() (vpc string, withVPC bool)
}

type describeVPCsInput struct {
	VpcIds []string `query:"VpcId"`
	describing
}

var vpcAttributes = attributes[*vpc]{
	"vpc-id":     one(func(v *vpc) string { return v.id }),
	"cidr":       one(func(v *vpc) string { return v.CIDRBlock }),
	"cidr-block": one(func(v *vpc) string { return v.CIDRBlock }),
	"state":      one(func(v *vpc) string { return v.State }),
	"owner-id":   one(func(v *vpc) string { return v.OwnerID }),
	"is-default": one(func(v *vpc) string { return boolText(v.IsDefault) }),
	"isDefault":  one(func(v *vpc) string { return boolText(v.IsDefault) }),
}

func describeVPCs(c *call, in *describeVPCsInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, vpcKind, in.VpcIds, in.describing, vpcAttributes)
	return described("vpcSet", list, next), err
}

// boolean is an attribute in a request and in an answer.
type boolean struct {
	Value bool `xml:"value"`
}

type modifyVPCAttributeInput struct {
	VpcId                                                                  string
	EnableDnsSupport, EnableDnsHostnames, EnableNetworkAddressUsageMetrics *boolean
	common
}

func modifyVPCAttribute(c *call, in *modifyVPCAttributeInput) (protocol.Elements, *protocol.Error) {
	wanted := map[string]bool{}
	for name, attribute := range map[string]*boolean{
		"enableDnsSupport": in.EnableDnsSupport, "enableDnsHostnames": in.EnableDnsHostnames,
		"enableNetworkAddressUsageMetrics": in.EnableNetworkAddressUsageMetrics,
	} {
		if attribute != nil {
			wanted[name] = attribute.Value
		}
	}
	target := c.on(vpcKind, in.VpcId)
	for name := range wanted {
		target.keys["ec2:Attribute"] = []string{name}
	}
	if err := c.allow(target); err != nil {
		return nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	if err != nil {
		return nil, err
	}
	if len(wanted) != 1 {
		return nil, refused("InvalidParameterCombination", "Exactly one attribute of a VPC can be modified by a call, not %d", len(wanted))
	}
	for name, value := range wanted {
		v.attributes[name] = value
	}
	return done, nil
}

type describeVPCAttributeInput struct {
	VpcId, Attribute string
	common
}

func describeVPCAttribute(c *call, in *describeVPCAttributeInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(vpcKind, in.VpcId)); err != nil {
		return nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	if err != nil {
		return nil, err
	}
	value, found := v.attributes[in.Attribute]
	if !found {
		return nil, invalid("attribute", in.Attribute, "Unknown attribute.")
	}
	return protocol.Elements{"vpcId": v.id, in.Attribute: boolean{value}}, nil
}

// networkACL is the default network ACL of a VPC; there are no others.
type networkACL struct {
	meta
	ID           string           `xml:"networkAclId"`
	VPCID        string           `xml:"vpcId"`
	OwnerID      string           `xml:"ownerId"`
	Default      bool             `xml:"default"`
	Entries      []aclEntry       `xml:"entrySet>item"`
	Associations []aclAssociation `xml:"associationSet>item"`
}

type aclEntry struct {
	RuleNumber int    `xml:"ruleNumber"`
	Protocol   string `xml:"protocol"`
	Action     string `xml:"ruleAction"`
	Egress     bool   `xml:"egress"`
	CIDRBlock  string `xml:"cidrBlock"`
}

type aclAssociation struct {
	ID       string `xml:"networkAclAssociationId"`
	ACLID    string `xml:"networkAclId"`
	SubnetID string `xml:"subnetId"`
}

func (a *networkACL) keys(s *Service) map[string]string { return s.inVPC(a.VPCID) }

func (a *networkACL) inside() (string, bool) { return a.VPCID, true }

type describeNetworkACLsInput struct {
	NetworkAclIds []string `query:"NetworkAclId"`
	describing
}

var aclAttributes = attributes[*networkACL]{
	"vpc-id":         one(func(a *networkACL) string { return a.VPCID }),
	"network-acl-id": one(func(a *networkACL) string { return a.id }),
	"owner-id":       one(func(a *networkACL) string { return a.OwnerID }),
	"default":        one(func(a *networkACL) string { return boolText(a.Default) }),
	"association.subnet-id": func(a *networkACL) []string {
		return values(a.Associations, func(in aclAssociation) string { return in.SubnetID })
	},
}

func describeNetworkACLs(c *call, in *describeNetworkACLsInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, aclKind, in.NetworkAclIds, in.describing, aclAttributes)
	return described("networkAclSet", list, next), err
}
