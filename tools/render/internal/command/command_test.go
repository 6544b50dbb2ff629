package command

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli/clitest"
)

var update = flag.Bool("update", false, "rewrite the expectations of the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"render": func() { os.Exit(Execute(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Cmds:                clitest.Commands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "someone")
				env.Setenv("GIT_"+who+"_EMAIL", "someone@example.com")
			}
			return nil
		},
	})
}

// TestThisRepository renders the clusters of this repository: there are no failures and
// no unknown parts.
func TestThisRepository(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := Execute([]string{"--root", "../../../.."}, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	for _, want := range []string{
		"# clusters/local, Kustomization/flux-system/consumer, apps/consumer/deploy/base/scaledobject.yaml:",
		"/config/crd/bases/keda.sh_scaledobjects.yaml:",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q", want)
		}
	}
}
