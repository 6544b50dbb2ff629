// Package preflight says what a machine lacks for the local cluster: all of it
// at once, each with the mend. It changes nothing.
package preflight

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
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
	var found []error
	missing := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }

	if runtime.GOOS != "linux" {
		return fmt.Errorf("the local cluster needs Linux, this is %s: use a virtual machine, or a cluster of your own", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		missing("not root: containers and network namespaces need it; run with sudo")
	} else if err := capabilities(); err != nil {
		found = append(found, err)
	}
	for _, program := range []struct{ name, mend string }{
		{"git", "apt-get install git"},
		{"go", "install Go 1.26, see https://go.dev/doc/install"},
	} {
		if _, err := exec.LookPath(program.name); err != nil {
			missing("%s is not in PATH: %s", program.name, program.mend)
		}
	}
	if !anyProgram("nft", "iptables") {
		missing("neither nft nor iptables is in PATH: apt-get install nftables")
	}
	if !built {
		if !anyProgram("gcc", "cc") {
			missing("no C compiler, which runc needs: apt-get install gcc")
		}
		if err := exec.Command("pkg-config", "--exists", "libseccomp").Run(); err != nil {
			missing("libseccomp's headers are missing, which runc needs: apt-get install libseccomp-dev pkg-config")
		}
	}
	if err := disk(paths, built); err != nil {
		found = append(found, err)
	}
	if err := addresses(); err != nil {
		found = append(found, err)
	}
	return errors.Join(found...)
}

func anyProgram(names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}

// capabilities names the ones without which namespaces, links and containers
// cannot be made. CAP_SYS_RESOURCE may be missing: the node adapts.
func capabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("read this process's capabilities: %w", err)
	}
	var lacking []string
	for _, c := range []struct {
		name string
		bit  uint
	}{
		{"CAP_SYS_ADMIN", unix.CAP_SYS_ADMIN}, {"CAP_NET_ADMIN", unix.CAP_NET_ADMIN}, {"CAP_SYS_CHROOT", unix.CAP_SYS_CHROOT},
		{"CAP_MKNOD", unix.CAP_MKNOD}, {"CAP_SETUID", unix.CAP_SETUID}, {"CAP_SYS_PTRACE", unix.CAP_SYS_PTRACE},
	} {
		if data[c.bit/32].Effective&(1<<(c.bit%32)) == 0 {
			lacking = append(lacking, c.name)
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("root without %s: run outside the container, or run the container privileged", strings.Join(lacking, ", "))
	}
	return nil
}

func disk(paths layout.Paths, built bool) error {
	need := uint64(freeToBuild)
	if built {
		need = freeBuilt
	}
	if err := os.MkdirAll(paths.Cache, 0o755); err != nil {
		return fmt.Errorf("make the cache folder: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(paths.Cache, &fs); err != nil {
		return fmt.Errorf("measure the free space of %s: %w", paths.Cache, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need {
		return fmt.Errorf("%.1f GB free at %s, %.0f GB needed: free some, or set XDG_CACHE_HOME to a larger disk",
			float64(free)/(1<<30), paths.Cache, float64(need)/(1<<30))
	}
	return nil
}

// addresses refuses networks that the machine already reaches: routing them to
// the cluster would cut the user off from something.
func addresses() error {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return fmt.Errorf("read the routes: %w", err)
	}
	var found []error
	for _, cidr := range []string{layout.PodCIDR, layout.ServiceCIDR, layout.HostUplink} {
		_, wanted, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		for _, route := range routes {
			if route.Dst == nil || route.Dst.IP.IsUnspecified() || !overlap(wanted, route.Dst) {
				continue
			}
			found = append(found, fmt.Errorf("the network %s, which the local cluster uses, is in use here (route to %s): end what uses it", wanted, route.Dst))
		}
	}
	return errors.Join(found...)
}

func overlap(a, b *net.IPNet) bool { return a.Contains(b.IP) || b.Contains(a.IP) }
