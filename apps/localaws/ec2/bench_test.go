package ec2

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

const (
	testRegion  = "eu-west-1"
	testAccount = "111122223333"
	zoneA       = testRegion + "a"
	zoneB       = testRegion + "b"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench is a test with an EC2 service and a client of it.
type bench struct {
	*testing.T
	ec2     *ec2.Client
	service *Service
	clock   *clock.Fake
	faults  *fault.Faults
	guard   *servicetest.Guard
}

func newBench(t *testing.T) *bench {
	b := &bench{T: t, clock: clock.NewFake(start), faults: &fault.Faults{}, guard: &servicetest.Guard{}}
	b.service = New(Options{Region: testRegion, AccountID: testAccount, Clock: b.clock, Faults: b.faults, Guard: b.guard})
	server := httptest.NewServer(b.service)
	t.Cleanup(server.Close)
	b.ec2 = ec2.NewFromConfig(aws.Config{
		Region: testRegion, BaseEndpoint: &server.URL, HTTPClient: awshttp.New(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func tagged(kind types.ResourceType, name string) []types.TagSpecification {
	return []types.TagSpecification{{ResourceType: kind, Tags: []types.Tag{
		{Key: aws.String("Name"), Value: aws.String(name)},
		{Key: aws.String("cluster"), Value: aws.String("staging")},
	}}}
}

func by(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

func (b *bench) vpc() string {
	b.Helper()
	out, err := b.ec2.CreateVpc(b.Context(), &ec2.CreateVpcInput{
		CidrBlock:         aws.String("10.16.0.0/20"),
		TagSpecifications: tagged(types.ResourceTypeVpc, "staging-vpc"),
	})
	b.ok(err)
	return *out.Vpc.VpcId
}

func (b *bench) subnet(vpc, block, zone string) string {
	b.Helper()
	out, err := b.ec2.CreateSubnet(b.Context(), &ec2.CreateSubnetInput{
		VpcId: &vpc, CidrBlock: &block, AvailabilityZone: &zone, TagSpecifications: tagged(types.ResourceTypeSubnet, "staging-"+zone),
	})
	b.ok(err)
	return *out.Subnet.SubnetId
}

func (b *bench) internet(vpc string) string {
	b.Helper()
	out, err := b.ec2.CreateInternetGateway(b.Context(), &ec2.CreateInternetGatewayInput{TagSpecifications: tagged(types.ResourceTypeInternetGateway, "staging-internet")})
	b.ok(err)
	_, err = b.ec2.AttachInternetGateway(b.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: out.InternetGateway.InternetGatewayId, VpcId: &vpc})
	b.ok(err)
	return *out.InternetGateway.InternetGatewayId
}

func (b *bench) address() string {
	b.Helper()
	out, err := b.ec2.AllocateAddress(b.Context(), &ec2.AllocateAddressInput{
		Domain:            types.DomainTypeVpc,
		TagSpecifications: tagged(types.ResourceTypeElasticIp, "staging-nat"),
	})
	b.ok(err)
	return *out.AllocationId
}

func (b *bench) nat(subnet, address string) string {
	b.Helper()
	out, err := b.ec2.CreateNatGateway(b.Context(), &ec2.CreateNatGatewayInput{
		SubnetId: &subnet, AllocationId: &address,
		TagSpecifications: tagged(types.ResourceTypeNatgateway, "staging-nat"),
	})
	b.ok(err)
	return *out.NatGateway.NatGatewayId
}

func (b *bench) natGateway(id string) types.NatGateway {
	b.Helper()
	out, err := b.ec2.DescribeNatGateways(b.Context(), &ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{id}})
	b.ok(err)
	return out.NatGateways[0]
}

func (b *bench) table(vpc string) string {
	b.Helper()
	out, err := b.ec2.CreateRouteTable(b.Context(), &ec2.CreateRouteTableInput{
		VpcId:             &vpc,
		TagSpecifications: tagged(types.ResourceTypeRouteTable, "staging-private"),
	})
	b.ok(err)
	return *out.RouteTable.RouteTableId
}

func (b *bench) routes(table string) (states []string) {
	b.Helper()
	out, err := b.ec2.DescribeRouteTables(b.Context(), &ec2.DescribeRouteTablesInput{RouteTableIds: []string{table}})
	b.ok(err)
	for _, r := range out.RouteTables[0].Routes {
		states = append(states, aws.ToString(r.DestinationCidrBlock)+aws.ToString(r.DestinationPrefixListId)+" "+string(r.State))
	}
	return states
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
		b.Errorf("%s is %s, want %s", what, strings.Join(got, ", "), strings.Join(want, ", "))
	}
}
