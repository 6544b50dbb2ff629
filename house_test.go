package house_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

const module = "github.com/mystique-unicorn/sales-events"

// pkg is a folder with Go files. Test files and files behind build tags count, because
// the rules apply to them, too.
type pkg struct {
	dir     string // slash-separated, relative to the root
	name    string // empty if the folder has only tests
	doc     string
	imports map[string]bool // folders of this module
}

// importRules says which package may import which. A finding quotes the name.
var importRules = []struct {
	name      string
	forbidden func(from, to pkg) bool
}{
	{"what runs in a cluster imports nothing of tools or crossplane", func(from, to pkg) bool {
		deployed := within(from.dir, "apps") || within(from.dir, "internal")
		return deployed && (within(to.dir, "tools") || within(to.dir, "crossplane"))
	}},
	{"nothing imports a main", func(_, to pkg) bool { return to.name == "main" }},
	{"gitops judges nothing", func(from, to pkg) bool {
		return within(from.dir, gitops) && within(to.dir, rules)
	}},
	{"build knows no manifest", func(from, to pkg) bool {
		return within(from.dir, "tools/internal/build") && (within(to.dir, gitops) || within(to.dir, rules))
	}},
	{"rules are told of programs, and know none", func(from, to pkg) bool {
		return within(from.dir, rules) && (within(to.dir, "apps") || within(to.dir, "crossplane"))
	}},
	{"a family of rules knows no other", func(from, to pkg) bool {
		shared := slices.Contains([]string{rules + "/rule", rules + "/findings", rules + "/scalers"}, to.dir)
		return from.dir != rules && within(from.dir, rules) && within(to.dir, rules) && !shared && !within(to.dir, from.dir)
	}},
}

const (
	gitops = "tools/internal/gitops"
	rules  = "tools/internal/rules"
)

func TestImports(t *testing.T) {
	packages := load(t, ".")
	for _, problem := range checkImports(packages) {
		t.Error(problem)
	}
	for _, problem := range checkInternal(packages) {
		t.Error(problem)
	}
}

func TestSizes(t *testing.T) {
	for _, problem := range checkSizes(t, ".") {
		t.Error(problem)
	}
}

func TestPackageComments(t *testing.T) {
	for _, problem := range checkDocs(load(t, ".")) {
		t.Error(problem)
	}
}

// written is the folder that the demo creates.
const written = "report"

