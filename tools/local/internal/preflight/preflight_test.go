package preflight

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// fit returns a machine without obstacles.
func fit() machine {
	return machine{
		root: true, capabilities: 1<<41 - 1, hasGo: true, nftables: true,
		kernel: kernel{overlayfs: true, bridges: true, nftables: true}, memory: 8 << 30,
		disks:  []disk{{folders: []string{"/cache/sales-events-local"}, free: 20 << 30, need: 12 << 30}},
		routes: []route{to("0.0.0.0/0", "eth0"), to("192.0.2.0/24", "eth0"), to("127.0.0.0/8", "lo")},
	}
}

func to(cidr, link string) route {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		panic(err)
	}
	return route{network: network, link: link}
}

func TestObstacles(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*machine)
		built bool
		want  []string
	}{
		"nothing": {func(*machine) {}, false, nil},
		"not root": {func(m *machine) { m.root, m.capabilities = false, 0 }, false, []string{
			"not root: containers and network namespaces need it; run with sudo",
		}},
		"root of a container": {func(m *machine) { m.capabilities &^= 1<<12 | 1<<21 }, false, []string{
			"root without CAP_SYS_ADMIN, CAP_NET_ADMIN: run outside the container, or run the container privileged",
		}},
		"no Go, no network, no checkout, all at once": {func(m *machine) {
			m.hasGo, m.unreadable, m.unfetchable = false, errors.New("/src is no checkout"), errors.New("no such host")
		}, false, []string{
			"go is not in PATH: install Go 1.26, see https://go.dev/doc/install",
			"/src is no checkout",
			"the sources of the engines are not in Go's module cache, and cannot be fetched: no such host: check the network, a proxy in HTTPS_PROXY, and `go env GOPROXY`",
		}},
		"a small kernel": {func(m *machine) { m.kernel = kernel{} }, true, []string{
			"the kernel has no overlayfs, which containers need: modprobe overlay",
			"the kernel cannot make bridges and veth pairs, which pods need: modprobe -a bridge veth",
			"the kernel has no nftables with address translation for IPv4, which services need: modprobe -a nf_tables nft_chain_nat nft_masq",
		}},
		"a kernel with iptables only": {func(m *machine) { m.kernel.nftables, m.nftables = false, false }, true, nil},
		"enough memory":               {func(m *machine) { m.memory = 3 << 30 }, true, nil},
		"too little memory": {func(m *machine) { m.memory = 5 << 29 }, true, []string{
			"2.5 GB of memory available, 3.0 GB needed: end other programs",
		}},
		"a disk too small": {func(m *machine) {
			m.disks = append(m.disks, disk{folders: []string{"/go/build", "/go/mod"}, free: 17 << 29, need: 9 << 30})
		}, false, []string{
			"8.5 GB free at /go/build, /go/mod, 9 GB needed: free some, or point XDG_CACHE_HOME, GOCACHE or GOMODCACHE to a larger disk",
		}},
		"the cache in a container's layer": {func(m *machine) { m.disks[0].overlay = true }, true, []string{
			"/cache/sales-events-local is on overlayfs, on which containers cannot mount their own: point XDG_CACHE_HOME to a folder on a disk",
		}},
		"Go's caches in a container's layer": {func(m *machine) { m.disks = append(m.disks, disk{overlay: true}) }, true, nil},
		"networks in use": {func(m *machine) {
			m.routes = append(m.routes, to("10.45.0.9/32", "lo"), to("10.46.7.0/24", "docker0"), to("10.46.7.1/32", "docker0"), to("10.0.0.0/8", "tun0"))
		}, true, []string{
			"the local cluster's network 10.45.0.0/24 is in use here: lo leads to 10.45.0.9/32; end what uses it",
			"the local cluster's network 10.46.0.0/16 is in use here: docker0 leads to 10.46.7.0/24; end what uses it",
			"the local cluster's network 10.47.0.0/30 is in use here: tun0 leads to 10.0.0.0/8; end what uses it",
		}},
		"a VPN's halves of everything": {func(m *machine) {
			m.routes = append(m.routes, to("0.0.0.0/1", "tun0"), to("128.0.0.0/1", "tun0"))
		}, true, nil},
		"another user's cluster": {func(m *machine) {
			for _, cidr := range []string{"10.45.0.0/24", "10.46.0.0/16", "10.47.0.0/30"} {
				r := to(cidr, layout.HostLink)
				r.alias = "/home/ann/.cache/sales-events-local"
				m.routes = append(m.routes, r)
			}
		}, true, []string{
			"another local cluster runs on this machine, from the cache folder /home/ann/.cache/sales-events-local: end it first, with `make down` as the user who started it",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			m := fit()
			m.built = test.built
			test.spoil(&m)
			var got []string
			for _, err := range m.obstacles() {
				got = append(got, err.Error())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
			}
		})
	}
}

// The machine's own addresses count, although they are in another table than its routes.
// The cache folder need not exist, and is not created.
func TestLook(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "not", "there")
	m, err := Start{Checkout: ".", Paths: layout.Paths{Cache: cache}}.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.disks) != 1 || m.disks[0].free == 0 || m.disks[0].need != ofCache || !slices.Equal(m.disks[0].folders, []string{cache}) {
		t.Errorf("the disks are %+v", m.disks)
	}
	if m.memory < 1<<20 {
		t.Errorf("%d bytes of memory", m.memory)
	}
	if found, err := filepath.Glob(filepath.Dir(cache)); len(found) > 0 || err != nil {
		t.Errorf("made %v: %v", found, err)
	}
	if !slices.ContainsFunc(m.routes, func(r route) bool { return r.link == "lo" && r.network.String() == "127.0.0.1/32" }) {
		t.Errorf("the machine's own address is not among the routes %v", m.routes)
	}
}

// The kernel is tested in a namespace, which leaves no table behind.
func TestKernel(t *testing.T) {
	if err := inNetworkNamespace(translate); !permitted(err) {
		t.Logf("this kernel translates no addresses: %v", err)
	}
	tables, err := (&nftables.Conn{}).ListTablesOfFamily(nftables.TableFamilyIPv4)
	if err != nil {
		t.Skip("may not list the tables of the kernel:", err)
	}
	if slices.ContainsFunc(tables, func(left *nftables.Table) bool { return left.Name == "preflight" }) {
		t.Error("it leaves its table")
	}
	if permitted(unix.EOPNOTSUPP) || permitted(unix.ENOENT) || !permitted(fmt.Errorf("flush: %w", unix.EPERM)) {
		t.Error("a kernel without nftables is taken for one that may not be asked")
	}
}

// Go's caches take most of the space of a build; the needs on one disk are added up.
func TestDisksOfABuild(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GOCACHE", filepath.Join(dir, "build"))
	t.Setenv("GOMODCACHE", filepath.Join(dir, "mod"))
	found, err := disks(folders(layout.Paths{Cache: filepath.Join(dir, "cache")}, askGo(t.Context()), false))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || len(found[0].folders) != 3 || found[0].need != ofCache+ofBuildCache+ofModuleCache {
		t.Errorf("the disks are %+v", found)
	}
}

// Programs in sbin are found, whatever PATH sudo passes on.
func TestExtendPath(t *testing.T) {
	t.Setenv("PATH", "/home/ann/bin")
	if err := ExtendPath(); err != nil {
		t.Fatal(err)
	}
	want := "/home/ann/bin"
	if os.Geteuid() == 0 {
		want += ":/usr/local/sbin:/usr/sbin:/sbin"
	}
	if got := os.Getenv("PATH"); got != want {
		t.Errorf("PATH is %s, want %s", got, want)
	}
}
