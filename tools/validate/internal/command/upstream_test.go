package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/overlay"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// After make pin has written its digests, every image and package on AWS has one, and
// nothing else changes. The rules about tags then find nothing, even without their
// exceptions.
func TestPinnedUpstream(t *testing.T) {
	const root = "../../../.."
	dir := t.TempDir()
	copyRepository(t, root, dir)
	dropExceptions(t, filepath.Join(dir, ".validate.yaml"), "POD012", "XP007")
	byTag := findingsOf(t, dir, "POD012", "XP007")
	if len(byTag) == 0 {
		t.Error("no image is named by a tag: is this repository pinned? Then this test may go, with the exceptions")
	}

	for _, folder := range pinnedFolders(t, root) {
		tags, err := overlay.Tags(filepath.Join(dir, folder))
		if err != nil || len(tags) == 0 {
			t.Fatalf("%s: %d tags, %v", folder, len(tags), err)
		}
		digests := map[string]string{}
		for _, tag := range tags {
			digests[tag.Reference()] = "sha256:" + strings.Repeat("0", 64)
		}
		if _, err := overlay.SetBeside(filepath.Join(dir, folder), digests); err != nil {
			t.Fatal(err)
		}
	}
	for _, found := range findingsOf(t, dir, "POD012", "XP007", "XP014", "FLX007") {
		t.Errorf("with digests: %s:%d: %s %s", found.File, found.Line, found.Rule, found.Message)
	}
}

// pinnedFolders returns the folders of make pin.
func pinnedFolders(t *testing.T, root string) []string {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^PINNED := (.+)$`).FindSubmatch(makefile)
	if line == nil {
		t.Fatal("the Makefile has no PINNED")
	}
	return strings.Fields(string(line[1]))
}

func dropExceptions(t *testing.T, file string, rules ...string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := yaml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	config["exceptions"] = slices.DeleteFunc(config["exceptions"].([]any), func(exception any) bool {
		return slices.Contains(rules, exception.(map[string]any)["rule"].(string))
	})
	if data, err = yaml.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// findingsOf returns the findings of some rules in a repository.
func findingsOf(t *testing.T, root string, rules ...string) []findings.Finding {
	t.Helper()
	var stdout, stderr bytes.Buffer
	Execute([]string{"--root", root, "--format", "json"}, &stdout, &stderr)
	var report struct{ Findings []findings.Finding }
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return slices.DeleteFunc(report.Findings, func(f findings.Finding) bool { return !slices.Contains(rules, f.Rule) })
}
