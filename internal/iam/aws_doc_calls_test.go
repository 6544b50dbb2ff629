package iam_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// The ARNs on which the provider makes its calls for a spoke called staging.
const (
	anywhere     = "*"
	onZone       = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
	onVPC        = "arn:aws:ec2:eu-west-1:" + spokeAccount + ":vpc/vpc-0123456789abcdef0"
	inEKS        = "arn:aws:eks:eu-west-1:" + spokeAccount + ":"
	onCluster    = inEKS + "cluster/staging"
	onNodegroup  = inEKS + "nodegroup/staging/staging-eks-nodes/0f8fad5b"
	onAddon      = inEKS + "addon/staging/vpc-cni/0f8fad5b"
	onEntry      = inEKS + "access-entry/staging/role/" + spokeAccount + "/hub-staging/0f8fad5b"
	inIAM        = "arn:aws:iam::" + spokeAccount + ":"
	onRole       = inIAM + "role/sales-events/staging-eks-node"
	onIssuer     = inIAM + "oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210"
	onProfile    = inIAM + "instance-profile/eks-0f8fad5b"
	serviceRoles = inIAM + "role/aws-service-role/"
	onBucket     = "arn:aws:s3:::staging-" + spokeAccount + "-sales-events"
	onAlarm      = "arn:aws:cloudwatch:eu-west-1:" + spokeAccount + ":alarm:staging-reliable-q-dead-letters"
	anyAlarm     = "arn:aws:cloudwatch:eu-west-1:" + spokeAccount + ":alarm:*"
	onTopic      = "arn:aws:sns:eu-west-1:" + spokeAccount + ":staging-reliable-q-alarms"
	anyLogs      = "arn:aws:logs:eu-west-1:" + spokeAccount + ":log-group::log-stream:"
	onLogs       = "arn:aws:logs:eu-west-1:" + spokeAccount + ":log-group:/aws/eks/staging/cluster"
	onPodLogs    = "arn:aws:logs:eu-west-1:" + spokeAccount + ":log-group:/aws/containerinsights/staging/application"
	onQueue      = "arn:aws:sqs:eu-west-1:" + spokeAccount + ":staging-reliable-q"
)

