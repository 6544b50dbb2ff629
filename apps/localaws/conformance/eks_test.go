package conformance

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

const trustEKS = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// costs skips a case that costs money on AWS, unless such cases were requested.
func (c *check) costs() {
	c.Helper()
	if *endpoint == "aws" && !*costly {
		c.Skip("it costs money: run it with -costly")
	}
}

// minutes gives the case n minutes on AWS. The local AWS is faster and keeps the usual
// timeout.
func (c *check) minutes(n int) {
	c.Helper()
	if *endpoint == "aws" {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Duration(n)*time.Minute)
		c.Cleanup(cancel)
		c.ctx = ctx
	}
}

// cluster creates a cluster and waits until it is active. It has two private subnets
// without a route to the internet, and a role for its nodes.
func (c *check) cluster() (name, nodeRole *string, subnets []string) {
	c.Helper()
	c.costs()
	c.minutes(60)
	vpc := c.vpc()
	subnets = []string{*c.subnet(vpc, "10.16.0.0/24", "a"), *c.subnet(vpc, "10.16.1.0/24", "b")}
	name, nodeRole = aws.String(newName()), c.role(trustEC2).Arn
	role := c.role(trustEKS)
	_, err := c.iam.AttachRolePolicy(c.ctx, &iam.AttachRolePolicyInput{RoleName: role.RoleName, PolicyArn: aws.String(clusterARN)})
	c.ok(err)
	in := &eks.CreateClusterInput{
		Name: name, RoleArn: role.Arn, ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: subnets}, BootstrapSelfManagedAddons: aws.Bool(false),
		AccessConfig: &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi},
	}
	c.eventually("", func() string { // until IAM has propagated the role
		_, err := c.eks.CreateCluster(c.ctx, in)
		if err != nil {
			return err.Error()
		}
		return ""
	})
	c.Cleanup(func() { c.endCluster(name) })
	c.waits(string(types.ClusterStatusActive), func() string {
		out, err := c.eks.DescribeCluster(c.ctx, &eks.DescribeClusterInput{Name: name})
		c.ok(err)
		return string(out.Cluster.Status)
	})
	return name, nodeRole, subnets
}

func (c *check) endCluster(name *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 30*time.Minute)
	defer cancel()
	var gone *types.ResourceNotFoundException
	for ctx.Err() == nil {
		_, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: name})
		if errors.As(err, &gone) {
			return
		}
		_, _ = c.eks.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: name})
		time.Sleep(patience() / 50)
	}
}

// waits is eventually for states that take minutes on AWS.
func (c *check) waits(want string, get func() string) {
	c.Helper()
	got := ""
	for c.ctx.Err() == nil {
		if got = get(); got == want {
			return
		}
		time.Sleep(patience() / 50)
	}
	c.Fatalf("got %s, want %s", got, want)
}

