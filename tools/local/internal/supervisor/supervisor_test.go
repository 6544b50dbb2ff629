package supervisor

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/pki"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/supervisor/config"
)

var options = Options{Programs: map[string]string{
	"cni": "cni-1", "containerd": "containerd-1", "etcd": "etcd-1", "kubernetes": "kubernetes-1", "runc": "runc-1",
}}

func children() []child { return append(storeAndRuntime(options), clients(options)...) }

// Every file that a program reads is written before it starts.
func TestChildrenReadWhatIsWritten(t *testing.T) {
	dir := t.TempDir()
	if err := pki.Write(filepath.Join(dir, "pki")); err != nil {
		t.Fatal(err)
	}
	if err := config.Write(filepath.Join(dir, "config"), config.Values{}); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, c := range children() {
		said = append(said, c.args...)
	}
	for _, file := range []string{"kubelet.yaml", "kube-proxy.yaml", "containerd.toml"} {
		data, err := os.ReadFile(filepath.Join(dir, "config", file))
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(data))
	}
	named := regexp.MustCompile(layout.Inside+`/(pki|config)/[\w./-]+`).FindAllString(strings.Join(said, "\n"), -1)
	if len(named) < 20 {
		t.Fatalf("only %d files are named: %q", len(named), named)
	}
	for _, name := range named {
		if _, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(name, layout.Inside))); err != nil {
			t.Errorf("%s is read and not written: %v", name, err)
		}
	}
}

// Every program that is started is one that its engine builds.
func TestChildrenAreBuilt(t *testing.T) {
	for _, c := range children() {
		engine, _, _ := strings.Cut(path.Base(path.Dir(c.path)), "-")
		p, err := pins.Read("../../../engines/" + engine)
		if err != nil {
			t.Fatal(err)
		}
		// The import path of etcd ends with its major version.
		if !slices.ContainsFunc(p.Programs, func(pkg string) bool { return slices.Contains(strings.Split(pkg, "/"), path.Base(c.path)) }) {
			t.Errorf("%s runs %s, engine %s builds %q", c.name, path.Base(c.path), engine, p.Programs)
		}
	}
}

// Servers without authentication listen on the loopback, which neither pods nor users of
// the machine can reach.
func TestOnlyTheAPIServerIsReached(t *testing.T) {
	checked := 0
	for _, c := range children() {
		for _, arg := range c.args {
			flag, value, _ := strings.Cut(arg, "=")
			if flag != "--bind-address" && !strings.HasPrefix(flag, "--listen-") {
				continue
			}
			checked++
			host := strings.Split(strings.TrimPrefix(value, "http://"), ":")[0]
			if c.name != "kube-apiserver" && host != "127.0.0.1" {
				t.Errorf("%s listens on %s", c.name, value)
			}
		}
	}
	if checked == 0 {
		t.Error("no program says where it listens")
	}
}

// The command that starts the cluster sets the time limit. A program that ends stops the
// wait at once.
func TestWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group, ctx := errgroup.WithContext(t.Context())
		r := &runner{group: group, ctx: ctx}
		start := time.Now()
		if err := r.waitFor(func() bool { return time.Since(start) > time.Hour }); err != nil {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		ended := errors.New("etcd ended")
		group.Go(func() error {
			time.Sleep(time.Second)
			return ended
		})
		if err := r.waitFor(func() bool { return false }); !errors.Is(err, ended) {
			t.Errorf("error %v, want %v", err, ended)
		}
	})
}

// On request, only the API server is started again; if it ends by itself, the cluster
// ends.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	group, ctx := errgroup.WithContext(t.Context())
	restart := make(chan os.Signal)
	r := &runner{group: group, ctx: ctx, log: slog.New(slog.DiscardHandler), dir: dir, restart: restart}
	starts := func(name string) int {
		log, err := os.ReadFile(filepath.Join(dir, "logs", name+".log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), "started")
	}
	await := func(name string, n int) {
		for starts(name) < n && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
	for _, name := range []string{"etcd", apiServerName} {
		if err := r.start(child{name: name, path: "/bin/sh", args: []string{"-c", "echo started; exec sleep 60"}}); err != nil {
			t.Fatal(err)
		}
		await(name, 1)
	}
	restart <- Restart
	await(apiServerName, 2)
	restart <- Restart
	await(apiServerName, 3)
	if n := starts("etcd"); n != 1 {
		t.Errorf("etcd was started %d times", n)
	}
	if err := r.start(child{name: "kubelet", path: "/bin/sh", args: []string{"-c", "echo no disk; exit 3"}}); err != nil {
		t.Fatal(err)
	}
	if err := group.Wait(); err == nil || !strings.Contains(err.Error(), "kubelet ended (exit status 3); its last lines:\nno disk") {
		t.Errorf("error %v", err)
	}
}

// The cluster ends with the command that starts it, until that command releases it.
func TestTether(t *testing.T) {
	for name, test := range map[string]struct {
		said string
		ends bool
	}{"the command was killed": {"", true}, "the command let go": {"\n", false}} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			watchTether(strings.NewReader(test.said), cancel)
			if ended := ctx.Err() != nil; ended != test.ends {
				t.Errorf("ended: %t, want %t", ended, test.ends)
			}
			if test.ends && !strings.Contains(context.Cause(ctx).Error(), "ended before the cluster was up") {
				t.Errorf("because %v", context.Cause(ctx))
			}
		})
	}
}

// Run does nothing outside of namespaces of its own.
func TestRunOutsideItsNamespaces(t *testing.T) {
	if os.Getpid() == 1 {
		t.Skip("this test is the first process of its namespace")
	}
	err := Run(t.Context(), Options{}, &bytes.Buffer{}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "start the cluster with `make up`") {
		t.Errorf("error %v", err)
	}
}

// An error of the supervisor's own servers names the address that is taken.
func TestServeOnATakenAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = serve(ctx, "registry", taken.Addr().String(), nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "serve registry: listen tcp "+taken.Addr().String()+": bind: address already in use") {
		t.Errorf("error %v", err)
	}
}
