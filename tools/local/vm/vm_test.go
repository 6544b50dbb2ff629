//go:build e2evm

// Package vm_test runs, in a virtual machine, what a new user runs: on a fresh Debian 12
// with systemd, cgroup v2 and AppArmor, as an ordinary user with sudo, with Go, git and
// make. On build machines, the obstacles for such a user do not show.
//
// Environment variables are its settings: BURST is the number of messages; TIMEOUT is for
// the start and for the burst; ENGINES=yes, or a cache folder, copies built engines and
// Go's caches into the guest, which saves hours of emulation and proves less.
package vm_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run is one test: its progress, and the files that it leaves on this machine.
type run struct {
	*testing.T
	ctx   context.Context
	start time.Time
	// dir is kept if the test fails; the disks below it never are.
	dir, disks string
	// log writes to the test's output and to a file.
	log io.Writer
}

func TestNewUser(t *testing.T) {
	r := newRun(t)
	m := r.boot(r.image())
	m.step("the machine", facts)
	m.clone()
	m.step("state before", state+">before")
	m.step("make demo", "cd sales-events && "+m.demo())
	if t.Failed() {
		m.keep("~root/.cache/sales-events-local/last-failure")
	}
	m.step("make down", "cd sales-events && sudo make down")
	m.step("state after", state+"before >after")
	m.step("what is left", "diff -U0 before after")
}

// facts fails unless the machine is of the kind for which this test is meant.
const facts = `
echo "kernel $(uname -r), $(. /etc/os-release; echo $PRETTY_NAME), $(nproc) CPUs, $(free -h | awk '/Mem/ { print $2 }') memory"
echo "user $(id -un), PATH=$PATH; under sudo $(sudo sh -c 'echo $PATH')"
echo "cgroup $(stat -fc %T /sys/fs/cgroup), AppArmor $(cat /sys/module/apparmor/parameters/enabled), $(systemctl --version | head -1)"
echo "services $(systemctl is-system-running --wait), br_netfilter $(test -e /proc/sys/net/bridge && echo loaded || echo absent)"
test $(id -u) != 0 && test $(stat -fc %T /sys/fs/cgroup) = cgroup2fs &&
	test $(cat /sys/module/apparmor/parameters/enabled) = Y && test ! -e /proc/sys/net/bridge`

const state = "sudo sales-events/tools/local/testdata/machine-state.sh ~/sales-events "

func newRun(t *testing.T) *run {
	if os.Geteuid() != 0 {
		t.Fatal("not root: the files of the image have owners; run with sudo")
	}
	var missing []string
	for program, of := range map[string]string{
		"qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "debugfs": "e2fsprogs", "ssh": "openssh-client",
	} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, of)
		}
	}
	if len(missing) > 0 {
		t.Fatalf("packages are missing: apt-get install --no-install-recommends %s", strings.Join(missing, " "))
	}
	// A child with Pdeathsig ends with the thread that started it.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	dir, err := os.MkdirTemp("/var/tmp", "sales-events-vm.") //nolint:usetesting // /tmp is in memory on some machines
	if err != nil {
		t.Fatal(err)
	}
	r := &run{T: t, ctx: ctx, start: time.Now(), dir: dir, disks: filepath.Join(dir, "disks")}
	t.Cleanup(func() {
		removed := dir
		if t.Failed() {
			t.Logf("the console and what the guest printed are in %s", dir)
			removed = r.disks
		}
		if err := os.RemoveAll(removed); err != nil {
			t.Error(err)
		}
	})
	if err := os.Mkdir(r.disks, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "guest.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	r.log = io.MultiWriter(file, t.Output())
	return r
}

// say reports progress.
func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.log, "%7.1fs  %s\n", time.Since(r.start).Seconds(), fmt.Sprintf(format, args...))
}