// providerSource are the calls of terraform-provider-aws, which provider-aws
// runs, for each kind that the platform activates: to create, read, update, tag
// and delete, and what AWS wants of the caller besides. Those of roles, issuers,
// addresses, security groups and buckets were read in its sources
// (internal/service); those of staging were seen of the provider's own binary, with
// alarms, topics and log groups excepted; the rest was written from AWS's APIs and not
// compared with them. None was tried on AWS.
var providerSource = []struct{ kind, on, actions string }{
	{"vpcs.ec2", anywhere, "CreateVpc DescribeVpcs DescribeVpcAttribute ModifyVpcAttribute DescribeNetworkAcls DescribeRouteTables DescribeSecurityGroups DeleteVpc CreateTags DeleteTags"},
	{"subnets.ec2", anywhere, "CreateSubnet DescribeSubnets ModifySubnetAttribute DescribeNetworkInterfaces DetachNetworkInterface DeleteNetworkInterface DeleteSubnet"},
	{"internetgateways.ec2", anywhere, "CreateInternetGateway AttachInternetGateway DescribeInternetGateways DetachInternetGateway DeleteInternetGateway"},
	{"eips.ec2", anywhere, "AllocateAddress DescribeAddresses DescribeAddressesAttribute DisassociateAddress ReleaseAddress"},
	{"natgateways.ec2", anywhere, "CreateNatGateway DescribeNatGateways DeleteNatGateway"},
	{"routetables.ec2", anywhere, "CreateRouteTable DescribeRouteTables DisassociateRouteTable DeleteRouteTable"},
	{"routetableassociations.ec2", anywhere, "AssociateRouteTable DescribeRouteTables ReplaceRouteTableAssociation DisassociateRouteTable"},
	{"routes.ec2", anywhere, "CreateRoute DescribeRouteTables ReplaceRoute DeleteRoute"},
	{"securitygroups.ec2", anywhere, "CreateSecurityGroup DescribeSecurityGroups AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress RevokeSecurityGroupIngress DescribeNetworkInterfaces DeleteSecurityGroup"},
	{"securitygroupingressrules.ec2", anywhere, "AuthorizeSecurityGroupIngress DescribeSecurityGroupRules ModifySecurityGroupRules RevokeSecurityGroupIngress"},
	{"vpcendpoints.ec2", anywhere, "CreateVpcEndpoint DescribeVpcEndpoints DescribePrefixLists ModifyVpcEndpoint DeleteVpcEndpoints"},
	// Private DNS needs a hosted zone of AWS, which AWS associates with the VPC on the
	// caller's behalf.
	{"vpcendpoints.ec2", onZone, "route53:AssociateVPCWithHostedZone"},
	{"vpcendpoints.ec2", onVPC, "route53:AssociateVPCWithHostedZone"},
	{"vpcendpointroutetableassociations.ec2", anywhere, "ModifyVpcEndpoint DescribeVpcEndpoints"},
	{"vpcendpointsecuritygroupassociations.ec2", anywhere, "ModifyVpcEndpoint DescribeVpcEndpoints"},
	{"vpcendpointsubnetassociations.ec2", anywhere, "ModifyVpcEndpoint DescribeVpcEndpoints"},
	{"flowlogs.ec2", anywhere, "CreateFlowLogs DescribeFlowLogs DeleteFlowLogs logs:CreateLogDelivery logs:DeleteLogDelivery"},
	{"launchtemplates.ec2", anywhere, "CreateLaunchTemplate CreateLaunchTemplateVersion DescribeLaunchTemplates DescribeLaunchTemplateVersions ModifyLaunchTemplate DeleteLaunchTemplate"},

	{"clusters.eks", onCluster, "CreateCluster DescribeCluster UpdateClusterConfig UpdateClusterVersion DescribeUpdate DeleteCluster TagResource UntagResource"},
	{"clusters.eks", onRole, "iam:PassRole iam:GetRole"},
	{"clusters.eks", serviceRoles + "eks.amazonaws.com/AWSServiceRoleForAmazonEKS", "iam:CreateServiceLinkedRole"},
	{"nodegroups.eks", onCluster, "CreateNodegroup"},
	{"nodegroups.eks", onNodegroup, "DescribeNodegroup UpdateNodegroupConfig UpdateNodegroupVersion DescribeUpdate DeleteNodegroup TagResource UntagResource"},
	{"nodegroups.eks", onRole, "iam:PassRole iam:GetRole iam:ListAttachedRolePolicies"},
	{"nodegroups.eks", serviceRoles + "eks-nodegroup.amazonaws.com/AWSServiceRoleForAmazonEKSNodegroup", "iam:CreateServiceLinkedRole"},
	{"nodegroups.eks", anywhere, "ec2:RunInstances ec2:CreateTags ec2:DescribeLaunchTemplateVersions ec2:DescribeSubnets"},
	{"addons.eks", onCluster, "CreateAddon"},
	{"addons.eks", onAddon, "DescribeAddon UpdateAddon DescribeUpdate DeleteAddon TagResource UntagResource"},
	{"accessentries.eks", onCluster, "CreateAccessEntry"},
	{"accessentries.eks", onEntry, "DescribeAccessEntry UpdateAccessEntry DeleteAccessEntry TagResource UntagResource"},
	{"accesspolicyassociations.eks", onEntry, "AssociateAccessPolicy ListAssociatedAccessPolicies DisassociateAccessPolicy"},

	{"roles.iam", onRole, "CreateRole GetRole UpdateAssumeRolePolicy UpdateRoleDescription UpdateRole PutRolePermissionsBoundary TagRole UntagRole ListRolePolicies GetRolePolicy ListAttachedRolePolicies ListInstanceProfilesForRole DetachRolePolicy DeleteRolePolicy DeleteRole"},
	{"roles.iam", onProfile, "RemoveRoleFromInstanceProfile"},
	{"rolepolicies.iam", onRole, "PutRolePolicy GetRolePolicy DeleteRolePolicy"},
	{"rolepolicyattachments.iam", onRole, "AttachRolePolicy ListAttachedRolePolicies DetachRolePolicy"},
	{"openidconnectproviders.iam", onIssuer, "CreateOpenIDConnectProvider GetOpenIDConnectProvider UpdateOpenIDConnectProviderThumbprint AddClientIDToOpenIDConnectProvider RemoveClientIDFromOpenIDConnectProvider TagOpenIDConnectProvider UntagOpenIDConnectProvider DeleteOpenIDConnectProvider"},

	{"buckets.s3", onBucket, "CreateBucket ListBucket GetBucketLocation GetBucketPolicy GetBucketAcl GetBucketCORS GetBucketWebsite GetBucketVersioning GetAccelerateConfiguration GetBucketRequestPayment GetBucketLogging GetLifecycleConfiguration GetReplicationConfiguration GetEncryptionConfiguration GetBucketObjectLockConfiguration GetBucketTagging PutBucketTagging ListTagsForResource TagResource UntagResource DeleteBucket"},
	{"bucketversionings.s3", onBucket, "GetBucketVersioning PutBucketVersioning"},
	{"bucketserversideencryptionconfigurations.s3", onBucket, "GetEncryptionConfiguration PutEncryptionConfiguration"},
	{"bucketpublicaccessblocks.s3", onBucket, "GetBucketPublicAccessBlock PutBucketPublicAccessBlock"},
	{"bucketownershipcontrols.s3", onBucket, "GetBucketOwnershipControls PutBucketOwnershipControls"},
	{"bucketpolicies.s3", onBucket, "GetBucketPolicy PutBucketPolicy DeleteBucketPolicy"},
	{"bucketlifecycleconfigurations.s3", onBucket, "GetLifecycleConfiguration PutLifecycleConfiguration"},

	{"metricalarms.cloudwatch", onAlarm, "PutMetricAlarm DeleteAlarms TagResource UntagResource ListTagsForResource"},
	{"metricalarms.cloudwatch", anyAlarm, "DescribeAlarms"},
	{"groups.cloudwatchlogs", onLogs, "logs:CreateLogGroup logs:PutRetentionPolicy logs:DeleteLogGroup logs:TagResource logs:UntagResource logs:ListTagsForResource"},
	{"groups.cloudwatchlogs", onPodLogs, "logs:CreateLogGroup logs:PutRetentionPolicy logs:DeleteLogGroup logs:TagResource logs:UntagResource logs:ListTagsForResource"},
	{"groups.cloudwatchlogs", anyLogs, "logs:DescribeLogGroups"},
	{"topics.sns", onTopic, "CreateTopic GetTopicAttributes SetTopicAttributes TagResource UntagResource ListTagsForResource DeleteTopic"},
	{"topicsubscriptions.sns", onTopic, "Subscribe GetSubscriptionAttributes SetSubscriptionAttributes ListSubscriptionsByTopic Unsubscribe"},

	{"queues.sqs", onQueue, "CreateQueue GetQueueUrl GetQueueAttributes SetQueueAttributes ListQueueTags TagQueue UntagQueue DeleteQueue"},
}

