// Package coredns holds the manifest of the cluster's DNS. Like kube-proxy it belongs to
// the cluster itself: Flux can fetch nothing before names resolve.
package coredns

import (
	_ "embed"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/layout"
)

//go:embed coredns.yaml
var manifest string

// Manifest returns the YAML stream that installs CoreDNS at a version such as v1.14.7.
func Manifest(version string) []byte {
	return []byte(strings.NewReplacer("VERSION", version, "DNS_SERVICE", layout.DNSService).Replace(manifest))
}
