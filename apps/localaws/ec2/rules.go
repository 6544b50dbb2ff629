package ec2

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// permitting has the parameters of the actions that add and remove rules.
type permitting struct {
	GroupId              string
	IpPermissions        []permission
	SecurityGroupRuleIds []string `query:"SecurityGroupRuleId"`
	tagging
	common
}

// egress reports whether the action is about egress rules.
func (c *call) egress() bool { return strings.HasSuffix(c.query.Action, "Egress") }

// named returns the rules that the permissions of a call stand for.
func (c *call) named(in *permitting) (list []*rule, err *protocol.Error) {
	for _, p := range in.IpPermissions {
		rules, err := p.rules(c.egress())
		if err != nil {
			return nil, err
		}
		list = append(list, rules...)
	}
	for _, r := range list {
		if err := c.checkRule(r); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *call) checkRule(r *rule) *protocol.Error {
	for _, block := range []string{r.CIDRIPv4, r.CIDRIPv6} {
		if block == "" {
			continue
		}
		if _, err := netip.ParsePrefix(block); err != nil {
			return refused("InvalidParameterValue", "CIDR block %s is malformed", block)
		}
	}
	if r.Referenced != nil {
		r.Referenced.UserID = c.account
		_, err := find[*securityGroup](c.Service, groupKind, "groupId", r.Referenced.GroupID)
		return err
	}
	return nil
}

func authorizeSecurityGroup(c *call, in *permitting) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(ruleKind)
	if err := first(err, c.allow(c.on(groupKind, in.GroupId), c.creates(ruleKind, tags, nil))); err != nil {
		return nil, err
	}
	g, err := find[*securityGroup](c.Service, groupKind, "groupId", in.GroupId)
	if err != nil {
		return nil, err
	}
	rules, err := c.named(in)
	switch {
	case err != nil:
		return nil, err
	case len(rules) == 0:
		return nil, missing("ipPermissions")
	}
	have := slices.DeleteFunc(c.rulesOf(g.id), func(r *rule) bool { return r.IsEgress != c.egress() })
	for i, r := range rules {
		if slices.ContainsFunc(append(have, rules[:i]...), r.same) {
			return nil, refused("InvalidPermission.Duplicate",
				"the specified rule \"peer: %s, %s, from port: %d, to port: %d, ALLOW\" already exists",
				r.CIDRIPv4+r.peer(), r.Protocol, r.From, r.To)
		}
	}
	if err := ruleKind.room(len(have) + len(rules) - 1); err != nil {
		return nil, err
	}
	for _, r := range rules {
		g.addRule(c.Service, r, slices.Clone(tags))
	}
	return protocol.Elements{"return": true, "securityGroupRuleSet": items(rules)}, nil
}

func revokeSecurityGroup(c *call, in *permitting) (protocol.Elements, *protocol.Error) {
	if err := c.allow(append(c.onAll(ruleKind, in.SecurityGroupRuleIds), c.on(groupKind, in.GroupId))...); err != nil {
		return nil, err
	}
	g, err := find[*securityGroup](c.Service, groupKind, "groupId", in.GroupId)
	if err != nil {
		return nil, err
	}
	gone, err := c.toRevoke(g, in)
	if err != nil {
		return nil, err
	}
	for _, r := range gone {
		c.remove(r.id)
	}
	return protocol.Elements{"return": true, "revokedSecurityGroupRuleSet": items(gone)}, nil
}

func (c *call) toRevoke(g *securityGroup, in *permitting) (gone []*rule, err *protocol.Error) {
	have := slices.DeleteFunc(c.rulesOf(g.id), func(r *rule) bool { return r.IsEgress != c.egress() })
	for _, id := range in.SecurityGroupRuleIds {
		i := slices.IndexFunc(have, func(r *rule) bool { return r.id == id })
		if i < 0 {
			return nil, refused(ruleKind.missing, "The security group rule '%s' does not exist", id)
		}
		gone = append(gone, have[i])
	}
	wanted, err := c.named(in)
	if err != nil {
		return nil, err
	}
	for _, r := range wanted {
		i := slices.IndexFunc(have, r.same)
		if i < 0 {
			return nil, refused("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		gone = append(gone, have[i])
	}
	return gone, nil
}

type describeSecurityGroupRulesInput struct {
	SecurityGroupRuleIds []string `query:"SecurityGroupRuleId"`
	describing
}

var ruleAttributes = attributes[*rule]{
	"security-group-rule-id": one(func(r *rule) string { return r.id }),
	"group-id":               one(func(r *rule) string { return r.GroupID }),
	"is-egress":              one(func(r *rule) string { return boolText(r.IsEgress) }),
}

func describeSecurityGroupRules(c *call, in *describeSecurityGroupRulesInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, ruleKind, in.SecurityGroupRuleIds, in.describing, ruleAttributes)
	return described("securityGroupRuleSet", list, next), err
}

type modifySecurityGroupRulesInput struct {
	GroupId string
	Updates []struct {
		SecurityGroupRuleId string
		SecurityGroupRule   struct {
			IpProtocol, CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId, Description string
			FromPort, ToPort                                                             *int
		}
	} `query:"SecurityGroupRule"`
	common
}

func modifySecurityGroupRules(c *call, in *modifySecurityGroupRulesInput) (protocol.Elements, *protocol.Error) {
	targets := []target{c.on(groupKind, in.GroupId)}
	for _, u := range in.Updates {
		targets = append(targets, c.on(ruleKind, u.SecurityGroupRuleId))
	}
	if err := c.allow(targets...); err != nil {
		return nil, err
	}
	g, err := find[*securityGroup](c.Service, groupKind, "groupId", in.GroupId)
	if err != nil {
		return nil, err
	}
	changed := map[*rule]rule{}
	for _, u := range in.Updates {
		r, err := find[*rule](c.Service, ruleKind, "securityGroupRuleId", u.SecurityGroupRuleId)
		if err != nil {
			return nil, err
		}
		if r.GroupID != g.id {
			return nil, notFound(ruleKind, r.id)
		}
		want := u.SecurityGroupRule
		p := permission{IpProtocol: want.IpProtocol, FromPort: want.FromPort, ToPort: want.ToPort, IpRanges: []ipRange{{}}}
		rules, err := p.rules(r.IsEgress)
		if err != nil {
			return nil, err
		}
		to := *rules[0]
		to.CIDRIPv4, to.CIDRIPv6, to.PrefixListID, to.Description = want.CidrIpv4, want.CidrIpv6, want.PrefixListId, want.Description
		if want.ReferencedGroupId != "" {
			to.Referenced = &referencedGroup{GroupID: want.ReferencedGroupId}
		}
		if err := c.checkRule(&to); err != nil {
			return nil, err
		}
		to.meta, to.ID, to.ARN, to.GroupID, to.GroupOwnerID = r.meta, r.ID, r.ARN, r.GroupID, r.GroupOwnerID
		changed[r] = to
	}
	for r, to := range changed {
		*r = to
	}
	return done, nil
}
