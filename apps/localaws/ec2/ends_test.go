package ec2

import (
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

func mustAddr(t testing.TB, text string) netip.Addr {
	t.Helper()
	address, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// The provider removes the default rule of a new group and adds its own.
func TestSecurityGroups(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	created, err := b.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		VpcId: &vpc, GroupName: aws.String("clients"), Description: aws.String("Who may call"),
		TagSpecifications: tagged(types.ResourceTypeSecurityGroup, "clients"),
	})
	b.ok(err)
	id := created.GroupId
	revoke := &ec2.RevokeSecurityGroupEgressInput{GroupId: id, IpPermissions: []types.IpPermission{{
		FromPort: aws.Int32(0), ToPort: aws.Int32(0), IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String(everywhere)}},
	}}}
	_, err = b.ec2.RevokeSecurityGroupEgress(t.Context(), revoke)
	b.ok(err)
	revoke.IpPermissions[0].IpRanges, revoke.IpPermissions[0].Ipv6Ranges = nil, []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}
	_, err = b.ec2.RevokeSecurityGroupEgress(t.Context(), revoke)
	servicetest.Code(b, err, "InvalidPermission.NotFound")

	https := []types.IpPermission{{
		FromPort: aws.Int32(443), ToPort: aws.Int32(443), IpProtocol: aws.String("tcp"),
		IpRanges: []types.IpRange{{CidrIp: aws.String("10.16.0.0/20"), Description: aws.String("all")}},
	}}
	allow := &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: id, IpPermissions: https,
		TagSpecifications: tagged(types.ResourceTypeSecurityGroupRule, "https"),
	}
	allowed, err := b.ec2.AuthorizeSecurityGroupIngress(t.Context(), allow)
	b.ok(err)
	_, err = b.ec2.AuthorizeSecurityGroupIngress(t.Context(), allow)
	servicetest.Code(b, err, "InvalidPermission.Duplicate")
	rule := allowed.SecurityGroupRules[0].SecurityGroupRuleId
	update := []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: rule, SecurityGroupRule: &types.SecurityGroupRuleRequest{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(444), ToPort: aws.Int32(445), CidrIpv4: aws.String("10.16.0.0/21"),
	}}}
	_, err = b.ec2.ModifySecurityGroupRules(t.Context(), &ec2.ModifySecurityGroupRulesInput{GroupId: id, SecurityGroupRules: update})
	b.ok(err)
	rules, err := b.ec2.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{*rule}})
	b.ok(err)
	r := rules.SecurityGroupRules[0]
	b.equal("ports", [2]int32{*r.FromPort, *r.ToPort}, [2]int32{444, 445})
	b.equal("range", *r.CidrIpv4, "10.16.0.0/21")
	b.equal("tag", *r.Tags[0].Value, "https")
	groups, err := b.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*id}})
	b.ok(err)
	g := groups.SecurityGroups[0]
	b.equal("permissions", [2]int{len(g.IpPermissions), len(g.IpPermissionsEgress)}, [2]int{1, 0})
	b.equal("port", *g.IpPermissions[0].FromPort, int32(444))

	other, err := b.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		VpcId: &vpc, GroupName: aws.String("other"),
		Description: aws.String("d"),
	})
	b.ok(err)
	_, err = b.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: other.GroupId,
		IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: id}},
		}},
	})
	b.ok(err)
	_, err = b.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: id})
	servicetest.Code(b, err, "DependencyViolation")
	_, err = b.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: other.GroupId})
	b.ok(err)
	_, err = b.ec2.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
		GroupId:              id,
		SecurityGroupRuleIds: []string{*rule},
	})
	b.ok(err)
	_, err = b.ec2.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
		GroupId:              id,
		SecurityGroupRuleIds: []string{*rule},
	})
	servicetest.Code(b, err, "InvalidSecurityGroupRuleId.NotFound")
	_, err = b.ec2.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: id})
	b.ok(err)
	_, err = b.ec2.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*id}})
	servicetest.Code(b, err, "InvalidGroup.NotFound")
}

