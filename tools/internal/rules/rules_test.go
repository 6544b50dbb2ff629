package rules_test

import (
	"cmp"
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
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
	"github.com/mystique-unicorn/sales-events/tools/validate/programs"
)

// TestFixtures holds each rule against small repositories, which are in the testdata
// of its family. A fixture is named after its rule. A line that the rule must flag
// ends in `# want`, with the severity where that is not the rule's own and, once a
// rule, with an expression for the message: `# want warning "no label .*"`. The
// rule must flag no other line. A rule has at least one fixture that breaks it and
// one that does not. Files in base/ are the base revision; a finding about a file of
// it has no line, and the file says `# want` anywhere.
func TestFixtures(t *testing.T) {
	broken, kept, described := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, file := range fixtures(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		id, _, _ := strings.Cut(name, "-")
		t.Run(name, func(t *testing.T) {
			r, found := rules.Find(id)
			if !found {
				t.Fatalf("no rule %s", id)
			}
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			expected := expectations(t, archive, r.Severity)
			broken[id], kept[id] = broken[id] || len(expected) > 0, kept[id] || len(expected) == 0
			var own []findings.Finding
			for _, finding := range checkFixture(t, file) {
				if finding.Rule == id {
					own = append(own, finding)
					t.Logf("%s:%d: %s: %s\n\t%s", finding.File, finding.Line, finding.Severity, finding.Message, finding.Fix)
				}
			}
			compare(t, own, expected)
			described[id] = described[id] || slices.ContainsFunc(expected, func(e expectation) bool { return e.message != nil })
		})
	}
	for _, r := range rules.All() {
		if !broken[r.ID] || !kept[r.ID] || !described[r.ID] {
			t.Errorf("%s: a fixture breaks it: %v, one does not: %v, one has the message: %v", r.ID, broken[r.ID], kept[r.ID], described[r.ID])
		}
	}
}

// expectation is what a rule must say of a line.
type expectation struct {
	place   string // file:line severity
	message *regexp.Regexp
}

var want = regexp.MustCompile(`# want(?: (error|warning))?(?: "(.+)")?$`)

func expectations(t *testing.T, archive *txtar.Archive, severity findings.Severity) []expectation {
	t.Helper()
	var all []expectation
	for _, file := range archive.Files {
		name, base := strings.CutPrefix(file.Name, "base/")
		for i, line := range strings.Split(string(file.Data), "\n") {
			match := want.FindStringSubmatch(line)
			if match == nil {
				continue
			}
			number := i + 1
			if base {
				number = 0
			}
			e := expectation{place: fmt.Sprintf("%s:%d %s", name, number, cmp.Or(match[1], string(severity)))}
			if match[2] != "" {
				e.message = regexp.MustCompile(match[2])
			}
			all = append(all, e)
		}
	}
	return all
}

func compare(t *testing.T, found []findings.Finding, expected []expectation) {
	t.Helper()
	messages := map[string][]string{}
	for _, f := range found {
		place := fmt.Sprintf("%s:%d %s", f.File, f.Line, f.Severity)
		messages[place] = append(messages[place], f.Message)
		if f.Fix == "" {
			t.Errorf("%s: %s: no fix", place, f.Message)
		}
	}
	for _, e := range expected {
		said, flagged := messages[e.place]
		switch {
		case !flagged:
			t.Errorf("%s is not flagged", e.place)
		case e.message != nil && !slices.ContainsFunc(said, e.message.MatchString):
			t.Errorf("%s: the message is %q, want %q", e.place, said, e.message)
		}
	}
	for place := range messages {
		if !slices.ContainsFunc(expected, func(e expectation) bool { return e.place == place }) {
			t.Errorf("%s is flagged: %q", place, messages[place])
		}
	}
}

// TestDocumentation: --explain has a text for every rule.
func TestDocumentation(t *testing.T) {
	id := regexp.MustCompile(`^[A-Z]+[0-9]{3}$`)
	previous := map[string]bool{}
	for _, r := range rules.All() {
		if !id.MatchString(r.ID) || previous[r.ID] {
			t.Errorf("id %q is malformed or used twice", r.ID)
		}
		previous[r.ID] = true
		for field, text := range map[string]string{"title": r.Title, "why": r.Why, "example": r.Example, "fix": r.Fix, "severity": string(r.Severity)} {
			if text == "" {
				t.Errorf("%s: no %s", r.ID, field)
			}
		}
	}
}

func fixtures(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"testdata/*.txtar", "*/testdata/*.txtar", "*/*/testdata/*.txtar"} {
		matches, err := filepath.Glob(pattern)
		if err != nil || len(matches) == 0 {
			t.Fatalf("no fixture at %s: %v", pattern, err)
		}
		files = append(files, matches...)
	}
	slices.SortFunc(files, func(a, b string) int { return cmp.Compare(filepath.Base(a), filepath.Base(b)) })
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
		all = append(all, rules.Check(rule.Input{
			Cluster: cluster, Base: bases[cluster.Path], Clusters: after.Clusters, Config: cfg, Versions: versions, Programs: programs.All(),
		})...)
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
		Options: render.Options{Root: root, Config: cfg, Optional: true}, Catalog: schema.Builtin(),
		Functions: inprocess.Functions(cfg.Workloads),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { repository.Close() })
	return cfg, repository
}
