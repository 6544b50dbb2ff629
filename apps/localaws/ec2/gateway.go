package ec2

import (
	"net/netip"
	"slices"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type internetGateway struct {
	meta
	ID          string       `xml:"internetGatewayId"`
	OwnerID     string       `xml:"ownerId"`
	Attachments []attachment `xml:"attachmentSet>item"`
}

type attachment struct {
	VPCID string `xml:"vpcId"`
	State string `xml:"state"`
}

func (g *internetGateway) keys(*Service) map[string]string {
	return map[string]string{"InternetGatewayID": g.id}
}

func (g *internetGateway) inside() (string, bool) { //nolint:unparam // every resource of a VPC reports whether it is deleted with it
	if len(g.Attachments) == 0 {
		return "", false
	}
	return g.Attachments[0].VPCID, false
}

type createInternetGatewayInput struct {
	tagging
	common
}

func createInternetGateway(c *call, in *createInternetGatewayInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(internetKind)
	if err := first(err, c.allow(c.creates(internetKind, tags, nil)), internetKind.room(len(all[*internetGateway](c.Service)))); err != nil {
		return nil, err
	}
	g := &internetGateway{meta: newMeta(internetKind, tags), OwnerID: c.account}
	g.ID = g.id
	c.add(g)
	return protocol.Elements{"internetGateway": g}, nil
}

type attachmentInput struct {
	InternetGatewayId, VpcId string
	common
}

// attaching returns both ends of an attachment that the call may change.
func (c *call) attaching(in *attachmentInput) (*internetGateway, *vpc, *protocol.Error) {
	if err := c.allow(c.on(internetKind, in.InternetGatewayId), c.on(vpcKind, in.VpcId)); err != nil {
		return nil, nil, err
	}
	g, err := find[*internetGateway](c.Service, internetKind, "internetGatewayId", in.InternetGatewayId)
	if err != nil {
		return nil, nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	return g, v, err
}

func attachInternetGateway(c *call, in *attachmentInput) (protocol.Elements, *protocol.Error) {
	g, v, err := c.attaching(in)
	switch {
	case err != nil:
		return nil, err
	case len(g.Attachments) > 0:
		return nil, refused("Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.id, g.Attachments[0].VPCID)
	case c.internetGatewayOf(v.id) != nil:
		return nil, refused("InvalidParameterValue", "Network %s already has an internet gateway attached", v.id)
	}
	g.Attachments = []attachment{{v.id, available}}
	return done, nil
}

func (s *Service) internetGatewayOf(vpcID string) *internetGateway {
	for _, g := range all[*internetGateway](s) {
		if of, _ := g.inside(); of == vpcID {
			return g
		}
	}
	return nil
}

func detachInternetGateway(c *call, in *attachmentInput) (protocol.Elements, *protocol.Error) {
	g, v, err := c.attaching(in)
	if err != nil {
		return nil, err
	}
	if of, _ := g.inside(); of != v.id {
		return nil, refused("Gateway.NotAttached", "resource %s is not attached to network %s", g.id, v.id)
	}
	mapped := where(c.Service, func(i *networkInterface) bool { return i.VPCID == v.id && i.Association != nil })
	if len(mapped) > 0 {
		return nil, refused("DependencyViolation",
			"Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", v.id)
	}
	g.Attachments = nil
	return done, nil
}

type deleteInternetGatewayInput struct {
	InternetGatewayId string
	common
}

func deleteInternetGateway(c *call, in *deleteInternetGatewayInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(internetKind, in.InternetGatewayId)); err != nil {
		return nil, err
	}
	g, err := find[*internetGateway](c.Service, internetKind, "internetGatewayId", in.InternetGatewayId)
	if err != nil {
		return nil, err
	}
	if len(g.Attachments) > 0 {
		return nil, dependent(internetKind, g.id)
	}
	c.remove(g.id)
	return done, nil
}

type describeInternetGatewaysInput struct {
	InternetGatewayIds []string `query:"InternetGatewayId"`
	describing
}

var internetGatewayAttributes = attributes[*internetGateway]{
	"internet-gateway-id": one(func(g *internetGateway) string { return g.id }),
	"owner-id":            one(func(g *internetGateway) string { return g.OwnerID }),
	"attachment.vpc-id": func(g *internetGateway) []string {
		return values(g.Attachments, func(a attachment) string { return a.VPCID })
	},
	"attachment.state": func(g *internetGateway) []string {
		return values(g.Attachments, func(a attachment) string { return a.State })
	},
}

func describeInternetGateways(c *call, in *describeInternetGatewaysInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, internetKind, in.InternetGatewayIds, in.describing, internetGatewayAttributes)
	return described("internetGatewaySet", list, next), err
}

// address is an Elastic IP address.
type address struct {
	meta
	AllocationID       string `xml:"allocationId"`
	AssociationID      string `xml:"associationId,omitempty"`
	Domain             string `xml:"domain"`
	PublicIP           string `xml:"publicIp"`
	PublicIPv4Pool     string `xml:"publicIpv4Pool"`
	NetworkBorderGroup string `xml:"networkBorderGroup"`
	InterfaceID        string `xml:"networkInterfaceId,omitempty"`
	InterfaceOwner     string `xml:"networkInterfaceOwnerId,omitempty"`
	PrivateIP          string `xml:"privateIpAddress,omitempty"`
}

func (a *address) keys(*Service) map[string]string {
	return map[string]string{"AllocationId": a.id, "Domain": a.Domain, "PublicIpAddress": a.PublicIP}
}

type allocateAddressInput struct {
	Domain, NetworkBorderGroup, PublicIpv4Pool string
	tagging
	common
}

// publicIPs is a block reserved for documentation (RFC 5737), so that nobody mistakes a
// simulated address for a real one.
var publicIPs = netip.MustParsePrefix("203.0.113.0/24")

func allocateAddress(c *call, in *allocateAddressInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(addressKind)
	if err := first(err, c.allow(c.creates(addressKind, tags, map[string]string{"Domain": "vpc"}))); err != nil {
		return nil, err
	}
	switch {
	case in.Domain != "" && in.Domain != "vpc":
		return nil, invalid("domain", in.Domain, "EC2-Classic has been retired.")
	case in.PublicIpv4Pool != "" && in.PublicIpv4Pool != "amazon":
		return nil, refused("InvalidPublicIpv4PoolID.NotFound", "The publicIpv4Pool ID '%s' does not exist", in.PublicIpv4Pool)
	case in.NetworkBorderGroup != "" && in.NetworkBorderGroup != c.region:
		return nil, invalid("networkBorderGroup", in.NetworkBorderGroup, "It is not one of the region's.")
	}
	if err := addressKind.room(len(all[*address](c.Service))); err != nil {
		return nil, err
	}
	a := &address{
		meta: newMeta(addressKind, tags), Domain: "vpc", PublicIP: c.nextPublicIP(), PublicIPv4Pool: "amazon", NetworkBorderGroup: c.region,
	}
	a.AllocationID = a.id
	c.add(a)
	return protocol.Elements{
		"allocationId": a.id, "domain": a.Domain, "publicIp": a.PublicIP, "publicIpv4Pool": a.PublicIPv4Pool,
		"networkBorderGroup": a.NetworkBorderGroup,
	}, nil
}

// nextPublicIP cycles through the block: the quota is far below its size.
func (s *Service) nextPublicIP() string {
	s.addresses++
	host := publicIPs.Addr().As4()
	host[3] = byte(1 + (s.addresses-1)%254)
	return netip.AddrFrom4(host).String()
}

type releaseAddressInput struct {
	AllocationId, NetworkBorderGroup string
	common
}

func releaseAddress(c *call, in *releaseAddressInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(addressKind, in.AllocationId)); err != nil {
		return nil, err
	}
	a, err := find[*address](c.Service, addressKind, "allocationId", in.AllocationId)
	if err != nil {
		return nil, err
	}
	if a.AssociationID != "" {
		return nil, refused("InvalidIPAddress.InUse", "Address %s is in use.", a.PublicIP)
	}
	c.remove(a.id)
	return done, nil
}

