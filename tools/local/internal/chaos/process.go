package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// signalContainer signals the processes of a container on this machine. The pod's
// sandbox survives, so that the kubelet restarts the container and makes no new pod.
func signalContainer(id string, s unix.Signal) error {
	pids, err := processes("/proc", id)
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return fmt.Errorf("the container %s has no process on this machine", id)
	}
	var failed []error
	for _, pid := range pids {
		failed = append(failed, unix.Kill(pid, s))
	}
	return errors.Join(failed...)
}

// processes lists the processes of a container by their cgroup. Its name contains the
// container's id, whichever program manages cgroups.
func processes(proc, containerID string) ([]int, error) {
	files, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "cgroup"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, file := range files {
		cgroups, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(cgroups), containerID) {
			continue // it has ended since, or belongs to another container
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
