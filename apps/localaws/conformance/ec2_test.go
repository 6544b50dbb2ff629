package conformance

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// tagged gives a resource a name, by which leftovers of a case can be found.
func tagged(kind types.ResourceType) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String(newName())}}}}
}

func (c *check) wanting(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

// atEnd deletes what a case created. It retries while another resource still needs it.
func (c *check) atEnd(remove func(context.Context) error) {
	c.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 5*time.Minute)
		defer cancel()
		for {
			code := codeOf(remove(ctx))
			needed := code == "DependencyViolation" || strings.Contains(code, "InUse")
			if !needed || ctx.Err() != nil {
				return
			}
			time.Sleep(patience() / 50)
		}
	})
}

// vpcs limits the VPCs in use to as many as an account may have beside its default VPC.
var vpcs = make(chan struct{}, 4)

func (c *check) vpc() *string {
	c.Helper()
	vpcs <- struct{}{}
	c.Cleanup(func() { <-vpcs })
	out, err := c.ec2.CreateVpc(c.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.16.0.0/20"), TagSpecifications: tagged(types.ResourceTypeVpc)})
	c.ok(err)
	id := out.Vpc.VpcId
	c.atEnd(func(ctx context.Context) error {
		_, err := c.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: id})
		return err
	})
	c.eventually("available", func() string {
		vpcs, err := c.ec2.DescribeVpcs(c.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{*id}})
		if err != nil {
			return err.Error()
		}
		return string(vpcs.Vpcs[0].State)
	})
	return id
}

func (c *check) subnet(vpc *string, block, zone string) *string {
	c.Helper()
	out, err := c.ec2.CreateSubnet(c.ctx, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: &block, AvailabilityZone: aws.String(*region + zone)})
	c.ok(err)
	c.atEnd(func(ctx context.Context) error {
		_, err := c.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: out.Subnet.SubnetId})
		return err
	})
	return out.Subnet.SubnetId
}

func (c *check) table(vpc *string) *string {
	c.Helper()
	out, err := c.ec2.CreateRouteTable(c.ctx, &ec2.CreateRouteTableInput{VpcId: vpc})
	c.ok(err)
	c.atEnd(func(ctx context.Context) error {
		_, err := c.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: out.RouteTable.RouteTableId})
		return err
	})
	return out.RouteTable.RouteTableId
}

func (c *check) internet(vpc *string) *string {
	c.Helper()
	out, err := c.ec2.CreateInternetGateway(c.ctx, &ec2.CreateInternetGatewayInput{TagSpecifications: tagged(types.ResourceTypeInternetGateway)})
	c.ok(err)
	id := out.InternetGateway.InternetGatewayId
	c.atEnd(func(ctx context.Context) error {
		_, _ = c.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: id, VpcId: vpc})
		_, err := c.ec2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: id})
		return err
	})
	_, err = c.ec2.AttachInternetGateway(c.ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: id, VpcId: vpc})
	c.ok(err)
	return id
}

func (c *check) group(vpc *string) *string {
	c.Helper()
	out, err := c.ec2.CreateSecurityGroup(c.ctx, &ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: aws.String(newName()), Description: aws.String("conformance")})
	c.ok(err)
	c.atEnd(func(ctx context.Context) error {
		_, err := c.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: out.GroupId})
		return err
	})
	return out.GroupId
}

func (c *check) routes(table *string) string {
	c.Helper()
	out, err := c.ec2.DescribeRouteTables(c.ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{*table}})
	c.ok(err)
	var routes []string
	for _, r := range out.RouteTables[0].Routes {
		routes = append(routes, aws.ToString(r.DestinationCidrBlock)+" "+string(r.State))
	}
	return strings.Join(routes, ", ")
}

func https(block string) []types.IpPermission {
	return []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), IpRanges: []types.IpRange{{CidrIp: &block}},
	}}
}

