package ec2

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// A VPC is created with a route table, a network ACL and a security group. The provider's
// queries find them.
func TestVPCComesWith(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	out, err := b.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{vpc}})
	b.ok(err)
	v := out.Vpcs[0]
	b.equal("state", v.State, types.VpcStateAvailable)
	b.equal("block", *v.CidrBlock, "10.16.0.0/20")
	b.equal("owner", *v.OwnerId, testAccount)
	b.equal("association", v.CidrBlockAssociationSet[0].CidrBlockState.State, types.VpcCidrBlockStateCodeAssociated)
	b.equal("tag", *v.Tags[1].Value, "staging")

	tables, err := b.ec2.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: append(by("association.main", "true"),
		by("vpc-id", vpc)...)})
	b.ok(err)
	b.equal("main tables", len(tables.RouteTables), 1)
	b.list("its routes", b.routes(*tables.RouteTables[0].RouteTableId), "10.16.0.0/20 active")
	acls, err := b.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: append(by("default", "true"), by("vpc-id",
		vpc)...)})
	b.ok(err)
	b.equal("ACLs", len(acls.NetworkAcls), 1)
	b.equal("entries", len(acls.NetworkAcls[0].Entries), 4)
	groups, err := b.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: append(by("group-name", "default"),
		by("vpc-id", vpc)...)})
	b.ok(err)
	b.equal("groups", len(groups.SecurityGroups), 1)
	b.equal("who may enter", *groups.SecurityGroups[0].IpPermissions[0].UserIdGroupPairs[0].GroupId, *groups.SecurityGroups[0].GroupId)
	b.equal("where to", *groups.SecurityGroups[0].IpPermissionsEgress[0].IpRanges[0].CidrIp, everywhere)
}

func TestVPCAttributes(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	for _, want := range []bool{false, true} {
		_, err := b.ec2.ModifyVpcAttribute(t.Context(), &ec2.ModifyVpcAttributeInput{
			VpcId:              &vpc,
			EnableDnsHostnames: &types.AttributeBooleanValue{Value: &want},
		})
		b.ok(err)
		out, err := b.ec2.DescribeVpcAttribute(t.Context(), &ec2.DescribeVpcAttributeInput{
			VpcId:     &vpc,
			Attribute: types.VpcAttributeNameEnableDnsHostnames,
		})
		b.ok(err)
		b.equal("attribute", *out.EnableDnsHostnames.Value, want)
	}
	both := &types.AttributeBooleanValue{Value: aws.Bool(true)}
	_, err := b.ec2.ModifyVpcAttribute(t.Context(), &ec2.ModifyVpcAttributeInput{
		VpcId: &vpc, EnableDnsHostnames: both,
		EnableDnsSupport: both,
	})
	servicetest.Code(b, err, "InvalidParameterCombination")
}

func TestSubnets(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	id := b.subnet(vpc, "10.16.12.0/25", zoneA)
	out, err := b.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	b.ok(err)
	s := out.Subnets[0]
	b.equal("free addresses", *s.AvailableIpAddressCount, int32(123))
	b.equal("zone", *s.AvailabilityZoneId, "euw1-az1")
	b.equal("ARN", *s.SubnetArn, "arn:aws:ec2:eu-west-1:111122223333:subnet/"+id)
	_, err = b.ec2.ModifySubnetAttribute(t.Context(), &ec2.ModifySubnetAttributeInput{
		SubnetId:            &id,
		MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)},
	})
	b.ok(err)
	out, err = b.ec2.DescribeSubnets(t.Context(), &ec2.DescribeSubnetsInput{Filters: by("tag:Name", "staging-eu-west-1?")})
	b.ok(err)
	b.equal("public addresses", *out.Subnets[0].MapPublicIpOnLaunch, true)
	for block, code := range map[string]string{
		"10.16.12.64/26": "InvalidSubnet.Conflict", "10.17.0.0/24": "InvalidSubnet.Range", "10.16.0.0/19": "InvalidSubnet.Range",
		"10.16.0.0": "InvalidParameterValue",
	} {
		_, err := b.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: &block})
		servicetest.Code(b, err, code)
	}
	_, err = b.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{
		VpcId: &vpc, CidrBlock: aws.String("10.16.13.0/25"),
		AvailabilityZone: aws.String("eu-west-1x"),
	})
	servicetest.Code(b, err, "InvalidParameterValue")
}