type disassociateAddressInput struct {
	AssociationId string
	common
}

// disassociateAddress always returns an error: only NAT gateways have addresses here, and
// AWS manages those.
func disassociateAddress(c *call, in *disassociateAddressInput) (protocol.Elements, *protocol.Error) {
	associated := where(c.Service, func(a *address) bool { return in.AssociationId != "" && a.AssociationID == in.AssociationId })
	var targets []target
	for _, a := range associated {
		targets = append(targets, c.on(addressKind, a.id), c.on(interfaceKind, a.InterfaceID))
	}
	if len(targets) == 0 {
		targets = []target{c.on(addressKind, "*")}
	}
	if err := c.allow(targets...); err != nil {
		return nil, err
	}
	if len(associated) == 0 {
		return nil, refused("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", in.AssociationId)
	}
	return nil, &protocol.Error{Code: "AuthFailure", Message: "You do not have permission to access the specified resource.", Status: 403}
}

type describeAddressesInput struct {
	AllocationIds []string `query:"AllocationId"`
	PublicIps     []string `query:"PublicIp"`
	describing
}

var addressAttributes = attributes[*address]{
	"allocation-id":        one(func(a *address) string { return a.id }),
	"association-id":       one(func(a *address) string { return a.AssociationID }),
	"domain":               one(func(a *address) string { return a.Domain }),
	"public-ip":            one(func(a *address) string { return a.PublicIP }),
	"network-interface-id": one(func(a *address) string { return a.InterfaceID }),
	"private-ip-address":   one(func(a *address) string { return a.PrivateIP }),
	"network-border-group": one(func(a *address) string { return a.NetworkBorderGroup }),
}

func describeAddresses(c *call, in *describeAddressesInput) (protocol.Elements, *protocol.Error) {
	list, _, err := describe(c, addressKind, in.AllocationIds, in.describing, addressAttributes)
	if err != nil {
		return nil, err
	}
	for _, ip := range in.PublicIps {
		if !slices.ContainsFunc(list, func(a *address) bool { return a.PublicIP == ip }) {
			return nil, refused("InvalidAddress.NotFound", "Address '%s' not found.", ip)
		}
	}
	if len(in.PublicIps) > 0 {
		list = slices.DeleteFunc(list, func(a *address) bool { return !slices.Contains(in.PublicIps, a.PublicIP) })
	}
	return protocol.Elements{"addressesSet": items(list)}, nil
}

type describeAddressesAttributeInput struct {
	AllocationIds []string `query:"AllocationId"`
	Attribute     string
	describing
}

// describeAddressesAttribute answers as AWS does for addresses without reverse DNS.
func describeAddressesAttribute(c *call, in *describeAddressesAttributeInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, addressKind, in.AllocationIds, in.describing, addressAttributes)
	if err != nil {
		return nil, err
	}
	type reverse struct {
		AllocationID string `xml:"allocationId"`
		PublicIP     string `xml:"publicIp"`
	}
	var names []reverse
	for _, a := range list {
		names = append(names, reverse{a.id, a.PublicIP})
	}
	out := protocol.Elements{"addressSet": items(names)}
	if next != "" {
		out["nextToken"] = next
	}
	return out, nil
}
