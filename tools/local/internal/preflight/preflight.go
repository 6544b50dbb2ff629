// Package preflight makes a machine ready for the local cluster. If nothing else is in
// the way, it installs missing packages. It names every other obstacle, all at once and
// each with its remedy. Otherwise it changes nothing, except that testing for a kernel
// module may load it.
//
// Ports are no obstacle: all servers of the cluster listen in the cluster's own network
// namespace. But the networks that lead there must be free.
package preflight

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/capability"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// Start describes the start for which the machine is made ready.
type Start struct {
	// Checkout is the folder of the repository.
	Checkout string
	Paths    layout.Paths
	// Engines are the engines to run. Once they are built, a start needs less of the
	// machine.
	Engines engines.Set
}

// Prepare makes the machine ready. It returns all remaining obstacles as one error, or
// nil.
func (s Start) Prepare(ctx context.Context, progress io.Writer) error {
	m, err := s.look(ctx)
	if err != nil {
		return err
	}
	if len(m.missing) > 0 && m.distribution.installs() && len(m.obstacles()) == 0 {
		if err := m.distribution.install(ctx, m.missing, progress); err != nil {
			return err
		}
		if m, err = s.look(ctx); err != nil {
			return err
		}
	}
	if found := append(m.obstacles(), m.distribution.advice(m.missing)...); len(found) > 0 {
		return fmt.Errorf("this machine is not ready for the local cluster:\n%w%s", errors.Join(found...), m.otherwise())
	}
	return nil
}

// otherwise names another way to see the system scale, if the machine cannot be made
// ready; empty if only packages are missing.
func (m machine) otherwise() string {
	if len(m.obstacles()) == 0 {
		return ""
	}
	return "\nwithout any of this, `make simulate` shows a simulated burst scale, with the same kind of report: it needs Go alone"
}

// ExtendPath adds the folders of root's programs to PATH: a user's PATH lacks them, and
// sudo may pass it on unchanged.
func ExtendPath() error {
	folders := filepath.SplitList(os.Getenv("PATH"))
	if os.Geteuid() == 0 {
		folders = append(folders, "/usr/local/sbin", "/usr/sbin", "/sbin")
	}
	return os.Setenv("PATH", strings.Join(folders, string(filepath.ListSeparator)))
}

// machine holds what is checked for obstacles.
type machine struct {
	root         bool
	capabilities capability.Set
	hasGo        bool
	// nftables reports whether kube-proxy will write its rules with nft.
	nftables bool
	// built reports whether the engines are in the cache.
	built        bool
	distribution distribution
	missing      []need
	kernel       kernel
	// memory is the number of bytes that are available without swapping.
	memory uint64
	disks  []disk
	routes []route
	// unfetchable says why the engines' sources cannot be fetched, unreadable why the
	// checkout cannot be read; nil if they can.
	unfetchable, unreadable error
}

func (s Start) look(ctx context.Context) (machine, error) {
	settings := askGo(ctx)
	m := machine{
		root:     os.Geteuid() == 0,
		hasGo:    settings.found,
		nftables: inPath("nft") || !inPath("iptables"),
		built:    s.Engines.Built(),
		kernel:   lookAtKernel(),
	}
	m.missing = missing(ctx, settings.cc, m.built)
	if inPath("git") {
		m.unreadable = unreadable(ctx, s.Checkout)
	}
	if settings.found && !m.built {
		m.unfetchable = unfetchable(ctx, s.Engines, settings.moduleCache)
	}
	var err error
	if m.distribution, err = thisDistribution("/etc/os-release", "/usr/lib/os-release"); err != nil {
		return m, err
	}
	if m.capabilities, err = capability.Effective(); err != nil {
		return m, fmt.Errorf("read this process's capabilities: %w", err)
	}
	if m.memory, err = AvailableMemory(); err != nil {
		return m, err
	}
	if m.disks, err = disks(folders(s.Paths, settings, m.built)); err != nil {
		return m, err
	}
	if m.routes, err = routes(); err != nil {
		return m, fmt.Errorf("read the routes: %w", err)
	}
	return m, nil
}

// obstacles returns those that no package removes.
func (m machine) obstacles() []error {
	var found []error
	obstacle := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }

	if !m.root {
		obstacle("not root: containers and network namespaces need it; run with sudo")
	} else if lacking := m.lackingCapabilities(); len(lacking) > 0 {
		obstacle("root without %s: run outside the container, or run the container privileged", strings.Join(lacking, ", "))
	}
	if !m.hasGo {
		obstacle("go is not in PATH: install Go 1.26, see https://go.dev/doc/install")
	}
	if m.unreadable != nil {
		found = append(found, m.unreadable)
	}
	if m.unfetchable != nil {
		obstacle("the sources of the engines are not in Go's module cache, and cannot be fetched: %w: "+
			"check the network, a proxy in HTTPS_PROXY, and `go env GOPROXY`", m.unfetchable)
	}
	if !m.kernel.overlayfs {
		obstacle("the kernel has no overlayfs, which containers need: modprobe overlay")
	}
	if !m.kernel.bridges {
		obstacle("the kernel cannot make bridges and veth pairs, which pods need: modprobe -a bridge veth")
	}
	if !m.kernel.nftables && m.nftables {
		obstacle("the kernel has no nftables with address translation for IPv4, which services need: " +
			"modprobe -a nf_tables nft_chain_nat nft_masq")
	}
	if m.memory < needed {
		obstacle("%.1f GB of memory available, %.1f GB needed: end other programs", gigabytes(m.memory), gigabytes(needed))
	}
	for i, d := range m.disks {
		at := strings.Join(d.folders, ", ")
		if d.free < d.need {
			obstacle(
				"%.1f GB free at %s, %.0f GB needed: free some, or point XDG_CACHE_HOME, GOCACHE or GOMODCACHE to a larger disk",
				gigabytes(d.free),
				at,
				gigabytes(d.need),
			)
		}
		if i == 0 && d.overlay {
			obstacle("%s is on overlayfs, on which containers cannot mount their own: point XDG_CACHE_HOME to a folder on a disk", at)
		}
	}
	return append(found, m.takenNetworks()...)
}

func gigabytes(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

// lackingCapabilities names the missing capabilities without which namespaces, links and
// containers cannot be created. CAP_SYS_RESOURCE may be missing: the node adapts.
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