// command returns a command that is killed when the test ends.
func (r *run) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (r *run) output(name string, args ...string) string {
	r.Helper()
	var stderr strings.Builder
	cmd := r.command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		r.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// step runs a script in the guest. A failure does not end the test, because the results
// of later steps help to explain it.
func (m *machine) step(name, script string) {
	m.Helper()
	m.say("%s …", name)
	start := time.Now()
	cmd := m.ssh(m.ctx, script)
	cmd.Stdout, cmd.Stderr = m.log, m.log
	err := cmd.Run()
	if m.ctx.Err() != nil {
		m.Fatalf("%s: %v", name, context.Cause(m.ctx))
	}
	if err != nil {
		m.Errorf("%s: %v", name, err)
	}
	m.say("%s: %s", name, time.Since(start).Round(100*time.Millisecond))
}

// demo returns the command line. A new user types its first three words; an emulated
// machine needs more time.
func (m *machine) demo() string {
	timeout := os.Getenv("TIMEOUT")
	if timeout == "" && m.emulated {
		timeout = "90m"
	}
	line := "sudo make demo BURST=" + cmp.Or(os.Getenv("BURST"), "300")
	if timeout != "" {
		line += fmt.Sprintf(" FLAGS='--timeout=%s --demo-timeout=%[1]s'", timeout)
	}
	m.say("%s", line)
	return line
}

// clone gives the guest this checkout's HEAD.
func (m *machine) clone() {
	m.Helper()
	bundle := filepath.Join(m.disks, "bundle")
	m.output("git", "bundle", "create", "--quiet", bundle, "HEAD")
	file, err := os.Open(bundle)
	if err != nil {
		m.Fatal(err)
	}
	defer file.Close()
	cmd := m.ssh(m.ctx, "cat >bundle && git clone -q bundle sales-events && git -C sales-events switch -qc main")
	cmd.Stdin = file
	if out, err := cmd.CombinedOutput(); err != nil {
		m.Fatalf("clone: %v\n%s", err, out)
	}
	m.say("clone of %s", m.output("git", "log", "-1", "--format=%h %s"))
}

// keep saves a folder of the guest, if it exists.
func (m *machine) keep(folder string) {
	m.Helper()
	file, err := os.Create(filepath.Join(m.dir, filepath.Base(folder)+".tar.gz"))
	if err != nil {
		m.Fatal(err)
	}
	defer file.Close()
	cmd := m.ssh(m.ctx, "sudo tar -C "+folder+" -cz .")
	cmd.Stdout = file
	if err := cmd.Run(); err != nil {
		m.say("the guest has no %s", folder)
	}
}

// caches returns a disk with root's home for the guest: this machine's caches, which save
// work. It is empty without ENGINES.
func (r *run) caches() string {
	r.Helper()
	from := os.Getenv("ENGINES")
	switch from {
	case "", "no":
		return ""
	case "yes":
		cache, err := os.UserCacheDir()
		if err != nil {
			r.Fatal(err)
		}
		from = filepath.Join(cache, "sales-events-local")
	}
	if _, err := os.Stat(filepath.Join(from, "engines")); err != nil {
		r.Fatalf("ENGINES: no built engines: %v; build them with `make up`", err)
	}
	r.say("caches: compiling what the guest compiles, with and without a C compiler")
	for _, cgo := range []string{"0", r.output("go", "env", "CGO_ENABLED")} {
		cmd := r.command("go", "build", "../...", "../../validate")
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			r.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	disk := filepath.Join(r.disks, "caches.img")
	r.say("caches: a disk of %s and Go's caches", from)
	cmd := r.command("sh", "-euc", binds, "sh", filepath.Join(r.disks, "caches"), disk, from,
		r.output("go", "env", "GOCACHE"), r.output("go", "env", "GOMODCACHE"))
	// The mounts end with the script.
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	if out, err := cmd.CombinedOutput(); err != nil {
		r.Fatalf("caches: %v\n%s", err, out)
	}
	return disk
}

const binds = `
home=$1 disk=$2 from=$3
bind() { [ ! -e "$1" ] || { mkdir -p "$home/$2" && mount --bind "$1" "$home/$2"; }; }
for folder in engines blobs programs; do bind "$from/$folder" ".cache/sales-events-local/$folder"; done
bind "$4" .cache/go-build
bind "$5" go/pkg/mod
truncate -s 60G "$disk"
mkfs.ext4 -qF -d "$home" "$disk"`
