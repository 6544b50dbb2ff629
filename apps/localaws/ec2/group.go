package ec2

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type securityGroup struct {
	meta
	ID          string       `xml:"groupId"`
	ARN         string       `xml:"securityGroupArn"`
	Name        string       `xml:"groupName"`
	Description string       `xml:"groupDescription"`
	VPCID       string       `xml:"vpcId"`
	OwnerID     string       `xml:"ownerId"`
	Ingress     []permission `xml:"ipPermissions>item"`
	Egress      []permission `xml:"ipPermissionsEgress>item"`
}

// groupID refers to a group, in the resources that have it.
type groupID struct {
	GroupID string `xml:"groupId"`
	Name    string `xml:"groupName"`
}

const defaultGroup = "default"

func (g *securityGroup) keys(s *Service) map[string]string {
	keys := s.inVPC(g.VPCID)
	keys["SecurityGroupID"] = g.id
	return keys
}

func (g *securityGroup) inside() (string, bool) { return g.VPCID, g.Name == defaultGroup }

// newGroup creates a group with the rule that every new one has on AWS: all egress is
// allowed.
func (s *Service) newGroup(vpcID, name, description string, tags []tag) *securityGroup {
	g := &securityGroup{
		meta: newMeta(groupKind, tags), Name: name, Description: description, VPCID: vpcID, OwnerID: s.account,
	}
	g.ID, g.ARN = g.id, s.arn(groupKind, g.id)
	s.add(g)
	g.addRule(s, &rule{IsEgress: true, Protocol: anyProtocol, CIDRIPv4: everywhere}, nil)
	return g
}

type createSecurityGroupInput struct {
	GroupName, GroupDescription, VpcId string
	tagging
	common
}

var groupName = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

func createSecurityGroup(c *call, in *createSecurityGroupInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(groupKind)
	if err := first(err, c.allow(c.creates(groupKind, tags, c.inVPC(in.VpcId)), c.on(vpcKind, in.VpcId))); err != nil {
		return nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	switch {
	case err != nil:
		return nil, err
	case !groupName.MatchString(in.GroupName):
		return nil, invalid("groupName", in.GroupName, "Character sets beyond ASCII are not supported.")
	case in.GroupName == defaultGroup:
		return nil, refused("InvalidParameterValue", "Cannot use reserved security group name: %s", in.GroupName)
	case in.GroupDescription == "":
		return nil, missing("GroupDescription")
	}
	groups := all[*securityGroup](c.Service)
	if slices.ContainsFunc(groups, func(g *securityGroup) bool { return g.VPCID == v.id && g.Name == in.GroupName }) {
		return nil, refused("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", in.GroupName, v.id)
	}
	if err := groupKind.room(len(groups)); err != nil {
		return nil, err
	}
	g := c.newGroup(v.id, in.GroupName, in.GroupDescription, tags)
	return protocol.Elements{"groupId": g.id, "securityGroupArn": g.ARN, "tagSet": items(g.Tags), "return": true}, nil
}

type deleteSecurityGroupInput struct {
	GroupId string
	common
}

func deleteSecurityGroup(c *call, in *deleteSecurityGroupInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(groupKind, in.GroupId)); err != nil {
		return nil, err
	}
	g, err := find[*securityGroup](c.Service, groupKind, "groupId", in.GroupId)
	switch {
	case err != nil:
		return nil, err
	case g.Name == defaultGroup:
		return nil, refused("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", g.id)
	case c.groupInUse(g.id):
		return nil, refused("DependencyViolation", "resource %s has a dependent object", g.id)
	}
	c.removeGroup(g)
	return protocol.Elements{"return": true, "groupId": g.id}, nil
}

func (s *Service) groupInUse(id string) bool {
	interfaces := where(s, func(i *networkInterface) bool {
		return slices.ContainsFunc(i.Groups, func(g groupID) bool { return g.GroupID == id })
	})
	referring := where(s, func(r *rule) bool { return r.GroupID != id && r.Referenced != nil && r.Referenced.GroupID == id })
	return len(interfaces)+len(referring) > 0
}

