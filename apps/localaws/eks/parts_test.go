package eks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// Nodes join once their subnets have a route to the internet, even if the route comes
// after the nodes.
func TestNodegroup(t *testing.T) {
	b := newBench(t)
	b.cluster()
	b.clock.Advance(time.Hour)
	_, err := b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	b.ok(err)
	b.equal("interfaces", b.interfaces(), 2+3)
	b.clock.Advance(nodegroupTime)
	b.equal("status", b.nodegroup().Status, types.NodegroupStatusCreating)
	b.leadOut()
	b.equal("status", b.nodegroup().Status, types.NodegroupStatusCreating)
	b.clock.Advance(2 * time.Minute)
	g := b.nodegroup()
	b.equal("status", g.Status, types.NodegroupStatusActive)
	b.equal("version", *g.Version, "1.36")
	b.equal("release", *g.ReleaseVersion, "1.36.0-20260301")
	b.equal("size", *g.ScalingConfig.DesiredSize, int32(3))
	_, err = b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	servicetest.Fails[*types.ResourceInUseException](b, err)
	entry, err := b.eks.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{
		ClusterName:  aws.String(staging),
		PrincipalArn: aws.String(nodeRole),
	})
	b.ok(err)
	b.equal("the nodes' entry", *entry.AccessEntry.Type, nodeType)
}

// A node group's description says that no machine is behind it.
func TestNodegroupSaysThatItIsSimulated(t *testing.T) {
	b := newBench(t)
	b.leadOut()
	b.cluster()
	_, err := b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	b.ok(err)
	b.clock.Advance(nodegroupTime)
	g := b.nodegroup()
	b.equal("tag", g.Tags[simulatedTag], simulated)
	b.equal("health", *g.Health.Issues[0].Message, simulated)
	if name := *g.Resources.AutoScalingGroups[0].Name; !strings.HasPrefix(name, simulatedASG+"nodes-") {
		t.Errorf("Auto Scaling group %s", name)
	}
}

func TestNodegroupFails(t *testing.T) {
	for name, test := range map[string]struct {
		arrange func(*bench)
		after   time.Duration
		code    types.NodegroupIssueCode
		says    string
	}{
		"without a way to AWS": {
			func(*bench) {}, nodegroupFailTime, types.NodegroupIssueCodeNodeCreationFailure,
			"has no route to the internet, and no endpoints for [ec2 ecr.api",
		},
		"by an injected fault": {func(b *bench) {
			b.leadOut()
			b.faults.Add(fault.Fault{Action: "eks:CreateNodegroup", Times: 1, Code: "AsgInstanceLaunchFailures", Fails: true})
		}, nodegroupTime, types.NodegroupIssueCodeAsgInstanceLaunchFailures, "injected"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.cluster()
			test.arrange(b)
			_, err := b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
			b.ok(err)
			b.clock.Advance(test.after - time.Second)
			b.equal("status", b.nodegroup().Status, types.NodegroupStatusCreating)
			b.clock.Advance(time.Second)
			g := b.nodegroup()
			b.equal("status", g.Status, types.NodegroupStatusCreateFailed)
			b.equal("issue", g.Health.Issues[0].Code, test.code)
			if message := *g.Health.Issues[0].Message; !strings.Contains(message, test.says) {
				t.Errorf("message %s, want %s", message, test.says)
			}
		})
	}
}

// A private network without a route to the internet needs endpoints.
func TestNodesBehindEndpoints(t *testing.T) {
	b := newBench(t)
	b.cluster()
	for _, service := range []string{"ec2", "ecr.api", "ecr.dkr", "sts"} {
		_, err := b.ec2.CreateVpcEndpoint(t.Context(), &sdkec2.CreateVpcEndpointInput{
			VpcId: &b.vpc, ServiceName: aws.String("com.amazonaws.eu-west-1." + service), VpcEndpointType: ec2types.VpcEndpointTypeInterface,
			PrivateDnsEnabled: aws.Bool(false), SubnetIds: b.subnets,
		})
		b.ok(err)
	}
	_, err := b.ec2.CreateVpcEndpoint(t.Context(), &sdkec2.CreateVpcEndpointInput{
		VpcId: &b.vpc, ServiceName: aws.String("com.amazonaws.eu-west-1.s3"), RouteTableIds: []string{b.table},
	})
	b.ok(err)
	_, err = b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	b.ok(err)
	b.clock.Advance(nodegroupTime)
	b.equal("status", b.nodegroup().Status, types.NodegroupStatusActive)
}

