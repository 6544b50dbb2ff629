package function

import "k8s.io/apimachinery/pkg/runtime/schema"

func ec2(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "ec2.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// reference refers to another managed resource in the XR's namespace, whose identifier
// AWS assigns.
//
// It is resolved once. References with the policy Always, which follow another resource,
// do not work two at a time: the provider applies only those that changed, which removes
// the others, and so on in turn.
type reference struct {
	Name string `json:"name"`
}

func to(name string) *reference { return &reference{Name: name} }

type vpc struct {
	Region             string            `json:"region"`
	CIDRBlock          string            `json:"cidrBlock"`
	EnableDNSHostnames bool              `json:"enableDnsHostnames"`
	EnableDNSSupport   bool              `json:"enableDnsSupport"`
	Tags               map[string]string `json:"tags"`
}

func (vpc) kind() schema.GroupVersionKind { return ec2("VPC") }

type subnet struct {
	Region           string            `json:"region"`
	VPCIDRef         *reference        `json:"vpcIdRef"`
	AvailabilityZone string            `json:"availabilityZone"`
	CIDRBlock        string            `json:"cidrBlock"`
	Tags             map[string]string `json:"tags"`
}

func (subnet) kind() schema.GroupVersionKind { return ec2("Subnet") }

type internetGateway struct {
	Region   string            `json:"region"`
	VPCIDRef *reference        `json:"vpcIdRef"`
	Tags     map[string]string `json:"tags"`
}

func (internetGateway) kind() schema.GroupVersionKind { return ec2("InternetGateway") }

type eip struct {
	Region           string            `json:"region"`
	Domain           string            `json:"domain"`
	NetworkInterface string            `json:"networkInterface,omitempty"`
	Tags             map[string]string `json:"tags"`
}

func (eip) kind() schema.GroupVersionKind { return ec2("EIP") }

type natGateway struct {
	Region          string            `json:"region"`
	AllocationIDRef *reference        `json:"allocationIdRef"`
	SubnetIDRef     *reference        `json:"subnetIdRef"`
	Tags            map[string]string `json:"tags"`
}

func (natGateway) kind() schema.GroupVersionKind { return ec2("NATGateway") }

type routeTable struct {
	Region   string            `json:"region"`
	VPCIDRef *reference        `json:"vpcIdRef"`
	Tags     map[string]string `json:"tags"`
}

func (routeTable) kind() schema.GroupVersionKind { return ec2("RouteTable") }

// route is a route through an internet gateway or a NAT gateway.
type route struct {
	Region               string     `json:"region"`
	RouteTableIDRef      *reference `json:"routeTableIdRef"`
	DestinationCIDRBlock string     `json:"destinationCidrBlock"`
	GatewayIDRef         *reference `json:"gatewayIdRef,omitempty"`
	NATGatewayID         string     `json:"natGatewayId,omitempty"`
}

func (route) kind() schema.GroupVersionKind { return ec2("Route") }

type routeTableAssociation struct {
	Region          string     `json:"region"`
	RouteTableIDRef *reference `json:"routeTableIdRef"`
	SubnetIDRef     *reference `json:"subnetIdRef"`
}

func (routeTableAssociation) kind() schema.GroupVersionKind { return ec2("RouteTableAssociation") }

// vpcEndpoint is a connection to a service within AWS's network.
type vpcEndpoint struct {
	Region            string            `json:"region"`
	VPCIDRef          *reference        `json:"vpcIdRef"`
	ServiceName       string            `json:"serviceName"`
	VPCEndpointType   string            `json:"vpcEndpointType"` // Gateway, or Interface
	PrivateDNSEnabled bool              `json:"privateDnsEnabled,omitempty"`
	Tags              map[string]string `json:"tags"`
}

func (vpcEndpoint) kind() schema.GroupVersionKind { return ec2("VPCEndpoint") }

type vpcEndpointRoute struct {
	Region           string     `json:"region"`
	VPCEndpointIDRef *reference `json:"vpcEndpointIdRef"`
	RouteTableIDRef  *reference `json:"routeTableIdRef"`
}

func (vpcEndpointRoute) kind() schema.GroupVersionKind {
	return ec2("VPCEndpointRouteTableAssociation")
}

type vpcEndpointSubnet struct {
	Region           string     `json:"region"`
	VPCEndpointIDRef *reference `json:"vpcEndpointIdRef"`
	SubnetIDRef      *reference `json:"subnetIdRef"`
}

func (vpcEndpointSubnet) kind() schema.GroupVersionKind { return ec2("VPCEndpointSubnetAssociation") }

type vpcEndpointSecurityGroup struct {
	Region             string     `json:"region"`
	VPCEndpointIDRef   *reference `json:"vpcEndpointIdRef"`
	SecurityGroupIDRef *reference `json:"securityGroupIdRef"`
	// It replaces the VPC's default group, which allows only its own members.
	ReplaceDefaultAssociation bool `json:"replaceDefaultAssociation"`
}

func (vpcEndpointSecurityGroup) kind() schema.GroupVersionKind {
	return ec2("VPCEndpointSecurityGroupAssociation")
}

// flowLog records a VPC's traffic in a bucket.
type flowLog struct {
	Region             string            `json:"region"`
	VPCIDRef           *reference        `json:"vpcIdRef"`
	TrafficType        string            `json:"trafficType"`
	LogDestinationType string            `json:"logDestinationType"`
	LogDestination     string            `json:"logDestination"`
	Tags               map[string]string `json:"tags"`
}

func (flowLog) kind() schema.GroupVersionKind { return ec2("FlowLog") }

type securityGroup struct {
	Region      string            `json:"region"`
	VPCIDRef    *reference        `json:"vpcIdRef"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Tags        map[string]string `json:"tags"`
}

func (securityGroup) kind() schema.GroupVersionKind { return ec2("SecurityGroup") }

type securityGroupIngressRule struct {
	Region             string     `json:"region"`
	SecurityGroupIDRef *reference `json:"securityGroupIdRef"`
	CIDRIPv4           string     `json:"cidrIpv4"`
	IPProtocol         string     `json:"ipProtocol"`
	FromPort           int64      `json:"fromPort"`
	ToPort             int64      `json:"toPort"`
}

func (securityGroupIngressRule) kind() schema.GroupVersionKind {
	return ec2("SecurityGroupIngressRule")
}
