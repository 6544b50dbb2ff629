// Package preflight says what a machine lacks for the local cluster: all of it
// at once, each with the mend. It changes nothing.
//
// Ports are no obstacle: every server of the cluster listens in the cluster's
// own network namespace. What must be free are the networks that lead there.
package preflight

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// Free space below which a start is refused: engines and layers take 2.5 GB,
// building them from empty caches 9 GB more.
const (
	freeBuilt   = 3 << 30
	freeToBuild = 12 << 30
)

// Check returns every obstacle joined into one error, or nil. built tells
// whether the engines are in the cache, which asks for less.
func Check(paths layout.Paths, built bool) error {
	m, err := look(paths)
	if err != nil {
		return err
	}
	return errors.Join(m.obstacles(built)...)
}

// machine is what the obstacles are found in.
type machine struct {
	root bool
	// capabilities are the effective ones of the process, a bit each.
	capabilities uint64
	has          func(program string) bool
	// libseccomp tells that pkg-config knows its headers.
	libseccomp bool
	// folder is the cache, free the bytes left where it is or will be.
	folder string
	free   uint64
	routes []route
}

// route is a network that the machine reaches, and how.
type route struct {
	network *net.IPNet
	// link is the network interface, alias what whoever made it calls it.
	link, alias string
}

func look(paths layout.Paths) (machine, error) {
	m := machine{
		root: os.Geteuid() == 0, folder: paths.Cache,
		has: func(program string) bool {
			_, err := exec.LookPath(program)
			return err == nil
		},
		libseccomp: exec.Command("pkg-config", "--exists", "libseccomp").Run() == nil,
	}
	var err error
	if m.capabilities, err = capabilities(); err != nil {
		return m, fmt.Errorf("read this process's capabilities: %w", err)
	}
	if m.free, err = free(paths.Cache); err != nil {
		return m, fmt.Errorf("measure the free space of %s: %w", paths.Cache, err)
	}
	if m.routes, err = routes(); err != nil {
		return m, fmt.Errorf("read the routes: %w", err)
	}
	return m, nil
}

func capabilities() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&header, &data[0])
	return uint64(data[1].Effective)<<32 | uint64(data[0].Effective), err
}

// free measures where the folder is or will be.
func free(folder string) (uint64, error) {
	for {
		var fs unix.Statfs_t
		err := unix.Statfs(folder, &fs)
		if errors.Is(err, unix.ENOENT) && folder != filepath.Dir(folder) {
			folder = filepath.Dir(folder)
			continue
		}
		return fs.Bavail * uint64(fs.Bsize), err
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
	need := uint64(freeToBuild)
	if built {
		need = freeBuilt
	}
	if m.free < need {
		missing("%.1f GB free at %s, %.0f GB needed: free some, or set XDG_CACHE_HOME to a larger disk", gigabytes(m.free), m.folder, gigabytes(need))
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
		if m.capabilities&(1<<c.bit) == 0 {
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
