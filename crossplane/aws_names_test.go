package crossplane_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
)

// Whatever two clusters of one account and region and what is in them are
// called, no two resources share a name on AWS, and each name fits.
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

// twoClusters draws names of two clusters and of what is in each of them.
var twoClusters = rapid.Custom(func(t *rapid.T) (drawn struct{ clusters, names []string }) {
	short, longest := rapid.StringMatching(`[a-z][a-z0-9]{0,5}`), rapid.StringMatching(`[a-z][a-z0-9]{19}`)
	name := rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(-dlq)?`)
	drawn.clusters = []string{short.Draw(t, "a cluster"), longest.Draw(t, "another cluster")}
	drawn.names = rapid.SliceOfNDistinct(name, 2, 2, rapid.ID[string]).Draw(t, "names")
	// It would give another cluster's name if a cluster's could end in a hyphen.
	drawn.names = append(drawn.names, drawn.clusters[0]+"-"+drawn.names[0])
	return drawn
})

// awsObjects are what the XRs of a cluster compose: its network, itself, and for
// each name a queue, a bucket and a role, unless the API refuses the name.
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
			delete(spec, "externalNames") // of one cluster
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

// fullest are the examples that compose the most.
var fullest = map[string]string{
	"eksclusters": "full.yaml", "eventbuckets": "full.yaml", "eventqueues": "full.yaml", "networks": "full.yaml", "workloadroles": "consumer.yaml",
}

// longestNames are the limits of the API references of AWS, by kind.
var longestNames = map[string]int{
	"Bucket": 63, "Cluster": 100, "Group": 512, "LaunchTemplate": 128, "MetricAlarm": 255, "Topic": 256, "NodeGroup": 63, "Queue": 80, "Role": 64, "RolePolicy": 128, "SecurityGroup": 255,
}

// awsName is the name that AWS knows a resource by, if it is not assigned.
func awsName(object *unstructured.Unstructured) string {
	if external := meta.GetExternalName(object); external != "" {
		return external
	}
	name, _, _ := unstructured.NestedString(object.Object, "spec", "forProvider", "name")
	return name
}