func TestDocumentedPaths(t *testing.T) {
	documents := 0
	walk(t, ".", func(file string, _ fs.DirEntry) {
		if path.Ext(file) != ".md" {
			return
		}
		documents++
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range documentedPaths(string(text)) {
			// A link is relative to its document, a path in the text to the root.
			if !exists(filepath.Join(path.Dir(file), name)) && !exists(name) && !within(name, written) {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	})
	if documents == 0 {
		t.Error("no document found")
	}
}

// TestSimulatePins: simulate uses the versions that the cluster runs.
func TestSimulatePins(t *testing.T) {
	versions := func(file string) map[string]string {
		found := map[string]string{}
		module := parseModule(t, file)
		for _, require := range module.Require {
			found[require.Mod.Path] = require.Mod.Version
		}
		for _, replace := range module.Replace {
			if replace.New.Version != "" {
				found[replace.Old.Path] = replace.New.Version
			}
		}
		return found
	}
	simulate := versions("tools/simulate/go.mod")
	for engine, same := range map[string]func(module string) bool{
		"kubernetes": func(module string) bool {
			return module == "k8s.io/kubernetes" || module == "k8s.io/api" || module == "k8s.io/client-go" || module == "k8s.io/apimachinery"
		},
		"keda": func(module string) bool { return module == "github.com/kedacore/keda/v2" },
	} {
		compared := 0
		for module, version := range versions("tools/engines/" + engine + "/go.mod") {
			if !same(module) {
				continue
			}
			compared++
			if simulate[module] != version {
				t.Errorf("tools/simulate/go.mod has %s %s, the engine %s has %s", module, simulate[module], engine, version)
			}
		}
		if compared == 0 {
			t.Errorf("nothing of the engine %s is compared", engine)
		}
	}
}

// TestRulesBite checks that each check finds a fault in a small tree that has it: in this
// repository all are silent.
func TestRulesBite(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apps/a/main.go":              "// Command a.\npackage main\n\nimport _ \"" + module + "/tools/internal/shared\"",
		"apps/a/config/config.go":     "// Package config.\npackage config",
		"apps/a/store/store.go":       "package store",
		"apps/b/main.go":              "// Command b.\npackage main\n\nimport _ \"" + module + "/internal/used\"",
		"internal/used/u.go":          "// Package used.\npackage used",
		"internal/unused/u.go":        "// Package unused.\npackage unused",
		"tools/t/main.go":             "// Command t.\npackage main\n\nimport (\n_ \"" + module + "/apps/a\"\n_ \"" + module + "/apps/a/config\"\n)",
		"tools/t/t_test.go":           "package main\n\nimport _ \"" + module + "/apps/a/store\"",
		"tools/internal/shared/s.go":  "// Package shared.\npackage shared",
		"tools/internal/idle/i.go":    "// Package idle.\npackage idle",
		"tools/internal/build/x/x.go": "// Package x.\npackage x\n\nimport _ \"" + module + "/" + gitops + "/model\"",
		gitops + "/model/m.go":        "// Package model.\npackage model\n\nimport _ \"" + module + "/" + rules + "/rule\"",
		rules + "/rule/r.go":          "// Package rule.\npackage rule\n\n// " + strings.Repeat("x", maxColumns),
		rules + "/flux/f.go":          "// Package flux.\npackage flux\n\nimport (\n_ \"" + module + "/" + rules + "/rule\"\n_ \"" + module + "/" + rules + "/pods\"\n)",
		rules + "/pods/p.go":          "// Package pods.\npackage pods\n\nimport _ \"" + module + "/apps/a/config\"",
		rules + "/pods/long.go":       "package pods\n" + strings.Repeat("\n", maxLines),
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packages := load(t, dir)
	for _, tc := range []struct {
		check     string
		got, want []string
	}{
		{"imports", checkImports(packages), []string{
			"apps/a imports tools/internal/shared: what runs in a cluster imports nothing of tools or crossplane",
			"tools/internal/build/x imports tools/internal/gitops/model: build knows no manifest",
			"tools/internal/gitops/model imports tools/internal/rules/rule: gitops judges nothing",
			"tools/internal/rules/flux imports tools/internal/rules/pods: a family of rules knows no other",
			"tools/internal/rules/pods imports apps/a/config: rules are told of programs, and know none",
			"tools/t imports apps/a: nothing imports a main",
		}},
		{"internal", checkInternal(packages), []string{
			"internal/unused is used by no package of this module: delete it",
			"tools/internal/build/x is used by no package of tools: delete it",
			"tools/internal/idle is used by no package of tools: delete it",
			"tools/internal/rules/flux is used by no package of tools: delete it",
			"tools/internal/shared is used by no package of tools: delete it",
		}},
		{"sizes", checkSizes(t, dir), []string{
			"tools/internal/rules/pods/long.go has 401 lines, at most 400 are wanted",
			"tools/internal/rules/rule/r.go:4 has 143 characters, at most 140 are wanted",
		}},
		{"comments", checkDocs(packages), []string{
			`apps/a/store has no comment that begins "Package store"`,
		}},
		{"paths", documentedPaths("[a](x/y.md#z) [b](https://c/d) `./apps/a` `tools/...` ghcr `ghcr.io/a/b`\n```\n`q/r`\n```\n"), []string{"apps/a", "tools", "x/y.md"}},
	} {
		if !slices.Equal(tc.got, tc.want) {
			t.Errorf("%s:\n got %q\nwant %q", tc.check, tc.got, tc.want)
		}
	}
}

// checkImports applies the rules to every import of a package of this module.
func checkImports(packages map[string]pkg) []string {
	var found []string
	for _, from := range packages {
		for dir := range from.imports {
			to, ok := packages[dir]
			if !ok {
				to.dir = dir
			}
			for _, rule := range importRules {
				if rule.forbidden(from, to) {
					found = append(found, fmt.Sprintf("%s imports %s: %s", from.dir, dir, rule.name))
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

// checkInternal finds internal packages that nothing imports. The compiler already
// prevents imports from outside of their parent.
func checkInternal(packages map[string]pkg) []string {
	var found []string
	for dir, p := range packages {
		parent, _, internal := strings.Cut("/"+dir+"/", "/internal/")
		parent = strings.Trim(parent, "/")
		if !internal || p.name == "" || p.name == "main" {
			continue
		}
		used := false
		for _, user := range packages {
			used = used || user.dir != dir && user.imports[dir] && within(user.dir, parent)
		}
		if !used {
			found = append(found, fmt.Sprintf("%s is used by no package of %s: delete it", dir, cmp.Or(parent, "this module")))
		}
	}
	slices.Sort(found)
	return found
}

// The limits for what a reader must take in at once: source files in a package, lines in
// a file, characters in a line. Tests and generated files do not count.
const (
	maxFiles   = 15
	maxLines   = 400
	maxColumns = 140
)

func checkSizes(t *testing.T, root string) []string {
	t.Helper()
	var found []string
	files := map[string]int{}
	walk(t, root, func(file string, _ fs.DirEntry) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), "// Code generated ") {
			return
		}
		files[path.Dir(file)]++
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if len(lines) > maxLines {
			found = append(found, fmt.Sprintf("%s has %d lines, at most %d are wanted", file, len(lines), maxLines))
		}
		for i, line := range lines {
			if columns := utf8.RuneCountInString(line); columns > maxColumns {
				found = append(found, fmt.Sprintf("%s:%d has %d characters, at most %d are wanted", file, i+1, columns, maxColumns))
			}
		}
	})
	for dir, count := range files {
		if count > maxFiles {
			found = append(found, fmt.Sprintf("%s has %d source files, at most %d are wanted", dir, count, maxFiles))
		}
	}
	slices.Sort(found)
	return found
}

// checkDocs finds packages without a comment in the form that go doc expects.
func checkDocs(packages map[string]pkg) []string {
	var found []string
	for dir, p := range packages {
		begins := "Package " + p.name
		if p.name == "main" {
			begins = "Command " + path.Base(dir)
		}
		if p.name != "" && !strings.HasPrefix(p.doc, begins) {
			found = append(found, fmt.Sprintf("%s has no comment that begins %q", dir, begins))
		}
	}
	slices.Sort(found)
	return found
}

var (
	fence    = regexp.MustCompile("(?ms)^```.*?^```")
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`([^`\n]+)`")
	// A path in the text has a slash and nothing that a command, an address or
	// a pattern has; a first part with a dot is a host name.
	pathLike = regexp.MustCompile(`^\.?[\w-]+/[\w./-]*$`)
)

// documentedPaths is what a document links to or names in backquotes.
func documentedPaths(text string) []string {
	text = fence.ReplaceAllString(text, "")
	var found []string
	for _, match := range link.FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(match[1], "#")
		if target != "" && !strings.Contains(target, ":") {
			found = append(found, path.Clean(target))
		}
	}
	for _, match := range codeSpan.FindAllStringSubmatch(text, -1) {
		name := strings.TrimPrefix(strings.TrimSuffix(match[1], "..."), "./")
		if pathLike.MatchString(name) {
			found = append(found, path.Clean(name))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// load reads the packages below root by their folder. It parses instead of
// asking the go command, so that the test cache sees which files it depends on.
func load(t *testing.T, root string) map[string]pkg {
	t.Helper()
	packages := map[string]pkg{}
	walk(t, root, func(file string, _ fs.DirEntry) {
		if path.Ext(file) != ".go" {
			return
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		dir := path.Dir(file)
		p, ok := packages[dir]
		if !ok {
			p = pkg{dir: dir, imports: map[string]bool{}}
		}
		if !strings.HasSuffix(file, "_test.go") {
			p.name = syntax.Name.Name
			p.doc += comment(syntax)
		}
		for _, spec := range syntax.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if name, ok := strings.CutPrefix(name, module+"/"); ok {
				p.imports[name] = true
			}
		}
		packages[dir] = p
	})
	if len(packages) == 0 {
		t.Fatal("no Go files found")
	}
	return packages
}

func comment(file *ast.File) string {
	if file.Doc == nil {
		return ""
	}
	return file.Doc.Text()
}

// walk calls visit with every file that is ours, its path from root. Fixtures
// and other modules are not.
func walk(t *testing.T, root string, visit func(file string, entry fs.DirEntry)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() {
			visit(name, entry)
			return nil
		}
		if name == "." {
			return nil
		}
		base := path.Base(name)
		if base == "testdata" || base == "bin" || strings.HasPrefix(base, ".") || exists(filepath.Join(root, name, "go.mod")) {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// within is also true of any folder in the root, which is "".
func within(dir, parent string) bool {
	return parent == "" || dir == parent || strings.HasPrefix(dir, parent+"/")
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
