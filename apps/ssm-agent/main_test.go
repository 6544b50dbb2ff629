package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mystique-unicorn/sales-events/apps/ssm-agent/config"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"ssm-agent": main}) }

// The program as a process: its exit codes, its output, its answer to SIGTERM.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HTTP_ADDR", freeAddress(t))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// term sends SIGTERM to what runs in the background, once it serves.
			"term": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(awaitStatus("http://"+ts.Getenv("HTTP_ADDR")+"/healthz", http.StatusOK))
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
				Fingerprint: testFingerprint, Timeout: time.Minute, Address: freeAddress(t),
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- run(ctx, c, slog.New(slog.DiscardHandler)) }()
			if err := awaitStatus("http://"+c.Address+"/readyz", tc.want); err != nil {
				t.Error(err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// awaitStatus takes what is not ready for the answer only when it stays so.
func awaitStatus(url string, want int) error {
	patience := 10 * time.Second
	if want != http.StatusOK {
		patience = 500 * time.Millisecond
	}
	got := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		response, err := http.Get(url)
		if err != nil {
			continue
		}
		response.Body.Close()
		if got = response.StatusCode; got == http.StatusOK {
			break
		}
	}
	if got != want {
		return fmt.Errorf("%s answers %d, want %d", filepath.Base(url), got, want)
	}
	return nil
}
