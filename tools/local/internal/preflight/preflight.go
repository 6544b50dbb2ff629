// Package preflight says what a machine lacks for the local cluster: all of it
// at once, each with the mend. It changes nothing, unless the kernel loads a module
// that the cluster needs when it is asked for it.
//
// Ports are no obstacle: every server of the cluster listens in the cluster's
// own network namespace. What must be free are the networks that lead there.
package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/capability"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// What a start takes of the disks: engines and layers, and what their builds leave
// in Go's two caches.
const (
	ofCache       = 3 << 30
	ofBuildCache  = 5 << 30
	ofModuleCache = 4 << 30
)

// Memory below which a start is refused: of the cluster at work, or of the linker
// of Kubernetes or KEDA.
const (
	memoryBuilt   = 5 << 29
	memoryToBuild = 3 << 30
)

// Check returns every obstacle joined into one error, or nil. built tells
// whether the engines are in the cache, which asks for less.
func Check(paths layout.Paths, built bool) error {
	m, err := look(paths, built)
	if err != nil {
		return err
	}
	return errors.Join(m.obstacles(built)...)
}

// machine is what the obstacles are found in.
type machine struct {
	root         bool
	capabilities capability.Set
	has          func(program string) bool
	// libseccomp tells that pkg-config knows its headers.
	libseccomp bool
	// overlayfs and bridges tell that the kernel has the one, and the other with
	// the pairs that lead to it; or that this process may not ask.
	overlayfs, bridges bool
	// memory is the bytes that can be had without swapping.
	memory uint64
	disks  []disk
	routes []route
}

// disk is a file system that a start writes to.
type disk struct {
	// folders are the ones of it that are written to, whether they exist or not.
	folders    []string
	free, need uint64
	// overlay tells that it is an overlayfs itself.
	overlay bool
}

// route is a network that the machine reaches, and how.
type route struct {
	network *net.IPNet
	// link is the network interface, alias what whoever made it calls it.
	link, alias string
}

func look(paths layout.Paths, built bool) (machine, error) {
	m := machine{
		root: os.Geteuid() == 0,
		has: func(program string) bool {
			_, err := exec.LookPath(program)
			return err == nil
		},
		libseccomp: exec.Command("pkg-config", "--exists", "libseccomp").Run() == nil,
		overlayfs:  overlayfs(),
		bridges:    bridges(),
	}
	var err error
	if m.capabilities, err = capability.Effective(); err != nil {
		return m, fmt.Errorf("read this process's capabilities: %w", err)
	}
	if m.memory, err = AvailableMemory(); err != nil {
		return m, err
	}
	if m.disks, err = disks(folders(paths, built)); err != nil {
		return m, err
	}
	if m.routes, err = routes(); err != nil {
		return m, fmt.Errorf("read the routes: %w", err)
	}
	return m, nil
}

// overlayfs tells whether the kernel has it, or loads it now. Nothing is mounted.
func overlayfs() bool {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
	}
	return !errors.Is(err, unix.ENODEV)
}

// bridges tells whether the kernel makes bridges and pairs. It tries in a network
// namespace that ends with its thread.
func bridges() bool {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // and not unlocked, so that no other code gets the thread
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			tried <- nil
			return
		}
		tried <- errors.Join(
			netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: layout.Bridge}}),
			netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: layout.HostLink}, PeerName: layout.ClusterLink}),
		)
	}()
	return !errors.Is(<-tried, unix.EOPNOTSUPP)
}

// AvailableMemory is the bytes that this machine gives without swapping.
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

// folder is one that a start writes to, and how much.
type folder struct {
	path string
	need uint64
}

// folders has the cache first. Go's own are left out when there is no Go to ask.
func folders(paths layout.Paths, built bool) []folder {
	found := []folder{{paths.Cache, ofCache}}
	if built {
		return found
	}
	out, _ := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if caches := strings.Fields(string(out)); len(caches) == 2 {
		found = append(found, folder{caches[0], ofBuildCache}, folder{caches[1], ofModuleCache})
	}
	return found
}

// disks are the file systems where the folders are or will be.
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

// existing is the nearest folder upwards that exists.
func existing(path string) (string, error) {
	for {
		_, err := os.Stat(path)
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return path, err
		}
		path = filepath.Dir(path)
	}
}

