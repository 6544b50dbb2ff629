// Package layout defines the local cluster's addresses and files. The machine's side
// (package cluster) and the inside (package supervisor) both read it, so that neither
// must tell the other. It must not know processes, Kubernetes objects or Flux.
package layout

import (
	"fmt"
	"os"
	"path/filepath"
)

// Addresses of the cluster. Pods and node share one bridge; services are routed to it.
// Uplink is the point-to-point link between the machine and the cluster's network
// namespace.
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

// Inside is where the state folder is mounted in the supervisor's mount namespace. A
// short, fixed path keeps the user's home out of all configuration files, and sockets
// below Linux's limit of 108 bytes.
const Inside = "/run/sales-events"

// InsideEngines is where the built engines are mounted in that namespace.
const InsideEngines = "/run/sales-events-engines"

// Paths are the cluster's files on the machine, all below one cache folder.
type Paths struct{ Cache string }

// Default returns the folder sales-events-local in the user's cache directory.
func Default() (Paths, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return Paths{}, fmt.Errorf("find the cache folder (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return Paths{Cache: filepath.Join(dir, "sales-events-local")}, nil
}

// Engines returns the folder of the built engines, one folder each. It outlives the
// cluster.
func (p Paths) Engines() string { return filepath.Join(p.Cache, "engines") }

// Blobs returns the folder of the registry's layers. It outlives the cluster, so that a
// second start pushes only manifests.
func (p Paths) Blobs() string { return filepath.Join(p.Cache, "blobs") }

// Programs returns the folder of the last checkout's compiled programs, and of the
// digests of all programs' layers. It outlives the cluster, so that a second start links
// and reads only what has changed.
func (p Paths) Programs() string { return filepath.Join(p.Cache, "programs") }

// State returns the folder of the running cluster's state; stopping the cluster removes
// it.
func (p Paths) State() string { return filepath.Join(p.Cache, "cluster") }

// Logs returns the folder with one log file for each process of the control plane and the
// node.
func (p Paths) Logs() string { return filepath.Join(p.State(), "logs") }

// Kubeconfig returns the file of the administrator's kubeconfig.
func (p Paths) Kubeconfig() string { return filepath.Join(p.State(), "pki", "admin.kubeconfig") }

// PIDFile returns the file that identifies the supervisor by its process id and start
// time.
func (p Paths) PIDFile() string { return filepath.Join(p.State(), "supervisor.pid") }

// Fingerprint returns the file that identifies the programs and pins with which the
// cluster was started.
func (p Paths) Fingerprint() string { return filepath.Join(p.State(), "fingerprint") }

// Machine returns the file that records the machine's state before the cluster.
func (p Paths) Machine() string { return filepath.Join(p.State(), "machine.json") }

// LinkAlias returns the alias of this cluster's HostLink: the cache folder, or as much of
// its end as the kernel accepts.
func (p Paths) LinkAlias() string { return p.Cache[max(0, len(p.Cache)-255):] }