var ec2Cases = []conformanceCase{
	{"CreateVpc", "a VPC has a main route table, a default network ACL and a default group", func(c *check) {
		vpc := c.vpc()
		tables, err := c.ec2.DescribeRouteTables(c.ctx, &ec2.DescribeRouteTablesInput{Filters: append(c.wanting("association.main", "true"), c.wanting("vpc-id", *vpc)...)})
		c.ok(err)
		equal(c, "main route tables", len(tables.RouteTables), 1)
		acls, err := c.ec2.DescribeNetworkAcls(c.ctx, &ec2.DescribeNetworkAclsInput{Filters: append(c.wanting("default", "true"), c.wanting("vpc-id", *vpc)...)})
		c.ok(err)
		equal(c, "network ACLs", len(acls.NetworkAcls), 1)
		groups, err := c.ec2.DescribeSecurityGroups(c.ctx, &ec2.DescribeSecurityGroupsInput{Filters: append(c.wanting("group-name", "default"), c.wanting("vpc-id", *vpc)...)})
		c.ok(err)
		equal(c, "groups", len(groups.SecurityGroups), 1)
	}},
	{"CreateVpc", "a block has a size from /16 to /28", func(c *check) {
		_, err := c.ec2.CreateVpc(c.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/8")})
		c.code(err, "InvalidVpc.Range")
	}},
	{"CreateVpc", "DryRun changes nothing, and reports that the call would have succeeded", func(c *check) {
		_, err := c.ec2.CreateVpc(c.ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)})
		c.code(err, "DryRunOperation")
	}},
	{"DescribeVpcs", "an invalid ID is malformed; an unknown ID is not found", func(c *check) {
		_, err := c.ec2.DescribeVpcs(c.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{"vpc-0123456789abcdef0"}})
		c.code(err, "InvalidVpcID.NotFound")
		_, err = c.ec2.DescribeSubnets(c.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{"x"}})
		c.code(err, "InvalidSubnetID.Malformed")
		_, err = c.ec2.DescribeVpcs(c.ctx, &ec2.DescribeVpcsInput{Filters: c.wanting("colour", "red")})
		c.code(err, "InvalidParameterValue")
	}},
	{"ModifyVpcAttribute", "DescribeVpcAttribute returns the new value", func(c *check) {
		vpc := c.vpc()
		_, err := c.ec2.ModifyVpcAttribute(c.ctx, &ec2.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
		c.ok(err)
		c.eventually("true", func() string {
			out, err := c.ec2.DescribeVpcAttribute(c.ctx, &ec2.DescribeVpcAttributeInput{VpcId: vpc, Attribute: types.VpcAttributeNameEnableDnsHostnames})
			c.ok(err)
			if !*out.EnableDnsHostnames.Value {
				return "false"
			}
			return "true"
		})
	}},
	{"DeleteVpc", "is refused while the VPC has a subnet", func(c *check) {
		vpc := c.vpc()
		c.subnet(vpc, "10.16.0.0/24", "a")
		_, err := c.ec2.DeleteVpc(c.ctx, &ec2.DeleteVpcInput{VpcId: vpc})
		c.code(err, "DependencyViolation")
	}},
	{"CreateSubnet", "AWS reserves five addresses of the block", func(c *check) {
		vpc := c.vpc()
		out, err := c.ec2.DescribeSubnets(c.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{*c.subnet(vpc, "10.16.0.0/28", "a")}})
		c.ok(err)
		equal(c, "free addresses", *out.Subnets[0].AvailableIpAddressCount, 11)
	}},
	{"CreateSubnet", "a block is inside the VPC's and overlaps no other subnet's", func(c *check) {
		vpc := c.vpc()
		c.subnet(vpc, "10.16.0.0/24", "a")
		_, err := c.ec2.CreateSubnet(c.ctx, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String("10.16.0.128/25")})
		c.code(err, "InvalidSubnet.Conflict")
		_, err = c.ec2.CreateSubnet(c.ctx, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: aws.String("10.17.0.0/24")})
		c.code(err, "InvalidSubnet.Range")
	}},
	{"AttachInternetGateway", "a gateway is attached once, and not deleted while it is attached", func(c *check) {
		vpc := c.vpc()
		gateway := c.internet(vpc)
		_, err := c.ec2.AttachInternetGateway(c.ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
		c.code(err, "Resource.AlreadyAssociated")
		_, err = c.ec2.DeleteInternetGateway(c.ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: gateway})
		c.code(err, "DependencyViolation")
	}},
	{"CreateRoute", "a route is a blackhole when its gateway is detached", func(c *check) {
		vpc := c.vpc()
		gateway, table := c.internet(vpc), c.table(vpc)
		_, err := c.ec2.CreateRoute(c.ctx, &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: gateway})
		c.ok(err)
		c.eventually("10.16.0.0/20 active, 0.0.0.0/0 active", func() string { return c.routes(table) })
		_, err = c.ec2.DetachInternetGateway(c.ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: gateway, VpcId: vpc})
		c.ok(err)
		c.eventually("10.16.0.0/20 active, 0.0.0.0/0 blackhole", func() string { return c.routes(table) })
	}},
	{"CreateRoute", "a target that does not exist is refused; the local route is not deleted", func(c *check) {
		table := c.table(c.vpc())
		_, err := c.ec2.CreateRoute(c.ctx, &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0"), GatewayId: aws.String("igw-0123456789abcdef0")})
		c.code(err, "InvalidGatewayID.NotFound")
		_, err = c.ec2.DeleteRoute(c.ctx, &ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("0.0.0.0/0")})
		c.code(err, "InvalidRoute.NotFound")
		_, err = c.ec2.DeleteRoute(c.ctx, &ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: aws.String("10.16.0.0/20")})
		c.code(err, "InvalidParameterValue")
	}},
	{"AssociateRouteTable", "a subnet has one table; an associated table is not deleted", func(c *check) {
		vpc := c.vpc()
		subnet, table, other := c.subnet(vpc, "10.16.0.0/24", "a"), c.table(vpc), c.table(vpc)
		out, err := c.ec2.AssociateRouteTable(c.ctx, &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: subnet})
		c.ok(err)
		_, err = c.ec2.AssociateRouteTable(c.ctx, &ec2.AssociateRouteTableInput{RouteTableId: other, SubnetId: subnet})
		c.code(err, "Resource.AlreadyAssociated")
		_, err = c.ec2.DeleteRouteTable(c.ctx, &ec2.DeleteRouteTableInput{RouteTableId: table})
		c.code(err, "DependencyViolation")
		_, err = c.ec2.DisassociateRouteTable(c.ctx, &ec2.DisassociateRouteTableInput{AssociationId: out.AssociationId})
		c.ok(err)
		_, err = c.ec2.DisassociateRouteTable(c.ctx, &ec2.DisassociateRouteTableInput{AssociationId: out.AssociationId})
		c.code(err, "InvalidAssociationID.NotFound")
	}},
	{"CreateSecurityGroup", "a new group allows all egress and no ingress", func(c *check) {
		out, err := c.ec2.DescribeSecurityGroups(c.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*c.group(c.vpc())}})
		c.ok(err)
		g := out.SecurityGroups[0]
		equal(c, "ingress", len(g.IpPermissions), 0)
		equal(c, "egress", *g.IpPermissionsEgress[0].IpRanges[0].CidrIp, "0.0.0.0/0")
	}},
	{"AuthorizeSecurityGroupIngress", "a rule has an ID and tags; a duplicate is refused", func(c *check) {
		group := c.group(c.vpc())
		in := &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group, IpPermissions: https("10.0.0.0/8"), TagSpecifications: tagged(types.ResourceTypeSecurityGroupRule)}
		out, err := c.ec2.AuthorizeSecurityGroupIngress(c.ctx, in)
		c.ok(err)
		_, err = c.ec2.AuthorizeSecurityGroupIngress(c.ctx, in)
		c.code(err, "InvalidPermission.Duplicate")
		id := *out.SecurityGroupRules[0].SecurityGroupRuleId
		rules, err := c.ec2.DescribeSecurityGroupRules(c.ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{id}})
		c.ok(err)
		equal(c, "tags", len(rules.SecurityGroupRules[0].Tags), 1)
		_, err = c.ec2.RevokeSecurityGroupIngress(c.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, SecurityGroupRuleIds: []string{id}})
		c.ok(err)
		_, err = c.ec2.RevokeSecurityGroupIngress(c.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: group, IpPermissions: https("10.0.0.0/8")})
		c.code(err, "InvalidPermission.NotFound")
	}},
	{"DeleteSecurityGroup", "is refused for the default group, and while a rule of another group refers to it", func(c *check) {
		vpc := c.vpc()
		group, other := c.group(vpc), c.group(vpc)
		named := []types.IpPermission{{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: group}}}}
		_, err := c.ec2.AuthorizeSecurityGroupIngress(c.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: other, IpPermissions: named})
		c.ok(err)
		_, err = c.ec2.DeleteSecurityGroup(c.ctx, &ec2.DeleteSecurityGroupInput{GroupId: group})
		c.code(err, "DependencyViolation")
		_, err = c.ec2.RevokeSecurityGroupIngress(c.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: other, IpPermissions: named})
		c.ok(err)
		groups, err := c.ec2.DescribeSecurityGroups(c.ctx, &ec2.DescribeSecurityGroupsInput{Filters: append(c.wanting("group-name", "default"), c.wanting("vpc-id", *vpc)...)})
		c.ok(err)
		_, err = c.ec2.DeleteSecurityGroup(c.ctx, &ec2.DeleteSecurityGroupInput{GroupId: groups.SecurityGroups[0].GroupId})
		c.code(err, "CannotDelete")
	}},
	{"CreateVpcEndpoint", "a gateway endpoint adds a route for its prefix list to the associated tables", func(c *check) {
		vpc := c.vpc()
		table, name := c.table(vpc), aws.String("com.amazonaws."+*region+".s3")
		out, err := c.ec2.CreateVpcEndpoint(c.ctx, &ec2.CreateVpcEndpointInput{VpcId: vpc, ServiceName: name, RouteTableIds: []string{*table}})
		c.ok(err)
		id := *out.VpcEndpoint.VpcEndpointId
		c.atEnd(func(ctx context.Context) error {
			_, err := c.ec2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
			return err
		})
		lists, err := c.ec2.DescribePrefixLists(c.ctx, &ec2.DescribePrefixListsInput{Filters: c.wanting("prefix-list-name", *name)})
		c.ok(err)
		list := func() string {
			tables, err := c.ec2.DescribeRouteTables(c.ctx, &ec2.DescribeRouteTablesInput{RouteTableIds: []string{*table}})
			c.ok(err)
			routes := tables.RouteTables[0].Routes
			return aws.ToString(routes[len(routes)-1].DestinationPrefixListId)
		}
		c.eventually(*lists.PrefixLists[0].PrefixListId, list)
		_, err = c.ec2.ModifyVpcEndpoint(c.ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, RemoveRouteTableIds: []string{*table}})
		c.ok(err)
		c.eventually("", list)
	}},
	{"CreateLaunchTemplate", "a second template with its name is refused; versions count from 1", func(c *check) {
		name, data := aws.String(newName()), &types.RequestLaunchTemplateData{UserData: aws.String("Y29uZm9ybWFuY2U=")}
		out, err := c.ec2.CreateLaunchTemplate(c.ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: name, LaunchTemplateData: data})
		c.ok(err)
		id := out.LaunchTemplate.LaunchTemplateId
		c.atEnd(func(ctx context.Context) error {
			_, err := c.ec2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: id})
			return err
		})
		_, err = c.ec2.CreateLaunchTemplate(c.ctx, &ec2.CreateLaunchTemplateInput{LaunchTemplateName: name, LaunchTemplateData: data})
		c.code(err, "InvalidLaunchTemplateName.AlreadyExistsException")
		version, err := c.ec2.CreateLaunchTemplateVersion(c.ctx, &ec2.CreateLaunchTemplateVersionInput{LaunchTemplateId: id, LaunchTemplateData: data})
		c.ok(err)
		equal(c, "second version", *version.LaunchTemplateVersion.VersionNumber, 2)
		_, err = c.ec2.DescribeLaunchTemplateVersions(c.ctx, &ec2.DescribeLaunchTemplateVersionsInput{LaunchTemplateId: id, Versions: []string{"3"}})
		c.code(err, "InvalidLaunchTemplateId.VersionNotFound")
	}},
	{"CreateRouteTable", "a call with the token of an earlier one creates nothing", func(c *check) {
		vpc := c.vpc()
		in := &ec2.CreateRouteTableInput{VpcId: vpc, ClientToken: aws.String(newName())}
		one, err := c.ec2.CreateRouteTable(c.ctx, in)
		c.ok(err)
		c.atEnd(func(ctx context.Context) error {
			_, err := c.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: one.RouteTable.RouteTableId})
			return err
		})
		two, err := c.ec2.CreateRouteTable(c.ctx, in)
		c.ok(err)
		equal(c, "table", *two.RouteTable.RouteTableId, *one.RouteTable.RouteTableId)
		in.TagSpecifications = tagged(types.ResourceTypeRouteTable)
		_, err = c.ec2.CreateRouteTable(c.ctx, in)
		c.code(err, "IdempotentParameterMismatch")
	}},
	{"CreateTags", "keys that begin with aws: are reserved", func(c *check) {
		vpc := c.vpc()
		_, err := c.ec2.CreateTags(c.ctx, &ec2.CreateTagsInput{Resources: []string{*vpc}, Tags: []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("y")}}})
		c.code(err, "InvalidParameterValue")
	}},
	{"CreateNatGateway", "a gateway without an internet gateway fails after a while", func(c *check) {
		c.costs()
		subnet := c.subnet(c.vpc(), "10.16.0.0/24", "a")
		address, err := c.ec2.AllocateAddress(c.ctx, &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc})
		c.ok(err)
		c.atEnd(func(ctx context.Context) error {
			_, err := c.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: address.AllocationId})
			return err
		})
		out, err := c.ec2.CreateNatGateway(c.ctx, &ec2.CreateNatGatewayInput{SubnetId: subnet, AllocationId: address.AllocationId})
		c.ok(err)
		equal(c, "state", out.NatGateway.State, types.NatGatewayStatePending)
		c.eventually("failed Gateway.NotAttached", func() string {
			gateways, err := c.ec2.DescribeNatGateways(c.ctx, &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{*out.NatGateway.NatGatewayId}})
			c.ok(err)
			g := gateways.NatGateways[0]
			return string(g.State) + " " + aws.ToString(g.FailureCode)
		})
	}},
}