func TestNodegroupRefused(t *testing.T) {
	b := newBench(t)
	_, err := b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	servicetest.Code(b, err, "ResourceNotFoundException")
	_, err = b.eks.CreateCluster(t.Context(), b.clusterInput())
	b.ok(err)
	_, err = b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	servicetest.Fails[*types.InvalidRequestException](b, err) // the cluster is not active yet
	b.clock.Advance(clusterTime)
	in := b.nodegroupInput()
	in.LaunchTemplate = &types.LaunchTemplateSpecification{Name: aws.String("none")}
	_, err = b.eks.CreateNodegroup(t.Context(), in)
	servicetest.Fails[*types.InvalidParameterException](b, err)
	in = b.nodegroupInput()
	in.ScalingConfig.DesiredSize = aws.Int32(6)
	_, err = b.eks.CreateNodegroup(t.Context(), in)
	servicetest.Fails[*types.InvalidParameterException](b, err)
	b.roles[nodeRole] = errors.New("it trusts eks.amazonaws.com")
	_, err = b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	servicetest.Fails[*types.InvalidParameterException](b, err)
}

func TestNodegroupUpdates(t *testing.T) {
	b := newBench(t)
	b.leadOut()
	b.cluster()
	template, err := b.ec2.CreateLaunchTemplate(t.Context(), &sdkec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("staging-eks-nodes"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{UserData: aws.String("x")},
	})
	b.ok(err)
	in := b.nodegroupInput()
	in.LaunchTemplate = &types.LaunchTemplateSpecification{Name: aws.String("staging-eks-nodes"), Version: aws.String("1")}
	created, err := b.eks.CreateNodegroup(t.Context(), in)
	b.ok(err)
	b.equal("template", *created.Nodegroup.LaunchTemplate.Id, *template.LaunchTemplate.LaunchTemplateId)
	b.clock.Advance(nodegroupTime)
	out, err := b.eks.UpdateNodegroupConfig(t.Context(), &eks.UpdateNodegroupConfigInput{
		ClusterName: aws.String(staging), NodegroupName: aws.String("nodes"),
		ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), DesiredSize: aws.Int32(4)},
		Labels:        &types.UpdateLabelsPayload{AddOrUpdateLabels: map[string]string{"team": "sales"}},
	})
	b.ok(err)
	b.equal("status", b.nodegroup().Status, types.NodegroupStatusUpdating)
	b.equal("interfaces", b.interfaces(), 2+4)
	b.clock.Advance(updateTime)
	u, err := b.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{
		Name: aws.String(staging), NodegroupName: aws.String("nodes"),
		UpdateId: out.Update.Id,
	})
	b.ok(err)
	b.equal("update", u.Update.Status, types.UpdateStatusSuccessful)
	b.equal("largest size", *b.nodegroup().ScalingConfig.MaxSize, int32(5))
	b.equal("label", b.nodegroup().Labels["team"], "sales")
	version := &eks.UpdateNodegroupVersionInput{
		ClusterName: aws.String(staging), NodegroupName: aws.String("nodes"),
		Version: aws.String("1.37"),
	}
	_, err = b.eks.UpdateNodegroupVersion(t.Context(), version)
	servicetest.Fails[*types.InvalidParameterException](b, err) // the cluster must be updated first
	version.Version, version.ReleaseVersion = nil, aws.String("1.36.1-20260801")
	_, err = b.eks.UpdateNodegroupVersion(t.Context(), version)
	b.ok(err)
	b.clock.Advance(versionTime)
	b.equal("release", *b.nodegroup().ReleaseVersion, "1.36.1-20260801")
}

// An add-on that runs a Deployment waits for nodes. One that runs a DaemonSet needs none.
func TestAddons(t *testing.T) {
	b := newBench(t)
	b.leadOut()
	b.cluster()
	create := func(name string) (*eks.CreateAddonOutput, error) {
		return b.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{
			ClusterName: aws.String(staging), AddonName: &name,
			Tags: map[string]string{"cluster": staging},
		})
	}
	for _, name := range []string{"vpc-cni", "coredns"} {
		_, err := create(name)
		b.ok(err)
		b.equal(name, b.addon(name).Status, types.AddonStatusCreating)
	}
	_, err := create("vpc-cni")
	servicetest.Fails[*types.ResourceInUseException](b, err)
	_, err = create("nonesuch")
	servicetest.Fails[*types.InvalidParameterException](b, err)
	b.clock.Advance(addonTime)
	b.equal("vpc-cni", b.addon("vpc-cni").Status, types.AddonStatusActive)
	b.equal("coredns", b.addon("coredns").Status, types.AddonStatusDegraded)
	b.equal("why", b.addon("coredns").Health.Issues[0].Code, types.AddonIssueCodeInsufficientNumberOfReplicas)
	_, err = b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	b.ok(err)
	b.clock.Advance(nodegroupTime)
	b.equal("coredns", b.addon("coredns").Status, types.AddonStatusActive)

	out, err := b.eks.UpdateAddon(t.Context(), &eks.UpdateAddonInput{
		ClusterName: aws.String(staging), AddonName: aws.String("vpc-cni"),
		ConfigurationValues: aws.String(`{"env":{}}`),
	})
	b.ok(err)
	b.equal("vpc-cni", b.addon("vpc-cni").Status, types.AddonStatusUpdating)
	b.clock.Advance(addonTime)
	u, err := b.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{
		Name: aws.String(staging), AddonName: aws.String("vpc-cni"),
		UpdateId: out.Update.Id,
	})
	b.ok(err)
	b.equal("update", u.Update.Status, types.UpdateStatusSuccessful)
	_, err = b.eks.DeleteAddon(t.Context(), &eks.DeleteAddonInput{ClusterName: aws.String(staging), AddonName: aws.String("vpc-cni")})
	b.ok(err)
	b.equal("vpc-cni", b.addon("vpc-cni").Status, types.AddonStatusDeleting)
	b.clock.Advance(addonDeleteTime)
	_, err = b.eks.DescribeAddon(t.Context(), &eks.DescribeAddonInput{ClusterName: aws.String(staging), AddonName: aws.String("vpc-cni")})
	servicetest.Fails[*types.ResourceNotFoundException](b, err)
}

