package crossplane_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

// For any names of two clusters in one account and region, and of the resources in them,
// no two resources share a name on AWS, and each name fits.
func TestAWSNames(t *testing.T) {
	for seed := range 20 {
		drawn := twoClusters.Example(seed)
		owners := map[string]string{}
		for _, cluster := range drawn.clusters {
			for _, object := range awsObjects(t, cluster, drawn.names) {
				name := awsName(object)
				if name == "" {
					continue // AWS assigns its identifier
				}
				if longest := longestNames[object.GetKind()]; len(name) > longest {
					t.Errorf("%s %s is longer than %d characters", object.GetKind(), name, longest)
				}
				owner := cluster + "'s " + object.GetName()
				within, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", "role")
				full := object.GroupVersionKind().GroupKind().String() + " " + within + " " + name
				if other, taken := owners[full]; taken {
					t.Errorf("%s and %s are both %s", other, owner, full)
				}
				owners[full] = owner
			}
		}
	}
}

// twoClusters draws the names of two clusters and of the resources in each.
var twoClusters = rapid.Custom(func(t *rapid.T) (drawn struct{ clusters, names []string }) {
	short, longest := rapid.StringMatching(`[a-z][a-z0-9]{0,5}`), rapid.StringMatching(`[a-z][a-z0-9]{19}`)
	name := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(-dlq)?`)
	drawn.clusters = []string{short.Draw(t, "a cluster"), longest.Draw(t, "another cluster")}
	drawn.names = rapid.SliceOfNDistinct(name, 2, 2, rapid.ID[string]).Draw(t, "names")
	// If a cluster's name could end in a hyphen, this would equal the other cluster's
	// name.
	drawn.names = append(drawn.names, drawn.clusters[0]+"-"+drawn.names[0])
	return drawn
})

// awsObjects returns what the XRs of a cluster compose: its network, the cluster itself,
// and for each name a queue, a bucket and a role, unless the API rejects the name.
func awsObjects(t *testing.T, cluster string, names []string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for plural, api := range allAPIs(t) {
		of := names
		if slices.Contains([]string{"networks", "eksclusters"}, plural) {
			of = []string{cluster}
		}
		example := readExample(t, plural, filepath.Join("examples", plural, fullest[plural]))
		for _, name := range of {
			xr := example.DeepCopy()
			xr.SetName(name)
			spec := xr.Object["spec"].(map[string]any)
			spec["clusterName"], spec["region"] = cluster, "eu-west-1"
			delete(spec, "externalNames") // they belong to one cluster
			if len(api.admit(xr, nil)) > 0 {
				continue
			}
			got := runToTheEnd(t, xr)
			if got.fatal != "" {
				t.Fatal(got.fatal)
			}
			objects = append(objects, got.objects()...)
		}
	}
	return objects
}

// fullest are the examples that compose most resources.
var fullest = map[string]string{
	"eksclusters": "full.yaml", "eventbuckets": "full.yaml", "eventqueues": "full.yaml", "networks": "full.yaml", "workloadroles": "consumer.yaml",
}

// longestNames are the limits in AWS's API references, by kind.
var longestNames = map[string]int{
	"Bucket": 63, "Cluster": 100, "Group": 512, "LaunchTemplate": 128, "MetricAlarm": 255, "Topic": 256, "NodeGroup": 63, "Queue": 80, "Role": 64, "RolePolicy": 128, "SecurityGroup": 255,
}

// awsName returns a resource's name on AWS; empty if AWS assigns it.
func awsName(object *unstructured.Unstructured) string {
	if external := meta.GetExternalName(object); external != "" {
		return external
	}
	name, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", "name")
	return name
}
