package house_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/mod/modfile"
	"sigs.k8s.io/yaml"
)

// TestReadme: the README stays short, and the tree in it is the real one.
func TestReadme(t *testing.T) {
	const limit = 90
	text := readFile(t, "README.md")
	if lines := strings.Count(text, "\n"); lines > limit {
		t.Errorf("README.md has %d lines, at most %d are wanted: move what is not needed first to docs/", lines, limit)
	}
	tree := treeOf(text)
	if len(tree) == 0 {
		t.Error("README.md draws no tree: a code block whose lines begin with folders, such as `clusters/`")
	}
	for _, name := range tree {
		if !exists(name) {
			t.Errorf("the tree of README.md has %s, which does not exist", name)
		}
	}
}

func TestTreeOf(t *testing.T) {
	got := treeOf("```sh\nmake demo\n```\n```\na/     the first\n  b/ c/  inside a/\nd/e/   another\n```\n")
	if want := []string{"a/", "a/b/", "a/c/", "d/e/"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

var (
	treeBlock = regexp.MustCompile("(?ms)^```\n(\\w[\\w-]*/.*?)^```")
	treeLine  = regexp.MustCompile(`^( *)((?:[\w.-]+(?:/[\w.-]+)*/ )+) *\S`)
)

// treeOf returns the folders in a document's drawing of a tree. A line begins with one or
// more folders; those of an indented line are within the one above.
func treeOf(text string) []string {
	block := treeBlock.FindStringSubmatch(text)
	if block == nil {
		return nil
	}
	var found []string
	parent := ""
	for line := range strings.Lines(block[1]) {
		match := treeLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		names := strings.Fields(match[2])
		if match[1] == "" {
			parent = names[0]
			found = append(found, names...)
			continue
		}
		for _, name := range names {
			found = append(found, parent+name)
		}
	}
	return found
}

// TestTrouble: the messages that docs/local.md explains exist in the programs.
func TestTrouble(t *testing.T) {
	var program strings.Builder
	program.WriteString(readFile(t, "Makefile"))
	for _, file := range matching(t, "tools/{local,internal/report}/**/*.go", repositoryFiles(t)) {
		if !strings.HasSuffix(file, "_test.go") {
			program.WriteString(readFile(t, file))
		}
	}
	_, trouble, _ := strings.Cut(readFile(t, "docs/local.md"), "\n## Trouble\n")
	messages := firstColumn.FindAllStringSubmatch(trouble, -1)
	if len(messages) == 0 {
		t.Fatal("docs/local.md explains no message")
	}
	for _, message := range messages {
		for part := range strings.SplitSeq(message[1], "…") {
			if !strings.Contains(program.String(), strings.TrimSpace(part)) {
				t.Errorf("docs/local.md explains the message %q, and no program says %q", message[1], strings.TrimSpace(part))
			}
		}
	}
}

// firstColumn matches text in backquotes in the first column of a table.
var firstColumn = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")

// TestCodeOwners: a pattern that matches nothing asks nobody for a review.
func TestCodeOwners(t *testing.T) {
	files := repositoryFiles(t)
	owned := false
	for line := range strings.Lines(readFile(t, ".github/CODEOWNERS")) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, owners := fields[0], fields[1:]
		owned = owned || pattern == "*"
		if len(owners) == 0 {
			t.Errorf("%s has no owner", pattern)
		}
		for _, owner := range owners {
			if !strings.HasPrefix(owner, "@mystique-unicorn/") {
				t.Errorf("%s is owned by %s, which is no team of this organization", pattern, owner)
			}
		}
		if pattern != "*" && !strings.HasPrefix(pattern, "/") {
			t.Errorf("%s matches in every folder: begin it with /", pattern)
		}
		glob := strings.TrimPrefix(pattern, "/")
		if strings.HasSuffix(glob, "/") {
			glob += "**"
		}
		if len(matching(t, glob, files)) == 0 {
			t.Errorf("%s matches no file", pattern)
		}
	}
	if !owned {
		t.Error("no pattern * owns what the others do not name")
	}
}

// renovate is what the test reads of Renovate's configuration:
// https://docs.renovatebot.com/configuration-options/
type renovate struct {
	PackageRules []struct {
		MatchFileNames    []string `json:"matchFileNames"`
		MatchPackageNames []string `json:"matchPackageNames"`
		GroupName         string   `json:"groupName"`
	} `json:"packageRules"`
	CustomManagers []renovateManager `json:"customManagers"`
}

type renovateManager struct {
	ManagerFilePatterns []string `json:"managerFilePatterns"`
	MatchStrings        []string `json:"matchStrings"`
	DepNameTemplate     string   `json:"depNameTemplate"`
	PackageNameTemplate string   `json:"packageNameTemplate"`
}

// TestRenovate: every engine is a group, every pattern finds something, and
// every version in a manifest that validate holds against a pin moves with it.
func TestRenovate(t *testing.T) {
	var config renovate
	if err := json.Unmarshal([]byte(readFile(t, ".github/renovate.json")), &config); err != nil {
		t.Fatal(err)
	}
	files := repositoryFiles(t)
	pins := enginePins(t)

	packages := []string{}
	for name := range pins {
		packages = append(packages, name)
	}
	for _, require := range parseModule(t, "go.mod").Require {
		packages = append(packages, require.Mod.Path)
	}
	for _, rule := range config.PackageRules {
		for _, pattern := range rule.MatchFileNames {
			if len(matching(t, pattern, files)) == 0 {
				t.Errorf("matchFileNames %s matches no file", pattern)
			}
		}
		for _, pattern := range rule.MatchPackageNames {
			if len(matching(t, strings.TrimPrefix(pattern, "!"), packages)) == 0 {
				t.Errorf("matchPackageNames %s matches no module of go.mod or of an engine", pattern)
			}
		}
	}
	for _, engine := range glob(t, "tools/engines/*/go.mod") {
		grouped := false
		for _, rule := range config.PackageRules {
			for _, pattern := range rule.MatchFileNames {
				grouped = grouped || rule.GroupName != "" && len(matching(t, pattern, []string{engine})) > 0
			}
		}
		if !grouped {
			t.Errorf("no packageRule groups %s", engine)
		}
	}

	captured := map[string][]string{} // the texts that are moved, by file
	managed := map[string]bool{}
	for _, manager := range config.CustomManagers {
		managed[manager.DepNameTemplate] = true
		for file, versions := range capture(t, manager, files) {
			captured[file] = append(captured[file], versions...)
			for _, version := range versions {
				if pin := pins[manager.DepNameTemplate]; pin != "" && strings.TrimPrefix(version, "v") != strings.TrimPrefix(pin, "v") {
					t.Errorf("%s has %s for %s, whose pin is %s: correct the one or the matchStrings", file, version, manager.DepNameTemplate, pin)
				}
			}
		}
	}
	for _, module := range versionedModules(t) {
		if !managed[module] {
			t.Errorf("no customManager moves the versions that repeat the pin of %s", module)
			continue
		}
		bare := regexp.MustCompile(`\bv?` + regexp.QuoteMeta(strings.TrimPrefix(pins[module], "v")) + `\b`)
		for _, file := range matching(t, "{infrastructure,clusters,crossplane/apis}/**/*.yaml", files) {
			if found := len(bare.FindAllString(readFile(t, file), -1)); found > len(captured[file]) {
				t.Errorf("%s names version %s of %s %d times, and customManagers move %d", file, pins[module], module, found, len(captured[file]))
			}
		}
	}
}

// capture is the versions that a custom manager finds, by file. Each of its
// matchStrings must find one.
func capture(t *testing.T, manager renovateManager, files []string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, text := range manager.MatchStrings {
		expression, err := regexp.Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		version := expression.SubexpIndex("currentValue")
		if version < 0 {
			t.Fatalf("matchStrings %s captures no currentValue", text)
		}
		matches := 0
		for _, pattern := range manager.ManagerFilePatterns {
			for _, file := range matching(t, pattern, files) {
				for _, match := range expression.FindAllStringSubmatch(readFile(t, file), -1) {
					matches++
					found[file] = append(found[file], match[version])
				}
			}
		}
		if matches == 0 {
			t.Errorf("matchStrings %s finds nothing in %s", text, manager.ManagerFilePatterns)
		}
	}
	return found
}

// enginePins is the version of every module that an engine's go.mod names. What
// manifests repeat is named by one engine alone.
func enginePins(t *testing.T) map[string]string {
	t.Helper()
	pins := map[string]string{}
	for _, file := range glob(t, "tools/engines/*/go.mod") {
		module := parseModule(t, file)
		for _, require := range module.Require {
			pins[require.Mod.Path] = require.Mod.Version
		}
		for _, replace := range module.Replace {
			pins[replace.New.Path] = replace.New.Version
		}
	}
	if len(pins) == 0 {
		t.Fatal("no engine pins anything")
	}
	return pins
}

// versionedModules is the modules of `versions` in .validate.yaml.
func versionedModules(t *testing.T) []string {
	t.Helper()
	var config struct {
		Versions []struct {
			Module string `json:"module"`
		} `json:"versions"`
	}
	if err := yaml.Unmarshal([]byte(readFile(t, ".validate.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	var modules []string
	for _, version := range config.Versions {
		modules = append(modules, version.Module)
	}
	slices.Sort(modules)
	if modules = slices.Compact(modules); len(modules) == 0 {
		t.Fatal(".validate.yaml holds no version against a pin")
	}
	return modules
}

func parseModule(t *testing.T, file string) *modfile.File {
	t.Helper()
	module, err := modfile.Parse(file, []byte(readFile(t, file)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func matching(t *testing.T, pattern string, names []string) []string {
	t.Helper()
	var found []string
	for _, name := range names {
		match, err := doublestar.Match(pattern, name)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		if match {
			found = append(found, name)
		}
	}
	return found
}

// repositoryFiles is every file below the root, hidden ones too.
func repositoryFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && name == ".git" {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil // of a worktree
		}
		if err == nil && !entry.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