func TestAccessEntries(t *testing.T) {
	b := newBench(t)
	b.cluster()
	in := &eks.CreateAccessEntryInput{
		ClusterName: aws.String(staging), PrincipalArn: aws.String(hubRole), Type: aws.String(standardType),
		Tags: map[string]string{"cluster": staging},
	}
	created, err := b.eks.CreateAccessEntry(t.Context(), in)
	b.ok(err)
	b.equal("user", *created.AccessEntry.Username, "arn:aws:sts::444455556666:assumed-role/hub-kustomize-controller/{{SessionName}}")
	if arn := *created.AccessEntry.AccessEntryArn; !strings.HasPrefix(arn,
		"arn:aws:eks:eu-west-1:111122223333:access-entry/staging/role/444455556666/hub-kustomize-controller/") {
		t.Errorf("ARN %s", arn)
	}
	in.ClientRequestToken = nil // the client set it
	_, err = b.eks.CreateAccessEntry(t.Context(), in)
	servicetest.Fails[*types.ResourceInUseException](b, err)
	in.ClientRequestToken = nil
	in.PrincipalArn = aws.String("hub")
	_, err = b.eks.CreateAccessEntry(t.Context(), in)
	servicetest.Fails[*types.InvalidParameterException](b, err)

	policy := aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy")
	associate := func(scope types.AccessScope) error {
		_, err := b.eks.AssociateAccessPolicy(t.Context(), &eks.AssociateAccessPolicyInput{
			ClusterName:  aws.String(staging),
			PrincipalArn: aws.String(hubRole), PolicyArn: policy, AccessScope: &scope,
		})
		return err
	}
	servicetest.Fails[*types.InvalidParameterException](b, associate(types.AccessScope{Type: types.AccessScopeTypeNamespace}))
	b.ok(associate(types.AccessScope{Type: types.AccessScopeTypeCluster}))
	list := &eks.ListAssociatedAccessPoliciesInput{ClusterName: aws.String(staging), PrincipalArn: aws.String(hubRole)}
	policies, err := b.eks.ListAssociatedAccessPolicies(t.Context(), list)
	b.ok(err)
	b.equal("policy", *policies.AssociatedAccessPolicies[0].PolicyArn, *policy)
	out := &eks.DisassociateAccessPolicyInput{ClusterName: aws.String(staging), PrincipalArn: aws.String(hubRole), PolicyArn: policy}
	_, err = b.eks.DisassociateAccessPolicy(t.Context(), out)
	b.ok(err)
	_, err = b.eks.DisassociateAccessPolicy(t.Context(), out)
	servicetest.Fails[*types.ResourceNotFoundException](b, err)
	_, err = b.eks.DeleteAccessEntry(t.Context(), &eks.DeleteAccessEntryInput{
		ClusterName:  aws.String(staging),
		PrincipalArn: aws.String(hubRole),
	})
	b.ok(err)
	_, err = b.eks.DescribeAccessEntry(t.Context(), &eks.DescribeAccessEntryInput{
		ClusterName:  aws.String(staging),
		PrincipalArn: aws.String(hubRole),
	})
	servicetest.Fails[*types.ResourceNotFoundException](b, err)
}

func TestTags(t *testing.T) {
	b := newBench(t)
	arn := b.cluster().Arn
	_, err := b.eks.TagResource(t.Context(), &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"team": "sales"}})
	b.ok(err)
	_, err = b.eks.UntagResource(t.Context(), &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"cluster"}})
	b.ok(err)
	out, err := b.eks.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: arn})
	b.ok(err)
	b.equal("tags", len(out.Tags), 1)
	b.equal("tag", out.Tags["team"], "sales")
	_, err = b.eks.ListTagsForResource(t.Context(), &eks.ListTagsForResourceInput{ResourceArn: aws.String(*arn + "x")})
	servicetest.Fails[*types.NotFoundException](b, err)
}
