package command

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli/clitest"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
)

var update = flag.Bool("update", false, "rewrite the expectations of the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"validate": func() { os.Exit(Execute(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                clitest.Commands,
	})
}

// TestThisRepository runs validate on this repository: every object has a schema, and
// there are no errors.
func TestThisRepository(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Execute([]string{"--root", "../../../.."}, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	// The accounts of staging and production, and the addresses that may reach their
	// clusters, are placeholders for the user.
	placeholders := strings.Count(stdout.String(), " is a placeholder (") + strings.Count(stdout.String(), " is reserved for documentation: ")
	if !strings.Contains(stdout.String(), " 0 unknown, ") || !strings.Contains(stdout.String(), fmt.Sprintf(" 0 errors, %d warnings", placeholders)) {
		t.Errorf("not clean:\n%s", &stdout)
	}
}

// TestRulesDocument: docs/rules.md is what --explain all prints.
func TestRulesDocument(t *testing.T) {
	const file = "../../../../docs/rules.md"
	var text bytes.Buffer
	if err := writeDocument(&text); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != text.String() {
		t.Error("docs/rules.md is not current: go run ./tools/validate --explain all > docs/rules.md")
	}
	for _, r := range rules.All() {
		if strings.Count(text.String(), "\n### "+r.ID+" ") != 1 {
			t.Errorf("%s belongs to no family of the document", r.ID)
		}
	}
}
