package supervisor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// setUpMounts makes the mount namespace the cluster's own: nothing propagates
// to the machine, /proc shows this PID namespace, the state and the engines
// have their fixed places, and the folders that upstream programs write to
// without asking are memory that ends with the namespace.
func setUpMounts(state, engines string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts inside: %w", err)
	}
	// Opened first, because the state folder may lie below a folder that is
	// about to be covered.
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
