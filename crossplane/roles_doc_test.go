package crossplane_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

const rolesDoc = "../docs/roles.md"

const rolesIntro = `# What each role may do

Written by ` + "`go test ./crossplane -update`" + ` from the WorkloadRoles and EKSClusters of [crossplane/examples](../crossplane/examples/) and from
[policy.go](../crossplane/function/policy.go), which maps each access to its actions. Our statements have no wildcards,
except for the keys under a prefix, which are not known beforehand. Every queue and bucket is encrypted with keys of SQS and S3, so no
role needs KMS. All roles have the permissions boundary of [aws.md](aws.md).

Workloads assume their roles with the token of a ServiceAccount (IRSA) and not through EKS Pod Identity, because KEDA finds the role of a
workload by the ServiceAccount's annotation ` + "`eks.amazonaws.com/role-arn`" + `.
`

// The table in the docs has every action of every role, on the composed ARN.
func TestRolesDocument(t *testing.T) {
	var text strings.Builder
	text.WriteString(rolesIntro)
	for _, file := range examplesOf(t, "workloadroles") {
		xr := readExample(t, "workloadroles", file)
		writeRole(t, &text, xr, compose(t, xr).composed["policy"])
	}
	for _, example := range []struct{ file, title string }{
		{"examples/eksclusters/minimal.yaml", "The roles of a cluster"},
		{"examples/eksclusters/auto.yaml", "The roles of a cluster in Auto Mode"},
	} {
		fmt.Fprintf(&text, "\n## %s\n\n", example.title)
		writeClusterRoles(t, &text, compose(t, readExample(t, "eksclusters", example.file)))
	}
	if *update {
		if err := os.WriteFile(rolesDoc, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(rolesDoc)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("%s (-want +got), go test ./crossplane -update rewrites it:\n%s", filepath.Base(rolesDoc), diff)
	}
}

func writeRole(t *testing.T, text *strings.Builder, xr, policy *unstructured.Unstructured) {
	t.Helper()
	var spec struct {
		ServiceAccount struct{ Namespace, Name string }
		Grants         []struct{ Access string }
	}
	remarshal(t, xr.Object["spec"], &spec)
	allowed := allowedBy(t, policy)
	fmt.Fprintf(text, "\n## %[1]s\n\nPods of the ServiceAccount `%[3]s` in the namespace `%[2]s`.\n\n", policy.GetName(), spec.ServiceAccount.Namespace, spec.ServiceAccount.Name)
	text.WriteString("| action | on | why: it |\n|---|---|---|\n")
	for _, grant := range spec.Grants {
		for _, permission := range function.Permissions(grant.Access) {
			if len(allowed) == 0 || allowed[0].action != permission.Action {
				t.Fatalf("%s: the policy allows %v where %s is due", policy.GetName(), allowed, permission.Action)
			}
			fmt.Fprintf(text, "| `%s` | `%s` | %s |\n", allowed[0].action, allowed[0].resource, permission.Why)
			allowed = allowed[1:]
		}
	}
	if len(allowed) > 0 {
		t.Errorf("%s: the policy also allows %v", policy.GetName(), allowed)
	}
}

// clusterReasons says why a role of a cluster has one of AWS's policies, or an action.
var clusterReasons = map[string]string{
	"AmazonEKSClusterPolicy":             "makes load balancers and volumes for the cluster's objects, and tags them",
	"AmazonEKSComputePolicy":             "starts and ends nodes",
	"AmazonEKSBlockStoragePolicy":        "makes volumes for claims",
	"AmazonEKSLoadBalancingPolicy":       "makes load balancers for Services and Ingresses",
	"AmazonEKSNetworkingPolicy":          "makes the network interfaces of nodes and pods",
	"AmazonEKSWorkerNodePolicy":          "finds its cluster and its network at start",
	"AmazonEKSWorkerNodeMinimalPolicy":   "finds its cluster at start",
	"AmazonEC2ContainerRegistryPullOnly": "pulls images from ECR, those of EKS's add-ons among them",
	"AmazonEKS_CNI_Policy":               "gives pods addresses of the VPC",
	"AmazonSSMManagedInstanceCore":       "answers Systems Manager by its agent",
	"eks:DescribeCluster":                "finds the endpoint; an access entry makes it an administrator there",
}

// writeClusterRoles writes the permissions of an EKSCluster's roles: AWS's policies by
// name, because AWS maintains them, and our own statements.
func writeClusterRoles(t *testing.T, text *strings.Builder, got outcome) {
	t.Helper()
	var roles, grants []*unstructured.Unstructured
	for _, object := range got.objects() {
		switch object.GetKind() {
		case "Role":
			roles = append(roles, object)
		case "RolePolicy", "RolePolicyAttachment":
			grants = append(grants, object)
		}
	}
	text.WriteString("| role | taken by | action or policy of AWS | on | why: it |\n|---|---|---|---|---|\n")
	for _, role := range roles {
		for _, grant := range grants {
			if granted, _, _ := unstructured.NestedString(grant.Object, "spec", "forProvider", "role"); granted != role.GetName() {
				continue
			}
			for _, allowed := range grantedBy(t, grant) {
				why, found := clusterReasons[allowed.action]
				if !found {
					t.Errorf("clusterReasons does not say why %s has %s", role.GetName(), allowed.action)
				}
				fmt.Fprintf(text, "| `%s` | `%s` | `%s` | %s | %s |\n", role.GetName(), takenBy(t, role), allowed.action, allowed.resource, why)
			}
		}
	}
}

func grantedBy(t *testing.T, grant *unstructured.Unstructured) []allowance {
	t.Helper()
	if arn, attached, _ := unstructured.NestedString(grant.Object, "spec", "forProvider", "policyArn"); attached {
		return []allowance{{strings.TrimPrefix(arn, "arn:aws:iam::aws:policy/"), "as AWS has it"}}
	}
	all := allowedBy(t, grant)
	for i := range all {
		all[i].resource = "`" + all[i].resource + "`"
	}
	return all
}

// takenBy returns the principal that a role trusts.
func takenBy(t *testing.T, role *unstructured.Unstructured) string {
	t.Helper()
	document, _, err := unstructured.NestedString(role.Object, "spec", "forProvider", "assumeRolePolicy")
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Statement []struct{ Principal map[string]string }
	}
	if err := json.Unmarshal([]byte(document), &parsed); err != nil {
		t.Fatal(err)
	}
	for _, statement := range parsed.Statement {
		for _, principal := range statement.Principal {
			return principal
		}
	}
	t.Fatalf("%s trusts nobody", role.GetName())
	return ""
}

type allowance struct{ action, resource string }

// allowedBy lists what a RolePolicy allows, in its order.
func allowedBy(t *testing.T, policy *unstructured.Unstructured) []allowance {
	t.Helper()
	document, _, err := unstructured.NestedString(policy.Object, "spec", "forProvider", "policy")
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Statement []struct{ Action, Resource []string }
	}
	if err := json.Unmarshal([]byte(document), &parsed); err != nil {
		t.Fatal(err)
	}
	var all []allowance
	for _, statement := range parsed.Statement {
		for _, action := range statement.Action {
			for _, resource := range statement.Resource {
				all = append(all, allowance{action, resource})
			}
		}
	}
	return all
}

func remarshal(t *testing.T, from, into any) {
	t.Helper()
	data, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
