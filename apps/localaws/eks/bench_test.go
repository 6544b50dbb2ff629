package eks

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/ec2"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

const (
	testRegion  = "eu-west-1"
	testAccount = "111122223333"
	clusterRole = "arn:aws:iam::111122223333:role/sales-events/staging-eks-cluster"
	nodeRole    = "arn:aws:iam::111122223333:role/sales-events/staging-eks-node"
	hubRole     = "arn:aws:iam::444455556666:role/hub-kustomize-controller"
	staging     = "staging"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a test with an EKS service, a network of the EC2 service, and clients of both.
type bench struct {
	*testing.T
	eks     *eks.Client
	ec2     *sdkec2.Client
	service *Service
	clock   *clock.Fake
	faults  *fault.Faults
	guard   *servicetest.Guard
	roles   roles
	vpc     string
	// subnets are private, one in each of two zones. table is their route table.
	subnets []string
	public  string
	table   string
}

// roles maps a role that a service may not assume to the reason.
type roles map[string]error

func (r roles) Trusts(roleARN, _ string) error { return r[roleARN] }

func newBench(t *testing.T) *bench {
	b := &bench{T: t, clock: clock.NewFake(start), faults: &fault.Faults{}, guard: &servicetest.Guard{}, roles: roles{}}
	network := ec2.New(ec2.Options{Region: testRegion, AccountID: testAccount, Clock: b.clock, Faults: b.faults})
	b.service = New(Options{
		Region: testRegion, AccountID: testAccount, Clock: b.clock, Faults: b.faults, Guard: b.guard, Roles: b.roles, Network: network,
	})
	config := aws.Config{
		Region: testRegion, HTTPClient: awshttp.New(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	b.ec2 = sdkec2.NewFromConfig(config, func(o *sdkec2.Options) { o.BaseEndpoint = serve(t, httptest.NewServer(network)) })
	b.eks = eks.NewFromConfig(config, func(o *eks.Options) { o.BaseEndpoint = serve(t, httptest.NewServer(b.service)) })
	b.network()
	return b
}

func serve(t *testing.T, s *httptest.Server) *string {
	t.Cleanup(s.Close)
	return &s.URL
}

func (b *bench) network() {
	v, err := b.ec2.CreateVpc(b.Context(), &sdkec2.CreateVpcInput{CidrBlock: aws.String("10.16.0.0/20")})
	b.ok(err)
	b.vpc = *v.Vpc.VpcId
	subnet := func(block, zone string) string {
		s, err := b.ec2.CreateSubnet(b.Context(), &sdkec2.CreateSubnetInput{
			VpcId: &b.vpc, CidrBlock: &block,
			AvailabilityZone: aws.String(testRegion + zone),
		})
		b.ok(err)
		return *s.Subnet.SubnetId
	}
	b.subnets, b.public = []string{subnet("10.16.0.0/22", "a"), subnet("10.16.4.0/22", "b")}, subnet("10.16.12.0/25", "a")
	t, err := b.ec2.CreateRouteTable(b.Context(), &sdkec2.CreateRouteTableInput{VpcId: &b.vpc})
	b.ok(err)
	b.table = *t.RouteTable.RouteTableId
	for _, s := range b.subnets {
		_, err := b.ec2.AssociateRouteTable(b.Context(), &sdkec2.AssociateRouteTableInput{RouteTableId: &b.table, SubnetId: &s})
		b.ok(err)
	}
}

// leadOut gives the private subnets a NAT gateway. It is available some minutes later.
func (b *bench) leadOut() {
	b.Helper()
	g, err := b.ec2.CreateInternetGateway(b.Context(), &sdkec2.CreateInternetGatewayInput{})
	b.ok(err)
	_, err = b.ec2.AttachInternetGateway(b.Context(), &sdkec2.AttachInternetGatewayInput{InternetGatewayId: g.InternetGateway.InternetGatewayId, VpcId: &b.vpc})
	b.ok(err)
	a, err := b.ec2.AllocateAddress(b.Context(), &sdkec2.AllocateAddressInput{})
	b.ok(err)
	n, err := b.ec2.CreateNatGateway(b.Context(), &sdkec2.CreateNatGatewayInput{SubnetId: &b.public, AllocationId: a.AllocationId})
	b.ok(err)
	_, err = b.ec2.CreateRoute(b.Context(), &sdkec2.CreateRouteInput{
		RouteTableId: &b.table, DestinationCidrBlock: aws.String("0.0.0.0/0"),
		NatGatewayId: n.NatGateway.NatGatewayId,
	})
	b.ok(err)
}

func (b *bench) clusterInput() *eks.CreateClusterInput {
	return &eks.CreateClusterInput{
		Name: aws.String(staging), RoleArn: aws.String(clusterRole), Version: aws.String("1.36"), BootstrapSelfManagedAddons: aws.Bool(false),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: b.subnets},
		AccessConfig: &types.CreateAccessConfigRequest{
			AuthenticationMode:                      types.AuthenticationModeApi,
			BootstrapClusterCreatorAdminPermissions: aws.Bool(false),
		},
		Tags: map[string]string{"cluster": staging},
	}
}

func (b *bench) cluster() *types.Cluster {
	b.Helper()
	_, err := b.eks.CreateCluster(b.Context(), b.clusterInput())
	b.ok(err)
	b.clock.Advance(clusterTime)
	return b.described()
}

func (b *bench) described() *types.Cluster {
	b.Helper()
	out, err := b.eks.DescribeCluster(b.Context(), &eks.DescribeClusterInput{Name: aws.String(staging)})
	b.ok(err)
	return out.Cluster
}

func (b *bench) nodegroupInput() *eks.CreateNodegroupInput {
	return &eks.CreateNodegroupInput{
		ClusterName: aws.String(staging), NodegroupName: aws.String("nodes"), NodeRole: aws.String(nodeRole), Subnets: b.subnets,
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(2), MaxSize: aws.Int32(5), DesiredSize: aws.Int32(3)},
		Tags:          map[string]string{"cluster": staging},
	}
}

func (b *bench) nodegroup() *types.Nodegroup {
	b.Helper()
	out, err := b.eks.DescribeNodegroup(b.Context(), &eks.DescribeNodegroupInput{
		ClusterName:   aws.String(staging),
		NodegroupName: aws.String("nodes"),
	})
	b.ok(err)
	return out.Nodegroup
}

func (b *bench) addon(name string) *types.Addon {
	b.Helper()
	out, err := b.eks.DescribeAddon(b.Context(), &eks.DescribeAddonInput{ClusterName: aws.String(staging), AddonName: &name})
	b.ok(err)
	return out.Addon
}

// interfaces returns the number of network interfaces in the VPC.
func (b *bench) interfaces() int {
	b.Helper()
	out, err := b.ec2.DescribeNetworkInterfaces(b.Context(), &sdkec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: aws.String("interface-type"), Values: []string{"interface"}}},
	})
	b.ok(err)
	return len(out.NetworkInterfaces)
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) equal(what string, got, want any) {
	b.Helper()
	if got != want {
		b.Errorf("%s is %v, want %v", what, got, want)
	}
}

func (b *bench) list(what string, got []string, want ...string) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s is\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
