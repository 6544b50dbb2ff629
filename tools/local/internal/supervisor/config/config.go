// Package config renders the configuration files of the node's programs from the
// templates beside it. It knows the formats of the files, and must not know how or when
// the programs start.
package config

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

//go:embed *.toml *.yaml *.conflist
var files embed.FS

// Values are the values that differ between machines and pins.
type Values struct {
	// SandboxImage is the image of every pod's first container.
	SandboxImage string
	// CNI, Containerd and Runc are the folders with those engines' programs.
	CNI, Containerd, Runc string
	// ProxyMode is nftables or iptables, depending on the machine's programs.
	ProxyMode string
	// CanRaiseResources reports whether the process has CAP_SYS_RESOURCE.
	CanRaiseResources bool
	// AppArmor reports whether the kernel has AppArmor.
	AppArmor bool
}

// data is the templates' input: the values and the layout's constants.
type data struct {
	Values
	Inside, Registry, Bridge, PodCIDR, NodeAddress, NodeName, DNSService string
}

// targets maps a template to its path below the configuration folder.
var targets = map[string]string{
	"containerd.toml": "containerd.toml",
	"hosts.toml":      "certs.d/_default/hosts.toml",
	"cni.conflist":    "cni/10-pods.conflist",
	"kubelet.yaml":    "kubelet.yaml",
	"kube-proxy.yaml": "kube-proxy.yaml",
}

// Write renders every file below dir, with an empty resolv.conf beside them: pods use the
// cluster's DNS, which forwards to no other server.
func Write(dir string, values Values) error {
	parsed, err := template.New("").Option("missingkey=error").ParseFS(files, "*.*")
	if err != nil {
		return fmt.Errorf("parse the configuration templates: %w", err)
	}
	seen := data{
		Values: values, Inside: layout.Inside, Registry: layout.Registry, Bridge: layout.Bridge, PodCIDR: layout.PodCIDR,
		NodeAddress: layout.NodeAddress, NodeName: layout.NodeName, DNSService: layout.DNSService,
	}
	for name, target := range targets {
		var out bytes.Buffer
		if err := parsed.ExecuteTemplate(&out, name, seen); err != nil {
			return fmt.Errorf("render %s: %w", name, err)
		}
		if err := write(filepath.Join(dir, target), out.Bytes()); err != nil {
			return err
		}
	}
	return write(filepath.Join(dir, "resolv.conf"), nil)
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
