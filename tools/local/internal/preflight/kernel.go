package preflight

import (
	"errors"
	"runtime"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// kernel says which features the kernel has, or loads on demand. A feature that this
// process may not test counts as present.
type kernel struct {
	overlayfs, bridges bool
	// nftables reports whether nftables can translate IPv4 addresses, as Services need.
	nftables bool
}

func lookAtKernel() kernel {
	return kernel{
		overlayfs: overlayfs(),
		bridges:   !errors.Is(inNetworkNamespace(makeLinks), unix.EOPNOTSUPP),
		nftables:  permitted(inNetworkNamespace(translate)),
	}
}

// overlayfs tests for overlayfs without a mount.
func overlayfs() bool {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err == nil {
		_ = unix.Close(fd)
	}
	return !errors.Is(err, unix.ENODEV)
}

func makeLinks() error {
	return errors.Join(
		netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: layout.Bridge}}),
		netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: layout.HostLink}, PeerName: layout.ClusterLink}),
	)
}

// translate adds a chain and a rule as kube-proxy does.
func translate() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "preflight"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "postrouting", Table: table,
		Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Masq{}}})
	return conn.Flush()
}

// permitted reports whether something works, or this process is not permitted to try it.
func permitted(err error) bool { return err == nil || errors.Is(err, unix.EPERM) }

// inNetworkNamespace runs try in a network namespace that ends with its thread. If it
// cannot make one, it does not run try and returns no error.
func inNetworkNamespace(try func() error) error {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that no other code gets the thread
		if unix.Unshare(unix.CLONE_NEWNET) != nil {
			tried <- nil
			return
		}
		tried <- try()
	}()
	return <-tried
}
