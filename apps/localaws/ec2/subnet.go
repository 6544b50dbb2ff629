package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type subnet struct {
	meta
	ID                     string        `xml:"subnetId"`
	ARN                    string        `xml:"subnetArn"`
	VPCID                  string        `xml:"vpcId"`
	OwnerID                string        `xml:"ownerId"`
	State                  string        `xml:"state"`
	CIDRBlock              string        `xml:"cidrBlock"`
	Zone                   string        `xml:"availabilityZone"`
	ZoneID                 string        `xml:"availabilityZoneId"`
	AvailableIPs           int           `xml:"availableIpAddressCount"`
	DefaultForZone         bool          `xml:"defaultForAz"`
	MapPublicIPOnLaunch    bool          `xml:"mapPublicIpOnLaunch"`
	AssignIPv6Address      bool          `xml:"assignIpv6AddressOnCreation"`
	EnableDNS64            bool          `xml:"enableDns64"`
	IPv6Native             bool          `xml:"ipv6Native"`
	MapCustomerOwnedIP     bool          `xml:"mapCustomerOwnedIpOnLaunch"`
	PrivateDNSNameOnLaunch dnsNameOption `xml:"privateDnsNameOptionsOnLaunch"`

	block netip.Prefix
	// used has the host addresses that are taken.
	used map[netip.Addr]bool
}

type dnsNameOption struct {
	HostnameType string `xml:"hostnameType"`
	A            bool   `xml:"enableResourceNameDnsARecord"`
	AAAA         bool   `xml:"enableResourceNameDnsAAAARecord"`
}

func (s *subnet) keys(of *Service) map[string]string {
	keys := of.inVPC(s.VPCID)
	keys["SubnetID"], keys["AvailabilityZone"] = s.id, s.Zone
	return keys
}

func (s *subnet) inside() (string, bool) { return s.VPCID, false }

// zones returns the letters of a region's availability zones.
func zones(region string) string {
	switch region {
	case "us-east-1":
		return "abcdef"
	case "us-west-2", "ap-northeast-2":
		return "abcd"
	case "ap-northeast-1":
		return "acd"
	}
	return "abc"
}

// zoneID returns the id of an availability zone, such as euw1-az1 for eu-west-1a. On AWS
// each account has an order of its own.
func zoneID(region, zone string) string {
	short := strings.NewReplacer("-", "", "north", "n", "south", "s", "east", "e", "west", "w", "central", "c").Replace(region)
	return short + "-az" + strconv.Itoa(1+strings.Index(zones(region), zone[len(zone)-1:]))
}

type createSubnetInput struct {
	VpcId, CidrBlock, AvailabilityZone string
	tagging
	common
}

func createSubnet(c *call, in *createSubnetInput) (protocol.Elements, *protocol.Error) {
	tags, err := in.tags(subnetKind)
	keys := c.inVPC(in.VpcId)
	if in.AvailabilityZone != "" {
		keys["AvailabilityZone"] = in.AvailabilityZone
	}
	if err := first(err, c.allow(c.creates(subnetKind, tags, keys), c.on(vpcKind, in.VpcId))); err != nil {
		return nil, err
	}
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	if err != nil {
		return nil, err
	}
	block, err := parseBlock(in.CidrBlock, "InvalidSubnet.Range")
	zone, wrong := c.zone(in.AvailabilityZone)
	siblings := where(c.Service, func(s *subnet) bool { return s.VPCID == v.id })
	if err := first(err, wrong, subnetKind.room(len(siblings)), fits(block, v, siblings)); err != nil {
		return nil, err
	}
	s := &subnet{
		meta: newMeta(subnetKind, tags), VPCID: v.id, OwnerID: c.account, State: available, CIDRBlock: block.String(), Zone: zone,
		ZoneID: zoneID(c.region, zone), PrivateDNSNameOnLaunch: dnsNameOption{HostnameType: "ip-name"}, block: block, used: map[netip.Addr]bool{},
	}
	s.ID, s.ARN, s.AvailableIPs = s.id, c.arn(subnetKind, s.id), 1<<(32-block.Bits())-reserved
	c.add(s)
	for _, acl := range where(c.Service, func(a *networkACL) bool { return a.VPCID == v.id }) {
		acl.Associations = append(acl.Associations, aclAssociation{newID("aclassoc"), acl.id, s.id})
	}
	return protocol.Elements{"subnet": s}, nil
}

func (c *call) zone(name string) (string, *protocol.Error) {
	letters := zones(c.region)
	if name == "" {
		return c.region + letters[:1], nil
	}
	letter, ok := strings.CutPrefix(name, c.region)
	if !ok || len(letter) != 1 || !strings.Contains(letters, letter) {
		return "", invalid("availabilityZone", name,
			"Subnets can currently only be created in the following availability zones: "+c.region+strings.Join(strings.Split(letters, ""),
				", "+c.region)+".")
	}
	return name, nil
}

func fits(block netip.Prefix, v *vpc, siblings []*subnet) *protocol.Error {
	if !v.block.Contains(block.Addr()) || block.Bits() < v.block.Bits() {
		return refused("InvalidSubnet.Range", "The CIDR '%s' is invalid.", block)
	}
	if slices.ContainsFunc(siblings, func(s *subnet) bool { return s.block.Overlaps(block) }) {
		return refused("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", block)
	}
	return nil
}

