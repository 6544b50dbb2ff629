package aws

import (
	"os"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// A version is reported from half a year before its end.
func TestSupportOf(t *testing.T) {
	day := func(text string) func() time.Time {
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			t.Fatal(err)
		}
		return func() time.Time { return at }
	}
	defer func() { now = time.Now }()
	for _, test := range []struct {
		today, version string
		known, enough  bool
	}{
		{"2026-09-01", "1.35", true, true},
		{"2026-11-29", "1.35", true, false},
		{"2026-11-29", "1.36", true, true},
		{"2026-11-29", "1.28", true, false},
		{"2026-11-29", "1.99", false, false},
	} {
		now = day(test.today)
		_, left, known := supportOf(test.version)
		if known != test.known || known && (left >= enoughSupport) != test.enough {
			t.Errorf("%s on %s: known %v, %s left", test.version, test.today, known, left)
		}
	}
}

// The dates are those in docs/aws. The default version of an EKSCluster has half a year
// left on the day on which they were looked up.
func TestSupportIsDocumented(t *testing.T) {
	var table struct {
		Checked  string
		Versions map[string]struct{ StandardSupportUntil string }
	}
	read(t, "../../../../docs/aws/eks-versions.yaml", &table)
	for version, of := range table.Versions {
		if standardSupport[version] != of.StandardSupportUntil {
			t.Errorf("%s: %s, docs/aws/eks-versions.yaml says %s", version, standardSupport[version], of.StandardSupportUntil)
		}
	}
	checked, err := time.Parse(time.DateOnly, table.Checked)
	if err != nil {
		t.Fatal(err)
	}
	now = func() time.Time { return checked }
	defer func() { now = time.Now }()
	if version := defaultVersion(t); version == "" {
		t.Error("an EKSCluster has no default version")
	} else if end, left, known := supportOf(version); !known || left < enoughSupport {
		t.Errorf("an EKSCluster runs %s, whose standard support ends on %q", version, end)
	}
}

// defaultVersion returns the version of the platform's own EKSCluster.
func defaultVersion(t *testing.T) string {
	t.Helper()
	var definition struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema struct {
						Properties map[string]struct {
							Properties map[string]struct{ Default any }
						}
					}
				}
			}
		}
	}
	read(t, "../../../../crossplane/apis/eksclusters/definition.yaml", &definition)
	version, _ := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["version"].Default.(string)
	return version
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