// A NAT gateway is pending for two minutes. Then it is available.
func TestNATGateway(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	subnet := b.subnet(vpc, "10.16.12.0/25", zoneA)
	b.internet(vpc)
	address := b.address()
	id := b.nat(subnet, address)
	b.equal("state", b.natGateway(id).State, types.NatGatewayStatePending)
	b.clock.Advance(natGatewayTime - time.Second)
	b.equal("state", b.natGateway(id).State, types.NatGatewayStatePending)
	b.clock.Advance(time.Second)
	g := b.natGateway(id)
	b.equal("state", g.State, types.NatGatewayStateAvailable)
	b.equal("its private address", *g.NatGatewayAddresses[0].PrivateIp, "10.16.12.4")
	addresses, err := b.ec2.DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{AllocationIds: []string{address}})
	b.ok(err)
	a := addresses.Addresses[0]
	b.equal("its public address", *g.NatGatewayAddresses[0].PublicIp, *a.PublicIp)
	b.equal("its interface", *a.NetworkInterfaceId, *g.NatGatewayAddresses[0].NetworkInterfaceId)
	if !publicIPs.Contains(mustAddr(t, *a.PublicIp)) {
		t.Errorf("the public address %s is not one for documentation", *a.PublicIp)
	}

	_, err = b.ec2.ReleaseAddress(t.Context(), &ec2.ReleaseAddressInput{AllocationId: &address})
	servicetest.Code(b, err, "InvalidIPAddress.InUse")
	_, err = b.ec2.DisassociateAddress(t.Context(), &ec2.DisassociateAddressInput{AssociationId: a.AssociationId})
	servicetest.Code(b, err, "AuthFailure")
	_, err = b.ec2.DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: &id})
	b.ok(err)
	b.equal("state", b.natGateway(id).State, types.NatGatewayStateDeleting)
	b.clock.Advance(natGatewayTime)
	b.equal("state", b.natGateway(id).State, types.NatGatewayStateDeleted)
	_, err = b.ec2.ReleaseAddress(t.Context(), &ec2.ReleaseAddressInput{AllocationId: &address})
	b.ok(err)
	b.clock.Advance(shownTime)
	_, err = b.ec2.DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
	servicetest.Code(b, err, "NatGatewayNotFound")
}

// The provider requests the private address of the gateway before it. The address must be
// a free one of the subnet.
func TestNATGatewayAddress(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	subnet := b.subnet(vpc, "10.16.12.0/25", zoneA)
	b.internet(vpc)
	address := b.address()
	create := func(private string) (string, error) {
		out, err := b.ec2.CreateNatGateway(t.Context(), &ec2.CreateNatGatewayInput{
			SubnetId: &subnet, AllocationId: &address, PrivateIpAddress: &private,
			TagSpecifications: tagged(types.ResourceTypeNatgateway, "staging-nat"),
		})
		if err != nil {
			return "", err
		}
		return *out.NatGateway.NatGatewayAddresses[0].PrivateIp, nil
	}
	for private, code := range map[string]string{
		"10.16.12.3": "InvalidParameterValue", "10.16.12.127": "InvalidParameterValue", "10.16.13.4": "InvalidParameterValue", "ten": "InvalidParameterValue",
	} {
		_, err := create(private)
		servicetest.Code(b, err, code)
	}
	given, err := create("10.16.12.77")
	b.ok(err)
	b.equal("its private address", given, "10.16.12.77")
	_, err = create("10.16.12.77")
	servicetest.Code(b, err, "InvalidIPAddress.InUse")
}

