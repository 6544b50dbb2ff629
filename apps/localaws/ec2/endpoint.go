package ec2

import (
	"slices"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type endpoint struct {
	meta
	ID                string     `xml:"vpcEndpointId"`
	Type              string     `xml:"vpcEndpointType"`
	VPCID             string     `xml:"vpcId"`
	ServiceName       string     `xml:"serviceName"`
	ServiceRegion     string     `xml:"serviceRegion"`
	State             string     `xml:"state"`
	OwnerID           string     `xml:"ownerId"`
	PolicyDocument    string     `xml:"policyDocument"`
	RouteTableIDs     []string   `xml:"routeTableIdSet>item"`
	SubnetIDs         []string   `xml:"subnetIdSet>item"`
	Groups            []groupID  `xml:"groupSet>item"`
	InterfaceIDs      []string   `xml:"networkInterfaceIdSet>item"`
	IPAddressType     string     `xml:"ipAddressType,omitempty"`
	DNSOptions        dnsOptions `xml:"dnsOptions"`
	DNSEntries        []dnsEntry `xml:"dnsEntrySet>item"`
	PrivateDNSEnabled bool       `xml:"privateDnsEnabled"`
	RequesterManaged  bool       `xml:"requesterManaged"`
	Created           time.Time  `xml:"creationTimestamp"`

	// changes is the time when the state pending or deleting ends.
	changes time.Time
}

type dnsOptions struct {
	RecordIPType string `xml:"dnsRecordIpType"`
}

type dnsEntry struct {
	Name         string `xml:"dnsName"`
	HostedZoneID string `xml:"hostedZoneId"`
}

const (
	gatewayType   = "Gateway"
	interfaceType = "Interface"
)

// zoneOfAWS is the hosted zone for the names of a service. The id is an example
// from AWS's documentation.
const zoneOfAWS = "Z0123456789ABCDEFGHIJ"

// anyPolicy is the policy of an endpoint without one of its own.
const anyPolicy = `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`

func (e *endpoint) keys(*Service) map[string]string { return endpointKeys(e.ServiceName) }

func endpointKeys(service string) map[string]string {
	return map[string]string{"VpceServiceName": service, "VpceServiceOwner": "amazon"}
}

func (e *endpoint) inside() (string, bool) { return e.VPCID, false }

func (e *endpoint) settle(s *Service, now time.Time) {
	if now.Before(e.changes) {
		return
	}
	switch e.State {
	case pending:
		e.State = available
	case deleting:
		s.removeInterfaces(e.id)
		s.remove(e.id)
	}
}

type createVPCEndpointInput struct {
	VpcId, ServiceName, ServiceRegion, VpcEndpointType, PolicyDocument, IpAddressType, ClientToken string
	RouteTableIds                                                                                  []string `query:"RouteTableId"`
	SubnetIds                                                                                      []string `query:"SubnetId"`
	SecurityGroupIds                                                                               []string `query:"SecurityGroupId"`
	PrivateDnsEnabled                                                                              *bool
	tagging
	common
}

func (in *createVPCEndpointInput) privateDNS() bool {
	return in.VpcEndpointType == interfaceType && (in.PrivateDnsEnabled == nil || *in.PrivateDnsEnabled)
}

func createVPCEndpoint(c *call, in *createVPCEndpointInput) (protocol.Elements, *protocol.Error) {
	if in.VpcEndpointType == "" {
		in.VpcEndpointType = gatewayType
	}
	tags, err := in.tags(endpointKind)
	targets := slices.Concat(
		[]target{c.creates(endpointKind, tags, endpointKeys(in.ServiceName)), c.on(vpcKind, in.VpcId)},
		c.onAll(tableKind, in.RouteTableIds), c.onAll(subnetKind, in.SubnetIds), c.onAll(groupKind, in.SecurityGroupIds))
	var besides []access.Check
	if in.privateDNS() {
		besides = c.privateDNSChecks(in.VpcId)
	}
	if err := first(err, c.allowWith(besides, targets...)); err != nil {
		return nil, err
	}
	id, err := c.earlier(in.ClientToken)
	if err != nil {
		return nil, err
	}
	e, again := get[*endpoint](c.Service, id)
	if !again {
		if e, err = c.newEndpoint(in, tags); err != nil {
			return nil, err
		}
		c.remember(in.ClientToken, e.id)
	}
	return protocol.Elements{"vpcEndpoint": e, "clientToken": in.ClientToken}, nil
}

// privateDNSChecks returns the checks for what AWS does on the caller's behalf: for
// private DNS it associates a hosted zone of its own with the VPC.
func (c *call) privateDNSChecks(vpcID string) (checks []access.Check) {
	keys := map[string][]string{"route53:VPCs": {"VPCId=" + vpcID + ",VPCRegion=" + c.region}}
	zone := target{arn: "arn:aws:route53:::hostedzone/" + zoneOfAWS}
	for _, t := range []target{zone, c.on(vpcKind, vpcID)} {
		checks = append(checks, c.check("route53:AssociateVPCWithHostedZone", t, keys))
	}
	return checks
}

func (c *call) newEndpoint(in *createVPCEndpointInput, tags []tag) (*endpoint, *protocol.Error) {
	v, err := find[*vpc](c.Service, vpcKind, "vpcId", in.VpcId)
	if err := first(err, c.checkEndpoint(in)); err != nil {
		return nil, err
	}
	e := &endpoint{
		meta: newMeta(endpointKind, tags), Type: in.VpcEndpointType, VPCID: v.id, ServiceName: in.ServiceName, ServiceRegion: c.region,
		State:   pending,
		OwnerID: c.account, PolicyDocument: in.PolicyDocument, IPAddressType: "ipv4", DNSOptions: dnsOptions{"ipv4"}, Created: c.now,
		changes: c.in(endpointTime),
	}
	e.ID = e.id
	if e.PolicyDocument == "" {
		e.PolicyDocument = anyPolicy
	}
	if e.Type == gatewayType {
		e.State, e.IPAddressType, e.DNSOptions.RecordIPType = available, "", "service-defined"
	}
	if in.privateDNS() {
		if err := c.privateDNS(e, v); err != nil {
			return nil, err
		}
		e.PrivateDNSEnabled = true
	}
	change := &modifyVPCEndpointInput{AddRouteTableIds: in.RouteTableIds, AddSubnetIds: in.SubnetIds, AddSecurityGroupIds: in.SecurityGroupIds}
	if e.Type == interfaceType && len(in.SecurityGroupIds) == 0 {
		change.AddSecurityGroupIds = c.defaultGroupOf(v.id)
	}
	if err := c.change(e, change); err != nil {
		c.removeInterfaces(e.id)
		return nil, err
	}
	c.add(e)
	e.route(c.Service)
	return e, nil
}

func (c *call) checkEndpoint(in *createVPCEndpointInput) *protocol.Error {
	name, ours := strings.CutPrefix(in.ServiceName, "com.amazonaws."+c.region+".")
	if !ours || name == "" {
		return refused("InvalidServiceName", "The Vpc Endpoint Service '%s' does not exist", in.ServiceName)
	}
	ofType := where(c.Service, func(e *endpoint) bool { return e.VPCID == in.VpcId && e.Type == in.VpcEndpointType })
	switch in.VpcEndpointType {
	case gatewayType:
		if _, has := prefixLists[name]; !has {
			return refused("InvalidParameter", "The Vpc Endpoint Service '%s' does not support Gateway endpoints", in.ServiceName)
		}
	case interfaceType:
	default:
		return unsupported("endpoints of type " + in.VpcEndpointType)
	}
	if in.IpAddressType != "" && in.IpAddressType != "ipv4" {
		return unsupported("endpoints with addresses of type " + in.IpAddressType)
	}
	return endpointKind.room(len(ofType))
}

// privateDNS returns an error if the VPC or its other endpoints rule out private DNS.
func (c *call) privateDNS(e *endpoint, v *vpc) *protocol.Error {
	if !v.attributes["enableDnsSupport"] || !v.attributes["enableDnsHostnames"] {
		return refused("InvalidParameter",
			"Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for %s", v.id)
	}
	same := where(c.Service, func(other *endpoint) bool {
		return other != e && other.VPCID == v.id && other.ServiceName == e.ServiceName && other.PrivateDNSEnabled
	})
	if len(same) > 0 {
		return refused("InvalidParameter", "private-dns-enabled cannot be set because there is already a conflicting DNS domain "+
			"for %s in the VPC %s",
			e.host(), v.id)
	}
	return nil
}

// host returns the service's own name.
func (e *endpoint) host() string {
	parts := strings.Split(e.ServiceName, ".")
	return parts[len(parts)-1] + "." + e.ServiceRegion + ".amazonaws.com"
}

func (s *Service) defaultGroupOf(vpcID string) []string {
	for _, g := range all[*securityGroup](s) {
		if g.VPCID == vpcID && g.Name == defaultGroup {
			return []string{g.id}
		}
	}
	return nil
}

type deleteVPCEndpointsInput struct {
	VpcEndpointIds []string `query:"VpcEndpointId"`
	common
}

// unsuccessful is a failed item of a batch call.
type unsuccessful struct {
	ResourceID string `xml:"resourceId"`
	Code       string `xml:"error>code"`
	Message    string `xml:"error>message"`
}

func deleteVPCEndpoints(c *call, in *deleteVPCEndpointsInput) (protocol.Elements, *protocol.Error) {
	if err := c.allow(c.onAll(endpointKind, in.VpcEndpointIds)...); err != nil {
		return nil, err
	}
	if len(in.VpcEndpointIds) == 0 {
		return nil, missing("vpcEndpointId")
	}
	var not []unsuccessful
	for _, id := range in.VpcEndpointIds {
		e, found := get[*endpoint](c.Service, id)
		if !found {
			not = append(not, unsuccessful{id, "InvalidVpcEndpoint.NotFound", "The Vpc Endpoint Id '" + id + "' does not exist"})
			continue
		}
		e.State, e.changes = deleting, c.in(endpointTime)
		if e.Type == gatewayType {
			e.changes = c.now
		}
		e.route(c.Service)
	}
	c.settle(c.now)
	return protocol.Elements{"unsuccessful": items(not)}, nil
}

type describeVPCEndpointsInput struct {
	VpcEndpointIds []string `query:"VpcEndpointId"`
	describing
}

var endpointAttributes = attributes[*endpoint]{
	"vpc-endpoint-id":    one(func(e *endpoint) string { return e.id }),
	"vpc-endpoint-type":  one(func(e *endpoint) string { return e.Type }),
	"vpc-endpoint-state": one(func(e *endpoint) string { return e.State }),
	"vpc-id":             one(func(e *endpoint) string { return e.VPCID }),
	"service-name":       one(func(e *endpoint) string { return e.ServiceName }),
}

func describeVPCEndpoints(c *call, in *describeVPCEndpointsInput) (protocol.Elements, *protocol.Error) {
	list, next, err := describe(c, endpointKind, in.VpcEndpointIds, in.describing, endpointAttributes)
	return described("vpcEndpointSet", list, next), err
}
