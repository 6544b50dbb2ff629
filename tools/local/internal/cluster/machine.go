package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// machine is the state that the cluster's programs change outside of its namespaces, and
// that therefore outlives them.
type machine struct {
	// Boot identifies the kernel's current boot; everything else here ends with it.
	Boot string
	// Profile reports whether the kernel has containerd's AppArmor profile. containerd
	// loads it where it is missing.
	Profile bool
	// Controllers are the controllers that the root cgroup enables for its children.
	// runc enables all of them for a container.
	Controllers []string
}

// Where the kernel shows the state, relative to a root that tests replace.
const (
	bootFile       = "proc/sys/kernel/random/boot_id"
	profilesFile   = "sys/kernel/security/apparmor/profiles"
	removeFile     = "sys/kernel/security/apparmor/.remove"
	controllerFile = "sys/fs/cgroup/cgroup.subtree_control"
)

// profile is the fixed name of containerd's AppArmor profile.
const profile = "cri-containerd.apparmor.d"

// readMachine reads the current state; fields that the kernel does not have stay empty.
func readMachine(root string) (machine, error) {
	var texts [3]string
	for i, name := range []string{bootFile, profilesFile, controllerFile} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return machine{}, err
		}
		texts[i] = string(text)
	}
	return machine{
		Boot:        strings.TrimSpace(texts[0]),
		Profile:     strings.Contains("\n"+texts[1], "\n"+profile+" ("),
		Controllers: strings.Fields(texts[2]),
	}, nil
}

// recordMachine writes the current state to a file.
func recordMachine(root, file string) error {
	m, err := readMachine(root)
	if err != nil {
		return fmt.Errorf("record the machine as it is: %w", err)
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// restoreMachine restores the recorded state after the end of the cluster, except for
// what others now use. Without a record no cluster was started, and it does nothing.
func restoreMachine(root, file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var before machine
	if err == nil {
		err = json.Unmarshal(data, &before)
	}
	if err != nil {
		return fmt.Errorf("read how the machine was: %w", err)
	}
	now, err := readMachine(root)
	if err != nil {
		return fmt.Errorf("restore the machine: %w", err)
	}
	if now.Boot != before.Boot {
		return nil
	}
	if now.Profile && !before.Profile && !confines(root) {
		if err := tell(filepath.Join(root, removeFile), profile); err != nil {
			return fmt.Errorf("remove the AppArmor profile %s: %w", profile, err)
		}
	}
	for _, controller := range now.Controllers {
		if slices.Contains(before.Controllers, controller) {
			continue
		}
		err := tell(filepath.Join(root, controllerFile), "-"+controller)
		if err != nil && !errors.Is(err, unix.EBUSY) { // another process's cgroup enables it for its children
			return fmt.Errorf("take the controller %s back from the cgroups: %w", controller, err)
		}
	}
	return nil
}

// confines reports whether a process runs under containerd's AppArmor profile.
func confines(root string) bool {
	for _, pattern := range []string{"proc/[0-9]*/attr/current", "proc/[0-9]*/attr/apparmor/current"} {
		files, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, file := range files {
			if label, err := os.ReadFile(file); err == nil && strings.Contains(string(label), profile) {
				return true
			}
		}
	}
	return false
}

// tell writes a word to a file of the kernel.
func tell(path, word string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(word)
	return errors.Join(err, file.Close())
}
