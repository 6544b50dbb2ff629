package crossplane_test

import (
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// refusals are single mistakes in an example, and the field that the error names.
var refusals = []struct {
	plural, example string
	path            string
	value           any
	want            string
}{
	{"eventqueues", "minimal.yaml", "metadata.name", "reliable-q-dlq", "metadata.name must not end in -dlq"},
	{"eventqueues", "minimal.yaml", "metadata.name", "reliable.q", "metadata.name must hold no dot"},
	{"eventqueues", "minimal.yaml", "metadata.name", strings.Repeat("q", 63), ""}, // fits in 80 characters together with "staging-"
	{"eventqueues", "minimal.yaml", "spec.clusterName", "eu-staging", "spec.clusterName"},
	{"eventqueues", "minimal.yaml", "spec.accountId", "1111", "spec.accountId"},
	{"eventqueues", "minimal.yaml", "spec.region", "cn-north-1", "spec.region"},
	{"eventqueues", "minimal.yaml", "spec.delaySeconds", int64(901), "spec.delaySeconds"},
	{"eventqueues", "minimal.yaml", "spec.visibilityTimeoutSeconds", int64(0), "spec.visibilityTimeoutSeconds"},
	{"eventqueues", "minimal.yaml", "spec.visibilityTimeoutSeconds", "30", "spec.visibilityTimeoutSeconds"},
	{"eventqueues", "minimal.yaml", "spec.maxReceiveCount", int64(3), "spec.maxReceiveCount"},
	{"eventqueues", "minimal.yaml", "spec.deadLetterRetentionSeconds", int64(60), "spec.deadLetterRetentionSeconds"},
	{"eventqueues", "minimal.yaml", "spec.visibilityTimeout", int64(30), "spec.visibilityTimeout"},
	{"eventqueues", "minimal.yaml", "spec.alarms.oldestMessageSeconds", int64(172800), "what it alarms of would be gone before"},
	{"eventqueues", "minimal.yaml", "spec.alarms.emails", []any{"nobody"}, "spec.alarms.emails"},
	{"eventbuckets", "minimal.yaml", "metadata.name", strings.Repeat("b", 43), "metadata.name is too long"},
	{"eventbuckets", "minimal.yaml", "metadata.name", "sales.events", "metadata.name must hold no dot"},
	{"eventbuckets", "minimal.yaml", "spec.expirationDays", int64(-1), "spec.expirationDays"},
	{"eventbuckets", "minimal.yaml", "spec.noncurrentVersionExpirationDays", int64(0), "spec.noncurrentVersionExpirationDays"},
	{"networks", "minimal.yaml", "metadata.name", "other", "metadata.name must equal spec.clusterName"},
	{"networks", "minimal.yaml", "spec.cidr", "10.0.0.0/24", "spec.cidr"},
	{"networks", "minimal.yaml", "spec.cidr", "10.0.1.0/16", "spec.cidr"},
	{"networks", "minimal.yaml", "spec.cidr", "8.8.0.0/16", "spec.cidr"},
	{"networks", "minimal.yaml", "spec.zones", []any{"a"}, "spec.zones"},
	{"networks", "minimal.yaml", "spec.zones", []any{"a", "a"}, "spec.zones"},
	{"networks", "minimal.yaml", "spec.natGateways", "None", "spec.natGateways"},
	{"eksclusters", "minimal.yaml", "metadata.name", "other", "metadata.name must equal spec.clusterName"},
	{"eksclusters", "minimal.yaml", "spec.version", "1.9", "spec.version"},
	{"eksclusters", "minimal.yaml", "spec.version", 1.35, "spec.version"},
	{"eksclusters", "minimal.yaml", "spec.version", "1.33", "spec.version"}, // out of standard support
	{"eksclusters", "minimal.yaml", "spec.addonVersions", map[string]any{"coredns": "latest"}, "spec.addonVersions.coredns"},
	{"eksclusters", "minimal.yaml", "spec.addonVersions", map[string]any{"vpc-cni-plugin": "v1.21.1-eksbuild.1"}, "spec.addonVersions.vpc-cni-plugin"},
	{"eksclusters", "minimal.yaml", "spec.allowedCIDRs", []any{"10.0.0.0/40"}, "spec.allowedCIDRs"},
	{"eksclusters", "minimal.yaml", "spec.logs", []any{"everything"}, "spec.logs"},
	{"eksclusters", "minimal.yaml", "spec.admins", []any{"admin"}, "spec.admins"},
	{"eksclusters", "minimal.yaml", "spec.logRetentionDays", int64(91), "spec.logRetentionDays"},
	{"eksclusters", "minimal.yaml", "spec.nodes.releaseVersion", "latest", "spec.nodes.releaseVersion"},
	{"eksclusters", "minimal.yaml", "spec.admins", []any{"arn:aws:iam::111122223333:role/sales-events/staging-eks-admin"}, "take it out of admins"},
	{"eksclusters", "full.yaml", "spec.admins", []any{"arn:aws:iam::444455556666:role/hub-kustomize-controller"}, "hubRoleARN is an administrator already"},
	{"eksclusters", "minimal.yaml", "spec.nodes.instanceTypes", []any{"t3.medium", "t4g.medium"}, "spec.nodes.instanceTypes[1]"},
	{"eksclusters", "minimal.yaml", "spec.nodes.instanceTypes", []any{"im4gn.large"}, "spec.nodes.instanceTypes[0]"},
	{"eksclusters", "minimal.yaml", "spec.nodes.instanceTypes", []any{"g4dn.xlarge", "m7i-flex.large"}, ""}, // an instance type with a g that is not Graviton
	{"eksclusters", "minimal.yaml", "spec.nodes.maxSize", int64(7), "spec.nodes.maxSize"},
	{"eksclusters", "minimal.yaml", "spec.nodes.minSize", int64(3), "minSize, desiredSize and maxSize must be in this order"},
	{"eksclusters", "minimal.yaml", "spec.authenticationMode", "CONFIG_MAP", "spec.authenticationMode"},
	{"workloadroles", "producer.yaml", "metadata.name", "eks-nodes", "metadata.name must not start with eks-"},
	{"workloadroles", "producer.yaml", "metadata.name", strings.Repeat("w", 60), "metadata.name is too long"},
	{"workloadroles", "producer.yaml", "spec.serviceAccount.namespace", "*", "spec.serviceAccount.namespace"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{}, "spec.grants"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{map[string]any{"eventQueue": "q", "access": "Write"}}, "spec.grants[0].access"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{map[string]any{"eventQueue": "q-dlq", "access": "Send"}}, "spec.grants[0].eventQueue"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{map[string]any{"eventBucket": "b", "access": "Write"}}, "spec.grants[0].prefix"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{map[string]any{"eventBucket": "b", "access": "Write", "prefix": "*"}}, "spec.grants[0].prefix"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{map[string]any{"eventBucket": "b", "eventQueue": "q", "access": "Send"}}, "either an eventQueue or an eventBucket"},
	{"workloadroles", "producer.yaml", "spec.grants", []any{map[string]any{"eventQueue": "*", "access": "Send"}}, "spec.grants[0].eventQueue"},
	{"workloadroles", "producer.yaml", "spec.permissionsBoundary", "arn:aws:iam::aws:policy/AdministratorAccess", "spec.permissionsBoundary"},
}

// A mistake in an XR is rejected when the XR is applied, and the error names the field.
func TestRefused(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.plural+"/"+c.path, func(t *testing.T) {
			xr := readExample(t, c.plural, filepath.Join("examples", c.plural, c.example))
			if err := unstructured.SetNestedField(xr.Object, c.value, strings.Split(c.path, ".")...); err != nil {
				t.Fatal(err)
			}
			refused := allAPIs(t)[c.plural].admit(xr, nil)
			if c.want == "" {
				if len(refused) > 0 {
					t.Errorf("refused: %v", refused)
				}
				return
			}
			if err := refused.ToAggregate(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// Fields that are part of AWS names cannot change: the resources would be replaced.
func TestImmutable(t *testing.T) {
	others := map[string]string{"clusterName": "other", "region": "eu-north-1", "accountId": "444455556666"}
	for plural, api := range allAPIs(t) {
		old := readExample(t, plural, examplesOf(t, plural)[0])
		for name, value := range others {
			if _, has := old.Object["spec"].(map[string]any)[name]; !has {
				continue
			}
			changed := old.DeepCopy()
			if err := unstructured.SetNestedField(changed.Object, value, "spec", name); err != nil {
				t.Fatal(err)
			}
			if err := api.admit(changed, old).ToAggregate(); err == nil || !strings.Contains(err.Error(), "spec."+name) {
				t.Errorf("%s: another %s: got %v, want an error that names the field", plural, name, err)
			}
		}
	}
}

// A node group cannot move to other subnets, and the provider resolves the
// references of a cluster to its subnets once.
func TestClusterZones(t *testing.T) {
	old := readExample(t, "eksclusters", "examples/eksclusters/minimal.yaml")
	changed := old.DeepCopy()
	changed.Object["spec"].(map[string]any)["zones"] = []any{"a", "b", "c"}
	if err := allAPIs(t)["eksclusters"].admit(changed, old).ToAggregate(); err == nil || !strings.Contains(err.Error(), "spec.zones") {
		t.Errorf("got %v, want an error that names spec.zones", err)
	}
}

// A zone can be added only at the end. Another order would swap the addresses of subnets,
// and AWS would replace them.
func TestNetworkZones(t *testing.T) {
	old := readExample(t, "networks", "examples/networks/minimal.yaml")
	for _, c := range []struct {
		zones    []any
		admitted bool
	}{
		{[]any{"a", "b"}, true},
		{[]any{"a", "b", "c"}, true},
		{[]any{"b", "a"}, false},
		{[]any{"a", "c"}, false},
		{[]any{"c", "a", "b"}, false},
	} {
		changed := old.DeepCopy()
		changed.Object["spec"].(map[string]any)["zones"] = c.zones
		if refused := allAPIs(t)["networks"].admit(changed, old); (len(refused) == 0) != c.admitted {
			t.Errorf("%v: got %v, want admitted: %t", c.zones, refused, c.admitted)
		}
	}
}

// The function itself rejects what it does not know, with a message on the XR.
func TestFatal(t *testing.T) {
	xr := readExample(t, "eventqueues", "examples/eventqueues/minimal.yaml")
	for want, edit := range map[string]func(*unstructured.Unstructured){
		"composes no Topic": func(xr *unstructured.Unstructured) { xr.SetKind("Topic") },
		"spec.accountId: is a number": func(xr *unstructured.Unstructured) {
			xr.Object["spec"].(map[string]any)["accountId"] = int64(111122223333)
		},
		"spec.delaySeconds: is a": func(xr *unstructured.Unstructured) { xr.Object["spec"].(map[string]any)["delaySeconds"] = "2 s" },
		"metadata.name: queue":    func(xr *unstructured.Unstructured) { xr.SetName("reliable-q-dlq") },
		"spec.clusterName: cluster": func(xr *unstructured.Unstructured) {
			xr.Object["spec"].(map[string]any)["clusterName"] = "eu-west"
		},
	} {
		changed := xr.DeepCopy()
		edit(changed)
		if got := run(t, changed, world{}).fatal; !strings.Contains(got, want) {
			t.Errorf("got %q, want a message with %q", got, want)
		}
	}
}
