package provider

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/crossplane/function"
)

// composedObjects are every managed resource in the golden files of the platform API,
// by the file, as YAML, in the namespace of the bench.
func composedObjects(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("../../../../crossplane/testdata/golden/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq("\n"+string(data), "\n---\n") {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(object.GroupVersionKind().Group, ".aws.m.upbound.io") {
				continue
			}
			object.SetNamespace("test")
			moved, err := yaml.Marshal(object.Object)
			if err != nil {
				t.Fatal(err)
			}
			all[file] = append(all[file], string(moved))
		}
	}
	if len(all) == 0 {
		t.Fatal("no golden file has a managed resource")
	}
	return all
}

// Whatever the platform API composes becomes ready, says that it is simulated
// if it is, has a fixture, and has a status that the pinned provider's
// definition takes.
func TestComposedKindsBecomeReady(t *testing.T) {
	for file, objects := range composedObjects(t) {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			b := newBench(t, objects...)
			external := map[string]string{}
			for _, text := range objects {
				var object unstructured.Unstructured
				b.ok(yaml.Unmarshal([]byte(text), &object.Object))
				kind := object.GroupVersionKind().GroupKind()
				if kind == queueKind {
					continue // of another account and region; queue_test.go has them
				}
				m := b.settle(object.GetAPIVersion(), object.GetKind(), object.GetName())
				b.valid(m)
				if isRealised(kind) {
					b.condition(m, xpv2.TypeReady, "True", xpv2.ReasonAvailable)
					continue
				}
				for path, value := range function.Assigned()[object.GroupVersionKind()] {
					if got, err := fieldpath.Pave(m.Object).GetValue(path); err != nil || value != "" && got != value {
						t.Errorf("the function wants %s of %s to be %q: %v, %v", path, kind, value, got, err)
					}
				}
				if _, found := b.externals.simulated.fixtures[kind]; !found {
					t.Errorf("%s has no fixture", kind)
				}
				for _, condition := range []xpv2.ConditionType{xpv2.TypeReady, xpv2.TypeSynced} {
					if said := b.condition(m, condition, "True", ReasonSimulated); !strings.Contains(said, "nothing exists") {
						t.Errorf("%s of %s says %q", condition, kind, said)
					}
				}
				name := kind.String() + " " + meta.GetExternalName(m)
				if other, taken := external[name]; taken && other != m.GetName() {
					t.Errorf("%s and %s are both %s", other, m.GetName(), name)
				}
				external[name] = m.GetName()
			}
		})
	}
}

const simulatedObject = `
apiVersion: %s/v1beta1
kind: %s
metadata: {name: staging-x, namespace: test}
spec:
  forProvider: %s
`

func (b *bench) simulated(group, kind string) *managedResource {
	b.Helper()
	return b.settle(group+"/v1beta1", kind, "staging-x")
}

func object(group, kind, forProvider string) string {
	return fmt.Sprintf(simulatedObject, group, kind, forProvider)
}

// What others read of a simulated status has the form that AWS gives it.
func TestSimulatedValues(t *testing.T) {
	for _, tc := range []struct {
		group, kind, forProvider string
		want                     map[string]string // patterns by field
	}{
		{"iam.aws.m.upbound.io", "Role", "{}", map[string]string{"arn": `arn:aws:iam::000000000000:role/staging-x`, "id": `staging-x`}},
		{"iam.aws.m.upbound.io", "RolePolicy", "{role: r}", map[string]string{"id": `r:staging-x`}},
		{"iam.aws.m.upbound.io", "RolePolicyAttachment", "{role: r, policyArn: p}", map[string]string{"id": `r/p`}},
		{
			"iam.aws.m.upbound.io", "OpenIDConnectProvider", "{url: https://oidc.eks.eu-west-1.amazonaws.com/id/AB}",
			map[string]string{"arn": `arn:aws:iam::000000000000:oidc-provider/oidc\.eks\.eu-west-1\.amazonaws\.com/id/AB`},
		},
		{"eks.aws.m.upbound.io", "Cluster", "{region: eu-west-1, vpcConfig: {endpointPublicAccess: true, subnetIdRefs: [{name: a}]}}", map[string]string{
			"arn": `arn:aws:eks:eu-west-1:000000000000:cluster/staging-x`, "status": `ACTIVE`, "id": `staging-x`,
			"endpoint": `https://[0-9A-F]{32}\.gr7\.eu-west-1\.eks\.amazonaws\.com`,
		}},
		{"eks.aws.m.upbound.io", "NodeGroup", "{region: eu-west-1, clusterName: c}", map[string]string{"id": `c:staging-x`, "status": `ACTIVE`}},
		{"eks.aws.m.upbound.io", "NodeGroup", "{region: eu-west-1, clusterNameRef: {name: c}}", map[string]string{"id": `c:staging-x`}},
		{"ec2.aws.m.upbound.io", "VPC", "{region: eu-west-1}", map[string]string{"id": `vpc-[0-9a-f]{17}`, "arn": `arn:aws:ec2:eu-west-1:000000000000:vpc/vpc-[0-9a-f]{17}`}},
		{"ec2.aws.m.upbound.io", "EIP", "{region: eu-west-1}", map[string]string{"id": `eipalloc-[0-9a-f]{17}`, "publicIp": `203\.0\.113\.[0-9]+`}},
		{"ec2.aws.m.upbound.io", "Subnet", "{region: eu-west-1}", map[string]string{"id": `subnet-[0-9a-f]{17}`}},
		// A kind without a fixture is known by its name.
		{"ec2.aws.m.upbound.io", "KeyPair", "{region: eu-west-1, tags: {a: b}}", map[string]string{"id": `staging-x`}},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			b := newBench(t, object(tc.group, tc.kind, tc.forProvider))
			m := b.simulated(tc.group, tc.kind)
			for field, pattern := range tc.want {
				got, _ := m.observed(field).(string)
				if !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
					t.Errorf("status.atProvider.%s is %q, want %s", field, got, pattern)
				}
			}
		})
	}
}

