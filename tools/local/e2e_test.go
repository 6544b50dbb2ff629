//go:build e2e

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// recordMachine writes the state that a cluster must leave unchanged to a file, and
// returns its name. The script lists that state.
func recordMachine(t *testing.T) (before string) {
	t.Helper()
	before = filepath.Join(t.TempDir(), "before")
	out, err := exec.Command("testdata/machine-state.sh", checkoutFolder(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(before, out, 0o644); err != nil {
		t.Fatal(err)
	}
	return before
}

// changes returns the lines of the machine's state that are gone or new.
func changes(t *testing.T, before string) []string {
	t.Helper()
	const compare = `testdata/machine-state.sh "$1" "$2" | diff "$2" -`
	out, err := exec.Command("sh", "-c", compare, "sh", checkoutFolder(t), before).CombinedOutput()
	if exit := (&exec.ExitError{}); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("%v\n%s", err, out)
	}
	return regexp.MustCompile(`(?m)^[<>] .*$`).FindAllString(string(out), -1)
}

func checkoutFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// untilNextCommand reports whether a change is one that a killed cluster leaves to
// the next command.
func untilNextCommand(change string) bool {
	return strings.HasPrefix(change, "> cgroup ") || strings.HasPrefix(change, "> apparmor ")
}

// checkNothingLeft compares the machine with its state before, and fails if the state
// folder is left.
func checkNothingLeft(t *testing.T, what string, paths layout.Paths, before string) {
	t.Helper()
	if left := changes(t, before); len(left) > 0 {
		t.Errorf("%s left:\n%s", what, strings.Join(left, "\n"))
	}
	if _, err := os.Stat(paths.State()); !os.IsNotExist(err) {
		t.Errorf("%s left %s", what, paths.State())
	}
}

// processes returns the IDs of the cluster's processes that run a program.
func processes(program string) []int {
	var found []int
	executables, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range executables {
		target, err := os.Readlink(exe)
		pid, notNumber := strconv.Atoi(path.Base(path.Dir(exe)))
		if err == nil && notNumber == nil && strings.HasPrefix(target, layout.InsideEngines) && path.Base(target) == program {
			found = append(found, pid)
		}
	}
	return found
}

// longTimeout is an argument of make up: a busy machine may take longer than the default.
const longTimeout = "FLAGS=--timeout=30m"

func makeTarget(t *testing.T, args ...string) {
	t.Helper()
	start := time.Now()
	cmd := exec.Command("make", args...)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("make %s: %s", strings.Join(args, " "), time.Since(start).Round(100*time.Millisecond))
}

// A cluster that is killed while it starts leaves the machine as it was, and the next one
// starts. Its objects and Crossplane's resources are those of render. Pushes change them
// without an apply. `make down` leaves nothing either.
func TestLifecycle(t *testing.T) {
	paths, err := layout.Default()
	if err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "down")
	before := recordMachine(t)
	takePorts(t)

	killStart(t, paths)
	// The kernel removes the namespaces after the process ends.
	until(t, "what is killed is gone", func() (string, bool) {
		left := slices.DeleteFunc(changes(t, before), untilNextCommand)
		return strings.Join(left, "\n"), len(left) == 0
	})

	makeTarget(t, "up", longTimeout)
	makeTarget(t, "up", longTimeout) // already up
	checkOtherCheckout(t, paths)
	checkBridgedPackets(t, paths)
	c, ca := connect(t, paths)
	// Until then Crossplane changes objects that the next checks compare.
	within(t, "all of local is ready", func() (string, bool) { return provisioned(t, c, "local") })
	rendered := checkFidelity(t, c)
	checkComposed(t, c, rendered)
	checkSpoke(t, c, ca)
	checkPush(t, c)
	checkPlatform(t, c)
	checkPromotion(t, c)
	makeTarget(t, "down")
	checkNothingLeft(t, "make down", paths, before)
}

// Ctrl-C ends make and the command, and the half-started cluster is taken down.
func TestInterrupt(t *testing.T) {
	checkBrokenStart(t, "a container runs", "interrupted: ", func(group int, _ string) (done bool, err error) {
		if len(processes("containerd-shim-runc-v2")) == 0 {
			return false, nil
		}
		return true, syscall.Kill(-group, syscall.SIGINT)
	})
}

// If a program ends, the cluster is taken down. The start names this program and the
// reason at once: not what failed because of it, and not what was still missing.
func TestProgramEnds(t *testing.T) {
	const cause = "error: the cluster ended while it started: kube-apiserver ended (signal: killed); its last lines:"
	checkBrokenStart(t, "the API server answers", cause, func(_ int, said string) (done bool, err error) {
		if !strings.Contains(said, "the Kubernetes API answers") {
			return false, nil
		}
		found := processes("kube-apiserver")
		if len(found) != 1 {
			return true, fmt.Errorf("API servers: %v", found)
		}
		return true, syscall.Kill(found[0], syscall.SIGKILL)
	})
}

