package config

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

// machines are those whose rendered files may differ.
var machines = map[string]Values{
	"root of the machine": {
		SandboxImage: "ghcr.io/x/pause:local", CNI: "/engines/cni-1", Containerd: "/engines/containerd-1", Runc: "/engines/runc-1",
		ProxyMode: "nftables", CanRaiseResources: true, AppArmor: true,
	},
	"root of a container": {
		SandboxImage: "ghcr.io/x/pause:local", CNI: "/engines/cni-1", Containerd: "/engines/containerd-1", Runc: "/engines/runc-1",
		ProxyMode: "iptables",
	},
}

// rendered returns the files for one machine, parsed as their programs parse them.
func rendered(t *testing.T, values Values) map[string]map[string]any {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, values); err != nil {
		t.Fatal(err)
	}
	parsed := map[string]map[string]any{}
	for name, parse := range map[string]func([]byte, any) error{
		"containerd.toml":             toml.Unmarshal,
		"certs.d/_default/hosts.toml": toml.Unmarshal,
		"kubelet.yaml":                func(data []byte, out any) error { return yaml.UnmarshalStrict(data, out) },
		"kube-proxy.yaml":             func(data []byte, out any) error { return yaml.UnmarshalStrict(data, out) },
		"cni/10-pods.conflist":        json.Unmarshal,
	} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var content map[string]any
		if err := parse(data, &content); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, data)
		}
		parsed[name] = content
	}
	return parsed
}

// at follows keys into a parsed file; a list means its first item.
func at(content any, keys ...string) any {
	for _, key := range keys {
		switch c := content.(type) {
		case map[string]any:
			content = c[key]
		case []any:
			content = c[0].(map[string]any)[key]
		default:
			return nil
		}
	}
	return content
}

const runtimePlugin = "io.containerd.cri.v1.runtime"

func TestWhatMatters(t *testing.T) {
	for machine, values := range machines {
		files, whole := rendered(t, values), values.CanRaiseResources
		for _, want := range []struct {
			file  string
			keys  []string
			value any
		}{
			// Only cgroupfs works without systemd, both on cgroup v1 and on v2.
			{"kubelet.yaml", []string{"cgroupDriver"}, "cgroupfs"},
			{"kubelet.yaml", []string{"failCgroupV1"}, false},
			{"containerd.toml", []string{"plugins", runtimePlugin, "containerd", "runtimes", "runc", "options", "SystemdCgroup"}, false},
			// Root in a container may not be allowed to lower an OOM score.
			{"kubelet.yaml", []string{"oomScoreAdj"}, map[bool]float64{true: -999, false: 0}[whole]},
			{"containerd.toml", []string{"plugins", runtimePlugin, "restrict_oom_score_adj"}, !whole},
			{"containerd.toml", []string{"plugins", runtimePlugin, "disable_apparmor"}, !values.AppArmor},
			{"kube-proxy.yaml", []string{"mode"}, values.ProxyMode},
			// The machine may lack br_netfilter.
			{"kube-proxy.yaml", []string{values.ProxyMode, "masqueradeAll"}, true},
			// The machine may have swap.
			{"kubelet.yaml", []string{"failSwapOn"}, false},
			// Without a certificate nobody can read the node's data.
			{"kubelet.yaml", []string{"authentication", "anonymous", "enabled"}, false},
			{"kubelet.yaml", []string{"authorization", "mode"}, "Webhook"},
			{"kubelet.yaml", []string{"clusterDNS"}, []any{layout.DNSService}},
			{"kubelet.yaml", []string{"containerRuntimeEndpoint"}, "unix://" + layout.Inside + "/containerd.sock"},
			{"containerd.toml", []string{"grpc", "address"}, layout.Inside + "/containerd.sock"},
			{"containerd.toml", []string{"plugins", "io.containerd.cri.v1.images", "pinned_images", "sandbox"}, values.SandboxImage},
			{"containerd.toml", []string{"plugins", "io.containerd.cri.v1.images", "registry", "config_path"}, layout.Inside + "/config/certs.d"},
			{"containerd.toml", []string{"plugins", runtimePlugin, "cni", "bin_dirs"}, []any{values.CNI}},
			{"containerd.toml", []string{"plugins", runtimePlugin, "containerd", "runtimes", "runc", "runtime_path"}, values.Containerd + "/containerd-shim-runc-v2"},
			{"containerd.toml", []string{"plugins", runtimePlugin, "containerd", "runtimes", "runc", "options", "BinaryName"}, values.Runc + "/runc"},
			{"certs.d/_default/hosts.toml", []string{"host", "http://" + layout.Registry, "capabilities"}, []any{"pull", "resolve"}},
			{"cni/10-pods.conflist", []string{"plugins", "bridge"}, layout.Bridge},
		} {
			if got := at(files[want.file], want.keys...); !reflect.DeepEqual(got, want.value) {
				t.Errorf("%s: %s: %s is %v, want %v", machine, want.file, strings.Join(want.keys, "."), got, want.value)
			}
		}
	}
}

// There are addresses for fifty consumers and the rest of the system.
func TestRoomForPods(t *testing.T) {
	files := rendered(t, machines["root of the machine"])
	maximum, _ := at(files["kubelet.yaml"], "maxPods").(float64)
	network := netip.MustParsePrefix(layout.PodCIDR)
	if addresses := float64(int(1)<<(32-network.Bits()) - 3); maximum < 100 || maximum > addresses {
		t.Errorf("maxPods is %v, and %s has %v addresses", maximum, network, addresses)
	}
	ranges, _ := at(files["cni/10-pods.conflist"], "plugins", "ipam", "ranges").([]any)
	if len(ranges) != 1 || !reflect.DeepEqual(ranges[0], []any{map[string]any{"subnet": layout.PodCIDR, "gateway": layout.NodeAddress}}) {
		t.Errorf("the pods' ranges are %v", ranges)
	}
}

// Every path in a program's configuration is in a folder that ends with the cluster, or
// in an engine's.
func TestNothingOutsideTheCluster(t *testing.T) {
	outside := func(value string) bool {
		path := strings.TrimPrefix(value, "unix://")
		inside := slices.ContainsFunc([]string{layout.Inside + "/", "/engines/"}, func(prefix string) bool { return strings.HasPrefix(path, prefix) })
		return strings.HasPrefix(path, "/") && !inside
	}
	for name, content := range rendered(t, machines["root of a container"]) {
		for _, value := range texts(content) {
			if outside(value) {
				t.Errorf("%s names %s", name, value)
			}
		}
	}
}

func texts(content any) []string {
	var found []string
	switch c := content.(type) {
	case string:
		found = append(found, c)
	case []any:
		for _, item := range c {
			found = append(found, texts(item)...)
		}
	case map[string]any:
		for _, item := range c {
			found = append(found, texts(item)...)
		}
	}
	return found
}
