package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// The disk space that a start takes, for engines and layers, and in Go's two caches while
// they are built.
const (
	ofCache       = 3 << 30
	ofBuildCache  = 6 << 30
	ofModuleCache = 5 << 30
)

// needed is the least memory for a start. The running cluster takes as much, and so does
// the linker for Kubernetes or KEDA.
const needed = 3 << 30

// AvailableMemory returns the bytes of memory that are available without swapping.
func AvailableMemory() (uint64, error) {
	const file = "/proc/meminfo"
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("measure the memory: %w", err)
	}
	_, rest, _ := strings.Cut(string(data), "MemAvailable:")
	var kilobytes uint64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("measure the memory: MemAvailable of %s: %w", file, err)
	}
	return kilobytes << 10, nil
}

// disk is a file system to which a start writes.
type disk struct {
	// folders are the folders on it to which a start writes; they need not exist.
	folders    []string
	free, need uint64
	// overlay reports whether the file system is an overlayfs.
	overlay bool
}

// folder is a folder to which a start writes, and the bytes that it needs.
type folder struct {
	path string
	need uint64
}

// folders returns the cache first, then Go's caches, if there is a go command to ask for
// them.
func folders(paths layout.Paths, settings goSettings, built bool) []folder {
	found := []folder{{paths.Cache, ofCache}}
	if !built && settings.found {
		found = append(found, folder{settings.buildCache, ofBuildCache}, folder{settings.moduleCache, ofModuleCache})
	}
	return found
}

// disks returns the file systems that the folders are on, or will be.
func disks(folders []folder) ([]disk, error) {
	var found []disk
	indices := map[uint64]int{}
	for _, f := range folders {
		path, err := existing(f.path)
		if err != nil {
			return nil, fmt.Errorf("find the disk of %s: %w", f.path, err)
		}
		var file unix.Stat_t
		var system unix.Statfs_t
		if err := errors.Join(unix.Stat(path, &file), unix.Statfs(path, &system)); err != nil {
			return nil, fmt.Errorf("measure the free space of %s: %w", f.path, err)
		}
		i, known := indices[file.Dev]
		if !known {
			i = len(found)
			indices[file.Dev] = i
			found = append(found, disk{free: system.Bavail * uint64(system.Bsize), overlay: system.Type == unix.OVERLAYFS_SUPER_MAGIC})
		}
		found[i].folders = append(found[i].folders, f.path)
		found[i].need += f.need
	}
	return found, nil
}

// existing returns the nearest parent folder that exists.
func existing(path string) (string, error) {
	for {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return path, err
		}
		path = filepath.Dir(path)
	}
}
