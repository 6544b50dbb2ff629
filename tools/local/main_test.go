//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/vishvananda/netlink"

	"github.com/mystique-unicorn/sales-events/tools/internal/cli/clitest"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"local": main, "beside": beside})
}

// beside runs the command in its arguments on a machine where root's cluster runs, in a
// network namespace of its own.
func beside() {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: layout.HostLink}, PeerName: layout.ClusterLink}
	if err := errors.Join(netlink.LinkAdd(link), netlink.LinkSetAlias(link, "/home/somebody/.cache/sales-events-local")); err != nil {
		log.Fatal(err)
	}
	program, err := exec.LookPath(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(syscall.Exec(program, os.Args[1:], os.Environ()))
}

// If down finds only another user's cluster, it says so.
func TestDownBesideAnothersCluster(t *testing.T) {
	cmd := exec.Command("beside", "local", "down")
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
		t.Skip("the kernel gives this user no namespaces:", err)
	}
	want := "error: no local cluster of this user runs, but the one in /home/somebody/.cache/sales-events-local does: run this as the user who started it, with sudo if that was root\n"
	if cmd.ProcessState.ExitCode() != 1 || string(out) != want {
		t.Errorf("exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
}

// A command waits until another one has started or ended the cluster, and only then
// checks whether one runs: so up does not start a second one.
func TestOneCommandAtATime(t *testing.T) {
	for command, test := range map[string]struct {
		says string
		ends bool
	}{"up": {"the cluster is up (process %d)", false}, "down": {"ended the cluster (process %d)", true}} {
		t.Run(command, func(t *testing.T) {
			cache := t.TempDir()
			paths := layout.Paths{Cache: filepath.Join(cache, "sales-events-local")}
			unlock, err := cluster.Lock(t.Context(), paths, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("local", command)
			// Without programs in PATH, so that a command that did not wait would start
			// nothing.
			cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache, "PATH=")
			pipe, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			out := bufio.NewReader(pipe)
			if line, err := out.ReadString('\n'); !strings.Contains(line, "waiting for another command") {
				t.Errorf("says %q first, %v", line, err)
			}
			supervisor := startSupervisor(t, paths)
			unlock()
			said, err := io.ReadAll(out)
			if want := fmt.Sprintf(test.says, supervisor.Process.Pid); err != nil || !strings.Contains(string(said), want) {
				t.Errorf("says %q, want %q; %v", said, want, err)
			}
			_ = cmd.Wait()
			if _, running := cluster.Running(paths); running == test.ends {
				t.Errorf("the cluster runs: %t", running)
			}
		})
	}
}

// startSupervisor starts an idle process as the supervisor of a cluster.
func startSupervisor(t *testing.T, paths layout.Paths) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "3600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(paths.State(), 0o755); err != nil {
		t.Fatal(err)
	}
	started := strings.Fields(string(stat))[21]
	if err := os.WriteFile(paths.PIDFile(), fmt.Appendln(nil, cmd.Process.Pid, started), 0o644); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestScripts tests the command line with testdata/script. Each script has a cache of its
// own, so that none finds a cluster, or anything to stop.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	makeProgram, err := exec.LookPath("make")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(out))
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			env.Setenv("MAKE", makeProgram)
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("HOME", env.WorkDir) // the go command writes there
			// Go's caches are this machine's.
			env.Setenv("GOCACHE", caches[0])
			env.Setenv("GOMODCACHE", caches[1])
			// Of this machine's programs, only the one under test.
			bin, _, _ := strings.Cut(os.Getenv("PATH"), string(filepath.ListSeparator))
			env.Setenv("LOCAL_ONLY", bin)
			return nil
		},
		Cmds: clitest.Commands,
		Condition: func(name string) (bool, error) {
			switch name {
			case "root":
				return os.Geteuid() == 0, nil
			case "cluster":
				_, found := cluster.Other(layout.Paths{})
				return found, nil
			}
			return false, errors.New("unknown condition " + name)
		},
	})
}
