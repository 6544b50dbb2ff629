package ec2

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type networkInterface struct {
	meta
	ID               string                `xml:"networkInterfaceId"`
	SubnetID         string                `xml:"subnetId"`
	VPCID            string                `xml:"vpcId"`
	Zone             string                `xml:"availabilityZone"`
	OwnerID          string                `xml:"ownerId"`
	RequesterID      string                `xml:"requesterId"`
	RequesterManaged bool                  `xml:"requesterManaged"`
	Description      string                `xml:"description"`
	Type             string                `xml:"interfaceType"`
	Status           string                `xml:"status"`
	PrivateIP        string                `xml:"privateIpAddress"`
	PrivateIPs       []privateIP           `xml:"privateIpAddressesSet>item"`
	SourceDestCheck  bool                  `xml:"sourceDestCheck"`
	Groups           []groupID             `xml:"groupSet>item"`
	Attachment       interfaceAttachment   `xml:"attachment"`
	Association      *interfaceAssociation `xml:"association,omitempty"`

	address netip.Addr
	// of is the id of the instance or endpoint that owns the interface.
	of string
}

type privateIP struct {
	PrivateIP string `xml:"privateIpAddress"`
	Primary   bool   `xml:"primary"`
}

type interfaceAttachment struct {
	ID            string `xml:"attachmentId"`
	InstanceOwner string `xml:"instanceOwnerId"`
	Status        string `xml:"status"`
	DeviceIndex   int    `xml:"deviceIndex"`
}

type interfaceAssociation struct {
	AllocationID  string `xml:"allocationId"`
	AssociationID string `xml:"associationId"`
	PublicIP      string `xml:"publicIp"`
	OwnerID       string `xml:"ipOwnerId"`
}

func (i *networkInterface) keys(s *Service) map[string]string {
	keys := s.inVPC(i.VPCID)
	keys["NetworkInterfaceID"], keys["AvailabilityZone"], keys["Subnet"] = i.id, i.Zone, s.arn(subnetKind, i.SubnetID)
	return keys
}

func (i *networkInterface) inside() (string, bool) { return i.VPCID, false }

func (i *networkInterface) associationID() string {
	if i.Association == nil {
		return ""
	}
	return i.Association.AssociationID
}

func (i *networkInterface) publicIP() string {
	if i.Association == nil {
		return ""
	}
	return i.Association.PublicIP
}

// owner describes the resource for which an interface is created. AWS manages the
// interface: users can neither detach nor delete it.
type owner struct {
	id, description, kind string
	privateIP             string // any where it is empty
	tags                  []tag
}

func (s *Service) newInterface(in *subnet, of owner, groups []groupID) (*networkInterface, *protocol.Error) {
	if err := interfaceKind.room(len(all[*networkInterface](s))); err != nil {
		return nil, err
	}
	ip, err := in.take(of.privateIP)
	if err != nil {
		return nil, err
	}
	i := &networkInterface{
		meta: newMeta(interfaceKind, of.tags), SubnetID: in.id, VPCID: in.VPCID, Zone: in.Zone, OwnerID: s.account, RequesterID: "amazon-aws",
		RequesterManaged: true, Description: of.description, Type: of.kind, Status: "in-use", PrivateIP: ip.String(),
		PrivateIPs: []privateIP{{ip.String(), true}}, Groups: groups,
		Attachment: interfaceAttachment{ID: newID("ela-attach"), InstanceOwner: "amazon-aws", Status: "attached", DeviceIndex: 1},
		address:    ip, of: of.id,
	}
	i.ID = i.id
	s.add(i)
	return i, nil
}

func (s *Service) interfacesOf(id string) []*networkInterface {
	return where(s, func(i *networkInterface) bool { return i.of == id })
}

// removeInterfaces removes the interfaces of a deleted owner, and frees their
// addresses.
func (s *Service) removeInterfaces(of string) {
	for _, i := range s.interfacesOf(of) {
		s.removeInterface(i)
	}
}

