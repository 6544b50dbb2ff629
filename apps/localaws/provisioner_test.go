package localaws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	roles "github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

const (
	spoke        = "staging"
	spokeAccount = "111122223333"
	trusts       = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s"},"Action":"sts:AssumeRole"}]}`
)

// provision makes the provider's calls for a network and a cluster. The caller has the
// provisioner's role of docs/aws, and permissions are enforced.
type provision struct {
	*testing.T
	ec2 *ec2.Client
	eks *eks.Client
	iam *iam.Client

	vpc, internet, address, nat, table, template, group, gateway, endpoint, flowLog, association string
	subnets                                                                                      []string
}

// newProvision returns a provision whose role has its policy without one action, or all
// of it if without is empty.
func newProvision(t *testing.T, without string) *provision {
	t.Helper()
	policy, err := os.ReadFile("../../docs/aws/provisioner.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("${AWS_REGION}", "eu-west-1", "${SPOKE}", spoke, "${SPOKE_ACCOUNT}", spokeAccount,
		"${ISSUER}", "oidc.eks.eu-west-1.amazonaws.com/id/FEDCBA9876543210FEDCBA9876543210").Replace(string(policy))
	if without != "" {
		quoted := `"` + without + `"`
		if !strings.Contains(text, quoted) {
			t.Fatalf("docs/aws/provisioner.json does not allow %s", without)
		}
		text = strings.ReplaceAll(text, quoted, `"none:Nothing"`)
	}
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: spokeAccount, Speed: 1e6, Enforce: true, Keys: []localaws.Key{{ID: "AKIACI", Secret: "ci", User: "ci"}},
		IAM: roles.Config{
			Policies: []roles.ManagedPolicy{{
				Name:     "sales-events-boundary-" + spoke,
				Document: []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`),
			}},
			Roles: []roles.DeclaredRole{{
				Name:     "provisioner",
				Trust:    []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::111122223333:user/ci"}}]}`),
				Policies: map[string]json.RawMessage{"provision": []byte(text)},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	c := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, HTTPClient: awshttp.New(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIACI", "ci", ""),
	}
	c.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(c), "arn:aws:iam::111122223333:role/provisioner"))
	return &provision{T: t, ec2: ec2.NewFromConfig(c), eks: eks.NewFromConfig(c), iam: iam.NewFromConfig(c)}
}

func tags(kind ec2types.ResourceType) []ec2types.TagSpecification {
	return []ec2types.TagSpecification{{ResourceType: kind, Tags: []ec2types.Tag{{Key: aws.String("cluster"), Value: aws.String(spoke)}}}}
}

// first runs steps until one fails.
func first(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *provision) network(ctx context.Context) error {
	vpc, err := p.ec2.CreateVpc(ctx, &ec2.CreateVpcInput{
		CidrBlock:         aws.String("10.16.0.0/20"),
		TagSpecifications: tags(ec2types.ResourceTypeVpc),
	})
	if err != nil {
		return err
	}
	p.vpc = *vpc.Vpc.VpcId
	_, err = p.ec2.ModifyVpcAttribute(ctx, &ec2.ModifyVpcAttributeInput{
		VpcId:              &p.vpc,
		EnableDnsHostnames: &ec2types.AttributeBooleanValue{Value: aws.Bool(true)},
	})
	if err != nil {
		return err
	}
	for block, zone := range map[string]string{"10.16.0.0/22": "eu-west-1a", "10.16.4.0/22": "eu-west-1b"} {
		subnet, err := p.ec2.CreateSubnet(ctx, &ec2.CreateSubnetInput{
			VpcId: &p.vpc, CidrBlock: &block, AvailabilityZone: &zone,
			TagSpecifications: tags(ec2types.ResourceTypeSubnet),
		})
		if err != nil {
			return err
		}
		p.subnets = append(p.subnets, *subnet.Subnet.SubnetId)
	}
	return first(ctx, p.wayOut, p.endpoints, p.clients)
}

