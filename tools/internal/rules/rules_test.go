package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

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
	broken, kept := map[string]bool{}, map[string]bool{}
	for _, file := range fixtures(t) {
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
			for _, finding := range checkFixture(t, file) {
				if finding.Rule == id {
					got = append(got, fmt.Sprintf("%s:%d", finding.File, finding.Line))
					t.Logf("%s:%d: %s\n\t%s", finding.File, finding.Line, finding.Message, finding.Fix)
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
		for field, text := range map[string]string{"title": rule.Title, "why": rule.Why, "example": rule.Example, "fix": rule.Fix, "severity": string(rule.Severity)} {
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

func fixtures(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	return files
}

// checked are the findings in the fixtures so far.
var checked = map[string][]findings.Finding{}

func checkFixture(t *testing.T, name string) []findings.Finding {
	t.Helper()
	if found, done := checked[name]; done {
		return found
	}
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root, base := t.TempDir(), t.TempDir()
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
	checked[name] = checkRepository(t, root, base)
	return checked[name]
}

// checkRepository judges a repository in a folder against its base revision in
// another one, which may be empty.
func checkRepository(t *testing.T, root, base string) []findings.Finding {
	t.Helper()
	bases := map[string]*model.Cluster{}
	_, before := load(t, base)
	for _, cluster := range before.Clusters {
		bases[cluster.Path] = cluster
	}
	cfg, after := load(t, root)
	versions, err := rules.Versions(root, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var all []findings.Finding
	for _, cluster := range after.Clusters {
		all = append(all, rules.Check(rules.Input{Cluster: cluster, Base: bases[cluster.Path], Config: cfg, Versions: versions})...)
	}
	return append(all, rules.Unused(all, cfg.Exceptions)...)
}

func load(t *testing.T, root string) (config.Config, *model.Repository) {
	t.Helper()
	cfg, err := config.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	repository, err := model.Load(t.Context(), model.Options{
		Options: render.Options{Root: root, Config: cfg, Optional: true}, Catalog: schema.Builtin(), Functions: inprocess.Functions(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { repository.Close() })
	return cfg, repository
}