// routes are those of every routing table: a VPN often has its own, and the
// machine's own addresses are in the table local.
func routes() ([]route, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	byIndex := map[int]*netlink.LinkAttrs{}
	for _, link := range links {
		byIndex[link.Attrs().Index] = link.Attrs()
	}
	listed, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, err
	}
	var found []route
	for _, r := range listed {
		if link := byIndex[r.LinkIndex]; link != nil && r.Dst != nil {
			found = append(found, route{r.Dst, link.Name, link.Alias})
		}
	}
	return found, nil
}

func (m machine) obstacles(built bool) []error {
	var found []error
	missing := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }

	if !m.root {
		missing("not root: containers and network namespaces need it; run with sudo")
	} else if lacking := m.lackingCapabilities(); len(lacking) > 0 {
		missing("root without %s: run outside the container, or run the container privileged", strings.Join(lacking, ", "))
	}
	if !m.has("git") {
		missing("git is not in PATH: apt-get install git")
	}
	if !m.has("go") {
		missing("go is not in PATH: install Go 1.26, see https://go.dev/doc/install")
	}
	if !m.has("nft") && !m.has("iptables") {
		missing("neither nft nor iptables is in PATH: apt-get install nftables")
	}
	if !built && !m.has("gcc") && !m.has("cc") {
		missing("no C compiler, which runc needs: apt-get install gcc")
	}
	if !built && !m.libseccomp {
		missing("libseccomp's headers are missing, which runc needs: apt-get install libseccomp-dev pkg-config")
	}
	if !m.overlayfs {
		missing("the kernel has no overlayfs, which containers need: modprobe overlay")
	}
	if !m.bridges {
		missing("the kernel makes no bridges and veth pairs, which pods need: modprobe -a bridge veth")
	}
	needed := uint64(memoryToBuild)
	if built {
		needed = memoryBuilt
	}
	if m.memory < needed {
		missing("%.1f GB of memory available, %.1f GB needed: end something", gigabytes(m.memory), gigabytes(needed))
	}
	for i, d := range m.disks {
		at := strings.Join(d.folders, ", ")
		if d.free < d.need {
			missing("%.1f GB free at %s, %.0f GB needed: free some, or have XDG_CACHE_HOME, GOCACHE or GOMODCACHE name a larger disk", gigabytes(d.free), at, gigabytes(d.need))
		}
		if i == 0 && d.overlay {
			missing("%s is on overlayfs, on which containers cannot lay their own: have XDG_CACHE_HOME name a folder on a disk", at)
		}
	}
	return append(found, m.takenNetworks()...)
}

func gigabytes(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

// lackingCapabilities names the ones without which namespaces, links and
// containers cannot be made. CAP_SYS_RESOURCE may be missing: the node adapts.
func (m machine) lackingCapabilities() []string {
	var lacking []string
	for _, c := range []struct {
		name string
		bit  uint
	}{
		{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN},
		{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN},
		{"CAP_SYS_CHROOT", unix.CAP_SYS_CHROOT},
		{"CAP_MKNOD", unix.CAP_MKNOD},
		{"CAP_SETUID", unix.CAP_SETUID},
		{"CAP_SYS_PTRACE", unix.CAP_SYS_PTRACE},
	} {
		if !m.capabilities.Has(c.bit) {
			lacking = append(lacking, c.name)
		}
	}
	return lacking
}

// takenNetworks refuses networks that the machine already reaches: routing
// them to the cluster would cut the user off from something.
func (m machine) takenNetworks() []error {
	var found []error
	for _, cidr := range []string{layout.PodCIDR, layout.ServiceCIDR, layout.HostUplink} {
		_, wanted, err := net.ParseCIDR(cidr)
		if err != nil {
			return []error{err}
		}
		// Several tables and addresses may lead through one link.
		i := slices.IndexFunc(m.routes, func(r route) bool { return !everywhere(r.network) && overlap(wanted, r.network) })
		if i < 0 {
			continue
		}
		taken := m.routes[i]
		if taken.link == layout.HostLink {
			return append(found, fmt.Errorf("another local cluster runs on this machine, from the cache folder %s: end it first, `make down` as who started it", taken.alias))
		}
		found = append(found, fmt.Errorf("the local cluster's network %s is in use here: %s leads to %s; end what uses it", wanted, taken.link, taken.network))
	}
	return found
}

// everywhere tells a default route, also one that a VPN splits into halves.
func everywhere(network *net.IPNet) bool {
	ones, _ := network.Mask.Size()
	return ones <= 1
}

func overlap(a, b *net.IPNet) bool { return a.Contains(b.IP) || b.Contains(a.IP) }
