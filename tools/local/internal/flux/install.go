// Package flux installs the Flux controllers from the manifests in the pinned modules,
// points them at a Git repository, and reports whether the objects that they apply are
// ready. It works on any cluster that a rest.Config reaches, and must not know this
// repository's objects.
package flux

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautils "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"

	"github.com/mystique-unicorn/sales-events/tools/local/internal/engines"
)

// Namespace is Flux's namespace. The GitRepository and the root Kustomization have the
// same name, as `flux bootstrap` names them.
const Namespace = "flux-system"

// Controller is one of Flux's controllers.
type Controller struct {
	// Name is, for example, source-controller.
	Name string
	// Dir is the folder of its module, whose config/{crd,rbac,manager} are built.
	Dir string
	// Version becomes the tag of the image.
	Version string
}

// Controllers returns the local cluster's controllers at their pins.
func Controllers(ctx context.Context, set engines.Set) ([]Controller, error) {
	var controllers []Controller
	for _, name := range []string{"source-controller", "kustomize-controller", "helm-controller"} {
		module := "github.com/fluxcd/" + name
		dir, err := set["flux"].SourceOf(ctx, module)
		if err != nil {
			return nil, err
		}
		version, err := set["flux"].VersionOf(module)
		if err != nil {
			return nil, err
		}
		controllers = append(controllers, Controller{Name: name, Dir: dir, Version: version})
	}
	return controllers, nil
}

// Options say what to install and what it pulls.
type Options struct {
	Controllers []Controller
	// GitURL, Branch and Path say what the root Kustomization applies.
	GitURL, Branch, Path string
	// Interval is how often the GitRepository and the Kustomization look for changes.
	Interval time.Duration
	// Patches are the root Kustomization's patches, in the form that Override takes.
	Patches []kustomize.Patch
}

// Install applies Flux and its root objects. It is safe to repeat.
func Install(ctx context.Context, config *rest.Config, opts Options) error {
	controllers, err := Build(opts)
	if err != nil {
		return err
	}
	if err := Apply(ctx, config, controllers); err != nil {
		return err
	}
	objects, err := rootObjects(opts)
	if err != nil {
		return err
	}
	return Apply(ctx, config, objects)
}

// Build renders the controllers' manifests. It needs no cluster.
func Build(opts Options) ([]byte, error) {
	memory := filesys.MakeFsInMemory()
	resources, images := []string{"namespace.yaml"}, ""
	for _, c := range opts.Controllers {
		for _, part := range []string{"crd", "rbac", "manager"} {
			if err := copyInto(memory, path.Join("/", c.Name, part), filepath.Join(c.Dir, "config", part)); err != nil {
				return nil, fmt.Errorf("read the manifests of %s: %w", c.Name, err)
			}
			resources = append(resources, path.Join(c.Name, part))
		}
		images += fmt.Sprintf("  - {name: fluxcd/%[1]s, newName: ghcr.io/fluxcd/%[1]s, newTag: %[2]s}\n", c.Name, c.Version)
	}
	kustomization := fmt.Sprintf(`apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %s
resources: [%s]
images:
%spatches:
  # The images of the local cluster hold one program and no user database.
  - target: {kind: Deployment}
    patch: |
      - {op: add, path: /spec/template/spec/securityContext/runAsUser, value: 65532}
  # DNS starts beside Flux: a question that nobody hears is asked again after a
  # second, not after five.
  - target: {kind: Deployment}
    patch: |
      - {op: add, path: /spec/template/spec/dnsConfig, value: {options: [{name: timeout, value: "1"}]}}
  # Until it is found ready nobody gets its artifacts, and by default it is asked
  # every 10 s.
  - target: {kind: Deployment, name: source-controller}
    patch: |
      - {op: add, path: /spec/template/spec/containers/0/readinessProbe/periodSeconds, value: 1}
  # A failed dependency is tried again after this long, not after 30 s.
  - target: {kind: Deployment, name: (kustomize|helm)-controller}
    patch: |
      - {op: add, path: /spec/template/spec/containers/0/args/-, value: --requeue-dependency=1s}
`, Namespace, strings.Join(resources, ", "), images)
	namespace := "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: " + Namespace + "\n"
	for file, data := range map[string]string{"/kustomization.yaml": kustomization, "/namespace.yaml": namespace} {
		if err := memory.WriteFile(file, []byte(data)); err != nil {
			return nil, err
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "/")
	if err != nil {
		return nil, fmt.Errorf("build the Flux manifests: %w", err)
	}
	return built.AsYaml()
}

func copyInto(memory filesys.FileSystem, target, folder string) error {
	source := os.DirFS(folder)
	return fs.WalkDir(source, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(source, file)
		if err != nil {
			return err
		}
		return memory.WriteFile(path.Join(target, file), data)
	})
}

func rootObjects(opts Options) ([]byte, error) {
	patches := ""
	if len(opts.Patches) > 0 {
		data, err := json.Marshal(opts.Patches)
		if err != nil {
			return nil, err
		}
		patches = "  patches: " + string(data) + "\n"
	}
	return fmt.Appendf(nil, `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: %[1]s
  namespace: %[1]s
spec:
  interval: %[2]s
  url: %[3]s
  ref:
    branch: %[4]s
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: %[1]s
  namespace: %[1]s
spec:
  interval: 10m
  retryInterval: 10s
  path: %[5]s
  prune: true
  sourceRef:
    kind: GitRepository
    name: %[1]s
%[6]s`, Namespace, opts.Interval, opts.GitURL, opts.Branch, opts.Path, patches), nil
}

// Apply applies a YAML stream with server-side apply, as Flux does. It applies namespaces
// and definitions first, and the rest once those are established.
func Apply(ctx context.Context, config *rest.Config, stream []byte) error {
	objects, err := ssautils.ReadObjects(bytes.NewReader(stream))
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	manager, err := newManager(config)
	if err != nil {
		return err
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	if _, err := manager.ApplyAllStaged(ctx, objects, ssa.DefaultApplyOptions()); err != nil {
		return fmt.Errorf("apply %d objects, %s first: %w", len(objects), describe(objects), err)
	}
	return nil
}

func describe(objects []*unstructured.Unstructured) string {
	if len(objects) == 0 {
		return "none"
	}
	return ssautils.FmtUnstructured(objects[0])
}

func newManager(config *rest.Config) (*ssa.ResourceManager, error) {
	c, err := client.New(config, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	poller := polling.NewStatusPoller(c, c.RESTMapper(), polling.Options{})
	return ssa.NewResourceManager(c, poller, ssa.Owner{Field: "sales-events-local"}), nil
}
