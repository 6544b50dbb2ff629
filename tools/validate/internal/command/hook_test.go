package command

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestHook runs the pre-commit hook in a new repository. A script called go replaces the
// build: it writes a program that reports its call.
func TestHook(t *testing.T) {
	hook, err := filepath.Abs("../../pre-commit")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/hook",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOOK", hook)
			env.Setenv("PATH", filepath.Join(env.WorkDir, "bin")+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				env.Setenv("GIT_"+who+"_NAME", "someone")
				env.Setenv("GIT_"+who+"_EMAIL", "someone@example.com")
			}
			return nil
		},
	})
}