func (b *bench) endpoint(id string) types.VpcEndpoint {
	b.Helper()
	out, err := b.ec2.DescribeVpcEndpoints(b.Context(), &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
	b.ok(err)
	return out.VpcEndpoints[0]
}

// A gateway endpoint adds routes to its associated route tables, and to no other.
func TestGatewayEndpoint(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	table := b.table(vpc)
	s3 := aws.String("com.amazonaws.eu-west-1.s3")
	out, err := b.ec2.CreateVpcEndpoint(t.Context(), &ec2.CreateVpcEndpointInput{
		VpcId: &vpc, ServiceName: s3, VpcEndpointType: types.VpcEndpointTypeGateway, PrivateDnsEnabled: aws.Bool(false),
		TagSpecifications: tagged(types.ResourceTypeVpcEndpoint, "s3"),
	})
	b.ok(err)
	id := *out.VpcEndpoint.VpcEndpointId
	lists, err := b.ec2.DescribePrefixLists(t.Context(), &ec2.DescribePrefixListsInput{Filters: by("prefix-list-name", *s3)})
	b.ok(err)
	list := *lists.PrefixLists[0].PrefixListId
	for range 2 {
		_, err = b.ec2.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, AddRouteTableIds: []string{table}})
		b.ok(err)
		b.list("routes", b.routes(table), "10.16.0.0/20 active", list+" active")
	}
	b.list("tables", b.endpoint(id).RouteTableIds, table)
	_, err = b.ec2.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, RemoveRouteTableIds: []string{table}})
	b.ok(err)
	b.list("routes", b.routes(table), "10.16.0.0/20 active")
	_, err = b.ec2.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{
		VpcEndpointId:    &id,
		AddRouteTableIds: []string{"rtb-0123456789abcdef0"},
	})
	servicetest.Code(b, err, "InvalidRouteTableId.NotFound")
	deleted, err := b.ec2.DeleteVpcEndpoints(t.Context(), &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id, "vpce-0123456789abcdef0"}})
	b.ok(err)
	b.equal("what is not deleted", *deleted.Unsuccessful[0].Error.Code, "InvalidVpcEndpoint.NotFound")
	_, err = b.ec2.DescribeVpcEndpoints(t.Context(), &ec2.DescribeVpcEndpointsInput{VpcEndpointIds: []string{id}})
	servicetest.Code(b, err, "InvalidVpcEndpointId.NotFound")
}

// An interface endpoint has a network interface in each subnet. It has the default group
// until it gets others. With private DNS it has the service's name.
func TestInterfaceEndpoint(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	subnet := b.subnet(vpc, "10.16.14.0/25", zoneA)
	in := &ec2.CreateVpcEndpointInput{
		VpcId: &vpc, ServiceName: aws.String("com.amazonaws.eu-west-1.sqs"), VpcEndpointType: types.VpcEndpointTypeInterface,
		PrivateDnsEnabled: aws.Bool(true),
	}
	_, err := b.ec2.CreateVpcEndpoint(t.Context(), in)
	servicetest.Code(b, err, "InvalidParameter") // the VPC has no DNS host names
	_, err = b.ec2.ModifyVpcAttribute(t.Context(), &ec2.ModifyVpcAttributeInput{
		VpcId:              &vpc,
		EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)},
	})
	b.ok(err)
	out, err := b.ec2.CreateVpcEndpoint(t.Context(), in)
	b.ok(err)
	id := *out.VpcEndpoint.VpcEndpointId
	b.equal("state", string(b.endpoint(id).State), pending)
	b.clock.Advance(endpointTime)
	b.equal("state", string(b.endpoint(id).State), available)
	b.equal("group", *b.endpoint(id).Groups[0].GroupName, "default")

	_, err = b.ec2.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, AddSubnetIds: []string{subnet}})
	b.ok(err)
	_, err = b.ec2.ModifyVpcEndpoint(t.Context(), &ec2.ModifyVpcEndpointInput{VpcEndpointId: &id, AddSubnetIds: []string{b.subnet(vpc,
		"10.16.15.0/25", zoneA)}})
	servicetest.Code(b, err, "DuplicateSubnetsInSameZone")
	e := b.endpoint(id)
	b.list("subnets", e.SubnetIds, subnet)
	b.equal("last name", *e.DnsEntries[len(e.DnsEntries)-1].DnsName, "sqs.eu-west-1.amazonaws.com")
	interfaces, err := b.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{Filters: by("subnet-id", subnet)})
	b.ok(err)
	i := interfaces.NetworkInterfaces[0]
	b.list("interfaces", e.NetworkInterfaceIds, *i.NetworkInterfaceId)
	_, err = b.ec2.DetachNetworkInterface(t.Context(), &ec2.DetachNetworkInterfaceInput{AttachmentId: i.Attachment.AttachmentId})
	servicetest.Code(b, err, "OperationNotPermitted")
	_, err = b.ec2.DeleteNetworkInterface(t.Context(), &ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: i.NetworkInterfaceId})
	servicetest.Code(b, err, "InvalidParameterValue")
	_, err = b.ec2.CreateVpcEndpoint(t.Context(), in)
	servicetest.Code(b, err, "InvalidParameter") // the name is taken
	_, err = b.ec2.DeleteVpcEndpoints(t.Context(), &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{id}})
	b.ok(err)
	b.equal("state", string(b.endpoint(id).State), deleting)
	_, err = b.ec2.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: &subnet})
	servicetest.Code(b, err, "DependencyViolation")
	b.clock.Advance(endpointTime)
	_, err = b.ec2.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: &subnet})
	b.ok(err)
}

