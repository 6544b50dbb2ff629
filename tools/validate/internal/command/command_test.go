package command

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
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
	})
}

// TestThisRepository holds this repository to its own gate: every object has a
// schema, and there is nothing to report.
func TestThisRepository(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Execute([]string{"--root", "../../../.."}, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	// The accounts of staging and production are the user's to write.
	placeholders := strings.Count(stdout.String(), " is a placeholder (")
	if !strings.Contains(stdout.String(), " 0 unknown, ") || !strings.Contains(stdout.String(), fmt.Sprintf(" 0 errors, %d warnings", placeholders)) {
		t.Errorf("not clean:\n%s", &stdout)
	}
}
