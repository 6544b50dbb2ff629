// Package coredns holds the cluster's DNS, which is part of the local cluster
// itself as kube-proxy is: Flux can pull nothing before names resolve.
package coredns

import (
	_ "embed"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

//go:embed coredns.yaml
var manifest string

// Manifest is the YAML stream of CoreDNS at a version such as v1.14.7.
func Manifest(version string) []byte {
	return []byte(strings.NewReplacer("VERSION", version, "DNS_SERVICE", layout.DNSService).Replace(manifest))
}