// reserved is the number of addresses that AWS reserves in a subnet: the first four and
// the last.
const reserved = 5

// take reserves the wanted address, or the lowest free one if none is wanted.
func (s *subnet) take(wanted string) (netip.Addr, *protocol.Error) {
	address := s.block.Addr()
	for range reserved - 1 {
		address = address.Next()
	}
	if wanted != "" {
		return s.takeThis(wanted, address)
	}
	for ; s.block.Contains(address.Next()); address = address.Next() {
		if !s.used[address] {
			s.used[address] = true
			s.AvailableIPs--
			return address, nil
		}
	}
	return address, refused("InsufficientFreeAddressesInSubnet",
		"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", s.id)
}

// takeThis reserves the wanted address.
func (s *subnet) takeThis(wanted string, first netip.Addr) (netip.Addr, *protocol.Error) {
	address, err := netip.ParseAddr(wanted)
	switch {
	case err != nil:
		return address, refused("InvalidParameterValue", "invalid value for parameter address: %s", wanted)
	case !s.block.Contains(address.Next()) || address.Less(first):
		return address, refused("InvalidParameterValue", "Address %s does not fall within the subnet's address range", wanted)
	case s.used[address]:
		return address, refused("InvalidIPAddress.InUse", "The specified address is already in use.")
	}
	s.used[address] = true
	s.AvailableIPs--
	return address, nil
}

func (s *subnet) giveBack(address netip.Addr) {
	if s.used[address] {
		delete(s.used, address)
		s.AvailableIPs++
	}
}

type deleteSubnetInput struct {
	SubnetId string
	common
}

func deleteSubnet(c *call, in *deleteSubnetInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(subnetKind, in.SubnetId)); err != nil {
		return nil, err
	}
	s, err := find[*subnet](c.Service, subnetKind, "subnetId", in.SubnetId)
	if err != nil {
		return nil, err
	}
	if len(where(c.Service, func(i *networkInterface) bool { return i.SubnetID == s.id })) > 0 {
		return nil, dependent(subnetKind, s.id)
	}
	for _, table := range all[*routeTable](c.Service) {
		table.Associations = slices.DeleteFunc(table.Associations, func(a *association) bool { return a.SubnetID == s.id })
	}
	for _, acl := range all[*networkACL](c.Service) {
		acl.Associations = slices.DeleteFunc(acl.Associations, func(a aclAssociation) bool { return a.SubnetID == s.id })
	}
	c.remove(s.id)
	return done, nil
}

type describeSubnetsInput struct {
	SubnetIds []string `query:"SubnetId"`
	describing
}

var subnetAttributes = attributes[*subnet]{
	"subnet-id":            one(func(s *subnet) string { return s.id }),
	"subnet-arn":           one(func(s *subnet) string { return s.ARN }),
	"vpc-id":               one(func(s *subnet) string { return s.VPCID }),
	"cidr-block":           one(func(s *subnet) string { return s.CIDRBlock }),
	"availability-zone":    one(func(s *subnet) string { return s.Zone }),
	"availability-zone-id": one(func(s *subnet) string { return s.ZoneID }),
	"state":                one(func(s *subnet) string { return s.State }),
	"owner-id":             one(func(s *subnet) string { return s.OwnerID }),
	"default-for-az":       one(func(s *subnet) string { return boolText(s.DefaultForZone) }),
}

func describeSubnets(c *call, in *describeSubnetsInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, subnetKind, in.SubnetIds, in.describing, subnetAttributes)
	return described("subnetSet", list, next), err
}

type modifySubnetAttributeInput struct {
	SubnetId                                                      string
	MapPublicIpOnLaunch, AssignIpv6AddressOnCreation, EnableDns64 *boolean
	EnableResourceNameDnsARecordOnLaunch                          *boolean
	EnableResourceNameDnsAAAARecordOnLaunch                       *boolean
	PrivateDnsHostnameTypeOnLaunch                                string
	common
}

func modifySubnetAttribute(c *call, in *modifySubnetAttributeInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.on(subnetKind, in.SubnetId)); err != nil {
		return nil, err
	}
	s, err := find[*subnet](c.Service, subnetKind, "subnetId", in.SubnetId)
	if err != nil {
		return nil, err
	}
	names := &s.PrivateDNSNameOnLaunch
	wanted := 0
	for field, attribute := range map[*bool]*boolean{
		&s.MapPublicIPOnLaunch: in.MapPublicIpOnLaunch, &s.AssignIPv6Address: in.AssignIpv6AddressOnCreation, &s.EnableDNS64: in.EnableDns64,
		&names.A: in.EnableResourceNameDnsARecordOnLaunch, &names.AAAA: in.EnableResourceNameDnsAAAARecordOnLaunch,
	} {
		if attribute != nil {
			*field = attribute.Value
			wanted++
		}
	}
	if in.PrivateDnsHostnameTypeOnLaunch != "" {
		names.HostnameType = in.PrivateDnsHostnameTypeOnLaunch
		wanted++
	}
	if wanted == 0 {
		return nil, missing("an attribute of the subnet")
	}
	return done, nil
}
