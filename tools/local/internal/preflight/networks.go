package preflight

import (
	"fmt"
	"net"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// route is a network that the machine reaches, and the link to it.
type route struct {
	network *net.IPNet
	// link is the network interface; alias is the name that its creator gave it.
	link, alias string
}

// routes returns the routes of all routing tables: a VPN often has a table of its own,
// and the machine's own addresses are in the table local.
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

// takenNetworks returns an error for each network of the cluster that the machine already
// reaches: the cluster's route would cut the user off from it.
func (m machine) takenNetworks() []error {
	var found []error
	for _, cidr := range []string{layout.PodCIDR, layout.ServiceCIDR, layout.HostUplink} {
		_, wanted, err := net.ParseCIDR(cidr)
		if err != nil {
			return []error{err}
		}
		// Several tables and addresses may use one link.
		i := slices.IndexFunc(m.routes, func(r route) bool { return !everywhere(r.network) && overlap(wanted, r.network) })
		if i < 0 {
			continue
		}
		taken := m.routes[i]
		if taken.link == layout.HostLink {
			return append(
				found,
				fmt.Errorf(
					"another local cluster runs on this machine, from the cache folder %s: end it first, with `make down` as the user who started it",
					taken.alias,
				),
			)
		}
		found = append(
			found,
			fmt.Errorf("the local cluster's network %s is in use here: %s leads to %s; end what uses it", wanted, taken.link, taken.network),
		)
	}
	return found
}

// everywhere reports whether it is a default route, or half of one as VPNs split it.
func everywhere(network *net.IPNet) bool {
	ones, _ := network.Mask.Size()
	return ones <= 1
}

func overlap(a, b *net.IPNet) bool { return a.Contains(b.IP) || b.Contains(a.IP) }
