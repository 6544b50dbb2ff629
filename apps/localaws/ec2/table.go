package ec2

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type routeTable struct {
	meta
	ID           string         `xml:"routeTableId"`
	VPCID        string         `xml:"vpcId"`
	OwnerID      string         `xml:"ownerId"`
	Routes       []*route       `xml:"routeSet>item"`
	Associations []*association `xml:"associationSet>item"`
}

type route struct {
	Destination  string `xml:"destinationCidrBlock,omitempty"`
	PrefixListID string `xml:"destinationPrefixListId,omitempty"`
	GatewayID    string `xml:"gatewayId,omitempty"`
	NATGatewayID string `xml:"natGatewayId,omitempty"`
	State        string `xml:"state"`
	Origin       string `xml:"origin"`
}

type association struct {
	ID       string `xml:"routeTableAssociationId"`
	TableID  string `xml:"routeTableId"`
	SubnetID string `xml:"subnetId,omitempty"`
	Main     bool   `xml:"main"`
	State    string `xml:"associationState>state"`
}

const (
	everywhere = "0.0.0.0/0"
	local      = "local"
	active     = "active"
	blackhole  = "blackhole"
)

func (t *routeTable) keys(s *Service) map[string]string {
	keys := s.inVPC(t.VPCID)
	keys["RouteTableID"] = t.id
	return keys
}

func (t *routeTable) main() bool {
	return slices.ContainsFunc(t.Associations, func(a *association) bool { return a.Main })
}

func (t *routeTable) inside() (string, bool) { return t.VPCID, t.main() }

// settle finds the routes whose target no longer exists.
func (t *routeTable) settle(s *Service) {
	for _, r := range t.Routes {
		r.State = active
		if !s.leads(t, r) {
			r.State = blackhole
		}
	}
}

func (s *Service) leads(t *routeTable, r *route) bool {
	if r.NATGatewayID != "" {
		gateway, found := get[*natGateway](s, r.NATGatewayID)
		return found && (gateway.State == pending || gateway.State == available)
	}
	if gateway, found := get[*internetGateway](s, r.GatewayID); found {
		of, _ := gateway.inside()
		return of == t.VPCID
	}
	_, found := get[*endpoint](s, r.GatewayID)
	return r.GatewayID == local || found
}

func (s *Service) newTable(v *vpc, tags []tag) *routeTable {
	t := &routeTable{
		meta: newMeta(tableKind, tags), VPCID: v.id, OwnerID: s.account,
		Routes: []*route{{Destination: v.CIDRBlock, GatewayID: local, State: active, Origin: "CreateRouteTable"}},
	}
	t.ID = t.id
	s.add(t)
	return t
}

type createRouteTableInput struct {
	VpcId, ClientToken string
	tagging
	common
}

func createRouteTable(c *call, in *createRouteTableInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(tableKind)
	if err := first(err, c.allow(c.creates(tableKind, tags, c.inVPC(in.VpcId)), c.on(vpcKind, in.VpcId))); err != nil {
		return nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	if err != nil {
		return nil, err
	}
	id, err := c.earlier(in.ClientToken)
	if err != nil {
		return nil, err
	}
	t, again := get[*routeTable](c.Service, id)
	if !again {
		if err := tableKind.room(len(where(c.Service, func(t *routeTable) bool { return t.VPCID == v.id }))); err != nil {
			return nil, err
		}
		t = c.newTable(v, tags)
		c.remember(in.ClientToken, t.id)
	}
	return protocol.Elements{"routeTable": t, "clientToken": in.ClientToken}, nil
}

// tableInput names a route table.
type tableInput struct {
	RouteTableId string
	common
}

// table returns the route table that a call may change.
func (c *call) table(id string) (*routeTable, *protocol.Error) {
	if err := c.allow(c.on(tableKind, id)); err != nil {
		return nil, err
	}
	return find[*routeTable](c.Service, tableKind, "routeTableId", id)
}

func deleteRouteTable(c *call, in *tableInput) (protocol.Elements, *protocol.Error) {
	t, err := c.table(in.RouteTableId)
	switch {
	case err != nil:
		return nil, err
	case len(t.Associations) > 0:
		return nil, dependent(tableKind, t.id)
	}
	for _, e := range all[*endpoint](c.Service) {
		e.RouteTableIDs = without(e.RouteTableIDs, []string{t.id})
	}
	c.remove(t.id)
	return done, nil
}

type describeRouteTablesInput struct {
	RouteTableIds []string `query:"RouteTableId"`
	describing
}

var routeTableAttributes = attributes[*routeTable]{
	"route-table-id": one(func(t *routeTable) string { return t.id }),
	"vpc-id":         one(func(t *routeTable) string { return t.VPCID }),
	"owner-id":       one(func(t *routeTable) string { return t.OwnerID }),

	"association.main": func(t *routeTable) []string {
		return values(t.Associations, func(a *association) string { return boolText(a.Main) })
	},
	"association.route-table-association-id": func(t *routeTable) []string {
		return values(t.Associations, func(a *association) string { return a.ID })
	},
	"association.route-table-id": func(t *routeTable) []string {
		return values(t.Associations, func(a *association) string { return a.TableID })
	},
	"association.subnet-id": func(t *routeTable) []string {
		return values(t.Associations, func(a *association) string { return a.SubnetID })
	},
	"route.destination-cidr-block": func(t *routeTable) []string { return values(t.Routes, func(r *route) string { return r.Destination }) },
	"route.gateway-id":             func(t *routeTable) []string { return values(t.Routes, func(r *route) string { return r.GatewayID }) },
	"route.nat-gateway-id":         func(t *routeTable) []string { return values(t.Routes, func(r *route) string { return r.NATGatewayID }) },
	"route.state":                  func(t *routeTable) []string { return values(t.Routes, func(r *route) string { return r.State }) },
}

func describeRouteTables(c *call, in *describeRouteTablesInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, tableKind, in.RouteTableIds, in.describing, routeTableAttributes)
	return described("routeTableSet", list, next), err
}

