package function

import (
	"fmt"
	"net/netip"

	"github.com/crossplane/function-sdk-go/resource"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// network is the spec of a Network: see its definition.
type network struct {
	placement

	CIDR               string   `json:"cidr"`
	Zones              []string `json:"zones"`
	NATGateways        string   `json:"natGateways"`
	SQSEndpoint        bool     `json:"sqsEndpoint"`
	FlowLogsBucketARN  string   `json:"flowLogsBucketARN"`
	DeletionProtection bool     `json:"deletionProtection"`
}

// The kinds of subnets, and the names of their route tables.
const (
	public   = "public"
	private  = "private"
	isolated = "isolated"
)

// composeNetwork composes everything at once except the NAT gateways: resources refer to
// each other by name, and the provider waits for what AWS assigns. Everything is also
// deleted at once: AWS rejects the deletion of what is in use, for example by a cluster,
// and the provider retries.
func composeNetwork(c *composition) error {
	var spec network
	if err := c.spec(&spec); err != nil {
		return err
	}
	cluster, err := names.ForCluster(spec.ClusterName)
	if err != nil {
		return named(err)
	}
	if c.xr.GetName() != spec.ClusterName {
		return fmt.Errorf("metadata.name: is %q, and spec.clusterName is %q: a cluster has one network", c.xr.GetName(), spec.ClusterName)
	}
	n := networkComposer{composition: c, network: spec, cluster: cluster}
	steps := []func() error{n.addVPC, n.addSubnets, n.addNAT, n.addRoutes, n.addS3Endpoint}
	if spec.SQSEndpoint {
		steps = append(steps, n.addSQSEndpoint)
	}
	if spec.FlowLogsBucketARN != "" {
		steps = append(steps, n.addFlowLog)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if spec.DeletionProtection {
		c.protect("its cluster is unreachable without it; set spec.deletionProtection to false first")
	}
	c.report("vpcId", "vpc", "status.atProvider.id")
	c.reportExternalNames()
	n.reportAddresses()
	if n.hasEgress() {
		c.status["egress"] = true
	}
	return nil
}

// networkComposer composes the parts of a Network.
type networkComposer struct {
	*composition
	network

	cluster names.ClusterName
}

// part adds a managed resource whose identifier AWS assigns, under the name
// <cluster>-<id>.
func (n networkComposer) part(id string, forProvider managed) error {
	return n.add(resource.Name(id), n.name(id), "", n.ProviderConfigName, forProvider)
}

func (n networkComposer) name(id string) string { return n.cluster.Network(id) }

// tagged returns the tags of a part. AWS's lists show the tag Name.
func (n networkComposer) tagged(id string) map[string]string {
	tags := n.tags()
	tags["Name"] = n.name(id)
	return tags
}

func (n networkComposer) addVPC() error {
	if err := n.part("vpc", vpc{n.Region, n.CIDR, true, true, n.tagged("vpc")}); err != nil {
		return err
	}
	return n.part("internet", internetGateway{n.Region, to(n.name("vpc")), n.tagged("internet")})
}

func (n networkComposer) addSubnets() error {
	blocks, err := divide(n.CIDR)
	if err != nil {
		return fmt.Errorf("spec.cidr: %w", err)
	}
	for i, zone := range n.Zones {
		for kind, block := range map[string]netip.Prefix{public: blocks.public[i], private: blocks.private[i], isolated: blocks.isolated[i]} {
			id := kind + "-" + zone
			err := n.part(id, subnet{
				Region:           n.Region,
				VPCIDRef:         to(n.name("vpc")),
				AvailabilityZone: n.Region + zone,
				CIDRBlock:        block.String(),
				Tags:             n.subnetTags(id, kind),
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// subnetTags returns the tags that tell load balancers which subnets to use:
// https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html
func (n networkComposer) subnetTags(id, kind string) map[string]string {
	tags := n.tagged(id)
	switch kind {
	case public:
		tags["kubernetes.io/role/elb"] = "1"
	case private:
		tags["kubernetes.io/role/internal-elb"] = "1"
	default:
		return tags
	}
	tags["kubernetes.io/cluster/"+n.ClusterName] = "shared"
	return tags
}

// natOf returns the zone whose NAT gateway a zone's private subnet uses.
func (n networkComposer) natOf(zone string) string {
	if n.NATGateways == "PerZone" {
		return zone
	}
	return n.Zones[0]
}

func (n networkComposer) addNAT() error {
	for _, zone := range n.Zones {
		if n.natOf(zone) != zone {
			continue
		}
		id, address := "nat-"+zone, "address-"+zone
		if err := n.part(address, eip{n.Region, "vpc", n.interfaceOf(id, address), n.tagged(id)}); err != nil {
			return err
		}
		// A NAT gateway in a VPC without an internet gateway fails, and AWS keeps the
		// failed one for an hour.
		if !n.after("internet", resource.Name(id)) {
			continue
		}
		if err := n.part(id, natGateway{n.Region, to(n.name(address)), to(n.name(public + "-" + zone)), n.tagged(id)}); err != nil {
			return err
		}
	}
	return nil
}

// interfaceOf returns the network interface that has an address. Otherwise the provider
// would write the interface that it saw first into the spec, and bind the address to it
// again after the NAT gateway is gone.
func (n networkComposer) interfaceOf(nat, address string) string {
	if n.isReady(resource.Name(nat)) {
		return n.observedString(resource.Name(nat), observedPath+"networkInterfaceId")
	}
	return n.observedString(resource.Name(address), "spec.forProvider.networkInterface")
}

// natGatewayPath is the id of a NAT gateway.
const natGatewayPath = observedPath + "id"

// everywhere is the destination of default routes.
const everywhere = "0.0.0.0/0"

// addRoutes gives the public subnets one route table, the isolated subnets another one,
// and the private subnet of every zone its own. So another number of NAT gateways changes
// only routes.
func (n networkComposer) addRoutes() error {
	if err := n.addTable(public, public, n.Zones...); err != nil {
		return err
	}
	err := n.part("route-"+public, route{
		Region: n.Region, RouteTableIDRef: to(n.name("table-" + public)),
		DestinationCIDRBlock: everywhere, GatewayIDRef: to(n.name("internet")),
	})
	if err != nil {
		return err
	}
	if err := n.addTable(isolated, isolated, n.Zones...); err != nil {
		return err
	}
	for _, zone := range n.Zones {
		table := private + "-" + zone
		if err := n.addTable(table, private, zone); err != nil {
			return err
		}
		if err := n.addNATRoute(table, "nat-"+n.natOf(zone)); err != nil {
			return err
		}
	}
	return nil
}

// addNATRoute routes a table to a NAT gateway, and to another one once that is ready.
func (n networkComposer) addNATRoute(table, nat string) error {
	id, gateway := "route-"+table, n.observedString(resource.Name(nat), natGatewayPath)
	if gateway == "" || !n.isReady(resource.Name(nat)) {
		n.wait(fmt.Sprintf("NATGateway %s is not ready", n.name(nat)), resource.Name(id))
		return nil
	}
	return n.part(id, route{
		Region: n.Region, RouteTableIDRef: to(n.name("table-" + table)), DestinationCIDRBlock: everywhere, NATGatewayID: gateway,
	})
}

// addTable adds a route table for one kind of subnets in some zones.
func (n networkComposer) addTable(table, kind string, zones ...string) error {
	id := "table-" + table
	if err := n.part(id, routeTable{n.Region, to(n.name("vpc")), n.tagged(table)}); err != nil {
		return err
	}
	for _, zone := range zones {
		subnet := kind + "-" + zone
		if err := n.part("in-"+subnet, routeTableAssociation{n.Region, to(n.name(id)), to(n.name(subnet))}); err != nil {
			return err
		}
	}
	return nil
}

// addS3Endpoint adds a gateway endpoint for S3, which is free. NAT charges for each byte.
func (n networkComposer) addS3Endpoint() error {
	const id = "s3"
	err := n.part(id, vpcEndpoint{
		Region: n.Region, VPCIDRef: to(n.name("vpc")), ServiceName: "com.amazonaws." + n.Region + ".s3",
		VPCEndpointType: "Gateway", Tags: n.tagged(id),
	})
	if err != nil {
		return err
	}
	tables := []string{isolated}
	for _, zone := range n.Zones {
		tables = append(tables, private+"-"+zone)
	}
	for _, table := range tables {
		if err := n.part(id+"-"+table, vpcEndpointRoute{n.Region, to(n.name(id)), to(n.name("table-" + table))}); err != nil {
			return err
		}
	}
	return nil
}

// addSQSEndpoint adds an interface endpoint for SQS, with an address in every private
// subnet, for HTTPS from within the VPC.
func (n networkComposer) addSQSEndpoint() error {
	const id = "sqs"
	vpc, clients := to(n.name("vpc")), to(n.name("sqs-clients"))
	for _, part := range []struct {
		id          string
		forProvider managed
	}{
		{id, vpcEndpoint{n.Region, vpc, "com.amazonaws." + n.Region + ".sqs", "Interface", true, n.tagged(id)}},
		{"sqs-clients", securityGroup{n.Region, vpc, n.name("sqs-clients"), "Who may call the SQS endpoint", n.tagged("sqs-clients")}},
		{"sqs-https", securityGroupIngressRule{n.Region, clients, n.CIDR, "tcp", 443, 443}},
		{"sqs-guard", vpcEndpointSecurityGroup{n.Region, to(n.name(id)), clients, true}},
	} {
		if err := n.part(part.id, part.forProvider); err != nil {
			return err
		}
	}
	for _, zone := range n.Zones {
		if err := n.part("sqs-"+zone, vpcEndpointSubnet{n.Region, to(n.name(id)), to(n.name(private + "-" + zone))}); err != nil {
			return err
		}
	}
	return nil
}

func (n networkComposer) addFlowLog() error {
	const id = "flow-log"
	return n.part(id, flowLog{n.Region, to(n.name("vpc")), "ALL", "s3", n.FlowLogsBucketARN, n.tagged(id)})
}

func (n networkComposer) reportAddresses() {
	var addresses []any
	for _, zone := range n.Zones {
		if address := n.observedString(resource.Name("address-"+zone), "status.atProvider.publicIp"); address != "" {
			addresses = append(addresses, address)
		}
	}
	if len(addresses) > 0 {
		n.status["natAddresses"] = addresses
	}
}

// hasEgress reports whether nodes and pods have internet access.
func (n networkComposer) hasEgress() bool {
	for _, zone := range n.Zones {
		route := resource.Name("route-" + private + "-" + zone)
		if !n.isReady(resource.Name("nat-"+n.natOf(zone))) || !n.isReady(route) {
			return false
		}
	}
	return n.isReady("internet") && n.isReady("route-"+public)
}

// blocks are the address blocks of the subnets in up to three zones.
type blocks struct{ public, private, isolated [3]netip.Prefix }

// divide splits a VPC's addresses: the first three quarters are for private subnets,
// eighths of the last quarter for the others.
func divide(cidr string) (blocks, error) {
	whole, err := netip.ParsePrefix(cidr)
	if err != nil {
		return blocks{}, err
	}
	if !whole.Addr().Is4() || whole != whole.Masked() || whole.Bits() < 16 || whole.Bits() > 20 {
		return blocks{}, fmt.Errorf("%s is no block of IPv4 addresses of /16 to /20 that starts at its first one", cidr)
	}
	var b blocks
	last := part(whole, 2, 3)
	for i := range 3 {
		b.private[i] = part(whole, 2, i)
		b.public[i] = part(last, 3, i)
		b.isolated[i] = part(last, 3, 4+i)
	}
	return b, nil
}

// part returns the i-th of the 2^bits equal parts of a block of IPv4 addresses.
func part(whole netip.Prefix, bits, i int) netip.Prefix {
	length := whole.Bits() + bits
	address := whole.Addr().As4()
	number := uint32(address[0])<<24 | uint32(address[1])<<16 | uint32(address[2])<<8 | uint32(address[3])
	number += uint32(i) << (32 - length) //nolint:gosec // i is below 2^bits
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(number >> 24), byte(number >> 16), byte(number >> 8), byte(number)}), length)
}
