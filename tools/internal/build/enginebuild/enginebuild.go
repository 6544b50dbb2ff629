// Package enginebuild says how Go builds the upstream projects that tools/engines
// pins, where a plain `go build` would not do. tools/local builds the engines
// of its node with it, tools/image the images of some.
//
// The package knows nothing of versions and the go command itself.
package enginebuild

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/providertrim"
)

// Recipe is how one engine is built. One that has only a name is a plain `go build`.
type Recipe struct {
	// Name is the engine's folder in tools/engines.
	Name string
	// Module is the upstream module whose version is the engine's.
	Module string
	// Libraries are the C libraries that the programs link statically, by the names
	// that the linker's flag -l takes. Without any the programs are Go alone.
	Libraries []string
	// Tags are the build tags, separated by spaces.
	Tags string
	// Stamp gives the linker flags that set what the programs report as their
	// version; nil where they report none, or learn it from their module.
	Stamp func(version string) string
	// Source generates the source that is built; nil builds the module unchanged.
	Source *Source
}

// Source is a generated source.
type Source struct {
	// Key changes with whatever changes the source of the engine in a folder, but for the
	// pins and the Go files there.
	Key func(dir string) (string, error)
	// Generate writes the source into a new folder, and returns the folder of the module to
	// build in, whose tool directives are the engine's.
	Generate func(ctx context.Context, pinned pins.Pins, out string) (module string, err error)
}

// Of is the recipe of the engine in the folder of that name, a plain build when
// there is none.
func Of(engine string) Recipe {
	for _, r := range All() {
		if r.Name == engine {
			return r
		}
	}
	return Recipe{Name: engine}
}

// LinkerFlags are the linker's flags for a build of that version of Module: no
// symbol table and, where the project expects it, the version that the
// programs report.
func (r Recipe) LinkerFlags(version string) string {
	flags := "-s -w"
	if r.Stamp != nil {
		flags += " " + r.Stamp(version)
	}
	return flags
}

// All are the engines of the local cluster's node and its first pods, in the
// order of their builds. Small first: the first minutes show that the machine
// is able to build.
func All() []Recipe {
	return []Recipe{
		// KEDA and Flux ask for the seccomp profile RuntimeDefault, which runc only
		// knows with libseccomp; static, so that it runs in any mount namespace.
		{
			Name: "runc", Module: "github.com/opencontainers/runc", Libraries: []string{"seccomp"}, Tags: "seccomp netgo osusergo",
			Stamp: func(string) string { return "-extldflags -static" },
		},
		{Name: "cni", Module: "github.com/containernetworking/plugins"},
		{Name: "etcd", Module: "go.etcd.io/etcd/server/v3"},
		{
			Name: "containerd", Module: "github.com/containerd/containerd/v2",
			Stamp: func(v string) string { return "-X github.com/containerd/containerd/v2/version.Version=" + v },
		},
		{Name: "coredns", Module: "github.com/coredns/coredns"},
		// One module for the three controllers: they share most of what they link, and
		// the go command compiles it once only where the versions are the same.
		{Name: "flux", Module: "github.com/fluxcd/kustomize-controller"},
		// Packages say which Crossplane they need.
		{Name: "crossplane", Module: "github.com/crossplane/crossplane/v2", Stamp: func(v string) string {
			return "-X github.com/crossplane/crossplane-runtime/v2/pkg/version.version=" + v
		}},
		{Name: "keda", Module: "github.com/kedacore/keda/v2", Stamp: func(v string) string {
			return "-X github.com/kedacore/keda/v2/version.Version=" + strings.TrimPrefix(v, "v")
		}},
		{
			Name: "provider-aws", Module: "github.com/upbound/provider-aws/v2",
			Stamp:  func(v string) string { return "-X github.com/upbound/provider-aws/v2/internal/version.Version=" + v },
			Source: &Source{Key: providerKey, Generate: generateProvider},
		},
		{Name: "kubernetes", Module: "k8s.io/kubernetes", Stamp: kubernetesStamp},
	}
}

// policy has the kinds that the platform activates, as seen from an engine's folder.
const policy = "../../../infrastructure/crossplane/packages/base/activation.yaml"

// providerKey changes with the kinds and with the generator.
func providerKey(dir string) (string, error) {
	kinds, err := providertrim.Activated(filepath.Join(dir, policy))
	return fmt.Sprint(providertrim.Version(), kinds), err
}

func generateProvider(ctx context.Context, pinned pins.Pins, out string) (string, error) {
	kinds, err := providertrim.Activated(filepath.Join(pinned.Dir, policy))
	if err != nil {
		return "", err
	}
	return providertrim.Generate(ctx, pinned, kinds, out)
}

// kubernetesStamp sets what the node and the API server report; without it
// they show a template.
func kubernetesStamp(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const pkg = "k8s.io/component-base/version."
	return fmt.Sprintf("-X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s", pkg, version, pkg, parts[0], pkg, parts[1])
}