// dependentActions are what AWS wants of the caller besides, for each call of EC2
// that changes something, as the Service Authorization Reference lists them:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html.
// Read in a mirror of it, github.com/udondan/iam-floyd; newer ones of that mirror
// list none for EC2. What depends on a field that no kind of ours sets is left
// out, such as iam:PassRole for an instance profile in a launch template.
var dependentActions = map[string]string{
	"AllocateAddress":               "ec2:CreateTags",
	"AssociateRouteTable":           "",
	"AttachInternetGateway":         "",
	"AuthorizeSecurityGroupEgress":  "ec2:CreateTags",
	"AuthorizeSecurityGroupIngress": "ec2:CreateTags",
	"CreateFlowLogs":                "ec2:CreateTags",
	"CreateInternetGateway":         "ec2:CreateTags",
	"CreateLaunchTemplate":          "ec2:CreateTags",
	"CreateLaunchTemplateVersion":   "",
	"CreateNatGateway":              "ec2:CreateTags",
	"CreateRoute":                   "",
	"CreateRouteTable":              "ec2:CreateTags",
	"CreateSecurityGroup":           "ec2:CreateTags",
	"CreateSubnet":                  "ec2:CreateTags",
	"CreateTags":                    "",
	"CreateVpc":                     "ec2:CreateTags",
	"CreateVpcEndpoint":             "ec2:CreateTags route53:AssociateVPCWithHostedZone",
	"DeleteFlowLogs":                "",
	"DeleteInternetGateway":         "",
	"DeleteLaunchTemplate":          "",
	"DeleteNatGateway":              "",
	"DeleteNetworkInterface":        "",
	"DeleteRoute":                   "",
	"DeleteRouteTable":              "",
	"DeleteSecurityGroup":           "",
	"DeleteSubnet":                  "",
	"DeleteTags":                    "",
	"DeleteVpc":                     "",
	"DeleteVpcEndpoints":            "",
	"DetachInternetGateway":         "",
	"DetachNetworkInterface":        "",
	"DisassociateAddress":           "",
	"DisassociateRouteTable":        "",
	"ModifyLaunchTemplate":          "",
	"ModifySecurityGroupRules":      "",
	"ModifySubnetAttribute":         "",
	"ModifyVpcAttribute":            "",
	"ModifyVpcEndpoint":             "",
	"ReleaseAddress":                "",
	"ReplaceRoute":                  "",
	"ReplaceRouteTableAssociation":  "",
	"RevokeSecurityGroupEgress":     "",
	"RevokeSecurityGroupIngress":    "",
	"RunInstances":                  "ec2:CreateTags",
}

