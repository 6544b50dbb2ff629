package layout

import (
	"net/netip"
	"strings"
	"testing"
)

// The constants repeat each other, because Go has no constant expressions on addresses.
// Kubernetes gives its own service the first address of the range.
func TestAddressesAgree(t *testing.T) {
	pods, services := netip.MustParsePrefix(PodCIDR), netip.MustParsePrefix(ServiceCIDR)
	uplink := netip.MustParsePrefix(HostUplink)
	node := netip.MustParsePrefix(NodeCIDR)
	for what, holds := range map[string]bool{
		"the node's address is in its network":          node.Addr().String() == NodeAddress && node.Masked() == pods,
		"the API's service is the first of the range":   services.Addr().Next().String() == APIService,
		"the DNS service is in the range":               services.Contains(netip.MustParseAddr(DNSService)),
		"both ends of the uplink are in one network":    uplink.Masked() == netip.MustParsePrefix(ClusterUplink).Masked(),
		"the way to the cluster is its end of the link": strings.HasPrefix(ClusterUplink, ClusterVia+"/"),
		"no two networks overlap":                       !pods.Overlaps(services) && !pods.Overlaps(uplink) && !services.Overlaps(uplink),
		"Linux takes the link's name":                   len(HostLink) < 16,
	} {
		if !holds {
			t.Error("not so:", what)
		}
	}
}

// All files of a cluster are below one folder, which the user can choose. Nothing that
// must outlive the cluster is in the part that stopping it removes.
func TestPaths(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "/large")
	p, err := Default()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{p.Engines(), p.Blobs(), p.Programs()} {
		if !strings.HasPrefix(path, "/large/sales-events-local/") || strings.HasPrefix(path, p.State()+"/") {
			t.Errorf("%s is not in the cache, or in the state folder %s", path, p.State())
		}
	}
	for _, path := range []string{p.Logs(), p.Kubeconfig(), p.PIDFile(), p.Fingerprint()} {
		if !strings.HasPrefix(path, p.State()+"/") {
			t.Errorf("%s outlives the cluster", path)
		}
	}
}

// The kernel accepts 255 bytes for an alias.
func TestLinkAlias(t *testing.T) {
	if alias := (Paths{Cache: "/home/ann/.cache/sales-events-local"}).LinkAlias(); alias != "/home/ann/.cache/sales-events-local" {
		t.Error(alias)
	}
	if alias := (Paths{Cache: "/" + strings.Repeat("long/", 100)}).LinkAlias(); len(alias) != 255 || !strings.HasSuffix(alias, "/long/") {
		t.Error(alias)
	}
}
