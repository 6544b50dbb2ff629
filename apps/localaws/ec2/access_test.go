package ec2

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// post sends a request with the body form to the service and returns the answer.
func (s *Service) post(form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// A caller without permissions gets no answer but the refusal, whatever the action.
func TestEveryActionAsks(t *testing.T) {
	b := newBench(t)
	b.vpc()
	b.guard.Denies = "*"
	before := slices.Clone(b.service.order)
	for _, action := range slices.Sorted(maps.Keys(actions)) {
		w := b.service.post("Action=" + action + "&Version=" + Version)
		body := w.Body.String()
		if w.Code != http.StatusForbidden || !strings.Contains(body, "<Code>UnauthorizedOperation</Code>") || !strings.Contains(body,
			"not authorized to perform: ec2:"+action) {
			t.Errorf("%s: %d %s", action, w.Code, body)
		}
	}
	if !slices.Equal(before, b.service.order) {
		t.Error("a denied call had an effect")
	}
}

// asked returns the checks that the guard got, without the common prefix of the ARNs.
func (b *bench) asked(keys ...string) []string {
	list := b.guard.Asked(keys...)
	for i, text := range list {
		list[i] = strings.Replace(text, " arn:aws:ec2:eu-west-1:111122223333:", " ", 1)
	}
	return list
}

// Calls ask for permission on each resource, with its tags, and for what AWS does in the
// caller's name.
func TestWhatCallsAsk(t *testing.T) {
	b := newBench(t)
	vpc := b.vpc()
	b.list("CreateVpc", b.asked("aws:RequestedRegion", "aws:RequestTag/cluster", "ec2:CreateAction"),
		"ec2:CreateVpc vpc/* aws:RequestedRegion=eu-west-1 aws:RequestTag/cluster=staging",
		"ec2:CreateTags vpc/* aws:RequestedRegion=eu-west-1 aws:RequestTag/cluster=staging ec2:CreateAction=CreateVpc")
	subnet := b.subnet(vpc, "10.16.12.0/25", zoneA)
	b.list("CreateSubnet", b.asked("aws:ResourceTag/cluster", "ec2:AvailabilityZone", "ec2:Vpc"),
		"ec2:CreateSubnet subnet/* ec2:AvailabilityZone=eu-west-1a ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/"+vpc,
		"ec2:CreateTags subnet/* ec2:AvailabilityZone=eu-west-1a ec2:Vpc=arn:aws:ec2:eu-west-1:111122223333:vpc/"+vpc,
		"ec2:CreateSubnet vpc/"+vpc+" aws:ResourceTag/cluster=staging")
	address := b.address()
	b.guard.Since()
	nat := b.nat(subnet, address)
	b.list("CreateNatGateway", b.asked("aws:ResourceTag/cluster", "ec2:AllocationId"),
		"ec2:CreateNatGateway natgateway/*", "ec2:CreateTags natgateway/*",
		"ec2:CreateNatGateway subnet/"+subnet+" aws:ResourceTag/cluster=staging",
		"ec2:CreateNatGateway elastic-ip/"+address+" aws:ResourceTag/cluster=staging ec2:AllocationId="+address)
	b.natGateway(nat)
	b.list("DescribeNatGateways", b.asked("aws:RequestedRegion"), "ec2:DescribeNatGateways * aws:RequestedRegion=eu-west-1")
	_, err := b.ec2.DeleteSubnet(t.Context(), &ec2.DeleteSubnetInput{SubnetId: aws.String("subnet-0123456789abcdef0")})
	servicetest.Code(b, err, "InvalidSubnetID.NotFound")
	b.list("DeleteSubnet", b.asked("aws:ResourceTag/cluster"), "ec2:DeleteSubnet subnet/subnet-0123456789abcdef0")

	_, err = b.ec2.ModifyVpcAttribute(t.Context(), &ec2.ModifyVpcAttributeInput{
		VpcId:              &vpc,
		EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)},
	})
	b.ok(err)
	b.guard.Since()
	endpoint := &ec2.CreateVpcEndpointInput{
		VpcId: &vpc, ServiceName: aws.String("com.amazonaws.eu-west-1.sqs"),
		VpcEndpointType: types.VpcEndpointTypeInterface, PrivateDnsEnabled: aws.Bool(true),
	}
	b.guard.Denies = "route53:AssociateVPCWithHostedZone"
	_, err = b.ec2.CreateVpcEndpoint(t.Context(), endpoint)
	servicetest.Code(b, err, "UnauthorizedOperation")
	b.equal("endpoints", len(all[*vpcEndpoint](b.service)), 0)
	b.guard.Denies = ""
	b.guard.Since()
	_, err = b.ec2.CreateVpcEndpoint(t.Context(), endpoint)
	b.ok(err)
	b.list("CreateVpcEndpoint", b.asked("ec2:VpceServiceName", "route53:VPCs"),
		"ec2:CreateVpcEndpoint vpc-endpoint/* ec2:VpceServiceName=com.amazonaws.eu-west-1.sqs", "ec2:CreateVpcEndpoint vpc/"+vpc,
		"route53:AssociateVPCWithHostedZone arn:aws:route53:::hostedzone/"+zoneOfAWS+" route53:VPCs=VPCId="+vpc+",VPCRegion=eu-west-1",
		"route53:AssociateVPCWithHostedZone vpc/"+vpc+" route53:VPCs=VPCId="+vpc+",VPCRegion=eu-west-1")
}

type vpcEndpoint = endpoint // in the test above a variable has the name endpoint

func TestDryRun(t *testing.T) {
	b := newBench(t)
	_, err := b.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16"), DryRun: aws.Bool(true)})
	servicetest.Code(b, err, "DryRunOperation")
	b.equal("resources", len(b.service.resources), 0)
}

func TestInjectedErrors(t *testing.T) {
	b := newBench(t)
	b.faults.Set(0, fault.Fault{Action: "ec2:DescribeVpcs", Times: 1, Code: "RequestLimitExceeded"}, fault.Fault{
		Action: "ec2:CreateVpc",
		Times:  1, Code: "UnauthorizedOperation", Late: true,
	})
	w := b.service.post("Action=DescribeVpcs&Version=" + Version)
	b.equal("status", w.Code, http.StatusServiceUnavailable)
	_, err := b.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	servicetest.Code(b, err, "UnauthorizedOperation")
	b.equal("VPCs after a late error", len(all[*vpc](b.service)), 1)
}

func TestNonsense(t *testing.T) {
	b := newBench(t)
	for form, code := range map[string]string{
		"":                                     "MissingAction",
		"Action=RunInstances":                  "InvalidAction",
		"Action=DescribeVpcs&Version=1999":     "InvalidAction",
		"Action=DescribeVpcs&Colour=red":       "UnknownParameter",
		"Action=CreateVpc&DryRun=maybe":        "InvalidParameterValue",
		"Action=DeleteVpc&VpcId=x":             "InvalidVpcID.Malformed",
		"Action=DeleteVpc":                     "MissingParameter",
		"Action=DescribeVpcs&Filter.1.Name=x":  "InvalidParameterValue",
		"Action=CreateTags&ResourceId.1=x-1":   "InvalidID",
		"Action=DescribeVpcs&MaxResults=10001": "InvalidParameterValue",
	} {
		w := b.service.post(form)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "<Response><Errors><Error><Code>"+code+"</Code>") {
			t.Errorf("%q: %d %s, want %s", form, w.Code, w.Body, code)
		}
	}
}