// A NAT gateway without all that it needs fails after its creation time. It is visible
// for another hour.
func TestNATGatewayFails(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(*bench, string, string)
		code    string
	}{
		"without an internet gateway": {func(*bench, string, string) {}, "Gateway.NotAttached"},
		"with an address that is taken": {func(b *bench, vpc, address string) {
			b.internet(vpc)
			b.nat(b.subnet(vpc, "10.16.13.0/25", zoneB), address)
		}, "Resource.AlreadyAssociated"},
		"by an injected fault": {func(b *bench, vpc, _ string) {
			b.internet(vpc)
			b.faults.Add(fault.Fault{Action: "ec2:CreateNatGateway", Times: 1, Code: "InternalError", Fails: true})
		}, "InternalError"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			vpc := b.vpc()
			subnet, address := b.subnet(vpc, "10.16.12.0/25", zoneA), b.address()
			test.arrange(b, vpc, address)
			id := b.nat(subnet, address)
			b.equal("state", b.natGateway(id).State, types.NatGatewayStatePending)
			b.clock.Advance(natGatewayTime)
			g := b.natGateway(id)
			b.equal("state", g.State, types.NatGatewayStateFailed)
			b.equal("failure", *g.FailureCode, test.code)
			b.equal("public address", aws.ToString(g.NatGatewayAddresses[0].PublicIp), "")
			b.clock.Advance(shownTime - time.Second)
			b.equal("state", b.natGateway(id).State, types.NatGatewayStateFailed)
			b.clock.Advance(time.Second)
			_, err := b.ec2.DescribeNatGateways(t.Context(), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
			servicetest.Code(b, err, "NatGatewayNotFound")
		})
	}
}

func TestRoutes(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	public, private := b.subnet(vpc, "10.16.12.0/25", zoneA), b.subnet(vpc, "10.16.0.0/22", zoneA)
	internet := b.internet(vpc)
	nat := b.nat(public, b.address())
	table := b.table(vpc)
	create := func(in ec2.CreateRouteInput) error {
		in.RouteTableId, in.DestinationCidrBlock = &table, aws.String(everywhere)
		_, err := b.ec2.CreateRoute(t.Context(), &in)
		return err
	}
	b.ok(create(ec2.CreateRouteInput{NatGatewayId: &nat}))
	b.ok(create(ec2.CreateRouteInput{NatGatewayId: &nat})) // the same route again
	servicetest.Code(b, create(ec2.CreateRouteInput{GatewayId: &internet}), "RouteAlreadyExists")
	servicetest.Code(b, create(ec2.CreateRouteInput{GatewayId: aws.String("igw-0123456789abcdef0")}), "InvalidGatewayID.NotFound")
	servicetest.Code(b, create(ec2.CreateRouteInput{NatGatewayId: aws.String("nat-0123456789abcdef0")}), "InvalidNatGatewayID.NotFound")
	b.list("routes", b.routes(table), "10.16.0.0/20 active", "0.0.0.0/0 active")

	associated, err := b.ec2.AssociateRouteTable(t.Context(), &ec2.AssociateRouteTableInput{RouteTableId: &table, SubnetId: &private})
	b.ok(err)
	found, err := b.ec2.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: by("association.route-table-association-id", *associated.AssociationId)})
	b.ok(err)
	b.equal("state", found.RouteTables[0].Associations[0].AssociationState.State, types.RouteTableAssociationStateCodeAssociated)
	_, err = b.ec2.DeleteRouteTable(t.Context(), &ec2.DeleteRouteTableInput{RouteTableId: &table})
	servicetest.Code(b, err, "DependencyViolation")

	other := b.table(vpc)
	_, err = b.ec2.AssociateRouteTable(t.Context(), &ec2.AssociateRouteTableInput{RouteTableId: &other, SubnetId: &private})
	servicetest.Code(b, err, "Resource.AlreadyAssociated")
	replaced, err := b.ec2.ReplaceRouteTableAssociation(t.Context(),
		&ec2.ReplaceRouteTableAssociationInput{AssociationId: associated.AssociationId, RouteTableId: &other})
	b.ok(err)
	_, err = b.ec2.DisassociateRouteTable(t.Context(), &ec2.DisassociateRouteTableInput{AssociationId: replaced.NewAssociationId})
	b.ok(err)
	_, err = b.ec2.DisassociateRouteTable(t.Context(), &ec2.DisassociateRouteTableInput{AssociationId: replaced.NewAssociationId})
	servicetest.Code(b, err, "InvalidAssociationID.NotFound")

	_, err = b.ec2.DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: &nat})
	b.ok(err)
	b.list("routes", b.routes(table), "10.16.0.0/20 active", "0.0.0.0/0 blackhole")
	_, err = b.ec2.ReplaceRoute(t.Context(), &ec2.ReplaceRouteInput{
		RouteTableId: &table, DestinationCidrBlock: aws.String(everywhere),
		GatewayId: &internet,
	})
	b.ok(err)
	b.list("routes", b.routes(table), "10.16.0.0/20 active", "0.0.0.0/0 active")
	remove := func(destination string) error {
		_, err := b.ec2.DeleteRoute(t.Context(), &ec2.DeleteRouteInput{RouteTableId: &table, DestinationCidrBlock: &destination})
		return err
	}
	b.ok(remove(everywhere))
	servicetest.Code(b, remove(everywhere), "InvalidRoute.NotFound")
	servicetest.Code(b, remove("10.16.0.0/20"), "InvalidParameterValue")
}