func (s *Service) removeGroup(g *securityGroup) {
	for _, r := range s.rulesOf(g.id) {
		s.remove(r.id)
	}
	s.remove(g.id)
}

type describeSecurityGroupsInput struct {
	GroupIds   []string `query:"GroupId"`
	GroupNames []string `query:"GroupName"`
	describing
}

var groupAttributes = attributes[*securityGroup]{
	"group-id":    one(func(g *securityGroup) string { return g.id }),
	"group-name":  one(func(g *securityGroup) string { return g.Name }),
	"description": one(func(g *securityGroup) string { return g.Description }),
	"vpc-id":      one(func(g *securityGroup) string { return g.VPCID }),
	"owner-id":    one(func(g *securityGroup) string { return g.OwnerID }),
}

func describeSecurityGroups(c *call, in *describeSecurityGroupsInput) (protocol.Elements, *protocol.Error) {
	if len(in.GroupNames) > 0 {
		in.Filter = append(in.Filter, filter{"group-name", in.GroupNames})
	}
	list, next, err := describe(c, groupKind, in.GroupIds, in.describing, groupAttributes)
	for _, g := range list {
		g.Ingress, g.Egress = permissions(c.rulesOf(g.id), false), permissions(c.rulesOf(g.id), true)
	}
	return described("securityGroupInfo", list, next), err
}

// rule allows one source or destination of a security group.
type rule struct {
	meta
	ID           string           `xml:"securityGroupRuleId"`
	ARN          string           `xml:"securityGroupRuleArn"`
	GroupID      string           `xml:"groupId"`
	GroupOwnerID string           `xml:"groupOwnerId"`
	IsEgress     bool             `xml:"isEgress"`
	Protocol     string           `xml:"ipProtocol"`
	From         int              `xml:"fromPort"`
	To           int              `xml:"toPort"`
	CIDRIPv4     string           `xml:"cidrIpv4,omitempty"`
	CIDRIPv6     string           `xml:"cidrIpv6,omitempty"`
	PrefixListID string           `xml:"prefixListId,omitempty"`
	Description  string           `xml:"description,omitempty"`
	Referenced   *referencedGroup `xml:"referencedGroupInfo,omitempty"`
}

type referencedGroup struct {
	GroupID string `xml:"groupId"`
	UserID  string `xml:"userId"`
}

// anyProtocol stands for all protocols; it has no ports.
const anyProtocol = "-1"

// same reports whether two rules allow the same traffic.
func (r *rule) same(other *rule) bool {
	return r.IsEgress == other.IsEgress && r.Protocol == other.Protocol && r.From == other.From && r.To == other.To &&
		r.CIDRIPv4 == other.CIDRIPv4 &&
		r.CIDRIPv6 == other.CIDRIPv6 && r.PrefixListID == other.PrefixListID && r.peer() == other.peer()
}

// peer returns the group that a rule allows.
func (r *rule) peer() string {
	if r.Referenced == nil {
		return ""
	}
	return r.Referenced.GroupID
}

func (g *securityGroup) addRule(s *Service, r *rule, tags []tag) {
	r.meta = newMeta(ruleKind, tags)
	r.ID, r.ARN, r.GroupID, r.GroupOwnerID = r.id, s.arn(ruleKind, r.id), g.id, s.account
	if r.Protocol == anyProtocol {
		r.From, r.To = -1, -1
	}
	s.add(r)
}

func (s *Service) rulesOf(groupID string) []*rule {
	return where(s, func(r *rule) bool { return r.GroupID == groupID })
}

// permission has the rules for one protocol and its ports, in a request and in an answer.
type permission struct {
	IpProtocol    string       `xml:"ipProtocol"`
	FromPort      *int         `xml:"fromPort,omitempty"`
	ToPort        *int         `xml:"toPort,omitempty"`
	IpRanges      []ipRange    `xml:"ipRanges>item"`
	Ipv6Ranges    []ipv6Range  `xml:"ipv6Ranges>item"`
	PrefixListIds []prefixID   `xml:"prefixListIds>item"`
	Groups        []groupGrant `xml:"groups>item"`
}

