package iam_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// autoCall is a call that AWS's policies for Auto Mode allow a cluster's role: the
// action, the resource, and the request's context.
type autoCall struct {
	actions, on string
	context     map[string][]string
	// starts reports whether only clusters with Auto Mode need it.
	starts bool
}

// The tags that EKS sets on its own resources, and requires when it creates one.
var (
	asked = map[string][]string{
		"aws:RequestTag/eks:eks-cluster-name": {"staging"}, "aws:RequestTag/eks:kubernetes-node-pool-name": {"general-purpose"},
		"aws:RequestTag/eks:kubernetes-node-class-name": {"default"},
	}
	owned = map[string][]string{"aws:ResourceTag/eks:eks-cluster-name": {"staging"}}
	toEC2 = map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}
)

const (
	inEC2  = "arn:aws:ec2:eu-west-1:" + spokeAccount + ":"
	nodeIs = inIAM + "role/sales-events/staging-eks-node"
)

// autoModePolicies are the calls that AWS's policies for Auto Mode allow, from
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/ as of April 2026: versions
// 6, 1, 6, 2 and 1.
var autoModePolicies = map[string][]autoCall{
	"AmazonEKSComputePolicy": {
		{"ec2:CreateFleet ec2:RunInstances", inEC2 + "placement-group/pg-1", nil, true},
		{"ec2:CreateFleet ec2:RunInstances", inEC2 + "capacity-reservation/cr-1", nil, true},
		{"ec2:CreateFleet ec2:RunInstances", "arn:aws:ec2:eu-west-1::image/ami-1", nil, true},
		{"ec2:CreateFleet ec2:RunInstances", inEC2 + "security-group/sg-1", nil, true},
		{"ec2:CreateFleet ec2:RunInstances", inEC2 + "subnet/subnet-1", nil, true},
		{"ec2:CreateFleet ec2:RunInstances", inEC2 + "launch-template/lt-1", owned, true},
		{"ec2:CreateFleet ec2:RunInstances ec2:CreateLaunchTemplate", inEC2 + "launch-template/*", asked, true},
		{"ec2:CreateFleet", inEC2 + "fleet/*", asked, true},
		{"ec2:RunInstances", inEC2 + "instance/*", asked, true},
		{"ec2:RunInstances", inEC2 + "volume/*", asked, true},
		{"ec2:RunInstances", inEC2 + "network-interface/*", asked, true},
		{"ec2:CreateTags", inEC2 + "instance/*", map[string][]string{"ec2:CreateAction": {"RunInstances"}}, false},
		{"iam:AddRoleToInstanceProfile", inIAM + "instance-profile/eks-eu-west-1-staging-1", nil, true},
		{"iam:PassRole", nodeIs, toEC2, true},
		{"iam:CreateServiceLinkedRole", serviceRoles + "spot.amazonaws.com/AWSServiceRoleForEC2Spot", nil, true},
	},
	"AmazonEKSBlockStoragePolicy": {
		{"ec2:AttachVolume ec2:DetachVolume ec2:ModifyVolume", inEC2 + "volume/vol-1", owned, false},
		{"ec2:EnableFastSnapshotRestores", inEC2 + "snapshot/snap-1", owned, true},
		{"ec2:CreateVolume", inEC2 + "volume/*", asked, false},
		{"ec2:CreateSnapshot", inEC2 + "volume/vol-1", nil, true},
		{"ec2:CreateSnapshot", inEC2 + "snapshot/*", asked, true},
	},
	"AmazonEKSLoadBalancingPolicy": {
		{"elasticloadbalancing:CreateLoadBalancer elasticloadbalancing:CreateTargetGroup elasticloadbalancing:CreateListener " +
			"elasticloadbalancing:CreateRule ec2:CreateSecurityGroup", anywhere, asked, false},
		{"elasticloadbalancing:RegisterTargets elasticloadbalancing:AddTags elasticloadbalancing:SetWebAcl " +
			"elasticloadbalancing:DescribeTargetGroups", anywhere, nil, false},
		{"elasticloadbalancing:ModifyLoadBalancerAttributes elasticloadbalancing:SetIpAddressType elasticloadbalancing:SetSecurityGroups " +
			"elasticloadbalancing:SetSubnets elasticloadbalancing:ModifyTargetGroup elasticloadbalancing:ModifyTargetGroupAttributes " +
			"elasticloadbalancing:ModifyListener elasticloadbalancing:AddListenerCertificates elasticloadbalancing:ModifyListenerAttributes " +
			"elasticloadbalancing:RemoveListenerCertificates elasticloadbalancing:ModifyRule elasticloadbalancing:ModifyIpPools " +
			"elasticloadbalancing:ModifyCapacityReservation", anywhere, owned, false},
		{"ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupIngress", inEC2 + "security-group/sg-1", owned, false},
		{"ec2:DescribeAccountAttributes ec2:DescribeAddresses ec2:DescribeInternetGateways ec2:DescribeSecurityGroups ec2:DescribeSubnets " +
			"ec2:DescribeVpcs ec2:DescribeVpcClassicLink ec2:DescribeInstances ec2:DescribeNetworkInterfaces ec2:DescribeClassicLinkInstances " +
			"ec2:DescribeRouteTables ec2:DescribeCoipPools ec2:DescribeVpcPeeringConnections", anywhere, nil, false},
		{"ec2:GetCoipPoolUsage ec2:GetSecurityGroupsForVpc acm:ListCertificates acm:DescribeCertificate cognito-idp:DescribeUserPoolClient " +
			"wafv2:GetWebACL wafv2:GetWebACLForResource wafv2:AssociateWebACL wafv2:DisassociateWebACL shield:CreateProtection " +
			"shield:DeleteProtection shield:TagResource", anywhere, nil, true},
		{"iam:CreateServiceLinkedRole", serviceRoles + "elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing", nil, true},
	},
	"AmazonEKSNetworkingPolicy": {
		{"ec2:CreateNetworkInterface", inEC2 + "network-interface/*", asked, false},
		{"ec2:CreateNetworkInterface", inEC2 + "subnet/subnet-1", nil, false},
		{"ec2:AttachNetworkInterface ec2:DetachNetworkInterface ec2:UnassignPrivateIpAddresses ec2:AssignPrivateIpAddresses " +
			"ec2:ModifyNetworkInterfaceAttribute", inEC2 + "network-interface/eni-1", owned, false},
		{"ec2:AssignIpv6Addresses ec2:UnassignIpv6Addresses", inEC2 + "network-interface/eni-1", owned, true},
	},
	"AmazonEKSWorkerNodeMinimalPolicy": {{"eks-auth:AssumeRoleForPodIdentity", onCluster, nil, false}},
}

