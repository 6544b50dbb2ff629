package rules_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// TestFindings records the findings of all rules in all fixtures, without their wording:
// a change in shared code shows here which other findings it changes.
func TestFindings(t *testing.T) {
	const golden = "testdata/findings.golden"
	var text strings.Builder
	for _, file := range fixtures(t) {
		record(&text, strings.TrimSuffix(filepath.Base(file), ".txtar"), checkFixture(t, file))
	}
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(text.String(), "\n")); difference != "" {
		t.Errorf("-want +got, -update records it:\n%s", difference)
	}
}

func record(text *strings.Builder, name string, found []findings.Finding) {
	var lines []string
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("  %s %s %s:%d:%d %s %s\n", f.Rule, f.Severity, f.File, f.Line, f.Column, strings.Join(f.Clusters, ","), f.Object))
	}
	slices.Sort(lines)
	text.WriteString(name + "\n" + strings.Join(lines, ""))
}