var eksCases = []conformanceCase{
	{"DescribeCluster", "a cluster that does not exist is not found", func(c *check) {
		_, err := c.eks.DescribeCluster(c.ctx, &eks.DescribeClusterInput{Name: aws.String(newName())})
		c.code(err, "ResourceNotFoundException")
	}},
	{"CreateCluster", "requires subnets in two zones", func(c *check) {
		subnet := c.subnet(c.vpc(), "10.16.0.0/24", "a")
		_, err := c.eks.CreateCluster(c.ctx, &eks.CreateClusterInput{
			Name: aws.String(newName()), RoleArn: c.role(trustEKS).Arn, ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{*subnet}},
		})
		c.code(err, "InvalidParameterException")
	}},
	{"CreateCluster", "a cluster becomes ACTIVE with an endpoint, an issuer and a security group; a second one with its name is refused", func(c *check) {
		name, nodeRole, subnets := c.cluster()
		out, err := c.eks.DescribeCluster(c.ctx, &eks.DescribeClusterInput{Name: name})
		c.ok(err)
		k := out.Cluster
		if !strings.HasPrefix(*k.Identity.Oidc.Issuer, "https://") || !strings.HasPrefix(*k.Endpoint, "https://") || !strings.HasPrefix(*k.ResourcesVpcConfig.ClusterSecurityGroupId, "sg-") {
			c.Errorf("issuer %s, endpoint %s, group %s", *k.Identity.Oidc.Issuer, *k.Endpoint, *k.ResourcesVpcConfig.ClusterSecurityGroupId)
		}
		_, err = c.eks.CreateCluster(c.ctx, &eks.CreateClusterInput{Name: name, RoleArn: nodeRole, ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: subnets}})
		c.code(err, "ResourceInUseException")
	}},
	{"CreateNodegroup", "a group fails in subnets without a route to AWS; the cluster is not deleted before it", func(c *check) {
		name, nodeRole, subnets := c.cluster()
		group := aws.String("nodes")
		_, err := c.eks.CreateNodegroup(c.ctx, &eks.CreateNodegroupInput{
			ClusterName: name, NodegroupName: group, NodeRole: nodeRole, Subnets: subnets, InstanceTypes: []string{"t3.small"},
			ScalingConfig: &types.NodegroupScalingConfig{MinSize: aws.Int32(1), MaxSize: aws.Int32(1), DesiredSize: aws.Int32(1)},
		})
		c.ok(err)
		_, err = c.eks.DeleteCluster(c.ctx, &eks.DeleteClusterInput{Name: name})
		c.code(err, "ResourceInUseException")
		c.waits("CREATE_FAILED NodeCreationFailure", func() string {
			out, err := c.eks.DescribeNodegroup(c.ctx, &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: group})
			c.ok(err)
			code := ""
			if issues := out.Nodegroup.Health.Issues; len(issues) > 0 {
				code = string(issues[0].Code)
			}
			return string(out.Nodegroup.Status) + " " + code
		})
		_, err = c.eks.DeleteNodegroup(c.ctx, &eks.DeleteNodegroupInput{ClusterName: name, NodegroupName: group})
		c.ok(err)
		c.waits("ResourceNotFoundException", func() string {
			_, err := c.eks.DescribeNodegroup(c.ctx, &eks.DescribeNodegroupInput{ClusterName: name, NodegroupName: group})
			return codeOf(err)
		})
	}},
	{"CreateAddon", "without nodes a DaemonSet is ACTIVE and a Deployment is DEGRADED", func(c *check) {
		name, _, _ := c.cluster()
		for addon, status := range map[string]types.AddonStatus{"kube-proxy": types.AddonStatusActive, "coredns": types.AddonStatusDegraded} {
			_, err := c.eks.CreateAddon(c.ctx, &eks.CreateAddonInput{ClusterName: name, AddonName: &addon})
			c.ok(err)
			c.waits(string(status), func() string {
				out, err := c.eks.DescribeAddon(c.ctx, &eks.DescribeAddonInput{ClusterName: name, AddonName: &addon})
				c.ok(err)
				return string(out.Addon.Status)
			})
		}
	}},
	{"CreateAccessEntry", "a second entry is refused; policies are associated and disassociated", func(c *check) {
		name, nodeRole, _ := c.cluster()
		create := func() error {
			_, err := c.eks.CreateAccessEntry(c.ctx, &eks.CreateAccessEntryInput{ClusterName: name, PrincipalArn: nodeRole, Type: aws.String("STANDARD")})
			return err
		}
		c.ok(create())
		c.code(create(), "ResourceInUseException")
		policy := aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy")
		_, err := c.eks.AssociateAccessPolicy(c.ctx, &eks.AssociateAccessPolicyInput{
			ClusterName: name, PrincipalArn: nodeRole, PolicyArn: policy, AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster},
		})
		c.ok(err)
		list := func() string {
			out, err := c.eks.ListAssociatedAccessPolicies(c.ctx, &eks.ListAssociatedAccessPoliciesInput{ClusterName: name, PrincipalArn: nodeRole})
			c.ok(err)
			if len(out.AssociatedAccessPolicies) == 0 {
				return ""
			}
			return *out.AssociatedAccessPolicies[0].PolicyArn
		}
		c.eventually(*policy, list)
		_, err = c.eks.DisassociateAccessPolicy(c.ctx, &eks.DisassociateAccessPolicyInput{ClusterName: name, PrincipalArn: nodeRole, PolicyArn: policy})
		c.ok(err)
		c.eventually("", list)
		_, err = c.eks.DeleteAccessEntry(c.ctx, &eks.DeleteAccessEntryInput{ClusterName: name, PrincipalArn: nodeRole})
		c.ok(err)
	}},
}
