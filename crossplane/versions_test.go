package crossplane_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A new cluster keeps its version of Kubernetes for at least half a year before EKS
// upgrades it, and every allowed version has a day on which that happens. The days are
// those that AWS had announced when the table was last checked.
func TestVersionSupport(t *testing.T) {
	var table struct {
		Checked  string
		Versions map[string]struct{ StandardSupportUntil string }
	}
	readDoc(t, "eks-versions.yaml", &table)
	taken := enumOf(t, versionSchema(t))
	if listed := slices.Sorted(maps.Keys(table.Versions)); !slices.Equal(taken, listed) {
		t.Errorf("the API takes %q, docs/aws/eks-versions.yaml lists %q", taken, listed)
	}
	until := day(t, table.Versions[defaultVersion(t)].StandardSupportUntil)
	if wanted := day(t, table.Checked).AddDate(0, 6, 0); until.Before(wanted) {
		t.Errorf("the default %s is supported until %s, less than half a year after %s", defaultVersion(t), until.Format(time.DateOnly), table.Checked)
	}
}

func versionSchema(t *testing.T) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	return allAPIs(t)["eksclusters"].spec(t).Properties["version"]
}

func defaultVersion(t *testing.T) string {
	t.Helper()
	var version string
	if err := json.Unmarshal(versionSchema(t).Default.Raw, &version); err != nil {
		t.Fatal(err)
	}
	return version
}

func enumOf(t *testing.T, schema apiextensionsv1.JSONSchemaProps) []string {
	t.Helper()
	var values []string
	for _, raw := range schema.Enum {
		var value string
		if err := json.Unmarshal(raw.Raw, &value); err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
	}
	return values
}

func day(t *testing.T, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// EKS upgrades a cluster at the end of its version's support and never downgrades it. The
// running version is kept until the spec has caught up, and the XR says so.
func TestUpgradedByEKS(t *testing.T) {
	xr := readExample(t, "eksclusters", "examples/eksclusters/minimal.yaml")
	xr.Object["spec"].(map[string]any)["version"] = "1.35"
	for _, c := range []struct{ runs, wanted, reason, message string }{
		{"1.34", "1.35", "Available", ""},
		{"1.35", "1.35", "Available", ""},
		{"1.36", "1.36", "Waiting", "EKS runs Kubernetes 1.36, and spec.version is 1.35: raise it, EKS does not go back"},
	} {
		w := world{others: othersOf(xr), composed: map[string]*unstructured.Unstructured{}}
		for id, object := range compose(t, xr).composed {
			observed := object.DeepCopy()
			reported := usable(t, object)
			if id == "cluster" {
				reported["version"] = c.runs
			}
			observed.Object["status"] = map[string]any{
				"conditions": []any{condition("Synced", true, ""), condition("Ready", true, "")}, "atProvider": reported,
			}
			w.composed[id] = observed
		}
		got := run(t, xr, w)
		if version, _, _ := unstructured.NestedString(got.composed["cluster"].Object, "spec", "forProvider", "version"); version != c.wanted {
			t.Errorf("EKS runs %s, and %s is asked for", c.runs, version)
		}
		if reason, message := got.condition(t); reason != c.reason || message != c.message {
			t.Errorf("Provisioned is\n%s: %s\nwant\n%s: %s", reason, message, c.reason, c.message)
		}
	}
}