func (p *provision) wayOut(ctx context.Context) error {
	internet, err := p.ec2.CreateInternetGateway(ctx, &ec2.CreateInternetGatewayInput{TagSpecifications: tags(ec2types.ResourceTypeInternetGateway)})
	if err != nil {
		return err
	}
	p.internet = *internet.InternetGateway.InternetGatewayId
	if _, err := p.ec2.AttachInternetGateway(ctx, &ec2.AttachInternetGatewayInput{InternetGatewayId: &p.internet, VpcId: &p.vpc}); err != nil {
		return err
	}
	address, err := p.ec2.AllocateAddress(ctx, &ec2.AllocateAddressInput{
		Domain:            ec2types.DomainTypeVpc,
		TagSpecifications: tags(ec2types.ResourceTypeElasticIp),
	})
	if err != nil {
		return err
	}
	p.address = *address.AllocationId
	nat, err := p.ec2.CreateNatGateway(ctx, &ec2.CreateNatGatewayInput{
		SubnetId: &p.subnets[0], AllocationId: &p.address,
		TagSpecifications: tags(ec2types.ResourceTypeNatgateway),
	})
	if err != nil {
		return err
	}
	p.nat = *nat.NatGateway.NatGatewayId
	table, err := p.ec2.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{
		VpcId:             &p.vpc,
		TagSpecifications: tags(ec2types.ResourceTypeRouteTable),
	})
	if err != nil {
		return err
	}
	p.table = *table.RouteTable.RouteTableId
	if _, err := p.ec2.CreateRoute(ctx, &ec2.CreateRouteInput{
		RouteTableId: &p.table, DestinationCidrBlock: aws.String("0.0.0.0/0"),
		NatGatewayId: &p.nat,
	}); err != nil {
		return err
	}
	for _, subnet := range p.subnets {
		out, err := p.ec2.AssociateRouteTable(ctx, &ec2.AssociateRouteTableInput{RouteTableId: &p.table, SubnetId: &subnet})
		if err != nil {
			return err
		}
		p.association = *out.AssociationId
	}
	return nil
}

func (p *provision) endpoints(ctx context.Context) error {
	s3, err := p.ec2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcId: &p.vpc, ServiceName: aws.String("com.amazonaws.eu-west-1.s3"), PrivateDnsEnabled: aws.Bool(false),
		TagSpecifications: tags(ec2types.ResourceTypeVpcEndpoint),
	})
	if err != nil {
		return err
	}
	p.gateway = *s3.VpcEndpoint.VpcEndpointId
	if _, err := p.ec2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{
		VpcEndpointId:    &p.gateway,
		AddRouteTableIds: []string{p.table},
	}); err != nil {
		return err
	}
	sqs, err := p.ec2.CreateVpcEndpoint(ctx, &ec2.CreateVpcEndpointInput{
		VpcId: &p.vpc, ServiceName: aws.String("com.amazonaws.eu-west-1.sqs"), VpcEndpointType: ec2types.VpcEndpointTypeInterface,
		PrivateDnsEnabled: aws.Bool(true),
		TagSpecifications: tags(ec2types.ResourceTypeVpcEndpoint),
	})
	if err != nil {
		return err
	}
	p.endpoint = *sqs.VpcEndpoint.VpcEndpointId
	_, err = p.ec2.ModifyVpcEndpoint(ctx, &ec2.ModifyVpcEndpointInput{VpcEndpointId: &p.endpoint, AddSubnetIds: p.subnets})
	return err
}

// clients creates the security group that may call the endpoint. It also creates the flow
// log and the launch template.
func (p *provision) clients(ctx context.Context) error {
	group, err := p.ec2.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		VpcId: &p.vpc, GroupName: aws.String("staging-sqs-clients"), Description: aws.String("Who may call"),
		TagSpecifications: tags(ec2types.ResourceTypeSecurityGroup),
	})
	if err != nil {
		return err
	}
	p.group = *group.GroupId
	everywhere := []ec2types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []ec2types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}
	if _, err := p.ec2.RevokeSecurityGroupEgress(ctx, &ec2.RevokeSecurityGroupEgressInput{
		GroupId:       &p.group,
		IpPermissions: everywhere,
	}); err != nil {
		return err
	}
	_, err = p.ec2.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &p.group,
		IpPermissions: []ec2types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443),
			IpRanges: []ec2types.IpRange{{CidrIp: aws.String("10.16.0.0/20")}},
		}},
	})
	if err != nil {
		return err
	}
	flows, err := p.ec2.CreateFlowLogs(ctx, &ec2.CreateFlowLogsInput{
		ResourceIds: []string{p.vpc}, ResourceType: ec2types.FlowLogsResourceTypeVpc, TrafficType: ec2types.TrafficTypeAll,
		LogDestinationType: ec2types.LogDestinationTypeS3, LogDestination: aws.String("arn:aws:s3:::logs/staging/"),
		TagSpecifications: tags(ec2types.ResourceTypeVpcFlowLog),
	})
	if err != nil {
		return err
	}
	p.flowLog = flows.FlowLogIds[0]
	template, err := p.ec2.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: aws.String("staging-eks-nodes"), TagSpecifications: tags(ec2types.ResourceTypeLaunchTemplate),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{HttpTokens: "required"}},
	})
	if err != nil {
		return err
	}
	p.template = *template.LaunchTemplate.LaunchTemplateId
	return nil
}

