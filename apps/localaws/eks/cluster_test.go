package eks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkec2 "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// A cluster is active after some minutes. Then it has its endpoint and its issuer.
func TestCluster(t *testing.T) {
	b := newBench(t)
	created, err := b.eks.CreateCluster(t.Context(), b.clusterInput())
	b.ok(err)
	b.equal("status", created.Cluster.Status, types.ClusterStatusCreating)
	b.equal("VPC", *created.Cluster.ResourcesVpcConfig.VpcId, b.vpc)
	b.clock.Advance(clusterTime - time.Second)
	if c := b.described(); c.Status != types.ClusterStatusCreating || c.Endpoint != nil || c.Identity != nil {
		t.Errorf("before its time: %s, endpoint %v, identity %v", c.Status, c.Endpoint, c.Identity)
	}
	b.clock.Advance(time.Second)
	c := b.described()
	b.equal("status", c.Status, types.ClusterStatusActive)
	b.equal("ARN", *c.Arn, "arn:aws:eks:eu-west-1:111122223333:cluster/staging")
	b.equal("time", c.CreatedAt.UTC(), start)
	b.equal("public access", c.ResourcesVpcConfig.EndpointPublicAccess, true)
	b.equal("its ranges", c.ResourcesVpcConfig.PublicAccessCidrs[0], "0.0.0.0/0")
	if !strings.HasPrefix(*c.Identity.Oidc.Issuer, "https://oidc.eks.eu-west-1.amazonaws.com/id/") || !strings.HasSuffix(*c.Endpoint,
		".eks.amazonaws.com") {
		t.Errorf("issuer %s, endpoint %s", *c.Identity.Oidc.Issuer, *c.Endpoint)
	}
	groups, err := b.ec2.DescribeSecurityGroups(t.Context(), &sdkec2.DescribeSecurityGroupsInput{GroupIds: []string{*c.ResourcesVpcConfig.ClusterSecurityGroupId}})
	b.ok(err)
	b.equal("its group's tags", len(groups.SecurityGroups[0].Tags), 3)
	b.equal("interfaces", b.interfaces(), 2)
	_, err = b.eks.CreateCluster(t.Context(), b.clusterInput())
	servicetest.Fails[*types.ResourceInUseException](b, err)
	list, err := b.eks.ListClusters(t.Context(), &eks.ListClustersInput{})
	b.ok(err)
	b.list("clusters", list.Clusters, staging)
}

// A cluster can have an API server that exists already.
func TestServer(t *testing.T) {
	b := newBench(t)
	b.service.Server = Server{Endpoint: "https://127.0.0.1:6443", CertificateAuthority: "PEM", Issuer: "https://issuer"}
	c := b.cluster()
	b.equal("endpoint", *c.Endpoint, "https://127.0.0.1:6443")
	b.equal("certificate", *c.CertificateAuthority.Data, "UEVN")
	b.equal("issuer", *c.Identity.Oidc.Issuer, "https://issuer")
}

func TestClusterRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*bench, *eks.CreateClusterInput)
		want   string
	}{
		"one zone": {
			func(b *bench, in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = b.subnets[:1] },
			"at least two different AZs",
		},
		"no such subnet": {func(_ *bench, in *eks.CreateClusterInput) {
			in.ResourcesVpcConfig.SubnetIds[0] = "subnet-0123456789abcdef0"
		}, "InvalidSubnetID.NotFound"},
		"version": {func(_ *bench, in *eks.CreateClusterInput) { in.Version = aws.String("1.99") }, "unsupported Kubernetes version 1.99"},
		"name":    {func(_ *bench, in *eks.CreateClusterInput) { in.Name = aws.String("a.b") }, "cluster name"},
		"role": {
			func(b *bench, _ *eks.CreateClusterInput) { b.roles[clusterRole] = errors.New("it does not exist") },
			"trusted entity is not correct: it does not exist",
		},
		"half of Auto Mode": {func(_ *bench, in *eks.CreateClusterInput) {
			in.ComputeConfig = &types.ComputeConfigRequest{Enabled: aws.Bool(true)}
		}, "either fully enabled or fully disabled"},
		"what is not simulated": {func(_ *bench, in *eks.CreateClusterInput) {
			in.ZonalShiftConfig = &types.ZonalShiftConfigRequest{Enabled: aws.Bool(true)}
		}, `unknown field "zonalShiftConfig"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			in := b.clusterInput()
			test.change(b, in)
			_, err := b.eks.CreateCluster(t.Context(), in)
			servicetest.Fails[*types.InvalidParameterException](b, err)
			if err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %s", err, test.want)
			}
			b.equal("interfaces", b.interfaces(), 0)
		})
	}
}

func TestAutoMode(t *testing.T) {
	b := newBench(t)
	in := b.clusterInput()
	in.ComputeConfig = &types.ComputeConfigRequest{
		Enabled: aws.Bool(true), NodePools: []string{"general-purpose", "system"},
		NodeRoleArn: aws.String(nodeRole),
	}
	in.StorageConfig = &types.StorageConfigRequest{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(true)}}
	in.KubernetesNetworkConfig = &types.KubernetesNetworkConfigRequest{ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(true)}}
	_, err := b.eks.CreateCluster(t.Context(), in)
	b.ok(err)
	b.clock.Advance(clusterTime)
	c := b.described()
	b.equal("compute", *c.ComputeConfig.Enabled, true)
	b.equal("node role", *c.ComputeConfig.NodeRoleArn, nodeRole)
	b.equal("load balancing", *c.KubernetesNetworkConfig.ElasticLoadBalancing.Enabled, true)
}

// A cluster has one update at a time. A second one is refused until the first ends.
func TestClusterUpdates(t *testing.T) {
	b := newBench(t)
	b.cluster()
	both := &eks.UpdateClusterConfigInput{
		Name: aws.String(staging), DeletionProtection: aws.Bool(true),
		Logging: &types.Logging{ClusterLogging: []types.LogSetup{{Enabled: aws.Bool(true), Types: []types.LogType{types.LogTypeApi}}}},
	}
	_, err := b.eks.UpdateClusterConfig(t.Context(), both)
	servicetest.Fails[*types.InvalidParameterException](b, err)
	out, err := b.eks.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{
		Name:               aws.String(staging),
		DeletionProtection: aws.Bool(true),
	})
	b.ok(err)
	status := func() types.UpdateStatus {
		t.Helper()
		u, err := b.eks.DescribeUpdate(t.Context(), &eks.DescribeUpdateInput{Name: aws.String(staging), UpdateId: out.Update.Id})
		b.ok(err)
		return u.Update.Status
	}
	b.equal("update", status(), types.UpdateStatusInProgress)
	b.equal("status", b.described().Status, types.ClusterStatusUpdating)
	_, err = b.eks.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String(staging), Version: aws.String("1.37")})
	servicetest.Fails[*types.ResourceInUseException](b, err)
	b.clock.Advance(updateTime)
	b.equal("update", status(), types.UpdateStatusSuccessful)
	_, err = b.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String(staging)})
	servicetest.Fails[*types.InvalidRequestException](b, err) // it has deletion protection

	_, err = b.eks.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String(staging), Version: aws.String("1.38")})
	servicetest.Fails[*types.InvalidParameterException](b, err) // a step of two minor versions
	_, err = b.eks.UpdateClusterVersion(t.Context(), &eks.UpdateClusterVersionInput{Name: aws.String(staging), Version: aws.String("1.37")})
	b.ok(err)
	b.clock.Advance(versionTime)
	b.equal("version", *b.described().Version, "1.37")

	_, err = b.eks.UpdateClusterConfig(t.Context(), &eks.UpdateClusterConfigInput{
		Name: aws.String(staging), ResourcesVpcConfig: &types.VpcConfigRequest{
			EndpointPublicAccess:  aws.Bool(false),
			EndpointPrivateAccess: aws.Bool(true),
		},
	})
	b.ok(err)
	c := b.described().ResourcesVpcConfig
	b.equal("access", [2]bool{c.EndpointPublicAccess, c.EndpointPrivateAccess}, [2]bool{false, true})
	b.equal("subnets", len(c.SubnetIds), 2)
}

// A cluster can be deleted only after its node groups. Its other parts are deleted with
// it.
func TestClusterDeletion(t *testing.T) {
	b := newBench(t)
	b.leadOut()
	b.cluster()
	_, err := b.eks.CreateNodegroup(t.Context(), b.nodegroupInput())
	b.ok(err)
	_, err = b.eks.CreateAddon(t.Context(), &eks.CreateAddonInput{ClusterName: aws.String(staging), AddonName: aws.String("kube-proxy")})
	b.ok(err)
	b.clock.Advance(nodegroupTime)
	_, err = b.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String(staging)})
	servicetest.Fails[*types.ResourceInUseException](b, err)
	_, err = b.eks.DeleteNodegroup(t.Context(), &eks.DeleteNodegroupInput{
		ClusterName:   aws.String(staging),
		NodegroupName: aws.String("nodes"),
	})
	b.ok(err)
	b.equal("status", b.nodegroup().Status, types.NodegroupStatusDeleting)
	b.clock.Advance(nodegroupDeleteTime)
	_, err = b.eks.DescribeNodegroup(t.Context(), &eks.DescribeNodegroupInput{
		ClusterName:   aws.String(staging),
		NodegroupName: aws.String("nodes"),
	})
	servicetest.Fails[*types.ResourceNotFoundException](b, err)
	_, err = b.eks.DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String(staging)})
	b.ok(err)
	b.equal("status", b.described().Status, types.ClusterStatusDeleting)
	_, err = b.ec2.DeleteSubnet(t.Context(), &sdkec2.DeleteSubnetInput{SubnetId: &b.subnets[0]})
	servicetest.Code(b, err, "DependencyViolation")
	b.clock.Advance(clusterDeleteTime)
	_, err = b.eks.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String(staging)})
	servicetest.Fails[*types.ResourceNotFoundException](b, err)
	b.equal("interfaces", b.interfaces(), 0)
	_, err = b.ec2.DeleteSubnet(t.Context(), &sdkec2.DeleteSubnetInput{SubnetId: &b.subnets[0]})
	b.ok(err)
	groups, err := b.ec2.DescribeSecurityGroups(t.Context(), &sdkec2.DescribeSecurityGroupsInput{})
	b.ok(err)
	b.equal("security groups", len(groups.SecurityGroups), 1)
}

func TestClusterFails(t *testing.T) {
	b := newBench(t)
	b.faults.Add(fault.Fault{Action: "eks:CreateCluster", Times: 1, Code: "InternalFailure", Fails: true})
	c := b.cluster()
	b.equal("status", c.Status, types.ClusterStatusFailed)
	b.equal("issue", c.Health.Issues[0].Code, types.ClusterIssueCodeInternalFailure)
}
