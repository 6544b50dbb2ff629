package crossplane_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const awsPage = "../docs/aws.md"

// quotas are the limits of a new account.
type quotas struct {
	Checked string
	Quotas  map[string]struct {
		Service, Code, What string
		Limit               int64
	}
}

// needs is what a cluster uses of an account's quotas in its region.
type needs struct {
	vcpus, vcpusInUpdate                                            int64
	addresses, vpcs, internetGateways, natGatewaysInZone, endpoints int64
}

// needsOf adds up the composed resources. While EKS updates a node group it adds up to
// two nodes for each zone:
// https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html
func needsOf(t *testing.T, objects []*unstructured.Unstructured, vcpus map[string]int64) needs {
	t.Helper()
	var sum needs
	for _, object := range objects {
		switch object.GetKind() {
		case "NodeGroup":
			each, known := vcpus[instanceTypeOf(t, object)]
			if !known {
				t.Fatalf("docs/aws/prices.yaml does not say how many vCPUs a %s has", instanceTypeOf(t, object))
			}
			zones, _, _ := unstructured.NestedSlice(object.Object, "spec", "forProvider", "subnetIdRefs")
			sum.vcpus += each * desiredSizeOf(t, object)
			sum.vcpusInUpdate += each * (desiredSizeOf(t, object) + 2*int64(len(zones)))
		case "EIP":
			sum.addresses++
		case "VPC":
			sum.vpcs++
		case "InternetGateway":
			sum.internetGateways++
		case "NATGateway":
			sum.natGatewaysInZone = 1 // each is in a zone of its own, which its name shows
		case "VPCEndpoint":
			if kind, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", "vpcEndpointType"); kind == "Interface" {
				sum.endpoints++
			}
		}
	}
	return sum
}

// instanceTypeOf returns the instance type that EC2 tries first.
func instanceTypeOf(t *testing.T, group *unstructured.Unstructured) string {
	t.Helper()
	types, _, err := unstructured.NestedStringSlice(group.Object, "spec", "forProvider", "instanceTypes")
	if err != nil || len(types) == 0 {
		t.Fatalf("NodeGroup %s has no instance types: %v", group.GetName(), err)
	}
	return types[0]
}

func desiredSizeOf(t *testing.T, group *unstructured.Unstructured) int64 {
	t.Helper()
	scaling, _, err := unstructured.NestedMap(group.Object, "spec", "initProvider", "scalingConfig")
	if err != nil {
		t.Fatal(err)
	}
	switch size := scaling["desiredSize"].(type) {
	case int64:
		return size
	case float64:
		return int64(size)
	default:
		t.Fatalf("NodeGroup %s has no desired size", group.GetName())
		return 0
	}
}

// docs/aws.md says how much of a new account's quotas each environment uses.
func TestQuotas(t *testing.T) {
	var limits quotas
	readDoc(t, "limits.yaml", &limits)
	prices := readPrices(t)
	var rows strings.Builder
	fmt.Fprintf(&rows, "| in a region | a new account has, on %s | staging takes | production takes | code |\n|---|---|---|---|---|\n", limits.Checked)
	staging := needsOf(t, composedIn(t, "staging"), prices.VCPUs)
	production := needsOf(t, composedIn(t, "production"), prices.VCPUs)
	row := func(quota, more string, of func(needs) int64) {
		limit, found := limits.Quotas[quota]
		if !found {
			t.Fatalf("docs/aws/limits.yaml has no %s", quota)
		}
		number := func(takes int64) string {
			if takes > limit.Limit {
				return fmt.Sprintf("**%d**", takes)
			}
			return fmt.Sprint(takes)
		}
		fmt.Fprintf(&rows, "| %s | %d | %s | %s | `%s %s` |\n", limit.What+more, limit.Limit, number(of(staging)), number(of(production)), limit.Service, limit.Code)
	}
	row("vcpus", ", at rest", func(n needs) int64 { return n.vcpus })
	row("vcpus", ", while EKS updates the nodes", func(n needs) int64 { return n.vcpusInUpdate })
	row("addresses", "", func(n needs) int64 { return n.addresses })
	row("vpcs", "", func(n needs) int64 { return n.vpcs })
	row("internetGateways", "", func(n needs) int64 { return n.internetGateways })
	row("natGatewaysPerZone", "", func(n needs) int64 { return n.natGatewaysInZone })
	row("interfaceEndpoints", "", func(n needs) int64 { return n.endpoints })
	checkTable(t, "quotas", rows.String())
}

// checkTable compares a table of docs/aws.md, between its marks, with the right one; with
// -update it writes it.
func checkTable(t *testing.T, name, want string) {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- %s: go test ./crossplane -update writes this -->\n", name), fmt.Sprintf("<!-- /%s -->\n", name)
	data, err := os.ReadFile(awsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), begin)
	table, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/aws.md has no lines\n%s%s", begin, end)
	}
	if *update {
		if err := os.WriteFile(awsPage, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("docs/aws.md says\n%s\nand it is\n%s\ngo test ./crossplane -update writes it", table, want)
	}
}