// No resource is deleted while another one still needs it. In the right order the account
// ends empty.
func TestDeletionInOrder(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	subnet := b.subnet(vpc, "10.16.12.0/25", zoneA)
	internet := b.internet(vpc)
	address := b.address()
	nat := b.nat(subnet, address)
	table := b.table(vpc)
	group, err := b.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		VpcId: &vpc, GroupName: aws.String("g"),
		Description: aws.String("d"),
	})
	b.ok(err)
	steps := []struct {
		name   string
		delete func() error
	}{
		{"NAT gateway", func() error {
			_, err := b.ec2.DeleteNatGateway(t.Context(), &ec2.DeleteNatGatewayInput{NatGatewayId: &nat})
			b.clock.Advance(natGatewayTime)
			return err
		}},
		{"address", func() error {
			_, err := b.ec2.ReleaseAddress(t.Context(), &ec2.ReleaseAddressInput{AllocationId: &address})
			return err
		}},
		{"attachment", func() error {
			_, err := b.ec2.DetachInternetGateway(t.Context(), &ec2.DetachInternetGatewayInput{InternetGatewayId: &internet, VpcId: &vpc})
			return err
		}},
		{"internet gateway", func() error {
			_, err := b.ec2.DeleteInternetGateway(t.Context(), &ec2.DeleteInternetGatewayInput{InternetGatewayId: &internet})
			return err
		}},
		{"subnet", func() error {
			_, err := b.ec2.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: &subnet})
			return err
		}},
		{"route table", func() error {
			_, err := b.ec2.DeleteRouteTable(t.Context(), &ec2.DeleteRouteTableInput{RouteTableId: &table})
			return err
		}},
		{"security group", func() error {
			_, err := b.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: group.GroupId})
			return err
		}},
		{"VPC", func() error {
			_, err := b.ec2.DeleteVpc(t.Context(), &ec2.DeleteVpcInput{VpcId: &vpc})
			return err
		}},
	}
	for i, code := range map[int]string{
		1: "InvalidIPAddress.InUse", 2: "DependencyViolation", 3: "DependencyViolation",
		4: "DependencyViolation", 7: "DependencyViolation",
	} {
		servicetest.Code(b, steps[i].delete(), code)
	}
	for i, step := range steps {
		if i < len(steps)-1 {
			servicetest.Code(b, steps[len(steps)-1].delete(), "DependencyViolation")
		}
		if err := step.delete(); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	b.clock.Advance(shownTime)
	out, err := b.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	b.ok(err)
	if len(out.Vpcs)+len(b.service.resources) > 0 {
		t.Errorf("%d resources are left", len(b.service.resources))
	}
	if err := steps[len(steps)-1].delete(); err == nil || !strings.Contains(err.Error(), "InvalidVpcID.NotFound") {
		t.Errorf("a VPC that is gone: %v", err)
	}
}

