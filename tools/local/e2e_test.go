//go:build e2e

package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/cluster"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// machine is what a cluster must leave as it was, however it ends: links, routes,
// mounts, firewall rules, and the processes, by their namespaces, for what a
// container runs has a path of its own.
func machine(t *testing.T, paths layout.Paths) string {
	t.Helper()
	var state strings.Builder
	for _, args := range [][]string{{"ip", "-o", "link"}, {"ip", "route"}, {"mount"}, {"sh", "-c", "nft list ruleset 2>&1 || iptables-save"}} {
		out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
		state.Write(out)
	}
	executables, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range executables {
		if target, err := os.Readlink(exe); err == nil && (strings.HasPrefix(target, paths.Engines()) || strings.HasPrefix(target, layout.InsideEngines)) {
			state.WriteString("process " + target + "\n")
		}
	}
	namespaces := map[string]bool{}
	links, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, link := range links {
		if namespace, err := os.Readlink(link); err == nil && !ended(path.Dir(path.Dir(link))) {
			namespaces[namespace] = true
		}
	}
	fmt.Fprintln(&state, slices.Sorted(maps.Keys(namespaces)))
	return state.String()
}

// ended tells whether a process, by its folder in /proc, only waits for its parent
// to hear of its end.
func ended(process string) bool {
	stat, err := os.ReadFile(path.Join(process, "stat"))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// cgroups are those of containers, of both versions. Of a killed cluster they
// stay, empty, until the next command.
func cgroups(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/k8s.io/*/cgroup.procs", "/sys/fs/cgroup/*/k8s.io/*/cgroup.procs"} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, matches...)
	}
	return found
}

// checkNothingLeft holds the machine against what it was before, state folder and
// cgroups included.
func checkNothingLeft(t *testing.T, what string, paths layout.Paths, before string, cgroupsBefore []string) {
	t.Helper()
	if after := machine(t, paths); after != before {
		t.Errorf("%s left something; before:\n%s\nafter:\n%s", what, before, after)
	}
	if _, err := os.Stat(paths.State()); !os.IsNotExist(err) {
		t.Errorf("%s left %s", what, paths.State())
	}
	if after := cgroups(t); !slices.Equal(after, cgroupsBefore) {
		t.Errorf("%s left cgroups; before: %s; after: %s", what, cgroupsBefore, after)
	}
}

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

// A cluster that is killed leaves the machine as it was, the next one starts,
// its objects and what Crossplane composes are those that render says, pushes
// change them without any apply, and down leaves nothing either.
func TestLifecycle(t *testing.T) {
	paths, err := layout.Default()
	if err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "down")
	before, cgroupsBefore := machine(t, paths), cgroups(t)
	takePorts(t)

	makeTarget(t, "up")
	p, ok := cluster.Running(paths)
	if !ok {
		t.Fatal("make up left no supervisor")
	}
	if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// The kernel takes the namespaces down after the process.
	for deadline := time.Now().Add(10 * time.Second); machine(t, paths) != before; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("kill -9 left something; before:\n%s\nafter:\n%s", before, machine(t, paths))
		}
	}

	makeTarget(t, "up")
	makeTarget(t, "up") // already up
	checkOtherCheckout(t, paths)
	c, ca := connect(t, paths)
	rendered := checkFidelity(t, c)
	checkComposed(t, c, rendered)
	checkSpoke(t, c, ca)
	checkPush(t, c)
	checkPlatform(t, c)
	checkPromotion(t, c)
	makeTarget(t, "down")
	checkNothingLeft(t, "make down", paths, before, cgroupsBefore)
}

// Ctrl-C ends make and the command, which takes down the half-started cluster.
func TestInterrupt(t *testing.T) {
	paths, err := layout.Default()
	if err != nil {
		t.Fatal(err)
	}
	makeTarget(t, "down")
	before, cgroupsBefore := machine(t, paths), cgroups(t)
	var out bytes.Buffer
	cmd := exec.Command("make", "up")
	cmd.Dir = "../.."
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's foreground
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "a container runs", func() (string, bool) {
		found := cgroups(t)
		return fmt.Sprint(found), len(found) > len(cgroupsBefore)
	})
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(out.String(), "interrupted: ") {
		t.Errorf("make up ended with %v:\n%s", err, &out)
	}
	checkNothingLeft(t, "Ctrl-C", paths, before, cgroupsBefore)
}

// checkOtherCheckout has a checkout with other code ask for the cluster.
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

// takePorts has the machine use the ports that the cluster uses inside, as
// another Kubernetes would: they must not meet.
func takePorts(t *testing.T) {
	t.Helper()
	for _, port := range []string{"2379", "3000", "5000", "6443", "10250", "10256"} {
		listener, err := net.Listen("tcp", ":"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue // so much the better
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
	}
}

// checkPush has a push change the ScaledObject without any apply.
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

// push changes one file of the cluster's repository by a commit and a push
// alone.
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
