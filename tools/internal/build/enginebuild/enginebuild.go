// Package enginebuild says how to build the upstream projects that tools/engines pins,
// where a plain `go build` is not enough. tools/local uses it for the engines of its
// node, tools/image for some images.
//
// The package must not know versions, nor the go command itself.
package enginebuild

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/providertrim"
)

// Recipe says how to build one engine. With only a name it is a plain `go build`.
type Recipe struct {
	// Name is the engine's folder in tools/engines.
	Name string
	// Module is the upstream module whose version is the engine's version.
	Module string
	// Libraries are the C libraries that the programs link statically, by their names for
	// the linker's flag -l. Without any, the programs are pure Go.
	Libraries []string
	// Tags are the build tags, separated by spaces.
	Tags string
	// Stamp returns the linker flags that set the version that the programs report; nil
	// if they report none, or take it from their module.
	Stamp func(version string) string
	// Source generates the source that is built; nil builds the module unchanged.
	Source *Source
}

// Source is a generated source.
type Source struct {
	// Key returns a text that changes with everything that changes the source, except the
	// pins and the Go files in the engine's folder dir.
	Key func(dir string) (string, error)
	// Generate writes the source into a new folder. It returns the folder of the module
	// to build, which must have the engine's tool directives.
	Generate func(ctx context.Context, pinned pins.Pins, out string) (module string, err error)
}

// Of returns the recipe of an engine, by the name of its folder; a plain build if it has
// none.
func Of(engine string) Recipe {
	for _, r := range All() {
		if r.Name == engine {
			return r
		}
	}
	return Recipe{Name: engine}
}

// LinkerFlags returns the linker's flags for a version of Module: no symbol table and, if
// the project needs it, the version that the programs report.
func (r Recipe) LinkerFlags(version string) string {
	flags := "-s -w"
	if r.Stamp != nil {
		flags += " " + r.Stamp(version)
	}
	return flags
}

// All returns the engines of the local cluster's node and its first pods, in the order in
// which they are built. Small ones come first, to show early that the machine can build
// at all.
func All() []Recipe {
	return []Recipe{
		// KEDA and Flux ask for the seccomp profile RuntimeDefault, which runc supports
		// only with libseccomp. It is linked statically, so that runc works in any mount
		// namespace.
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
		// One module for all three controllers: they share most packages, and the go
		// command compiles a package only once if its version is the same.
		{Name: "flux", Module: "github.com/fluxcd/kustomize-controller"},
		// Packages declare which version of Crossplane they need.
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

// policy is the file with the kinds that the platform activates, relative to an engine's
// folder.
const policy = "../../../infrastructure/crossplane/packages/base/activation.yaml"

// providerKey returns a text that changes with the kinds and with the generator.
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

// kubernetesStamp sets the version that the node and the API server report; otherwise
// they report a placeholder.
func kubernetesStamp(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	const pkg = "k8s.io/component-base/version."
	return fmt.Sprintf("-X %sgitVersion=%s -X %sgitMajor=%s -X %sgitMinor=%s", pkg, version, pkg, parts[0], pkg, parts[1])
}