func (p *provision) role(ctx context.Context, name, service string) (string, error) {
	out, err := p.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &name, Path: aws.String("/sales-events/"), AssumeRolePolicyDocument: aws.String(fmt.Sprintf(trusts, service)),
		PermissionsBoundary: aws.String("arn:aws:iam::111122223333:policy/sales-events-boundary-staging"),
	})
	if err != nil {
		return "", err
	}
	return *out.Role.Arn, nil
}

func (p *provision) cluster(ctx context.Context) error {
	clusterRole, err := p.role(ctx, "staging-eks-cluster", "eks.amazonaws.com")
	if err != nil {
		return err
	}
	_, err = p.eks.CreateCluster(ctx, &eks.CreateClusterInput{
		Name: aws.String(spoke), RoleArn: &clusterRole, ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: p.subnets},
		Tags: map[string]string{"cluster": spoke},
		AccessConfig: &ekstypes.CreateAccessConfigRequest{
			AuthenticationMode:                      ekstypes.AuthenticationModeApi,
			BootstrapClusterCreatorAdminPermissions: aws.Bool(false),
		},
	})
	if err != nil {
		return err
	}
	return first(ctx, p.clusterReady, p.nodes, p.inside)
}

func (p *provision) clusterReady(ctx context.Context) error {
	return until(ctx, "ACTIVE", func() (string, error) {
		out, err := p.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(spoke)})
		if err != nil {
			return "", err
		}
		return string(out.Cluster.Status), nil
	})
}

// until waits for a state and returns the error of get or of the context.
func until(ctx context.Context, want string, get func() (string, error)) error {
	for {
		got, err := get()
		if err != nil || got == want {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is %s, want %s: %w", got, want, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *provision) nodes(ctx context.Context) error {
	nodeRole, err := p.role(ctx, "staging-eks-node", "ec2.amazonaws.com")
	if err != nil {
		return err
	}
	_, err = p.eks.CreateNodegroup(ctx, &eks.CreateNodegroupInput{
		ClusterName: aws.String(spoke), NodegroupName: aws.String("nodes"), NodeRole: &nodeRole, Subnets: p.subnets,
		Tags:           map[string]string{"cluster": spoke},
		LaunchTemplate: &ekstypes.LaunchTemplateSpecification{Name: aws.String("staging-eks-nodes"), Version: aws.String("1")},
	})
	if err != nil {
		return err
	}
	return until(ctx, "ACTIVE", func() (string, error) {
		out, err := p.eks.DescribeNodegroup(ctx, &eks.DescribeNodegroupInput{ClusterName: aws.String(spoke), NodegroupName: aws.String("nodes")})
		if err != nil {
			return "", err
		}
		return string(out.Nodegroup.Status), nil
	})
}

// inside creates an add-on and an access entry.
func (p *provision) inside(ctx context.Context) error {
	hub := aws.String("arn:aws:iam::444455556666:role/hub-kustomize-controller")
	_, err := p.eks.CreateAddon(ctx, &eks.CreateAddonInput{
		ClusterName: aws.String(spoke), AddonName: aws.String("vpc-cni"),
		Tags: map[string]string{"cluster": spoke},
	})
	if err != nil {
		return err
	}
	_, err = p.eks.CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{
		ClusterName: aws.String(spoke), PrincipalArn: hub,
		Tags: map[string]string{"cluster": spoke},
	})
	if err != nil {
		return err
	}
	_, err = p.eks.AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{
		ClusterName: aws.String(spoke), PrincipalArn: hub, AccessScope: &ekstypes.AccessScope{Type: ekstypes.AccessScopeTypeCluster},
		PolicyArn: aws.String("arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"),
	})
	return err
}

