package findings

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestIntroduced: a known finding is left out wherever it now is, and only as many
// times as it was known.
func TestIntroduced(t *testing.T) {
	finding := func(object, message, cluster string, line int) Finding {
		return Finding{Rule: "KEDA003", Object: object, Message: message, Clusters: []string{cluster}, File: "a.yaml", Line: line}
	}
	known := []Finding{finding("o", "m", "local", 1), finding("o", "gone", "local", 2)}
	all := []Finding{
		finding("o", "m", "local", 7), finding("o", "m", "local", 9), finding("o", "m", "staging", 7),
		finding("p", "m", "local", 7), finding("o", "n", "local", 7),
	}
	if got := Introduced(known, all); !reflect.DeepEqual(got, all[1:]) {
		t.Errorf("got %v, want %v", got, all[1:])
	}
	if got := Introduced(nil, all); !reflect.DeepEqual(got, all) {
		t.Errorf("without known ones got %v", got)
	}
}

// TestMergeObjects: findings about many objects from one line are joined, and no others.
func TestMergeObjects(t *testing.T) {
	finding := func(object, message string) Finding {
		return Finding{
			Rule: "FLX009", Severity: Error, Clusters: []string{"c"}, Object: object, File: "parts/a/kustomization.yaml", Line: 3, Column: 1,
			Message: message, Fix: "f",
		}
	}
	broken := func(name string) Finding {
		return finding("Kustomization.kustomize.toolkit.fluxcd.io/apps/"+name, "Kustomization/apps/"+name+" does not build: no file x.yaml")
	}
	got := Merge([]Finding{broken("a"), broken("b"), broken("c"), finding("ConfigMap/apps/a", "it is empty"), finding("ConfigMap/apps/a", "it is odd")})
	want := []Finding{finding("ConfigMap/apps/a", "it is empty"), finding("ConfigMap/apps/a", "it is odd"), broken("a")}
	want[2].Others = []string{broken("b").Object, broken("c").Object}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if said := got[2].said(); !strings.HasSuffix(said, " (so do 2 more, such as Kustomization.kustomize.toolkit.fluxcd.io/apps/b)") {
		t.Errorf("it says %q", said)
	}
	other := broken("d")
	other.Line++
	if got := Merge([]Finding{broken("a"), other}); len(got) != 2 {
		t.Errorf("two places are joined: %v", got)
	}
	unplaced := []Finding{broken("a"), broken("b")}
	unplaced[0].Line, unplaced[1].Line = 0, 0
	if got := Merge(unplaced); len(got) != 2 {
		t.Errorf("findings without a line are joined: %v", got)
	}
}

func TestSubject(t *testing.T) {
	const object = "Deployment.apps/shop/web"
	for message, want := range map[string]string{
		"runs as root":                                         object,
		"Deployment.apps/shop/web runs as root":                "",
		"container c of Deployment.apps/shop/web has no image": "",
		"KEDA refuses Deployment.apps/shop/web: no trigger":    "",
		"Deployment/shop/web depends on itself":                "",
		"Deployment.apps/shop/web-2 has the port":              object,
		"Deployment.apps/shop/web.v2 has the port":             object,
		"MyDeployment.apps/shop/web has the port":              object,
	} {
		if got := (Finding{Object: object, Message: message}).subject(); got != want {
			t.Errorf("%q is said of %q, want %q", message, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	at := func(file string, line, column int, clusters ...string) Finding {
		return Finding{Rule: "KEDA003", Severity: Error, Clusters: clusters, Object: "o", File: file, Line: line, Column: column, Message: "m", Fix: "n"}
	}
	with := func(change func(*Finding), clusters ...string) Finding {
		finding := at("a.yaml", 1, 1, clusters...)
		change(&finding)
		return finding
	}
	for name, tc := range map[string]struct{ in, want []Finding }{
		"nothing": {},
		"places in order, file, line, column": {
			in:   []Finding{at("b.yaml", 1, 1, "c"), at("a.yaml", 10, 1, "c"), at("a.yaml", 2, 9, "c"), at("a.yaml", 2, 3, "c")},
			want: []Finding{at("a.yaml", 2, 3, "c"), at("a.yaml", 2, 9, "c"), at("a.yaml", 10, 1, "c"), at("b.yaml", 1, 1, "c")},
		},
		"one fault of a base": {
			in:   []Finding{at("a.yaml", 1, 1, "local"), at("b.yaml", 1, 1, "local"), at("a.yaml", 1, 1, "staging"), at("a.yaml", 1, 1, "production")},
			want: []Finding{at("a.yaml", 1, 1, "local", "staging", "production"), at("b.yaml", 1, 1, "local")},
		},
		"one cluster twice": {
			in:   []Finding{at("a.yaml", 1, 1, "local"), at("a.yaml", 1, 1, "local")},
			want: []Finding{at("a.yaml", 1, 1, "local")},
		},
		"an error is not hidden by the warning of another cluster": {
			in:   []Finding{with(func(f *Finding) { f.Severity = Warning }, "local"), at("a.yaml", 1, 1, "staging")},
			want: []Finding{at("a.yaml", 1, 1, "staging"), with(func(f *Finding) { f.Severity = Warning }, "local")},
		},
		"another fix": {
			in:   []Finding{at("a.yaml", 1, 1, "local"), with(func(f *Finding) { f.Fix = "other" }, "staging")},
			want: []Finding{at("a.yaml", 1, 1, "local"), with(func(f *Finding) { f.Fix = "other" }, "staging")},
		},
		"accepted for one": {
			in:   []Finding{with(func(f *Finding) { f.Accepted = "why" }, "local"), at("a.yaml", 1, 1, "staging")},
			want: []Finding{at("a.yaml", 1, 1, "staging"), with(func(f *Finding) { f.Accepted = "why" }, "local")},
		},
		"another object in the same place": {
			in:   []Finding{with(func(f *Finding) { f.Object = "p" }, "staging"), at("a.yaml", 1, 1, "local")},
			want: []Finding{with(func(f *Finding) { f.Others = []string{"p"} }, "local", "staging")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.in)
			if got := Merge(tc.in); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %v\nwant %v", got, tc.want)
			}
			if !reflect.DeepEqual(tc.in, before) {
				t.Errorf("the argument changed to %v", tc.in)
			}
			if again := Merge(Merge(tc.in)); !reflect.DeepEqual(again, tc.want) {
				t.Errorf("merged twice: %v", again)
			}
		})
	}
}

func TestMergeSharesNoClusters(t *testing.T) {
	shared := append(make([]string, 0, 4), "local")
	Merge([]Finding{{Clusters: shared}, {Clusters: []string{"staging"}}})
	if hidden := shared[:2][1]; hidden != "" {
		t.Errorf("the caller's slice got %q", hidden)
	}
}

func TestCount(t *testing.T) {
	report := Report{Findings: []Finding{{Severity: Error}, {Severity: Warning}, {Severity: Error}, {Severity: Off}}}
	for severity, want := range map[Severity]int{Error: 2, Warning: 1, Off: 1} {
		if got := report.Count(severity); got != want {
			t.Errorf("%s: %d, want %d", severity, got, want)
		}
	}
}