// checkBrokenStart starts a cluster and calls disturb until it has broken the start: make
// up must fail, give the reason, and leave nothing. disturb gets the process group, which
// is like a terminal's foreground, and the output of make up.
func checkBrokenStart(t *testing.T, when, why string, disturb func(group int, said string) (done bool, err error)) {
	t.Helper()
	paths, err := layout.Default()
	if err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "down")
	before := recordMachine(t)
	said, err := breakStart(t, when, disturb)
	if err == nil || !strings.Contains(said, why) {
		t.Errorf("make up ended with %v:\n%s", err, said)
	}
	checkNothingLeft(t, "make up", paths, before)
}

// killStart starts a cluster and kills it when its first pods run.
func killStart(t *testing.T, paths layout.Paths) {
	t.Helper()
	_, err := breakStart(t, "pods run", func(group int, _ string) (done bool, err error) {
		p, ok := cluster.Running(paths)
		if !ok || len(processes("containerd-shim-runc-v2")) < 3 {
			return false, nil
		}
		// Without the command, which would clean up.
		return true, errors.Join(syscall.Kill(-group, syscall.SIGKILL), syscall.Kill(p.PID, syscall.SIGKILL))
	})
	if err == nil {
		t.Fatal("make up was killed and succeeded")
	}
}

// breakStart calls make up, and disturb until it has broken the start. It returns the
// output and the error of make up.
func breakStart(t *testing.T, when string, disturb func(group int, said string) (done bool, err error)) (string, error) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	said := func() string {
		text, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	cmd := exec.Command("make", "up", longTimeout)
	cmd.Dir = "../.."
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// The limit includes what make up compiles first.
	poll(t, provisioning, time.Second/2, when, func() (string, bool) {
		select {
		case err := <-ended:
			t.Fatalf("make up ended too early, with %v:\n%s", err, said())
		default:
		}
		done, err := disturb(cmd.Process.Pid, said())
		if err != nil {
			t.Fatal(err)
		}
		return said(), done
	})
	err = <-ended
	return said(), err
}

// checkBridgedPackets checks the path of packets between pods: every machine must use the
// path of a machine without br_netfilter.
func checkBridgedPackets(t *testing.T, paths layout.Paths) {
	t.Helper()
	p, ok := cluster.Running(paths)
	if !ok {
		t.Fatal("no cluster runs")
	}
	const read = "cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || echo 0"
	out, err := exec.Command("nsenter", "--target", p.String(), "--net", "sh", "-c", read).CombinedOutput()
	if err != nil || string(out) != "0\n" {
		t.Errorf("bridge-nf-call-iptables is %q, %v", out, err)
	}
}

// checkOtherCheckout uses the cluster from a checkout with other code.
func checkOtherCheckout(t *testing.T, paths layout.Paths) {
	t.Helper()
	started, err := os.ReadFile(paths.Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile(paths.Fingerprint(), started, 0o644); err != nil {
			t.Fatal(err)
		}
	}()
	if err := os.WriteFile(paths.Fingerprint(), []byte("other"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "up")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "the cluster runs other programs or pins") {
		t.Errorf("make up ended with %v:\n%s", err, out)
	}
}

// takePorts listens on the cluster's inner ports on the machine, as another Kubernetes
// would. The two must not conflict.
func takePorts(t *testing.T) {
	t.Helper()
	for _, port := range []string{"2379", "3000", "5000", "6443", "10250", "10256"} {
		listener, err := net.Listen("tcp", ":"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // the port is in use already
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
	}
}

// checkPush changes the ScaledObject by a push, without an apply.
func checkPush(t *testing.T, c client.Client) {
	t.Helper()
	push(t, "apps/consumer/deploy/base/scaledobject.yaml", `queueLength: "\d+"`, `queueLength: "37"`)
	until(t, "the push changed the ScaledObject", func() (string, bool) {
		scaled := &unstructured.Unstructured{}
		scaled.SetAPIVersion("keda.sh/v1alpha1")
		scaled.SetKind("ScaledObject")
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "sales-events-consumer-ns", Name: "consumer"}, scaled); err != nil {
			return err.Error(), false
		}
		triggers, _, _ := unstructured.NestedSlice(scaled.Object, "spec", "triggers")
		length, _, err := unstructured.NestedString(triggers[0].(map[string]any), "metadata", "queueLength")
		return length, err == nil && length == "37"
	})
}

// push changes one file of the cluster's repository by a commit and a push.
func push(t *testing.T, file, pattern, replacement string) {
	t.Helper()
	dir := cloneCluster(t)
	rewrite(t, filepath.Join(dir, file), pattern, replacement)
	git(t, dir, "commit", "--quiet", "--all", "--message=Change "+file)
	git(t, dir, "push", "--quiet", "origin", "HEAD:main")
}

// cloneCluster clones the cluster's repository.
func cloneCluster(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, "clone", "--quiet", "http://"+layout.Git+"/sales-events.git", ".")
	return dir
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@localhost"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
}

func rewrite(t *testing.T, file, pattern, replacement string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := regexp.MustCompile(pattern).ReplaceAllLiteral(data, []byte(replacement))
	if bytes.Equal(changed, data) {
		t.Fatalf("%s holds no other %s", file, pattern)
	}
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		t.Fatal(err)
	}
}
