package function

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/crossplane/function-sdk-go/resource"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// AWS's managed policies for each role:
// https://docs.aws.amazon.com/eks/latest/userguide/cluster-iam-role.html,
// create-node-role.html, auto-cluster-iam-role.html and auto-create-node-role.html.
var (
	clusterPolicies     = []string{"AmazonEKSClusterPolicy"}
	autoClusterPolicies = []string{
		"AmazonEKSClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy", "AmazonEKSLoadBalancingPolicy",
		"AmazonEKSNetworkingPolicy",
	}
	nodePolicies = []string{
		"AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy", "AmazonSSMManagedInstanceCore",
	}
	autoNodePolicies = []string{"AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly"}
)

func (e eksComposer) addRoles() error {
	ofCluster, ofNodes := clusterPolicies, nodePolicies
	assume := []string{"sts:AssumeRole"}
	if e.AutoMode {
		ofCluster, ofNodes = autoClusterPolicies, autoNodePolicies
		assume = append(assume, "sts:TagSession")
	}
	service := func(name string, actions ...string) statement {
		return statement{Effect: "Allow", Principal: map[string]string{"Service": name}, Action: actions}
	}
	if err := e.addRole("cluster", "The control plane of "+e.ClusterName, service("eks.amazonaws.com", assume...), ofCluster...); err != nil {
		return err
	}
	return e.addRole("node", "The nodes of "+e.ClusterName, service("ec2.amazonaws.com", "sts:AssumeRole"), ofNodes...)
}

func (e eksComposer) addRole(purpose, description string, trust statement, policies ...string) error {
	name := e.name(purpose)
	err := e.part(purpose+"-role", purpose, name, role{
		Path:                names.RolePath,
		Description:         description,
		AssumeRolePolicy:    document(trust),
		PermissionsBoundary: fmt.Sprintf("arn:aws:iam::%s:policy/%s", e.AccountID, e.PermissionsBoundary),
		Tags:                e.tags(),
	})
	if err != nil {
		return err
	}
	for _, policy := range policies {
		suffix := strings.ToLower(strings.ReplaceAll(policy, "_", "-"))
		id := purpose + "-role-" + suffix
		if !e.after(resource.Name(purpose+"-role"), resource.Name(id)) {
			continue
		}
		attachment := rolePolicyAttachment{Role: name, PolicyARN: "arn:aws:iam::aws:policy/" + policy}
		if err := e.part(id, purpose+"-"+suffix, "", attachment); err != nil {
			return err
		}
	}
	return nil
}

// addAccess creates a role for administrators, and gives access to it and to the
// principals in the spec.
func (e eksComposer) addAccess() error {
	// Only principals that the account has given this tag may assume the role. Without
	// it, everybody who may assume any role would administer the cluster.
	account := statement{
		Effect:    "Allow",
		Principal: map[string]string{"AWS": fmt.Sprintf("arn:aws:iam::%s:root", e.AccountID)},
		Action:    []string{"sts:AssumeRole"},
		Condition: condition{"StringEquals": {"aws:PrincipalTag/administers": e.ClusterName}},
	}
	if err := e.addRole("admin", "Administrators of "+e.ClusterName, account); err != nil {
		return err
	}
	// For `aws eks update-kubeconfig`; the access entry grants the rest.
	describe := statement{
		Effect: "Allow", Action: []string{"eks:DescribeCluster"},
		Resource: []string{fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", e.Region, e.AccountID, e.ClusterName)},
	}
	if e.after("admin-role", "admin-grants") {
		if err := e.part("admin-grants", "admin", "grants", rolePolicy{Role: e.name("admin"), Policy: document(describe)}); err != nil {
			return err
		}
	}
	if err := e.addAdmin("admin", e.roleARN("admin")); err != nil {
		return err
	}
	if e.HubRoleARN != "" {
		if err := e.addAdmin("hub", e.HubRoleARN); err != nil {
			return err
		}
	}
	for _, arn := range e.Admins {
		hash := sha256.Sum256([]byte(arn))
		if err := e.addAdmin("admin-"+hex.EncodeToString(hash[:4]), arn); err != nil {
			return err
		}
	}
	return nil
}

func (e eksComposer) addAdmin(id, arn string) error {
	if err := e.part("access-"+id, id, "", accessEntry{e.Region, to(e.ClusterName), arn, e.tags()}); err != nil {
		return err
	}
	return e.part("access-"+id+"-policy", id, "", accessPolicyAssociation{
		Region: e.Region, ClusterNameRef: to(e.ClusterName), PrincipalARNRef: to(e.name(id)),
		PolicyARN:   "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
		AccessScope: accessScope{Type: "cluster"},
	})
}