type associateRouteTableInput struct {
	RouteTableId, SubnetId string
	common
}

func associateRouteTable(c *call, in *associateRouteTableInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(tableKind, in.RouteTableId), c.on(subnetKind, in.SubnetId)); err != nil {
		return nil, err
	}
	t, err := find[*routeTable](c.Service, tableKind, "routeTableId", in.RouteTableId)
	if err != nil {
		return nil, err
	}
	s, err := find[*subnet](c.Service, subnetKind, "subnetId", in.SubnetId)
	switch {
	case err != nil:
		return nil, err
	case s.VPCID != t.VPCID:
		return nil, refused("InvalidParameterValue", "Route table %s and subnet %s belong to different networks", t.id, s.id)
	}
	switch already, a := c.associated(func(a *association) bool { return a.SubnetID == s.id }); {
	case already == t:
		return protocol.Elements{"associationId": a.ID, "associationState": state{a.State}}, nil
	case already != nil:
		return nil, refused("Resource.AlreadyAssociated",
			"the specified association for route table %s conflicts with an existing association", t.id)
	}
	a := &association{ID: newID("rtbassoc"), TableID: t.id, SubnetID: s.id, State: "associated"}
	t.Associations = append(t.Associations, a)
	return protocol.Elements{"associationId": a.ID, "associationState": state{a.State}}, nil
}

type state struct {
	State string `xml:"state"`
}

// associated returns the association for which is holds, and its table.
func (s *Service) associated(is func(*association) bool) (*routeTable, *association) {
	for _, t := range all[*routeTable](s) {
		if i := slices.IndexFunc(t.Associations, is); i >= 0 {
			return t, t.Associations[i]
		}
	}
	return nil, nil
}