func TestSimulatedCluster(t *testing.T) {
	text := object("eks.aws.m.upbound.io", "Cluster", "{region: eu-west-1, vpcConfig: {endpointPublicAccess: true, subnetIdRefs: [{name: a}]}}")
	m := newBench(t, text).simulated("eks.aws.m.upbound.io", "Cluster")
	value := func(path string) any {
		t.Helper()
		got, err := fieldpath.Pave(m.Object).GetValue("status.atProvider." + path)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	issuer, _ := value("identity[0].oidc[0].issuer").(string)
	if !regexp.MustCompile(`^https://oidc\.eks\.eu-west-1\.amazonaws\.com/id/[0-9A-F]{32}$`).MatchString(issuer) {
		t.Errorf("issuer %q", issuer)
	}
	authority, err := base64.StdEncoding.DecodeString(value("certificateAuthority[0].data").(string))
	if err != nil || string(authority) != "simulated, no certificate" {
		t.Errorf("certificate authority %q, %v", authority, err)
	}
	if network := value("vpcConfig").(map[string]any); network["endpointPublicAccess"] != true || network["subnetIdRefs"] != nil || network["clusterSecurityGroupId"] == "" {
		t.Errorf("vpcConfig %v", network)
	}
	again := newBench(t, text).simulated("eks.aws.m.upbound.io", "Cluster")
	if got, _ := fieldpath.Pave(again.Object).GetValue("status.atProvider.identity[0].oidc[0].issuer"); got != issuer {
		t.Errorf("another run gave the issuer %v, not %s", got, issuer)
	}
}

func TestLaunchTemplateHasAVersion(t *testing.T) {
	m := newBench(t, object("ec2.aws.m.upbound.io", "LaunchTemplate", "{region: eu-west-1, name: staging-x}")).simulated("ec2.aws.m.upbound.io", "LaunchTemplate")
	if got := m.observed("latestVersion"); got != int64(1) {
		t.Errorf("latestVersion is %T %v, want the whole number 1", got, got)
	}
}

func TestSimulatedObjectLives(t *testing.T) {
	b := newBench(t, object("ec2.aws.m.upbound.io", "VPC", "{region: eu-west-1, cidrBlock: 10.0.0.0/16}"))
	m := b.simulated("ec2.aws.m.upbound.io", "VPC")
	id := meta.GetExternalName(m)
	b.edit(m, set("enableDnsSupport", true))
	m = b.simulated("ec2.aws.m.upbound.io", "VPC")
	if meta.GetExternalName(m) != id || m.observed("enableDnsSupport") != true || m.observed("cidrBlock") != "10.0.0.0/16" {
		t.Errorf("after a change it is %s, observed as %v", meta.GetExternalName(m), m.Object["status"])
	}
	b.delete(m)
	if left := b.simulated("ec2.aws.m.upbound.io", "VPC"); left != nil {
		t.Errorf("the object is still there, with finalizers %v", left.GetFinalizers())
	}
}

// What AWS fails to create is Ready with provider-aws, and stays failed until it is
// deleted, whatever succeeds later.
func TestFailure(t *testing.T) {
	for _, tc := range []struct {
		group, kind, forProvider string
		failed                   map[string]any // fields; nil is absent
		works                    map[string]string
	}{
		{
			"eks.aws.m.upbound.io", "NodeGroup", "{region: eu-west-1, clusterName: c, scalingConfig: {minSize: 1, maxSize: 1}}",
			map[string]any{"status": "CREATE_FAILED"},
			map[string]string{"status": "ACTIVE"},
		},
		{
			"ec2.aws.m.upbound.io", "NATGateway", "{region: eu-west-1, allocationIdRef: {name: a}}",
			map[string]any{"publicIp": nil, "networkInterfaceId": nil},
			map[string]string{"publicIp": `203\.0\.113\.[0-9]+`, "networkInterfaceId": `eni-[0-9a-f]{17}`},
		},
	} {
		t.Run(tc.kind, func(t *testing.T) {
			text := object(tc.group, tc.kind, tc.forProvider)
			b := newBench(t, text)
			b.externals.simulated.fails = []string{tc.kind}
			b.simulated(tc.group, tc.kind)
			b.externals.simulated.fails = nil
			m := b.simulated(tc.group, tc.kind)
			b.condition(m, xpv2.TypeReady, "True", ReasonSimulated)
			b.valid(m)
			for field, want := range tc.failed {
				if got := m.observed(field); got != want {
					t.Errorf("status.atProvider.%s is %v, want %v", field, got, want)
				}
			}
			works := newBench(t, text).simulated(tc.group, tc.kind)
			for field, pattern := range tc.works {
				if got, _ := works.observed(field).(string); !regexp.MustCompile("^" + pattern + "$").MatchString(got) {
					t.Errorf("made anew, status.atProvider.%s is %q, want %s", field, got, pattern)
				}
			}
		})
	}
}

func TestSimulatedObjectIsNotAdopted(t *testing.T) {
	b := newBench(t, object("ec2.aws.m.upbound.io", "VPC", "{region: eu-west-1}")+"  managementPolicies: [Observe]\n")
	m := b.simulated("ec2.aws.m.upbound.io", "VPC")
	b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError)
}