// providerCalls returns the provider's calls for every activated kind.
func providerCalls(t *testing.T) []call {
	t.Helper()
	data, err := os.ReadFile("../../infrastructure/crossplane/packages/base/activation.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Spec struct{ Activate []string } }
	if err := yaml.Unmarshal(data, &policy); err != nil {
		t.Fatal(err)
	}
	var calls []call
	for _, activated := range policy.Spec.Activate {
		kind, _ := strings.CutSuffix(activated, ".aws.m.upbound.io")
		of := callsFor(kind)
		if len(of) == 0 {
			t.Errorf("%s is activated, and providerSource does not say what the provider calls for it", activated)
		}
		calls = append(calls, of...)
	}
	return calls
}

func callsFor(kind string) []call {
	_, service, _ := strings.Cut(kind, ".")
	var calls []call
	for _, source := range providerSource {
		if source.kind != kind {
			continue
		}
		for _, action := range strings.Fields(source.actions) {
			if !strings.Contains(action, ":") {
				action = service + ":" + action
			}
			calls = append(calls, call{action, source.on})
		}
	}
	return calls
}

// managedPolicies are the actions in AWS's policies for a cluster without Auto Mode, from
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/.
var managedPolicies = map[string]string{
	"AmazonEKSClusterPolicy": "autoscaling:DescribeAutoScalingGroups autoscaling:UpdateAutoScalingGroup ec2:AttachVolume " +
		"ec2:AuthorizeSecurityGroupIngress ec2:CreateRoute ec2:CreateSecurityGroup ec2:CreateTags ec2:CreateVolume ec2:DeleteRoute " +
		"ec2:DeleteSecurityGroup ec2:DeleteVolume ec2:DescribeInstances ec2:DescribeRouteTables ec2:DescribeSecurityGroups " +
		"ec2:DescribeSubnets ec2:DescribeVolumes ec2:DescribeVolumesModifications ec2:DescribeVpcs ec2:DescribeDhcpOptions " +
		"ec2:DescribeNetworkInterfaces ec2:DescribeAvailabilityZones ec2:DetachVolume ec2:ModifyInstanceAttribute ec2:ModifyVolume " +
		"ec2:RevokeSecurityGroupIngress ec2:DescribeAccountAttributes ec2:DescribeAddresses ec2:DescribeInternetGateways " +
		"ec2:DescribeInstanceTopology elasticloadbalancing:AddTags elasticloadbalancing:CreateLoadBalancer " +
		"elasticloadbalancing:DeleteLoadBalancer elasticloadbalancing:DescribeLoadBalancers kms:DescribeKey",
	"AmazonEKSWorkerNodePolicy": "ec2:DescribeInstances ec2:DescribeInstanceTypes ec2:DescribeRouteTables ec2:DescribeSecurityGroups " +
		"ec2:DescribeSubnets ec2:DescribeVolumes ec2:DescribeVolumesModifications ec2:DescribeVpcs eks:DescribeCluster " +
		"eks-auth:AssumeRoleForPodIdentity",
	"AmazonEC2ContainerRegistryPullOnly": "ecr:GetAuthorizationToken ecr:BatchGetImage ecr:GetDownloadUrlForLayer ecr:BatchImportUpstreamImage",
	"AmazonEKS_CNI_Policy": "ec2:AssignPrivateIpAddresses ec2:AttachNetworkInterface ec2:CreateNetworkInterface " +
		"ec2:DeleteNetworkInterface ec2:DescribeInstances ec2:DescribeTags ec2:DescribeNetworkInterfaces ec2:DescribeInstanceTypes " +
		"ec2:DescribeSubnets ec2:DetachNetworkInterface ec2:ModifyNetworkInterfaceAttribute ec2:UnassignPrivateIpAddresses ec2:CreateTags",
	"AmazonSSMManagedInstanceCore": "ssm:DescribeAssociation ssm:GetDeployablePatchSnapshotForInstance ssm:GetDocument ssm:DescribeDocument " +
		"ssm:GetManifest ssm:GetParameter ssm:GetParameters ssm:ListAssociations ssm:ListInstanceAssociations ssm:PutInventory " +
		"ssm:PutComplianceItems ssm:PutConfigurePackageResult ssm:UpdateAssociationStatus ssm:UpdateInstanceAssociationStatus " +
		"ssm:UpdateInstanceInformation ssmmessages:CreateControlChannel ssmmessages:CreateDataChannel ssmmessages:OpenControlChannel " +
		"ssmmessages:OpenDataChannel ec2messages:AcknowledgeMessage ec2messages:DeleteMessage ec2messages:FailMessage " +
		"ec2messages:GetEndpoint ec2messages:GetMessages ec2messages:SendReply",
}

// composedCalls returns the calls of all composed roles: those of the workloads' code,
// and those that the policies of a cluster's roles allow.
func composedCalls(t *testing.T) []call {
	t.Helper()
	calls := []call{
		{"eks:DescribeCluster", onCluster}, // the administrator's
		{"logs:CreateLogStream", onPodLogs + ":log-stream:pod"},
		{"logs:DescribeLogStreams", onPodLogs + ":log-stream:"},
		{"logs:PutLogEvents", onPodLogs + ":log-stream:pod"},
		{"cloudwatch:PutMetricData", anywhere},
	}
	for _, role := range composedRoles {
		for _, c := range role.calls {
			resource := strings.NewReplacer("111122223333", spokeAccount, "production-", "staging-", "eu-central-1", "eu-west-1").Replace(c.resource)
			calls = append(calls, call{c.action, resource})
		}
	}
	for _, policy := range attachedPolicies(t, "minimal.yaml") {
		actions, found := managedPolicies[policy]
		if !found {
			t.Errorf("EKSCluster attaches %s, and managedPolicies does not say what it allows", policy)
		}
		for _, action := range strings.Fields(actions) {
			on := anywhere
			switch {
			case strings.HasPrefix(action, "eks"):
				on = onCluster
			case strings.HasPrefix(action, "ssm:GetParameter"):
				on = "arn:aws:ssm:eu-west-1::parameter/aws/service/eks/optimized-ami" // the only one that is needed
			}
			calls = append(calls, call{action, on})
		}
	}
	return calls
}

// attachedPolicies returns AWS's policies that an example's cluster roles have.
func attachedPolicies(t *testing.T, example string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "crossplane", "testdata", "golden", "eksclusters", example))
	if err != nil {
		t.Fatal(err)
	}
	var policies []string
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(&object.Object); err != nil {
			break
		}
		if object.GetKind() == "RolePolicyAttachment" {
			arn, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", "policyArn")
			policies = append(policies, strings.TrimPrefix(arn, "arn:aws:iam::aws:policy/"))
		}
	}
	if len(policies) == 0 {
		t.Fatal("the example of EKSCluster attaches no policy")
	}
	return policies
}
