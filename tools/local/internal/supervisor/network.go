package supervisor

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// setUpNetwork sets up the namespace's loopback, the bridge with the node's address, and
// the route that keeps Service addresses on the machine. It waits for the machine's side
// to move in the uplink, and sets that up, too.
func setUpNetwork() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback: %w", err)
	}
	if err := netlink.LinkSetUp(loopback); err != nil {
		return fmt.Errorf("bring the loopback up: %w", err)
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: layout.Bridge}}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the pod bridge: %w", err)
	}
	if err := addressUp(bridge, layout.NodeCIDR); err != nil {
		return err
	}
	_, services, err := net.ParseCIDR(layout.ServiceCIDR)
	if err != nil {
		return err
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: services}); err != nil {
		return fmt.Errorf("route the services to the bridge: %w", err)
	}
	uplink, err := waitForLink(layout.ClusterLink, 10*time.Second)
	if err != nil {
		return err
	}
	if err := addressUp(uplink, layout.ClusterUplink); err != nil {
		return err
	}
	return setSysctls()
}

func addressUp(link netlink.Link, cidr string) error {
	address, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, address); err != nil {
		return fmt.Errorf("give %s the address %s: %w", link.Attrs().Name, cidr, err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

func waitForLink(name string, limit time.Duration) (netlink.Link, error) {
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		link, err := netlink.LinkByName(name)
		if err == nil {
			return link, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("wait for the uplink %s: %w", name, err)
		}
	}
}

// setSysctls changes settings of the network namespace; the machine keeps its own.
func setSysctls() error {
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("turn on forwarding between pods: %w", err)
	}
	// A killed process's connection to a deleted pod keeps the namespace, and with it the
	// machine's link, until the kernel gives up, by default after 100 s.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_orphan_retries", []byte("1"), 0o644); err != nil {
		return fmt.Errorf("let the namespace end at once: %w", err)
	}
	// On a machine without br_netfilter this file does not exist, and bridged packets
	// bypass the Service rules. Here they do so on every machine, so that there is only
	// one case to test: kube-proxy.yaml masquerades because of it.
	err := os.WriteFile("/proc/sys/net/bridge/bridge-nf-call-iptables", []byte("0"), 0o644)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("keep bridged packets from the service rules: %w", err)
	}
	return nil
}
