package rules_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/compose/inprocess"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// TestFixtures holds each rule against small repositories. A fixture is named
// after its rule; lines that the rule must flag end in `# want`, and it must
// flag no others. A rule has at least one fixture that breaks it and one that
// does not. Files in base/ are the base revision; a finding about a file of it
// has no line, and the file says `# want` anywhere.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	broken, kept := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		id, _, _ := strings.Cut(name, "-")
		t.Run(name, func(t *testing.T) {
			if _, found := rules.Find(id); !found {
				t.Fatalf("no rule %s", id)
			}
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := wanted(archive)
			if len(want) > 0 {
				broken[id] = true
			} else {
				kept[id] = true
			}
			var got []string
			for _, finding := range check(t, archive) {
				if finding.Rule == id {
					got = append(got, fmt.Sprintf("%s:%d", finding.File, finding.Line))
					t.Logf("%s:%d: %s\n\t%s", finding.File, finding.Line, finding.Message, finding.Mend)
				}
			}
			slices.Sort(got)
			if !slices.Equal(slices.Compact(got), want) {
				t.Errorf("flagged %q, want %q", got, want)
			}
		})
	}
	for _, rule := range rules.All() {
		if !broken[rule.ID] || !kept[rule.ID] {
			t.Errorf("%s: has a fixture that breaks it: %v, one that does not: %v", rule.ID, broken[rule.ID], kept[rule.ID])
		}
	}
}

// TestDocumentation: --explain has something to say of every rule.
func TestDocumentation(t *testing.T) {
	id := regexp.MustCompile(`^[A-Z]+[0-9]{3}$`)
	previous := map[string]bool{}
	for _, rule := range rules.All() {
		if !id.MatchString(rule.ID) || previous[rule.ID] {
			t.Errorf("id %q is malformed or used twice", rule.ID)
		}
		previous[rule.ID] = true
		for field, text := range map[string]string{"title": rule.Title, "why": rule.Why, "example": rule.Example, "mend": rule.Mend, "severity": string(rule.Severity)} {
			if text == "" {
				t.Errorf("%s: no %s", rule.ID, field)
			}
		}
	}
}

func wanted(archive *txtar.Archive) []string {
	want := []string{}
	for _, file := range archive.Files {
		for i, line := range strings.Split(string(file.Data), "\n") {
			if !strings.HasSuffix(line, "# want") {
				continue
			}
			if name, base := strings.CutPrefix(file.Name, "base/"); base {
				want = append(want, name+":0")
				continue
			}
			want = append(want, fmt.Sprintf("%s:%d", file.Name, i+1))
		}
	}
	slices.Sort(want)
	return want
}

func check(t *testing.T, archive *txtar.Archive) []findings.Finding {
	t.Helper()
	root, base := t.TempDir(), t.TempDir()
	bases := map[string]*model.Cluster{}
	for _, file := range archive.Files {
		into, name := root, file.Name
		if before, found := strings.CutPrefix(name, "base/"); found {
			into, name = base, before
		}
		name = filepath.Join(into, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, file.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, before := rendered(t, base)
	for _, cluster := range before {
		bases[cluster.Path] = model.New(cluster, rules.Catalog(schema.Builtin(), cluster))
	}
	cfg, after := rendered(t, root)
	var all []findings.Finding
	for _, cluster := range after {
		kinds := rules.Catalog(schema.Builtin(), cluster)
		all = append(all, rules.Check(rules.Input{
			Cluster: model.New(cluster, kinds), Base: bases[cluster.Path], Config: cfg, Root: root, Catalog: kinds,
		})...)
	}
	return append(all, rules.Unused(all, cfg.Exceptions)...)
}

// rendered are the clusters of a repository; none of one that has no files.
func rendered(t *testing.T, root string) (config.Config, []*render.Cluster) {
	t.Helper()
	cfg, err := config.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := render.Run(context.Background(), render.Options{Root: root, Config: cfg, Optional: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rendering.Close() })
	for _, cluster := range rendering.Clusters {
		if err := compose.Run(t.Context(), cluster, inprocess.Functions()); err != nil {
			t.Fatal(err)
		}
	}
	return cfg, rendering.Clusters
}
