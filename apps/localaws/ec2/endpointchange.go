package ec2

import (
	"maps"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type modifyVPCEndpointInput struct {
	VpcEndpointId, PolicyDocument string
	ResetPolicy                   bool
	PrivateDnsEnabled             *bool
	AddRouteTableIds              []string `query:"AddRouteTableId"`
	RemoveRouteTableIds           []string `query:"RemoveRouteTableId"`
	AddSubnetIds                  []string `query:"AddSubnetId"`
	RemoveSubnetIds               []string `query:"RemoveSubnetId"`
	AddSecurityGroupIds           []string `query:"AddSecurityGroupId"`
	RemoveSecurityGroupIds        []string `query:"RemoveSecurityGroupId"`
	common
}

func modifyVPCEndpoint(c *call, in *modifyVPCEndpointInput) (protocol.Elements, *protocol.Error) {
	targets := slices.Concat([]target{c.on(endpointKind, in.VpcEndpointId)},
		c.onAll(tableKind, append(slices.Clone(in.AddRouteTableIds), in.RemoveRouteTableIds...)),
		c.onAll(subnetKind, append(slices.Clone(in.AddSubnetIds), in.RemoveSubnetIds...)),
		c.onAll(groupKind, append(slices.Clone(in.AddSecurityGroupIds), in.RemoveSecurityGroupIds...)))
	var besides []access.Check
	had, found := get[*endpoint](c.Service, in.VpcEndpointId)
	private := found && !had.PrivateDNSEnabled && in.PrivateDnsEnabled != nil && *in.PrivateDnsEnabled
	if private {
		besides = c.privateDNSChecks(had.VPCID)
	}
	if err := c.allowWith(besides, targets...); err != nil {
		return nil, err
	}
	e, err := find[*endpoint](c.Service, endpointKind, "vpcEndpointId", in.VpcEndpointId)
	if err != nil {
		return nil, err
	}
	if e.State == deleting {
		return nil, refused("IncorrectState", "The VPC endpoint %s is being deleted", e.id)
	}
	if v, _ := get[*vpc](c.Service, e.VPCID); private {
		if err := c.privateDNS(e, v); err != nil {
			return nil, err
		}
	}
	if err := c.change(e, in); err != nil {
		return nil, err
	}
	if in.PrivateDnsEnabled != nil {
		e.PrivateDNSEnabled = *in.PrivateDnsEnabled
		e.DNSEntries = e.names(c.Service)
	}
	switch {
	case in.ResetPolicy:
		e.PolicyDocument = anyPolicy
	case in.PolicyDocument != "":
		e.PolicyDocument = in.PolicyDocument
	}
	e.route(c.Service)
	return done, nil
}

// change adds and removes an endpoint's associations: all or none.
func (c *call) change(e *endpoint, in *modifyVPCEndpointInput) *protocol.Error {
	subnets, err := c.associatedWith(e, in)
	if err != nil {
		return err
	}
	for _, s := range subnets {
		if _, err := c.newInterface(s, owner{id: e.id, description: "VPC Endpoint Interface " + e.id, kind: "vpc_endpoint"}, nil); err != nil {
			return err
		}
	}
	for _, i := range c.interfacesOf(e.id) {
		if slices.Contains(in.RemoveSubnetIds, i.SubnetID) {
			c.removeInterface(i)
		}
	}
	e.RouteTableIDs = with(without(e.RouteTableIDs, in.RemoveRouteTableIds), in.AddRouteTableIds)
	e.SubnetIDs = with(without(e.SubnetIDs, in.RemoveSubnetIds), in.AddSubnetIds)
	e.Groups = c.groups(e, in)
	e.InterfaceIDs = nil
	for _, i := range c.interfacesOf(e.id) {
		i.Groups = e.Groups
		e.InterfaceIDs = append(e.InterfaceIDs, i.id)
	}
	e.DNSEntries = e.names(c.Service)
	return nil
}

// associatedWith checks the added associations, and returns the subnets that need an
// interface.
func (c *call) associatedWith(e *endpoint, in *modifyVPCEndpointInput) (subnets []*subnet, err *protocol.Error) {
	if e.Type == gatewayType && len(in.AddSubnetIds)+len(in.AddSecurityGroupIds) > 0 || e.Type == interfaceType &&
		len(in.AddRouteTableIds) > 0 {
		return nil, refused("InvalidParameter", "Endpoint type (%s) does not match what is added to %s", e.Type, e.id)
	}
	for _, id := range in.AddRouteTableIds {
		t, found := get[*routeTable](c.Service, id)
		if !found || t.VPCID != e.VPCID {
			return nil, refused("InvalidRouteTableId.NotFound", "The routeTable ID '%s' does not exist in %s", id, e.VPCID)
		}
	}
	for _, id := range in.AddSecurityGroupIds {
		if g, found := get[*securityGroup](c.Service, id); !found || g.VPCID != e.VPCID {
			return nil, refused("InvalidGroup.NotFound", "The security group '%s' does not exist in VPC '%s'", id, e.VPCID)
		}
	}
	zones := map[string]bool{}
	for _, id := range with(without(e.SubnetIDs, in.RemoveSubnetIds), in.AddSubnetIds) {
		s, found := get[*subnet](c.Service, id)
		switch {
		case !found || s.VPCID != e.VPCID:
			return nil, refused("InvalidSubnetId.NotFound", "The subnet ID '%s' does not exist in %s", id, e.VPCID)
		case zones[s.Zone]:
			return nil, refused("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of %s: %s", s.id, s.Zone)
		}
		zones[s.Zone] = true
		if !slices.Contains(e.SubnetIDs, id) {
			subnets = append(subnets, s)
		}
	}
	return subnets, nil
}

func (c *call) groups(e *endpoint, in *modifyVPCEndpointInput) (groups []groupID) {
	var had []string
	for _, g := range e.Groups {
		had = append(had, g.GroupID)
	}
	for _, id := range with(without(had, in.RemoveSecurityGroupIds), in.AddSecurityGroupIds) {
		if g, found := get[*securityGroup](c.Service, id); found {
			groups = append(groups, groupID{g.id, g.Name})
		}
	}
	return groups
}

// with returns a list with values added; each value occurs once.
func with(list, added []string) []string {
	for _, id := range added {
		if !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// names returns the DNS names of an interface endpoint: its own, one for each zone, and
// with private DNS the service's.
func (e *endpoint) names(s *Service) (entries []dnsEntry) {
	if e.Type != interfaceType || len(e.SubnetIDs) == 0 {
		return nil
	}
	domain := strings.SplitN(e.host(), ".", 2)
	name := func(zone string) dnsEntry {
		return dnsEntry{e.id + "-" + e.id[len(e.id)-8:] + zone + "." + domain[0] + "." + e.ServiceRegion + ".vpce.amazonaws.com", zoneOfAWS}
	}
	entries = append(entries, name(""))
	for _, id := range e.SubnetIDs {
		if in, found := get[*subnet](s, id); found {
			entries = append(entries, name("-"+in.Zone))
		}
	}
	if e.PrivateDNSEnabled {
		entries = append(entries, dnsEntry{e.host(), zoneOfAWS})
	}
	return entries
}

// prefixLists has the prefix lists of services with gateway endpoints. Their blocks are
// reserved for documentation (RFC 5737).
var prefixLists = map[string]prefixList{
	"s3":       {ID: "pl-0123456789abcdef3", CIDRs: []string{"192.0.2.0/25"}},
	"dynamodb": {ID: "pl-0123456789abcdefd", CIDRs: []string{"192.0.2.128/25"}},
}

type prefixList struct {
	meta
	ID    string   `xml:"prefixListId"`
	Name  string   `xml:"prefixListName"`
	CIDRs []string `xml:"cidrSet>item"`
}

// route updates the route tables so that exactly those of a gateway endpoint lead to it.
func (e *endpoint) route(s *Service) {
	list, has := prefixLists[strings.TrimPrefix(e.ServiceName, "com.amazonaws."+s.region+".")]
	if !has || e.Type != gatewayType {
		return
	}
	for _, t := range all[*routeTable](s) {
		t.Routes = slices.DeleteFunc(t.Routes, func(r *route) bool { return r.GatewayID == e.id })
		if e.State != deleting && slices.Contains(e.RouteTableIDs, t.id) {
			t.Routes = append(t.Routes, &route{PrefixListID: list.ID, GatewayID: e.id, State: active, Origin: "CreateRoute"})
		}
	}
}

type describePrefixListsInput struct {
	PrefixListIds []string `query:"PrefixListId"`
	describing
}

var prefixListAttributes = attributes[*prefixList]{
	"prefix-list-id":   one(func(l *prefixList) string { return l.ID }),
	"prefix-list-name": one(func(l *prefixList) string { return l.Name }),
}

func describePrefixLists(c *call, in *describePrefixListsInput) (protocol.Elements, *protocol.Error) {
	if err := first(c.allow(), in.check(), known(in.Filter, prefixListAttributes)); err != nil {
		return nil, err
	}
	var found []*prefixList
	for _, service := range slices.Sorted(maps.Keys(prefixLists)) {
		list := prefixLists[service]
		list.id, list.Name = list.ID, "com.amazonaws."+c.region+"."+service
		if (len(in.PrefixListIds) == 0 || slices.Contains(in.PrefixListIds, list.ID)) && matches(&list, in.Filter, prefixListAttributes) {
			found = append(found, &list)
		}
	}
	for _, id := range in.PrefixListIds {
		if !slices.ContainsFunc(found, func(l *prefixList) bool { return l.ID == id }) {
			return nil, refused("InvalidPrefixListId.NotFound", "The prefix list ID '%s' does not exist", id)
		}
	}
	list, next, err := page(in.describing, found)
	return described("prefixListSet", list, next), err
}