func TestQuotas(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	subnet := b.subnet(vpc, "10.16.12.0/25", zoneA)
	for range 4 {
		b.vpc()
	}
	for range 5 {
		b.nat(subnet, b.address())
	}
	for range 5 {
		_, err := b.ec2.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{})
		b.ok(err)
	}
	_, err := b.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	servicetest.Code(b, err, "VpcLimitExceeded")
	_, err = b.ec2.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{})
	servicetest.Code(b, err, "AddressLimitExceeded")
	_, err = b.ec2.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{})
	servicetest.Code(b, err, "InternetGatewayLimitExceeded")
	addresses, err := b.ec2.DescribeAddresses(t.Context(), &ec2.DescribeAddressesInput{})
	b.ok(err)
	_, err = b.ec2.CreateNatGateway(t.Context(), &ec2.CreateNatGatewayInput{
		SubnetId:     &subnet,
		AllocationId: addresses.Addresses[0].AllocationId,
	})
	servicetest.Code(b, err, "NatGatewayLimitExceeded")
}

// A second call with the same client token creates nothing.
func TestClientTokens(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	in := &ec2.CreateRouteTableInput{VpcId: &vpc, ClientToken: aws.String("once")}
	one, err := b.ec2.CreateRouteTable(t.Context(), in)
	b.ok(err)
	two, err := b.ec2.CreateRouteTable(t.Context(), in)
	b.ok(err)
	b.equal("the second table", *two.RouteTable.RouteTableId, *one.RouteTable.RouteTableId)
	in.TagSpecifications = tagged(types.ResourceTypeRouteTable, "other")
	_, err = b.ec2.CreateRouteTable(t.Context(), in)
	servicetest.Code(b, err, "IdempotentParameterMismatch")
}

func TestPages(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	for range 11 {
		b.table(vpc)
	}
	var ids []string
	pages := ec2.NewDescribeRouteTablesPaginator(b.ec2, &ec2.DescribeRouteTablesInput{MaxResults: aws.Int32(5)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		b.ok(err)
		for _, table := range page.RouteTables {
			ids = append(ids, *table.RouteTableId)
		}
	}
	b.equal("tables", len(ids), 12)
	_, err := b.ec2.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{MaxResults: aws.Int32(4)})
	servicetest.Code(b, err, "InvalidParameterValue")
	_, err = b.ec2.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{NextToken: aws.String("x")})
	servicetest.Code(b, err, "InvalidNextToken")
	_, err = b.ec2.DescribeRouteTables(t.Context(), &ec2.DescribeRouteTablesInput{Filters: by("colour", "red")})
	servicetest.Code(b, err, "InvalidParameterValue")
}

func TestTags(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	_, err := b.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{vpc}, Tags: []types.Tag{{
		Key:   aws.String("team"),
		Value: aws.String("sales"),
	}, {Key: aws.String("Name"), Value: aws.String("new")}}})
	b.ok(err)
	_, err = b.ec2.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{vpc}, Tags: []types.Tag{
		{Key: aws.String("cluster")},
		{Key: aws.String("team"), Value: aws.String("another")},
	}})
	b.ok(err)
	out, err := b.ec2.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: by("tag:team", "sales")})
	b.ok(err)
	var tags []string
	for _, tag := range out.Vpcs[0].Tags {
		tags = append(tags, *tag.Key+"="+*tag.Value)
	}
	b.list("tags", tags, "Name=new", "team=sales")
	_, err = b.ec2.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{vpc}, Tags: []types.Tag{{
		Key:   aws.String("aws:x"),
		Value: aws.String("y"),
	}}})
	servicetest.Code(b, err, "InvalidParameterValue")
	_, err = b.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{
		CidrBlock:         aws.String("10.0.0.0/16"),
		TagSpecifications: tagged(types.ResourceTypeSubnet, "x"),
	})
	servicetest.Code(b, err, "InvalidParameterValue")
}
