package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// A process with a reused id is not the supervisor, nor is one that has ended.
func TestRunning(t *testing.T) {
	self, _ := startTime(os.Getpid())
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		pidFile string
		running bool
	}{
		"runs":                {fmt.Sprintln(os.Getpid(), self), true},
		"the id was reused":   {fmt.Sprintln(os.Getpid(), self+"0"), false},
		"has ended":           {fmt.Sprintln(ended.Process.Pid, self), false},
		"was cut off halfway": {fmt.Sprint(os.Getpid()), false},
		"is empty":            {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			paths := layout.Paths{Cache: t.TempDir()}
			if err := os.MkdirAll(paths.State(), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(paths.PIDFile(), []byte(test.pidFile), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, running := Running(paths); running != test.running {
				t.Errorf("running: %t, want %t", running, test.running)
			}
		})
	}
}

// If the cluster ends, that is the error's cause, whether a part fails before the end is
// known or waits forever.
func TestGuardLeadsWithTheCause(t *testing.T) {
	const started = "time=12:00 level=INFO msg=started program=etcd\n"
	fails := func(context.Context) error { return io.ErrUnexpectedEOF }
	waits := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	const cause = "etcd ended (exit status 1); its last lines:\npanic: disk full\nerror: fatal"
	for name, test := range map[string]struct {
		part func(context.Context) error
		ends bool
		log  string
		want string
	}{
		"a lost connection":        {fails, true, started + "error: " + cause + "\n", "the cluster ended while it started: " + cause},
		"nothing to wait for":      {waits, true, started + "error: " + cause + "\n", "the cluster ended while it started: " + cause},
		"the supervisor is killed": {fails, true, started, "the cluster ended while it started: the supervisor was killed; its last lines:\n" + strings.TrimSpace(started)},
		"the cluster runs":         {fails, false, started, io.ErrUnexpectedEOF.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &Cluster{paths: layout.Paths{Cache: t.TempDir()}, ended: make(chan struct{})}
				if err := os.MkdirAll(c.paths.Logs(), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(c.paths.Logs(), "supervisor.log"), []byte(test.log), 0o644); err != nil {
					t.Fatal(err)
				}
				if test.ends {
					time.AfterFunc(time.Second, func() { close(c.ended) })
				}
				if err := c.Guard(t.Context(), test.part); err == nil || err.Error() != test.want {
					t.Errorf("error %q, want %q", err, test.want)
				}
			})
		})
	}
}

// After an interrupt or a timeout, the error does not name the end of the cluster that
// follows from it.
func TestGuardIsCancelled(t *testing.T) {
	c := &Cluster{ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.Guard(ctx, func(ctx context.Context) error { return fmt.Errorf("wait: %w", ctx.Err()) })
	if err == nil || err.Error() != "wait: context canceled" {
		t.Errorf("error %v", err)
	}
}

// Starting or stopping a cluster does not affect one with another cache folder, and
// removes its own link with the routes.
func TestLinkBelongsToOneCluster(t *testing.T) {
	inOwnNetwork(t, func() {
		// Stop ends the cluster in a folder and removes it, so this must never be a real
		// one.
		mine, other := layout.Paths{Cache: t.TempDir()}, layout.Paths{Cache: t.TempDir()}
		peer := exec.Command("sleep", "3600")
		peer.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := peer.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = peer.Process.Kill(), peer.Wait() }()
		if err := link(mine, peer.Process.Pid); err != nil {
			t.Fatal(err)
		}
		if err := Stop(other); err != nil {
			t.Fatal(err)
		}
		if routes := routesTo(t, layout.HostLink); len(routes) != 3 {
			t.Errorf("after the other was stopped, mine has the routes %v", routes)
		}
		if cache, found := Other(other); !found || cache != mine.Cache {
			t.Errorf("the other is told of %q, %t", cache, found)
		}
		if cache, found := Other(mine); found {
			t.Errorf("this cluster is told of %q", cache)
		}
		for range 2 {
			if err := Stop(mine); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := netlink.LinkByName(layout.HostLink); !errors.As(err, &netlink.LinkNotFoundError{}) {
			t.Errorf("the link is left: %v", err)
		}
	})
}

func routesTo(t *testing.T, name string) []netlink.Route {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	routes, err := netlink.RouteList(l, netlink.FAMILY_V4)
	if err != nil {
		t.Fatal(err)
	}
	return routes
}

// inOwnNetwork runs the test again in a network namespace of its own, so that it needs no
// root and does not touch the machine's network.
func inOwnNetwork(t *testing.T, test func()) {
	t.Helper()
	const marker = "IN_OWN_NETWORK"
	if os.Getenv(marker) != "" {
		test()
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), marker+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip("the kernel gives this user no namespaces:", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}
