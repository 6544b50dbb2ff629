// Package layout fixes where the local cluster lives: its addresses and its
// files. The host side (package cluster) and the inside (package supervisor)
// both read it, so that neither has to tell the other. It knows nothing of
// processes, Kubernetes objects or Flux.
package layout

import (
	"fmt"
	"os"
	"path/filepath"
)

// Addresses of the cluster. The pod and node network is one bridge; services
// are routed to it. Uplink is the point-to-point link between the machine and
// the cluster's network namespace.
const (
	NodeName      = "local"
	NodeAddress   = "10.45.0.1"
	NodeCIDR      = "10.45.0.1/24"
	PodCIDR       = "10.45.0.0/24"
	ServiceCIDR   = "10.46.0.0/16"
	APIService    = "10.46.0.1"
	DNSService    = "10.46.0.10"
	HostUplink    = "10.47.0.1/30"
	ClusterUplink = "10.47.0.2/30"
	ClusterVia    = "10.47.0.2"

	HostLink    = "sales-events0"
	ClusterLink = "uplink0"
	Bridge      = "cni0"

	APIServer = NodeAddress + ":6443"
	Registry  = NodeAddress + ":5000"
	Git       = NodeAddress + ":3000"
)

// Inside is where the state folder is bound in the supervisor's mount
// namespace. A fixed, short path keeps the user's home out of every
// configuration file and sockets below the 108 bytes that Linux allows.
const Inside = "/run/sales-events"

// InsideEngines is where the built engines are bound in that namespace.
const InsideEngines = "/run/sales-events-engines"

// Paths are the cluster's files on the machine, all below one cache folder.
type Paths struct{ Cache string }

// Default is the folder sales-events-local in the user's cache directory.
func Default() (Paths, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Paths{}, fmt.Errorf("find the cache folder (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return Paths{Cache: filepath.Join(dir, "sales-events-local")}, nil
}

// Engines holds one folder per built engine and outlives the cluster.
func (p Paths) Engines() string { return filepath.Join(p.Cache, "engines") }

// Blobs holds the registry's layers and outlives the cluster, so that a
// second start pushes manifests only.
func (p Paths) Blobs() string { return filepath.Join(p.Cache, "blobs") }

// Programs holds the compiled programs of the last checkout and the digests of all
// programs' layers, and outlives the cluster, so that a second start links and reads
// only what has changed.
func (p Paths) Programs() string { return filepath.Join(p.Cache, "programs") }

// State is everything of the running cluster; stopping it removes this folder.
func (p Paths) State() string { return filepath.Join(p.Cache, "cluster") }

// Logs has one file per process of the control plane and node.
func (p Paths) Logs() string { return filepath.Join(p.State(), "logs") }

// Kubeconfig is the administrator's kubeconfig.
func (p Paths) Kubeconfig() string { return filepath.Join(p.State(), "pki", "admin.kubeconfig") }

// PIDFile names the supervisor: its process id and its start time.
func (p Paths) PIDFile() string { return filepath.Join(p.State(), "supervisor.pid") }

// Fingerprint identifies what of a checkout the cluster was started with.
func (p Paths) Fingerprint() string { return filepath.Join(p.State(), "fingerprint") }

// Machine records the machine as it was before the cluster.
func (p Paths) Machine() string { return filepath.Join(p.State(), "machine.json") }

// LinkAlias is the alias of the link HostLink of this cluster: the cache
// folder, or as much of its end as the kernel keeps of an alias.
func (p Paths) LinkAlias() string { return p.Cache[max(0, len(p.Cache)-255):] }