func (s *Service) removeInterface(i *networkInterface) {
	if in, found := get[*subnet](s, i.SubnetID); found {
		in.giveBack(i.address)
	}
	for _, a := range where(s, func(a *address) bool { return a.InterfaceID == i.id }) {
		a.AssociationID, a.InterfaceID, a.InterfaceOwner, a.PrivateIP = "", "", "", ""
	}
	s.remove(i.id)
}

func (s *Service) associate(a *address, i *networkInterface) {
	a.AssociationID, a.InterfaceID, a.InterfaceOwner, a.PrivateIP = newID("eipassoc"), i.id, s.account, i.PrivateIP
	i.Association = &interfaceAssociation{a.id, a.AssociationID, a.PublicIP, s.account}
}

type describeNetworkInterfacesInput struct {
	NetworkInterfaceIds []string `query:"NetworkInterfaceId"`
	describing
}

var interfaceAttributes = attributes[*networkInterface]{
	"network-interface-id":         one(func(i *networkInterface) string { return i.id }),
	"subnet-id":                    one(func(i *networkInterface) string { return i.SubnetID }),
	"vpc-id":                       one(func(i *networkInterface) string { return i.VPCID }),
	"availability-zone":            one(func(i *networkInterface) string { return i.Zone }),
	"description":                  one(func(i *networkInterface) string { return i.Description }),
	"interface-type":               one(func(i *networkInterface) string { return i.Type }),
	"status":                       one(func(i *networkInterface) string { return i.Status }),
	"private-ip-address":           one(func(i *networkInterface) string { return i.PrivateIP }),
	"requester-id":                 one(func(i *networkInterface) string { return i.RequesterID }),
	"attachment.attachment-id":     one(func(i *networkInterface) string { return i.Attachment.ID }),
	"attachment.instance-owner-id": one(func(i *networkInterface) string { return i.Attachment.InstanceOwner }),
	"attachment.instance-id":       func(*networkInterface) []string { return nil },
	"association.allocation-id": func(i *networkInterface) []string {
		if i.Association == nil {
			return nil
		}
		return []string{i.Association.AllocationID}
	},
	"group-id": func(i *networkInterface) []string {
		return values(i.Groups, func(g groupID) string { return g.GroupID })
	},
}

func describeNetworkInterfaces(c *call, in *describeNetworkInterfacesInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, interfaceKind, in.NetworkInterfaceIds, in.describing, interfaceAttributes)
	return described("networkInterfaceSet", list, next), err
}

type detachNetworkInterfaceInput struct {
	AttachmentId string
	Force        bool
	common
}

func detachNetworkInterface(c *call, in *detachNetworkInterfaceInput) (protocol.Elements, *protocol.Error) {
	attached := where(c.Service, func(i *networkInterface) bool { return i.Attachment.ID == in.AttachmentId })
	on := c.on(interfaceKind, "*")
	if len(attached) > 0 {
		on = c.on(interfaceKind, attached[0].id)
	}
	if err := c.allow(on); err != nil {
		return nil, err
	}
	if len(attached) == 0 {
		return nil, refused("InvalidAttachmentID.NotFound", "The attachment ID '%s' does not exist", in.AttachmentId)
	}
	return nil, refused("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments.")
}

type deleteNetworkInterfaceInput struct {
	NetworkInterfaceId string
	common
}

func deleteNetworkInterface(c *call, in *deleteNetworkInterfaceInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(interfaceKind, in.NetworkInterfaceId)); err != nil {
		return nil, err
	}
	i, err := find[*networkInterface](c.Service, interfaceKind, "networkInterfaceId", in.NetworkInterfaceId)
	if err != nil {
		return nil, err
	}
	return nil, refused("InvalidParameterValue", "Network interface '%s' is currently in use.", i.id)
}

// The methods below are for services that run something in a VPC. They do not ask the
// guard: those services have asked it about their own action.

// VPCOf returns the VPC of subnets, and the number of their availability zones.
func (s *Service) VPCOf(subnets []string) (vpcID string, zones int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for _, id := range subnets {
		in, wrong := find[*subnet](s, subnetKind, "subnetId", id)
		if wrong != nil {
			return "", 0, wrong
		}
		if vpcID != "" && vpcID != in.VPCID {
			return "", 0, fmt.Errorf("the subnets are in several VPCs: %s and %s", vpcID, in.VPCID)
		}
		vpcID, seen[in.Zone] = in.VPCID, true
	}
	return vpcID, len(seen), nil
}