type ipRange struct {
	CidrIp      string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type ipv6Range struct {
	CidrIpv6    string `xml:"cidrIpv6"`
	Description string `xml:"description,omitempty"`
}

type prefixID struct {
	PrefixListId string `xml:"prefixListId"`
	Description  string `xml:"description,omitempty"`
}

type groupGrant struct {
	GroupId     string `xml:"groupId"`
	UserId      string `xml:"userId"`
	Description string `xml:"description,omitempty"`
}

// rules returns the rules that the permission stands for.
func (p permission) rules(egress bool) (list []*rule, err *protocol.Error) {
	base := rule{IsEgress: egress, Protocol: protocolName(p.IpProtocol)}
	if base.Protocol != anyProtocol {
		if p.FromPort == nil || p.ToPort == nil {
			return nil, refused("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with %s.' for portRange.",
				base.Protocol)
		}
		base.From, base.To = *p.FromPort, *p.ToPort
		if base.Protocol != "icmp" && (base.From < 0 || base.To > 65535 || base.From > base.To) {
			return nil, refused("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", base.From, base.To)
		}
	} else {
		base.From, base.To = -1, -1
	}
	add := func(set func(*rule)) {
		r := base
		set(&r)
		list = append(list, &r)
	}
	for _, x := range p.IpRanges {
		add(func(r *rule) { r.CIDRIPv4, r.Description = x.CidrIp, x.Description })
	}
	for _, x := range p.Ipv6Ranges {
		add(func(r *rule) { r.CIDRIPv6, r.Description = x.CidrIpv6, x.Description })
	}
	for _, x := range p.PrefixListIds {
		add(func(r *rule) { r.PrefixListID, r.Description = x.PrefixListId, x.Description })
	}
	for _, x := range p.Groups {
		add(func(r *rule) { r.Referenced, r.Description = &referencedGroup{GroupID: x.GroupId}, x.Description })
	}
	return list, nil
}

// protocolName returns the protocol in the form of AWS's answers: some have names instead
// of numbers.
func protocolName(p string) string {
	if name, found := map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "all": anyProtocol, "": anyProtocol}[p]; found {
		return name
	}
	return p
}

// permissions groups the rules of one direction as DescribeSecurityGroups shows them: one
// item for each protocol and its ports.
func permissions(rules []*rule, egress bool) (list []permission) {
	for _, r := range rules {
		if r.IsEgress != egress {
			continue
		}
		i := slices.IndexFunc(list, func(p permission) bool {
			return p.IpProtocol == r.Protocol && (p.FromPort == nil || *p.FromPort == r.From && *p.ToPort == r.To)
		})
		if i < 0 {
			p := permission{IpProtocol: r.Protocol}
			if r.Protocol != anyProtocol {
				p.FromPort, p.ToPort = &r.From, &r.To
			}
			list, i = append(list, p), len(list)
		}
		list[i].add(r)
	}
	return list
}

func (p *permission) add(r *rule) {
	switch {
	case r.CIDRIPv4 != "":
		p.IpRanges = append(p.IpRanges, ipRange{r.CIDRIPv4, r.Description})
	case r.CIDRIPv6 != "":
		p.Ipv6Ranges = append(p.Ipv6Ranges, ipv6Range{r.CIDRIPv6, r.Description})
	case r.PrefixListID != "":
		p.PrefixListIds = append(p.PrefixListIds, prefixID{r.PrefixListID, r.Description})
	case r.Referenced != nil:
		p.Groups = append(p.Groups, groupGrant{r.Referenced.GroupID, r.Referenced.UserID, r.Description})
	}
}

// boolText returns a boolean in the form of filters.
func boolText(b bool) string { return strconv.FormatBool(b) }