// associationToChange returns the association that a call names.
func (c *call) associationToChange(id string, more ...target) (*routeTable, *association, *protocol.Error) {
	t, a := c.associated(func(a *association) bool { return a.ID == id })
	targets := append([]target{c.on(tableKind, "*")}, more...)
	if t != nil {
		targets[0] = c.on(tableKind, t.id)
		if a.SubnetID != "" {
			targets = append(targets, c.on(subnetKind, a.SubnetID))
		}
	}
	if err := c.allow(targets...); err != nil {
		return nil, nil, err
	}
	if t == nil {
		return nil, nil, refused("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
	}
	return t, a, nil
}

type disassociateRouteTableInput struct {
	AssociationId string
	common
}

func disassociateRouteTable(c *call, in *disassociateRouteTableInput) (protocol.Elements, *protocol.Error) {
	t, a, err := c.associationToChange(in.AssociationId)
	switch {
	case err != nil:
		return nil, err
	case a.Main:
		return nil, refused("InvalidParameterValue", "cannot disassociate the main route table association %s", a.ID)
	}
	t.Associations = slices.DeleteFunc(t.Associations, func(other *association) bool { return other == a })
	return done, nil
}

type replaceRouteTableAssociationInput struct {
	AssociationId, RouteTableId string
	common
}

func replaceRouteTableAssociation(c *call, in *replaceRouteTableAssociationInput) (protocol.Elements, *protocol.Error) {
	from, a, err := c.associationToChange(in.AssociationId, c.on(tableKind, in.RouteTableId))
	if err != nil {
		return nil, err
	}
	to, err := find[*routeTable](c.Service, tableKind, "routeTableId", in.RouteTableId)
	switch {
	case err != nil:
		return nil, err
	case to.VPCID != from.VPCID:
		return nil, refused("InvalidParameterValue", "Route tables %s and %s belong to different networks", to.id, from.id)
	}
	from.Associations = slices.DeleteFunc(from.Associations, func(other *association) bool { return other == a })
	moved := &association{ID: newID("rtbassoc"), TableID: to.id, SubnetID: a.SubnetID, Main: a.Main, State: "associated"}
	to.Associations = append(to.Associations, moved)
	return protocol.Elements{"newAssociationId": moved.ID, "associationState": state{moved.State}}, nil
}

type routeInput struct {
	RouteTableId, DestinationCidrBlock, GatewayId, NatGatewayId string
	common
}

func createRoute(c *call, in *routeInput) (protocol.Elements, *protocol.Error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r, err := c.newRoute(in, t)
	if err != nil {
		return nil, err
	}
	switch had := t.route(r.Destination); {
	case had == nil:
		if len(t.Routes) >= maxRoutes {
			return nil, refused("RouteLimitExceeded", "The maximum number of routes of %s has been reached: %d", t.id, maxRoutes)
		}
		t.Routes = append(t.Routes, r)
	case had.GatewayID != r.GatewayID || had.NATGatewayID != r.NATGatewayID:
		return nil, refused("RouteAlreadyExists", "The route identified by %s already exists.", r.Destination)
	}
	return done, nil
}

// maxRoutes is AWS's default quota.
const maxRoutes = 50

func replaceRoute(c *call, in *routeInput) (protocol.Elements, *protocol.Error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r, err := c.newRoute(in, t)
	if err != nil {
		return nil, err
	}
	had := t.route(r.Destination)
	if had == nil {
		return nil, refused("InvalidParameterValue", "There is no route defined for '%s' in the route table. Use CreateRoute instead.",
			r.Destination)
	}
	*had = *r
	return done, nil
}

// newRoute checks the destination and the target.
func (c *call) newRoute(in *routeInput, t *routeTable) (*route, *protocol.Error) {
	destination, err := netip.ParsePrefix(in.DestinationCidrBlock)
	if err != nil || !destination.Addr().Is4() {
		return nil, invalid("destinationCidrBlock", in.DestinationCidrBlock, "This is not a valid CIDR block.")
	}
	r := &route{
		Destination: destination.Masked().String(), GatewayID: in.GatewayId, NATGatewayID: in.NatGatewayId, State: active,
		Origin: "CreateRoute",
	}
	switch {
	case (in.GatewayId == "") == (in.NatGatewayId == ""):
		return nil, refused("InvalidParameterCombination", "A route has exactly one target: GatewayId or NatGatewayId")
	case strings.HasPrefix(in.GatewayId, endpointKind.prefix+"-"):
		return nil, refused("InvalidParameterValue", "route-table and gateway endpoint: use ModifyVpcEndpoint to route to %s", in.GatewayId)
	case in.GatewayId == local || !c.leads(t, r):
		return nil, c.noTarget(in)
	}
	return r, nil
}

func (c *call) noTarget(in *routeInput) *protocol.Error {
	if in.NatGatewayId != "" {
		return refused("InvalidNatGatewayID.NotFound", "The natGateway ID '%s' does not exist", in.NatGatewayId)
	}
	if _, found := get[*internetGateway](c.Service, in.GatewayId); found {
		return refused("InvalidParameterValue", "route table %s and network gateway %s belong to different networks", in.RouteTableId,
			in.GatewayId)
	}
	return refused("InvalidGatewayID.NotFound", "The gateway ID '%s' does not exist", in.GatewayId)
}

// route returns the route to exactly the destination.
func (t *routeTable) route(destination string) *route {
	i := slices.IndexFunc(t.Routes, func(r *route) bool { return r.Destination == destination })
	if i < 0 {
		return nil
	}
	return t.Routes[i]
}

type deleteRouteInput struct {
	RouteTableId, DestinationCidrBlock string
	common
}

func deleteRoute(c *call, in *deleteRouteInput) (protocol.Elements, *protocol.Error) {
	t, err := c.table(in.RouteTableId)
	if err != nil {
		return nil, err
	}
	r := t.route(in.DestinationCidrBlock)
	switch {
	case r == nil:
		return nil, refused("InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", in.DestinationCidrBlock, t.id)
	case r.GatewayID == local:
		return nil, refused("InvalidParameterValue", "cannot remove local route %s in route table %s", r.Destination, t.id)
	}
	t.Routes = slices.DeleteFunc(t.Routes, func(other *route) bool { return other == r })
	return done, nil
}

// without returns a list without some of its values.
func without(list, removed []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return slices.Contains(removed, id) })
}