func TestLaunchTemplates(t *testing.T) {
	b := newBench(t)
	data := &types.RequestLaunchTemplateData{
		BlockDeviceMappings: []types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: aws.String("/dev/xvda"),
			Ebs: &types.LaunchTemplateEbsBlockDeviceRequest{
				Encrypted: aws.Bool(true), DeleteOnTermination: aws.Bool(true), VolumeSize: aws.Int32(50), VolumeType: types.VolumeTypeGp3,
			},
		}},
		MetadataOptions: &types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpTokens:              types.LaunchTemplateHttpTokensStateRequired,
			HttpPutResponseHopLimit: aws.Int32(1),
		},
		TagSpecifications: []types.LaunchTemplateTagSpecificationRequest{{
			ResourceType: types.ResourceTypeInstance,
			Tags:         []types.Tag{{Key: aws.String("cluster"), Value: aws.String("staging")}},
		}},
	}
	name := aws.String("staging-eks-nodes")
	created, err := b.ec2.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: name,
		LaunchTemplateData: data, TagSpecifications: tagged(types.ResourceTypeLaunchTemplate, "nodes"),
	})
	b.ok(err)
	id := created.LaunchTemplate.LaunchTemplateId
	_, err = b.ec2.CreateLaunchTemplate(t.Context(), &ec2.CreateLaunchTemplateInput{LaunchTemplateName: name, LaunchTemplateData: data})
	servicetest.Code(b, err, "InvalidLaunchTemplateName.AlreadyExistsException")
	version, err := b.ec2.CreateLaunchTemplateVersion(t.Context(), &ec2.CreateLaunchTemplateVersionInput{
		LaunchTemplateId:   id,
		LaunchTemplateData: data,
	})
	b.ok(err)
	b.equal("version", *version.LaunchTemplateVersion.VersionNumber, int64(2))
	_, err = b.ec2.ModifyLaunchTemplate(t.Context(), &ec2.ModifyLaunchTemplateInput{LaunchTemplateId: id, DefaultVersion: aws.String("2")})
	b.ok(err)
	found, err := b.ec2.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{*name}})
	b.ok(err)
	b.equal("versions", [2]int64{*found.LaunchTemplates[0].DefaultVersionNumber, *found.LaunchTemplates[0].LatestVersionNumber},
		[2]int64{2, 2})
	versions, err := b.ec2.DescribeLaunchTemplateVersions(t.Context(), &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateId: id,
		Versions:         []string{"$Latest", "1"},
	})
	b.ok(err)
	got := versions.LaunchTemplateVersions[0].LaunchTemplateData
	b.equal("volume", *got.BlockDeviceMappings[0].Ebs.VolumeSize, int32(50))
	b.equal("tokens", got.MetadataOptions.HttpTokens, types.LaunchTemplateHttpTokensStateRequired)
	b.equal("tag", *got.TagSpecifications[0].Tags[0].Value, "staging")
	_, err = b.ec2.DescribeLaunchTemplateVersions(t.Context(), &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateId: id,
		Versions:         []string{"3"},
	})
	servicetest.Code(b, err, "InvalidLaunchTemplateId.VersionNotFound")
	_, err = b.ec2.DeleteLaunchTemplate(t.Context(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: id})
	b.ok(err)
	_, err = b.ec2.DescribeLaunchTemplates(t.Context(), &ec2.DescribeLaunchTemplatesInput{LaunchTemplateNames: []string{*name}})
	servicetest.Code(b, err, "InvalidLaunchTemplateName.NotFoundException")
}

func TestFlowLogs(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	in := &ec2.CreateFlowLogsInput{
		ResourceIds: []string{vpc, "vpc-0123456789abcdef0"}, ResourceType: types.FlowLogsResourceTypeVpc, TrafficType: types.TrafficTypeAll,
		LogDestinationType: types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::logs/staging/"),
		TagSpecifications: tagged(types.ResourceTypeVpcFlowLog, "logs"),
	}
	created, err := b.ec2.CreateFlowLogs(t.Context(), in)
	b.ok(err)
	b.equal("unsuccessful", *created.Unsuccessful[0].Error.Code, "InvalidVpcID.NotFound")
	in.ResourceIds = in.ResourceIds[:1]
	again, err := b.ec2.CreateFlowLogs(t.Context(), in)
	b.ok(err)
	b.equal("unsuccessful", *again.Unsuccessful[0].Error.Code, "FlowLogAlreadyExists")
	out, err := b.ec2.DescribeFlowLogs(t.Context(), &ec2.DescribeFlowLogsInput{FlowLogIds: created.FlowLogIds})
	b.ok(err)
	b.equal("resource", *out.FlowLogs[0].ResourceId, vpc)
	for _, left := range []int{0, 1} {
		deleted, err := b.ec2.DeleteFlowLogs(t.Context(), &ec2.DeleteFlowLogsInput{FlowLogIds: created.FlowLogIds})
		b.ok(err)
		b.equal("unsuccessful", len(deleted.Unsuccessful), left)
	}
}
