package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fakeNode is a node's file system below dir/node. Its fake programs record their calls
// in dir/calls, see testdata/bin.
type fakeNode struct {
	t   *testing.T
	dir string
	host
	// gpg is the directory of the gpg program in use.
	gpg string
}

const (
	testKey         = "the public key"
	testFingerprint = "1C5B395CBE5E74E2F1CA21592784DBF388D19D46"
	testURL         = "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest/linux_amd64/amazon-ssm-agent.rpm"

	goodSignature = "[GNUPG:] NEWSIG\n" +
		"[GNUPG:] GOODSIG 2784DBF388D19D46 SSM Agent <ssm-agent-signer@amazon.com>\n" +
		"[GNUPG:] VALIDSIG " + testFingerprint + " 2026-11-01 1793491200 0 4 0 1 8 00 " + testFingerprint + "\n"
)

// newNode returns a node without the agent. It has the boot ID of the machine that runs
// the test, because the script reads it from the kernel.
func newNode(t *testing.T) *fakeNode {
	t.Helper()
	dir := t.TempDir()
	n := &fakeNode{t: t, dir: dir, host: host{root: filepath.Join(dir, "node")}, gpg: "testdata/gpg"}
	n.write("/proc/sys/kernel/random/boot_id", thisBoot(t)+"\n")
	n.process(1, "/usr/lib/systemd/systemd", "1")
	for _, name := range []string{"bash", "curl", "gpg", "rpm", "systemctl"} {
		n.write("/usr/bin/"+name, "")
	}
	for _, folder := range []string{stateDir, "/etc/cron.d"} {
		n.must(os.MkdirAll(n.path(folder), 0o755))
	}
	n.serve("amazon-ssm-agent.rpm", "the package")
	n.serve("amazon-ssm-agent.rpm.sig", goodSignature)
	return n
}

func thisBoot(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (n *fakeNode) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *fakeNode) write(name, content string) {
	n.t.Helper()
	n.must(os.MkdirAll(filepath.Dir(n.path(name)), 0o755))
	n.must(os.WriteFile(n.path(name), []byte(content), 0o755))
}

// process adds a process with the name argv0 and its process IDs in the PID namespaces
// around it.
func (n *fakeNode) process(pid int, argv0, numbers string) {
	n.t.Helper()
	dir := "/proc/" + strconv.Itoa(pid)
	n.write(dir+"/cmdline", argv0+"\x00--flag\x00")
	n.write(dir+"/status", "Name:\tx\nNSpid:\t"+numbers+"\nThreads:\t1\n")
}

// serve adds a file that curl can download.
func (n *fakeNode) serve(name, content string) {
	n.t.Helper()
	n.must(os.MkdirAll(filepath.Join(n.dir, "web"), 0o755))
	n.must(os.WriteFile(filepath.Join(n.dir, "web", name), []byte(content), 0o644))
}

// is sets a state that the fake programs read.
func (n *fakeNode) is(state string) {
	n.t.Helper()
	n.must(os.WriteFile(filepath.Join(n.dir, state), nil, 0o644))
}

// run runs a command with the node's own paths.
func (n *fakeNode) run(command string) ([]byte, error) {
	n.t.Helper()
	for _, folder := range []string{stateDir, "/etc/cron.d"} {
		command = strings.ReplaceAll(command, folder, n.path(folder))
	}
	var folders []string
	for _, folder := range []string{"testdata/bin", n.gpg} {
		absolute, err := filepath.Abs(folder)
		n.must(err)
		folders = append(folders, absolute)
	}
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Env = []string{"PATH=" + strings.Join(folders, ":") + ":/usr/bin:/bin", "FAKE=" + n.dir}
	return cmd.CombinedOutput()
}

// calls returns the recorded calls of the fake programs.
func (n *fakeNode) calls() []string {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	n.must(err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// installed reports whether rpm installed the package.
func (n *fakeNode) installed() bool {
	n.t.Helper()
	found, err := exists(filepath.Join(n.dir, "installed"))
	n.must(err)
	return found
}

// read returns a file's content, or nothing if it does not exist.
func (n *fakeNode) read(name string) string {
	n.t.Helper()
	text, err := os.ReadFile(n.path(name))
	if !os.IsNotExist(err) {
		n.must(err)
	}
	return strings.TrimSpace(string(text))
}
