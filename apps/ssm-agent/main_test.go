package main

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/apps/internal/logtest"
	"github.com/mystique-unicorn/sales-events/apps/ssm-agent/config"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"ssm-agent": main}) }

// The program as a process: its exit codes, its output, its answer to SIGTERM.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HTTP_ADDR", "127.0.0.1:0")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"logged": logtest.Logged,
			// term sends SIGTERM to what runs in the background.
			"term": func(ts *testscript.TestScript, _ bool, _ []string) {
				for _, cmd := range ts.BackgroundCmds() {
					ts.Check(cmd.Process.Signal(syscall.SIGTERM))
				}
			},
		},
	})
}

func TestReadiness(t *testing.T) {
	for _, tc := range []struct {
		name string
		node func(*fakeNode)
		mode config.Mode
		want int
	}{
		{"check, running", func(n *fakeNode) { n.process(731, packagePath, "731") }, config.Check, http.StatusOK},
		{"check, missing", func(*fakeNode) {}, config.Check, http.StatusOK},
		{"install, running", func(n *fakeNode) { n.process(731, packagePath, "731") }, config.Install, http.StatusOK},
		{"install, missing", func(n *fakeNode) { n.cron() }, config.Install, http.StatusOK},
		{
			"install, failed", func(n *fakeNode) { n.write(claim(thisBoot(n.t))+"/result", "failed: install the package") },
			config.Install, http.StatusServiceUnavailable,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			tc.node(n)
			n.write("/key", testKey)
			c := config.Config{
				Mode: tc.mode, HostRoot: n.root, Region: "eu-west-1", KeyFile: n.path("/key"),
				Fingerprint: testFingerprint, Timeout: time.Minute, Address: "127.0.0.1:0",
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			log := &logtest.Log{}
			go func() { ended <- run(ctx, c, log.Logger()) }()
			address := log.Await(t, "serving")
			if tc.want != http.StatusOK {
				log.Await(t, "the agent does not run") // and it does not look again
			}
			if err := logtest.Eventually(func() error { return answers("http://"+address+"/readyz", tc.want) }); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// answers returns an error if the answer has another status.
func answers(url string, want int) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != want {
		return fmt.Errorf("%s answers %d, want %d", url, response.StatusCode, want)
	}
	return nil
}