// checkAutoMode: the boundary for Auto Mode extends the other one. It lets a cluster's
// role start instances of its own cluster, with its nodes' role, and no others.
func checkAutoMode(t *testing.T, plain, autoMode *iam.Policy) {
	t.Helper()
	checkSameBut(t, "AutoMode")
	checkBoundary(t, autoMode)
	attached := attachedPolicies(t, "auto.yaml")
	for name := range autoModePolicies {
		if !slices.Contains(attached, name) {
			t.Errorf("a cluster in Auto Mode does not have %s: take it out of autoModePolicies", name)
		}
	}
	for _, name := range attached {
		calls, found := autoModePolicies[name]
		if _, known := managedPolicies[name]; !found && !known {
			t.Errorf("a cluster in Auto Mode has %s, and autoModePolicies does not say what it allows", name)
		}
		for _, c := range calls {
			for _, action := range strings.Fields(c.actions) {
				request := iam.Request{Action: action, Resource: c.on, Context: c.context}
				if got := (iam.Policies{Identity: []*iam.Policy{autoMode}}).Evaluate(request); !got.Allowed() {
					t.Errorf("%s: the boundary takes %s on %s: %s", name, action, c.on, got.Reason)
				}
				if got := (iam.Policies{Identity: []*iam.Policy{plain}}).Evaluate(request); got.Allowed() == c.starts {
					t.Errorf("%s: the boundary without Auto Mode allows %s on %s: %t", name, action, c.on, got.Allowed())
				}
			}
		}
	}
	checkOthersNodes(t, autoMode)
}

// checkOthersNodes: no role within the boundary starts instances of another cluster.
func checkOthersNodes(t *testing.T, boundary *iam.Policy) {
	t.Helper()
	everything := parseDocument(t, "everything", iam.IdentityPolicy, `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`)
	other := map[string][]string{"aws:RequestTag/eks:eks-cluster-name": {"production"}, "aws:ResourceTag/eks:eks-cluster-name": {"production"}}
	toLambda := map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}
	for _, c := range []autoCall{
		{actions: "ec2:RunInstances ec2:CreateFleet", on: inEC2 + "instance/*"},
		{actions: "ec2:RunInstances ec2:CreateFleet", on: inEC2 + "instance/*", context: other},
		{actions: "ec2:RunInstances ec2:CreateFleet", on: inEC2 + "launch-template/lt-1", context: other},
		{actions: "ec2:CreateLaunchTemplate", on: inEC2 + "launch-template/*"},
		{actions: "ec2:CreateSnapshot", on: inEC2 + "snapshot/*", context: other},
		{actions: "iam:PassRole", on: inIAM + "role/sales-events/production-eks-node", context: toEC2},
		{actions: "iam:PassRole", on: inIAM + "role/sales-events/staging-eks-admin", context: toEC2},
		{actions: "iam:PassRole", on: inIAM + "role/staging-admin", context: toEC2},
		{actions: "iam:PassRole", on: nodeIs, context: toLambda},
		{actions: "iam:PassRole", on: nodeIs},
		{actions: "iam:AddRoleToInstanceProfile", on: inIAM + "instance-profile/admin"},
		{actions: "iam:CreateServiceLinkedRole", on: serviceRoles + "organizations.amazonaws.com/AWSServiceRoleForOrganizations"},
		{actions: "iam:CreateInstanceProfile", on: inIAM + "instance-profile/eks-1"},
		{actions: "ec2:TerminateInstances", on: inEC2 + "instance/i-1", context: owned},
	} {
		for _, action := range strings.Fields(c.actions) {
			got := iam.Policies{Identity: []*iam.Policy{everything}, Boundary: boundary}.
				Evaluate(iam.Request{Action: action, Resource: c.on, Context: maps.Clone(c.context)})
			if got.Allowed() {
				t.Errorf("a role within the boundary of Auto Mode may %s on %s with %v: %s", action, c.on, c.context, got.Reason)
			}
		}
	}
}

// checkSameBut: the boundary for Auto Mode is the other one plus statements whose Sid
// begins with a prefix.
func checkSameBut(t *testing.T, prefix string) {
	t.Helper()
	text := func(file string) string {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(awsDoc), "aws", file))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	common, _, more := strings.Cut(text("boundary-auto-mode.json"), ",\n  {\"Sid\": \""+prefix)
	if !more || common+"\n]}\n" != text("boundary.json") {
		t.Errorf("boundary-auto-mode.json is not boundary.json with statements called %s…", prefix)
	}
}
