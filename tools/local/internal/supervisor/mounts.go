package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// setUpMounts makes the mount namespace the cluster's own. No mount propagates to the
// machine, and /proc shows this PID namespace. The state and the engines get their fixed
// paths. The folders that upstream programs always write to are in memory and end with
// the namespace. kubelet sees the kernel settings that it wants.
func setUpMounts(state, engines string) error {
	if err := keepMountsInside(); err != nil {
		return fmt.Errorf("keep mounts inside: %w", err)
	}
	// Opened first, because the state folder may be below a folder that is about to be
	// covered.
	stateFD, err := openTree(state)
	if err != nil {
		return err
	}
	enginesFD, err := openTree(engines)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("cover %s: %w", dir, err)
		}
	}
	if err := attach(stateFD, layout.Inside); err != nil {
		return err
	}
	if err := attach(enginesFD, layout.InsideEngines); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := ensureHosts(); err != nil {
		return fmt.Errorf("give the namespace an /etc/hosts: %w", err)
	}
	return coverTunables()
}

// ensureHosts provides an /etc/hosts if the machine has none, as in a root made by
// debootstrap: containerd copies it for each pod.
func ensureHosts() error {
	if exists("/etc/hosts") {
		return nil
	}
	upper, work := layout.Inside+"/etc", layout.Inside+"/etc-work"
	for _, dir := range []string{upper, work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("overlay", "/etc", "overlay", 0, "lowerdir=/etc,upperdir="+upper+",workdir="+work); err != nil {
		return err
	}
	return os.WriteFile("/etc/hosts", []byte("127.0.0.1 localhost\n"), 0o644)
}

// keepMountsInside makes every mount private.
func keepMountsInside() error {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	// In a chroot the root is not a mount point, which this call and the pivot_root of
	// every container need. So a copy of its tree becomes the root. It is mounted on a
	// path that is a mount point everywhere. That mount is private, so that the machine
	// does not see the copy.
	if err := unix.Mount("", "/proc", "", unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	tree, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return err
	}
	private := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &private); err != nil {
		return err
	}
	if err := attach(tree, "/proc"); err != nil {
		return err
	}
	if err := unix.Chroot("/proc"); err != nil {
		return err
	}
	return os.Chdir("/")
}

// tunables are the kernel settings that kubelet requires. If the kernel's differ, kubelet
// sets them on the whole machine, whatever its configuration says: setupKernelTunables in
// k8s.io/kubernetes/pkg/kubelet/cm.
var tunables = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

// coverTunables mounts files with kubelet's values over the kernel's, so that kubelet
// reads them and sets nothing. Pods have a /proc of their own.
func coverTunables() error {
	for name, value := range tunables {
		file := filepath.Join(layout.Inside, "sysctl", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, filepath.Join("/proc/sys", name), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("keep kubelet from setting %s: %w", name, err)
		}
	}
	return nil
}

func openTree(path string) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return 0, fmt.Errorf("take %s into the namespace: %w", path, err)
	}
	return fd, nil
}

func attach(fd int, path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("bind %s: %w", path, err)
	}
	return unix.Close(fd)
}
