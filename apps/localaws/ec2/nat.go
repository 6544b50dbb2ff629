package ec2

import (
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type natGateway struct {
	meta
	ID               string       `xml:"natGatewayId"`
	VPCID            string       `xml:"vpcId"`
	SubnetID         string       `xml:"subnetId"`
	ConnectivityType string       `xml:"connectivityType"`
	State            string       `xml:"state"`
	FailureCode      string       `xml:"failureCode,omitempty"`
	FailureMessage   string       `xml:"failureMessage,omitempty"`
	Created          time.Time    `xml:"createTime"`
	Deleted          *time.Time   `xml:"deleteTime,omitempty"`
	Addresses        []natAddress `xml:"natGatewayAddressSet>item"`

	// changes is the time when the state pending or deleting ends.
	changes time.Time
	// failure is the error with which pending ends; nil if the gateway becomes available.
	failure *protocol.Error
}

type natAddress struct {
	AllocationID  string `xml:"allocationId,omitempty"`
	AssociationID string `xml:"associationId,omitempty"`
	InterfaceID   string `xml:"networkInterfaceId"`
	PrivateIP     string `xml:"privateIp"`
	PublicIP      string `xml:"publicIp,omitempty"`
	IsPrimary     bool   `xml:"isPrimary"`
	Status        string `xml:"status"`
}

func (g *natGateway) inside() (string, bool) {
	gone := g.State == deleted || g.State == failed
	return g.VPCID, gone
}

// settle ends the states pending and deleting when their time has come, and removes the
// gateway in the end.
func (g *natGateway) settle(s *Service, now time.Time) {
	if now.Before(g.changes) {
		return
	}
	switch g.State {
	case pending:
		g.State = available
		if g.failure != nil {
			g.State, g.FailureCode, g.FailureMessage = failed, g.failure.Code, g.failure.Message
			// The address is not mapped, but the answer still has its interface:
			// https://github.com/hashicorp/terraform-provider-aws/issues/709
			g.Addresses[0].Status, g.Addresses[0].PublicIP = failed, ""
			g.end(s, g.changes)
			return
		}
		g.Addresses[0].Status = "succeeded"
	case deleting:
		g.State = deleted
		g.end(s, g.changes)
	default:
		if g.Deleted != nil && !now.Before(g.Deleted.Add(s.lasts(shownTime))) {
			s.remove(g.id)
		}
	}
}

// end frees the gateway's interface and address. AWS shows the gateway for another hour.
func (g *natGateway) end(s *Service, at time.Time) {
	g.Deleted = &at
	s.removeInterfaces(g.id)
	g.Addresses[0].AssociationID = ""
}

type createNATGatewayInput struct {
	SubnetId, AllocationId, ConnectivityType, PrivateIpAddress, ClientToken string
	tagging
	common
}

func createNATGateway(c *call, in *createNATGatewayInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(natKind)
	targets := []target{c.creates(natKind, tags, nil), c.on(subnetKind, in.SubnetId)}
	if in.AllocationId != "" {
		targets = append(targets, c.on(addressKind, in.AllocationId))
	}
	if err := first(err, c.allow(targets...)); err != nil {
		return nil, err
	}
	id, err := c.earlier(in.ClientToken)
	if err != nil {
		return nil, err
	}
	g, again := get[*natGateway](c.Service, id)
	if !again {
		if g, err = c.newNATGateway(in, tags); err != nil {
			return nil, err
		}
		c.remember(in.ClientToken, g.id)
	}
	return protocol.Elements{"natGateway": g, "clientToken": in.ClientToken}, nil
}

func (c *call) newNATGateway(in *createNATGatewayInput, tags []tag) (*natGateway, *protocol.Error) {
	s, err := find[*subnet](c.Service, subnetKind, "subnetId", in.SubnetId)
	if err != nil {
		return nil, err
	}
	if in.ConnectivityType != "" && in.ConnectivityType != "public" {
		return nil, unsupported("NAT gateways of connectivity type " + in.ConnectivityType)
	}
	a, err := find[*address](c.Service, addressKind, "allocationId", in.AllocationId)
	if err != nil {
		return nil, err
	}
	if err := natKind.room(c.natGatewaysIn(s.Zone)); err != nil {
		return nil, err
	}
	g := &natGateway{
		meta: newMeta(natKind, tags), VPCID: s.VPCID, SubnetID: s.id, ConnectivityType: "public", State: pending, Created: c.now,
		changes: c.in(natGatewayTime),
	}
	g.ID = g.id
	of := owner{id: g.id, description: "Interface for NAT Gateway " + g.id, kind: "nat_gateway", privateIP: in.PrivateIpAddress}
	i, err := c.newInterface(s, of, nil)
	if err != nil {
		return nil, err
	}
	g.failure = c.natFailure(g, a)
	if a.AssociationID == "" {
		c.associate(a, i)
	}
	g.Addresses = []natAddress{{
		AllocationID: a.id, AssociationID: i.associationID(), InterfaceID: i.id, PrivateIP: i.PrivateIP, PublicIP: i.publicIP(),
		IsPrimary: true, Status: "associating",
	}}
	c.add(g)
	return g, nil
}

// natFailure returns why the gateway will fail: AWS accepts the call and reports the
// failure later.
func (c *call) natFailure(g *natGateway, a *address) *protocol.Error {
	switch {
	case c.fails != nil:
		return c.fails
	case a.AssociationID != "":
		return refused("Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", a.id)
	case c.internetGatewayOf(g.VPCID) == nil:
		return refused("Gateway.NotAttached", "Network %s has no Internet gateway attached", g.VPCID)
	}
	return nil
}

func (s *Service) natGatewaysIn(zone string) int {
	return len(where(s, func(g *natGateway) bool {
		in, found := get[*subnet](s, g.SubnetID)
		return found && in.Zone == zone && (g.State == pending || g.State == available)
	}))
}

type deleteNATGatewayInput struct {
	NatGatewayId string
	common
}

func deleteNATGateway(c *call, in *deleteNATGatewayInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(natKind, in.NatGatewayId)); err != nil {
		return nil, err
	}
	g, err := find[*natGateway](c.Service, natKind, "natGatewayId", in.NatGatewayId)
	if err != nil {
		return nil, err
	}
	switch g.State {
	case pending, available:
		g.State, g.changes = deleting, c.in(natGatewayTime/2)
	case failed:
		g.State = deleted
	}
	return protocol.Elements{"natGatewayId": g.id}, nil
}

type describeNATGatewaysInput struct {
	NatGatewayIds []string `query:"NatGatewayId"`
	describing
}

var natGatewayAttributes = attributes[*natGateway]{
	"nat-gateway-id": one(func(g *natGateway) string { return g.id }),
	"vpc-id":         one(func(g *natGateway) string { return g.VPCID }),
	"subnet-id":      one(func(g *natGateway) string { return g.SubnetID }),
	"state":          one(func(g *natGateway) string { return g.State }),
}

func describeNATGateways(c *call, in *describeNATGatewaysInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, natKind, in.NatGatewayIds, in.describing, natGatewayAttributes)
	return described("natGatewaySet", list, next), err
}