// remove deletes everything in the order that AWS requires.
func (p *provision) remove(ctx context.Context) error {
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := p.eks.DeleteNodegroup(ctx, &eks.DeleteNodegroupInput{ClusterName: aws.String(spoke), NodegroupName: aws.String("nodes")})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.eks.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: aws.String(spoke)})
			return err
		},
		func(ctx context.Context) error { // EKS removes its interfaces when it is asked for the cluster
			return until(ctx, "gone", func() (string, error) {
				_, err := p.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(spoke)})
				if err != nil && strings.Contains(err.Error(), "ResourceNotFoundException") {
					return "gone", nil
				}
				return "there", err
			})
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DeleteVpcEndpoints(ctx, &ec2.DeleteVpcEndpointsInput{VpcEndpointIds: []string{p.gateway, p.endpoint}})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DeleteNatGateway(ctx, &ec2.DeleteNatGatewayInput{NatGatewayId: &p.nat})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.ReleaseAddress(ctx, &ec2.ReleaseAddressInput{AllocationId: &p.address})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DetachInternetGateway(ctx, &ec2.DetachInternetGatewayInput{InternetGatewayId: &p.internet, VpcId: &p.vpc})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DeleteInternetGateway(ctx, &ec2.DeleteInternetGatewayInput{InternetGatewayId: &p.internet})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DisassociateRouteTable(ctx, &ec2.DisassociateRouteTableInput{AssociationId: &p.association})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DeleteSecurityGroup(ctx, &ec2.DeleteSecurityGroupInput{GroupId: &p.group})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DeleteFlowLogs(ctx, &ec2.DeleteFlowLogsInput{FlowLogIds: []string{p.flowLog}})
			return err
		},
		func(ctx context.Context) error {
			_, err := p.ec2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: &p.template})
			return err
		},
	}
	for _, subnet := range p.subnets {
		steps = append(steps, func(ctx context.Context) error {
			_, err := p.ec2.DeleteSubnet(ctx, &ec2.DeleteSubnetInput{SubnetId: &subnet})
			return err
		})
	}
	for _, role := range []string{"staging-eks-cluster", "staging-eks-node"} {
		steps = append(steps, func(ctx context.Context) error {
			_, err := p.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role})
			return err
		})
	}
	steps = append(steps, func(ctx context.Context) error {
		_, err := p.ec2.DeleteRouteTable(ctx, &ec2.DeleteRouteTableInput{RouteTableId: &p.table})
		return err
	}, func(ctx context.Context) error {
		_, err := p.ec2.DeleteVpc(ctx, &ec2.DeleteVpcInput{VpcId: &p.vpc})
		return err
	})
	for _, step := range steps {
		if err := patiently(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// patiently retries a step while another resource still needs what it deletes.
func patiently(ctx context.Context, step func(context.Context) error) error {
	for {
		err := step(ctx)
		if err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "DependencyViolation") && !strings.Contains(err.Error(), "InUse") {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// The provisioner's role of docs/aws may create and remove a spoke.
func TestProvisionerMayProvision(t *testing.T) {
	p := newProvision(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := first(ctx, p.network, p.cluster, p.remove); err != nil {
		t.Fatal(err)
	}
	left, err := p.ec2.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
	if err != nil || len(left.Vpcs) > 0 {
		t.Errorf("%d VPCs are left, %v", len(left.Vpcs), err)
	}
}

// Without one of its actions the role may not, and the error names the action.
func TestProvisionerNeeds(t *testing.T) {
	for _, action := range []string{
		"route53:AssociateVPCWithHostedZone", "ec2:CreateNatGateway", "ec2:CreateRoute", "ec2:RunInstances", "logs:CreateLogDelivery",
		"iam:PassRole", "iam:CreateServiceLinkedRole", "eks:TagResource", "eks:CreateAddon", "eks:AssociateAccessPolicy",
	} {
		t.Run(action, func(t *testing.T) {
			p := newProvision(t, action)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := first(ctx, p.network, p.cluster); err == nil || !strings.Contains(err.Error(), "is not authorized to perform: "+action) {
				t.Errorf("error %v, want one that names %s", err, action)
			}
		})
	}
}