// NewGroup creates a security group that allows traffic between its members.
func (s *Service) NewGroup(vpcID, name, description string, tags map[string]string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, tag{key, tags[key]})
	}
	g := s.newGroup(vpcID, name, description, list)
	g.addRule(s, &rule{Protocol: anyProtocol, Referenced: &referencedGroup{g.id, s.account}}, nil)
	return g.id
}

// DeleteGroup deletes a security group, unless it is in use.
func (s *Service) DeleteGroup(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, found := get[*securityGroup](s, id); found && !s.groupInUse(id) {
		s.removeGroup(g)
	}
}

// Attach creates an interface with the security groups in each of the subnets.
func (s *Service) Attach(of, description string, subnets, groups []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in []groupID
	for _, id := range groups {
		g, err := find[*securityGroup](s, groupKind, "securityGroupId", id)
		if err != nil {
			return err
		}
		in = append(in, groupID{g.id, g.Name})
	}
	for _, id := range subnets {
		place, err := find[*subnet](s, subnetKind, "subnetId", id)
		if err != nil {
			return err
		}
		if _, err := s.newInterface(place, owner{id: of, description: description, kind: "interface"}, in); err != nil {
			return err
		}
	}
	return nil
}

// Detach removes the interfaces that Attach created for an owner.
func (s *Service) Detach(of string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeInterfaces(of)
}

// Template returns the launch template with an id or name, and one of its versions.
func (s *Service) Template(id, name, version string) (foundID, foundName, number string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, found := get[*launchTemplate](s, id)
	if id == "" {
		t = s.templateNamed(name)
		found = t != nil
	}
	if !found {
		return "", "", "", fmt.Errorf("launch template %s%s does not exist", id, name)
	}
	if version == "" {
		version = "$Default"
	}
	v := t.version(version)
	if v == nil {
		return "", "", "", t.noVersion(version)
	}
	return t.id, t.Name, strconv.Itoa(v.Number), nil
}

// ofNodes are the services whose endpoints a node without internet access needs:
// https://docs.aws.amazon.com/eks/latest/userguide/private-clusters.html
var ofNodes = []string{"ec2", "ecr.api", "ecr.dkr", "s3", "sts"}

// ReachesAWS returns nil if a machine in the subnet can call AWS: through the internet,
// or through endpoints for every service that a node calls.
func (s *Service) ReachesAWS(subnetID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(s.clock.Now())
	in, wrong := find[*subnet](s, subnetKind, "subnetId", subnetID)
	if wrong != nil {
		return wrong
	}
	table := s.tableOf(in)
	if r := table.route(everywhere); r != nil && r.State == active {
		gateway, isNAT := get[*natGateway](s, r.NATGatewayID)
		switch {
		case isNAT && gateway.State == available, !isNAT && in.MapPublicIPOnLaunch:
			return nil
		case !isNAT:
			return fmt.Errorf("%s routes to an internet gateway, and does not give machines a public address", subnetID)
		}
	}
	var lacking []string
	for _, service := range ofNodes {
		if !s.hasEndpoint(service, in, table) {
			lacking = append(lacking, service)
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("%s has no route to the internet, and no endpoints for %v", subnetID, lacking)
	}
	return nil
}

// tableOf returns the route table of a subnet: its own, or the VPC's main one.
func (s *Service) tableOf(in *subnet) *routeTable {
	own, _ := s.associated(func(a *association) bool { return a.SubnetID == in.id })
	if own != nil {
		return own
	}
	return where(s, func(t *routeTable) bool { return t.VPCID == in.VPCID && t.main() })[0]
}

func (s *Service) hasEndpoint(service string, in *subnet, table *routeTable) bool {
	return slices.ContainsFunc(all[*endpoint](s), func(e *endpoint) bool {
		here := e.Type == interfaceType && len(e.SubnetIDs) > 0 || slices.Contains(e.RouteTableIDs, table.id)
		return e.VPCID == in.VPCID && e.ServiceName == "com.amazonaws."+s.region+"."+service && e.State == available && here
	})
}
