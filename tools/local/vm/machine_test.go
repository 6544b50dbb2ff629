//go:build e2evm

package vm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

//go:embed image.sh
var recipe string

// image returns a folder with disk.img, vmlinuz and initrd.img. It is built again only if
// its inputs change, and replaces the previous one.
func (r *run) image() string {
	r.Helper()
	files := r.network()
	files["image.sh"] = recipe
	goroot, err := filepath.EvalSymlinks(r.output("go", "env", "GOROOT"))
	if err != nil {
		r.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		r.Fatal(err)
	}
	// fmt prints maps in the order of their keys.
	key := sha256.Sum256(fmt.Append(nil, files, r.output("go", "version")))
	cache = filepath.Join(cache, "sales-events-vm")
	dir := filepath.Join(cache, fmt.Sprintf("%x", key[:8]))
	if _, err := os.Stat(dir); err == nil {
		r.say("image: %s, built before", dir)
		return dir
	}

	r.say("image: building it from Debian's packages, which takes minutes")
	if err := os.RemoveAll(cache); err != nil {
		r.Fatal(err)
	}
	building := filepath.Join(cache, "building")
	if err := os.MkdirAll(filepath.Join(building, "certificates"), 0o755); err != nil {
		r.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(building, name), []byte(text), 0o644); err != nil {
			r.Fatal(err)
		}
	}
	cmd := r.command("sh", "image.sh", goroot)
	cmd.Dir = building
	// If mmdebstrap is interrupted, its mounts end with it, before the folder is removed.
	cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	cmd.Stdout, cmd.Stderr = r.log, r.log
	if err := cmd.Run(); err != nil {
		r.Fatalf("image.sh: %v", err)
	}
	if err := os.Rename(building, dir); err != nil {
		r.Fatal(err)
	}
	r.say("image: %s, built", dir)
	return dir
}

// network returns this machine's settings for the Go module proxy and for Debian's
// packages; the guest uses the same.
func (r *run) network() map[string]string {
	r.Helper()
	matching := func(pattern string, lines []string) string {
		var found strings.Builder
		for _, line := range lines {
			if regexp.MustCompile(pattern).MatchString(line) {
				found.WriteString(line + "\n")
			}
		}
		return found.String()
	}
	files := map[string]string{
		"apt.conf":    matching(`^Acquire::(http|https|Check)`, strings.Split(r.output("apt-config", "dump"), "\n")),
		"environment": matching(`(?i)^(https?|no|all)_proxy=`, os.Environ()),
	}
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOPROXY", "GONOSUMDB", "GOTOOLCHAIN"} {
		files["go.env"] += name + "=" + r.output("go", "env", name) + "\n"
	}
	authorities, _ := filepath.Glob("/usr/local/share/ca-certificates/*.crt")
	for _, file := range authorities {
		text, err := os.ReadFile(file)
		if err != nil {
			r.Fatal(err)
		}
		files["certificates/"+filepath.Base(file)] = string(text)
	}
	return files
}

// machine is a virtual machine that answers to ssh.
type machine struct {
	*run
	ctx      context.Context // ends with qemu
	port     int
	key      string
	emulated bool
}

// An emulated CPU needs no mitigations, and is too slow for every watchdog.
const (
	kernel   = "root=/dev/vda rw console=ttyS0"
	emulated = " mitigations=off no5lvl nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
)

// boot starts a copy of the image. It uses hardware virtualisation if the machine boots
// with it, since the existence of /dev/kvm says little, and emulates otherwise.
func (r *run) boot(image string) *machine {
	r.Helper()
	m := &machine{run: r, key: filepath.Join(r.disks, "key")}
	root := filepath.Join(r.disks, "root.img")
	r.output("cp", "--sparse=always", filepath.Join(image, "disk.img"), root)
	r.output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", m.key)
	r.output("debugfs", "-w", "-R", "write "+m.key+".pub authorized_keys", root)

	args := []string{
		"-smp", "2", "-m", "8G", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(image, "vmlinuz"), "-initrd", filepath.Join(image, "initrd.img"),
		"-append", kernel,
		"-drive", "file=" + root + ",if=virtio,format=raw,cache=unsafe",
		"-device", "virtio-rng-pci",
	}
	caches := r.caches()
	if caches != "" {
		args = append(args, "-drive", "file="+caches+",if=virtio,format=raw,cache=unsafe")
	}
	err := m.try(3*time.Minute, append(args, "-accel", "kvm", "-cpu", "host"))
	if err != nil {
		r.say("boot: no KVM (%v): emulating, which is 8 to 20 times slower", err)
		m.emulated = true
		err = m.try(45*time.Minute, append(args, "-accel", "tcg,thread=multi", "-cpu", "max", "-append", kernel+emulated))
	}
	if err != nil {
		r.Fatalf("boot: %v", err)
	}
	if caches != "" {
		m.step("root's caches", "sudo mount /dev/vdb /root")
	}
	return m
}

// try starts qemu, which ends with the test, and waits for the guest's ssh.
func (m *machine) try(patience time.Duration, args []string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	m.port = listener.Addr().(*net.TCPAddr).Port
	if err := listener.Close(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(m.run.ctx)
	var messages bytes.Buffer
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", append(args,
		"-netdev", fmt.Sprintf("user,id=n,ipv6=off,hostfwd=tcp:127.0.0.1:%d-:22", m.port), "-device", "virtio-net-pci,netdev=n",
		"-serial", "file:"+filepath.Join(m.dir, "console.log"))...)
	qemu.Stderr = &messages
	qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := qemu.Start(); err != nil {
		cancel(nil)
		return err
	}
	ended := make(chan struct{})
	go func() {
		_ = qemu.Wait()
		cancel(fmt.Errorf("qemu ended: %s", strings.TrimSpace(messages.String())))
		close(ended)
	}()
	stop := func() {
		cancel(nil)
		<-ended
	}

	within, done := context.WithTimeoutCause(ctx, patience, fmt.Errorf("no ssh after %s", patience))
	defer done()
	for within.Err() == nil {
		// With emulation, the key exchange alone takes seconds.
		attempt, done := context.WithTimeout(within, 30*time.Second)
		err := m.ssh(attempt, "true").Run()
		done()
		if err == nil {
			m.say("boot: ssh after %s", time.Since(start).Round(time.Second))
			m.Cleanup(stop)
			m.ctx = ctx
			return nil
		}
		time.Sleep(time.Second)
	}
	defer stop()
	return context.Cause(within)
}

// ssh returns a command that runs a script in the guest, with a login's PATH.
func (m *machine) ssh(ctx context.Context, script string) *exec.Cmd {
	quoted := "'" + strings.ReplaceAll(script, "'", `'\''`) + "'"
	cmd := exec.CommandContext(ctx, "ssh", "-F", "none", "-i", m.key, "-p", fmt.Sprint(m.port), "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "ServerAliveInterval=60", "-o", "ServerAliveCountMax=20", "user@127.0.0.1", "bash -lc "+quoted)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
