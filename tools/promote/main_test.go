package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"promote": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: func(env *testscript.Env) error {
		for _, who := range []string{"AUTHOR", "COMMITTER"} {
			env.Setenv("GIT_"+who+"_NAME", "test")
			env.Setenv("GIT_"+who+"_EMAIL", "test@example.com")
		}
		return nil
	}})
}
