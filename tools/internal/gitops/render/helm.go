package render

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	helmutil "helm.sh/helm/v4/pkg/chart/v2/util"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/kio"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// enqueueRelease notes a HelmRelease to be installed.
func (w *walk) enqueueRelease(object *Object, parent *Applier) {
	key := object.Key()
	if w.known[key] {
		return
	}
	k := &Applier{Object: object, Parent: parent, Namespace: object.GetNamespace(), Name: object.GetName(), Release: &helmv2.HelmRelease{}}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, k.Release); err != nil {
		failure := Failure{Cause: InvalidSpec, Applier: k, Message: fmt.Sprintf("%s: %v", k, err), Fix: "compare it with the specification of " + helmv2.GroupVersion.String(), At: object.Locate("spec")}
		w.cluster.Failures = append(w.cluster.Failures, failure)
		return
	}
	if k.Release.Spec.Suspend {
		w.skip(object, "it is suspended: Flux installs nothing of it", "spec", "suspend")
		return
	}
	// What a Kustomization's specification would say.
	k.Spec = kustomizev1.KustomizationSpec{
		DependsOn: k.Release.Spec.DependsOn, KubeConfig: k.Release.Spec.KubeConfig,
		Prune: true, Wait: !k.Release.GetInstall().GetDisableWait(),
	}
	w.known[key] = true
	w.releases = append(w.releases, k)
}

// installable tells whether all that a HelmRelease needs is applied.
func (w *walk) installable(k *Applier) bool {
	for _, dependency := range k.Spec.DependsOn {
		key := Key{helmReleaseKind, cmp.Or(dependency.Namespace, k.Namespace), dependency.Name}
		if w.applied[key] == nil && !w.skipped[key] {
			return false
		}
	}
	for _, reference := range k.Release.Spec.ValuesFrom {
		if !reference.Optional && w.cluster.index[valuesKey(k, reference)] == nil {
			return false
		}
	}
	ref, err := w.chartReference(k)
	return err == nil && (w.isSelf(ref.source) || w.cluster.index[ref.source] != nil || w.generated[ref.source] != nil)
}

// install renders a HelmRelease and does with the objects what their apply
// would do.
func (w *walk) install(ctx context.Context, k *Applier) error {
	w.cluster.Releases = append(w.cluster.Releases, k)
	w.applied[k.Key()] = k
	objects, err := w.release(ctx, k)
	missing, isMissing := errors.AsType[unresolved](err)
	undeclared, isUndeclared := errors.AsType[noSource](err)
	refused, isRefused := errors.AsType[refusal](err)
	switch {
	case isMissing:
		w.unknown(k.Object, missing.reason, chartField(k.Release)...)
	case isUndeclared:
		w.refused(undeclared.failure(k, k.locate(chartField(k.Release)...), k.String()))
	case isRefused:
		refused.Applier, refused.Message = k, fmt.Sprintf("%s: %s", k, refused.Message)
		w.refused(refused.Failure)
	case err != nil:
		return fmt.Errorf("%s: %w", k, err)
	}
	w.add(objects, k)
	return nil
}

// refused notes why a HelmRelease is not installed. What is in its chart is
// then unknown: nothing should be missed because of it.
func (w *walk) refused(f Failure) {
	w.cluster.Failures = append(w.cluster.Failures, f)
	w.unknown(f.Applier.Object, "it cannot be installed as it stands", chartField(f.Applier.Release)...)
}

// release renders what helm-controller would install: the definitions in the
// chart's crds folder and its templates, without hooks.
func (w *walk) release(ctx context.Context, k *Applier) ([]*Object, error) {
	values, err := w.values(ctx, k)
	if err != nil {
		return nil, err
	}
	c, err := w.sources.chart(ctx, w, k)
	if err != nil {
		return nil, err
	}
	definitions, err := k.definitions(c)
	if err != nil {
		return nil, err
	}
	catalog := w.kinds.known().With(definitions)
	files, err := w.template(ctx, k, c, values, catalog)
	if err != nil {
		return nil, err
	}
	manifests, err := k.postRender(files)
	if err != nil {
		return nil, newRefusal(BuildFailed, k.templateOf(c, err.Error()), c.Name(), "correct the template, or postRenderers", "chart %s: %v", c.Name(), err)
	}
	var objects []*Object
	before := map[string]int{}
	for _, u := range manifests {
		object := k.objectOf(c, u, before)
		if _, isHook := u.GetAnnotations()[releasev1.HookAnnotation]; isHook {
			continue
		}
		known, found := catalog.Lookup(u.GroupVersionKind())
		if u.GetNamespace() == "" && (!found || known.Namespaced()) {
			u.SetNamespace(k.Release.GetReleaseNamespace())
		}
		setStrings(u, "labels", map[string]string{"app.kubernetes.io/managed-by": "Helm"})
		setStrings(u, "annotations", map[string]string{"meta.helm.sh/release-name": k.releaseName(), "meta.helm.sh/release-namespace": k.Release.GetReleaseNamespace()})
		objects = append(objects, object)
	}
	for _, u := range definitions {
		object := k.objectOf(c, u, before)
		object.Bundled = true
		objects = append(objects, object)
	}
	return objects, nil
}

// releaseName is the release's name as helm-controller shortens it.
func (k *Applier) releaseName() string {
	const longest, digits = 53, 12
	name := k.Release.GetReleaseName()
	if len(name) <= longest {
		return name
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	return name[:longest-digits-1] + "-" + sum[:digits]
}

// template executes the templates of a chart as the installation of a release.
func (w *walk) template(ctx context.Context, k *Applier, c *chart, values map[string]any, catalog *schema.Catalog) (files map[string]string, err error) {
	refused := func(at Location, fix string, err error) error {
		return newRefusal(BuildFailed, at, c.Name(), fix, "chart %s: %s", c.Name(), strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	at := k.locate(chartField(k.Release)...)
	defer func() {
		if r := recover(); r != nil {
			err = refused(at, "run `helm template` on the chart", fmt.Errorf("helm cannot digest it: %v", r))
		}
	}()
	capabilities := capabilitiesOf(catalog)
	if wanted := c.Metadata.KubeVersion; wanted != "" && !helmutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return nil, refused(at, "take a version of the chart for it", fmt.Errorf("it requires Kubernetes %s, and not %s", wanted, capabilities.KubeVersion.Version))
	}
	if err := helmutil.ProcessDependencies(c.Chart, values); err != nil {
		return nil, refused(at, "run `helm lint` on the chart", err)
	}
	options := common.ReleaseOptions{Name: k.releaseName(), Namespace: k.Release.GetReleaseNamespace(), Revision: 1, IsInstall: true}
	scope, err := util.ToRenderValuesWithSchemaValidation(c.Chart, values, options, capabilities, true)
	if err != nil {
		return nil, refused(at, "correct the values", err)
	}
	if coalesced, ok := scope["Values"].(common.Values); ok && !k.Release.GetInstall().DisableSchemaValidation {
		if field, err := checkValues(c.Chart, coalesced.AsMap(), nil); err != nil {
			return nil, refused(k.locate(append([]any{"spec", "values"}, field...)...), "correct spec.values, or what valuesFrom names", err)
		}
	}
	files, err = execute(ctx, c, scope)
	if _, left := errors.AsType[runaway](err); err != nil && !left {
		err = refused(k.templateOf(c, err.Error()), "correct the template or the values; `helm template` shows the same error", err)
	}
	return files, err
}

// capabilitiesOf are what a template learns of the cluster. It serves the kinds
// of Kubernetes and Flux, and those that it declares.
func capabilitiesOf(catalog *schema.Catalog) *common.Capabilities {
	capabilities := common.DefaultCapabilities.Copy()
	served := map[string]bool{}
	for _, kind := range catalog.All() {
		known, _ := catalog.Lookup(kind)
		name, version, _ := strings.Cut(known.Source(), " ")
		switch {
		case name == "kubernetes":
			if parsed, err := common.ParseKubeVersion(version); err == nil {
				capabilities.KubeVersion = *parsed
			}
		case name != "CustomResourceDefinition" && !strings.HasSuffix(kind.Group, ".fluxcd.io"):
			continue
		}
		served[kind.GroupVersion().String()] = true
		served[kind.GroupVersion().String()+"/"+kind.Kind] = true
	}
	capabilities.APIVersions = slices.Sorted(maps.Keys(served))
	return capabilities
}

// kinds are those that are built in, and those that the cluster declares.
type kinds struct {
	catalog  *schema.Catalog
	declared []*unstructured.Unstructured // and not in the catalog yet
}

// known is the catalog of all kinds so far. It costs nothing until a HelmRelease
// needs it.
func (k *kinds) known() *schema.Catalog {
	if k.catalog == nil {
		k.catalog = schema.Builtin()
	}
	k.catalog, k.declared = k.catalog.With(k.declared), nil
	return k.catalog
}

// definitions are the CustomResourceDefinitions in the crds folders of a chart;
// helm-controller leaves out what else is there.
func (k *Applier) definitions(c *chart) ([]*unstructured.Unstructured, error) {
	var definitions []*unstructured.Unstructured
	if k.Release.GetInstall().CRDs == helmv2.Skip {
		return nil, nil
	}
	for _, crd := range c.CRDObjects() {
		for _, document := range documentsOf(string(crd.File.Data)) {
			var content map[string]any
			err := digestible([]byte(document))
			if err == nil {
				err = yaml.Unmarshal([]byte(document), &content)
			}
			if err != nil {
				return nil, newRefusal(BuildFailed, k.templateOf(c, crd.Filename+":1"), crd.Filename, "correct the file", "%s: %v", crd.Filename, err)
			}
			u := &unstructured.Unstructured{Object: content}
			if u.GetKind() != "CustomResourceDefinition" || u.GetName() == "" {
				continue
			}
			setStrings(u, "labels", k.originLabels())
			setStrings(u, "annotations", map[string]string{templateKey: crd.Filename})
			definitions = append(definitions, u)
		}
	}
	return definitions, nil
}

func (k *Applier) originLabels() map[string]string {
	return map[string]string{helmv2.GroupVersion.Group + "/name": k.Name, helmv2.GroupVersion.Group + "/namespace": k.Namespace}
}

// documentsOf are the documents of a rendered template, as Helm splits it.
func documentsOf(text string) []string {
	split := releaseutil.SplitManifests(text)
	names := slices.Collect(maps.Keys(split))
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	documents := make([]string, 0, len(names))
	for _, name := range names {
		documents = append(documents, split[name])
	}
	return documents
}

// templateKey is the annotation by which an object keeps its template through
// the post-renderers; it is Helm's own.
const templateKey = "postrenderer.helm.sh/postrender-filename"

// postRender parses rendered templates and passes them through the
// post-renderers, then through the one that sets Flux's labels, which
// helm-controller always adds: it refuses the same object twice. Hooks go with
// the templates unless the release says otherwise.
func (k *Applier) postRender(files map[string]string) ([]*unstructured.Unstructured, error) {
	var templates []*kyaml.RNode
	apart := cmp.Or(k.Release.Spec.PostRenderStrategy, helmv2.PostRenderStrategyCombined) != helmv2.PostRenderStrategyCombined
	size := 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if size += len(files[name]); size > maxFile {
			return nil, fmt.Errorf("%s: the templates make more than %d MB", name, maxFile>>20)
		}
		if path.Base(name) == "NOTES.txt" {
			continue
		}
		for _, document := range documentsOf(files[name]) {
			nodes, err := nodesOf(document)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			for _, node := range nodes {
				if apart && len(node.GetAnnotations(releasev1.HookAnnotation)) > 0 {
					continue
				}
				if err := node.PipeE(kyaml.SetAnnotation(templateKey, name)); err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				templates = append(templates, node)
			}
		}
	}
	return k.kustomize(templates)
}

func nodesOf(document string) (nodes []*kyaml.RNode, err error) {
	defer digest(&err)
	if err := digestible([]byte(document)); err != nil {
		return nil, err
	}
	return kio.ParseAll(document)
}

// kustomize runs the post-renderers of a release.
func (k *Applier) kustomize(nodes []*kyaml.RNode) ([]*unstructured.Unstructured, error) {
	if len(nodes) == 0 {
		return nil, nil
	}
	text, err := kio.StringAll(nodes)
	if err != nil {
		return nil, err
	}
	for _, renderer := range k.Release.Spec.PostRenderers {
		if renderer.Kustomize == nil {
			continue
		}
		for _, patch := range renderer.Kustomize.Patches {
			if err := digestible([]byte(patch.Patch)); err != nil {
				return nil, fmt.Errorf("a patch of postRenderers: %w", err)
			}
		}
		manifest, err := yaml.Marshal(map[string]any{"resources": []string{"chart.yaml"}, "patches": renderer.Kustomize.Patches, "images": renderer.Kustomize.Images})
		if err != nil {
			return nil, err
		}
		files := filesys.MakeFsInMemory()
		if err := errors.Join(files.WriteFile("chart.yaml", []byte(text)), files.WriteFile("kustomization.yaml", manifest)); err != nil {
			return nil, err
		}
		built, err := buildWithSchema(files, ".", false)
		if err != nil {
			return nil, err
		}
		again, err := built.AsYaml()
		if err != nil {
			return nil, err
		}
		text = string(again)
	}
	rendered, err := resources(text)
	if err != nil {
		return nil, err
	}
	var manifests []*unstructured.Unstructured
	for _, data := range rendered {
		decoded, err := decode(data)
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, decoded...)
	}
	for _, u := range manifests {
		if common := k.Release.Spec.CommonMetadata; common != nil {
			setStrings(u, "labels", common.Labels)
			setStrings(u, "annotations", common.Annotations)
		}
		setStrings(u, "labels", k.originLabels())
	}
	return manifests, nil
}

// resources are those of a stream of manifests, none of them twice.
func resources(text string) (all [][]byte, err error) {
	defer digest(&err)
	built, err := resmap.NewFactory(resourceFactory()).NewResMapFromBytes([]byte(text))
	if err != nil {
		return nil, err
	}
	return contents(built)
}

// objectOf is an object of a release, with its place: where its template says
// its kind, each time it says so for the next object of that kind.
func (k *Applier) objectOf(c *chart, u *unstructured.Unstructured, before map[string]int) *Object {
	annotations := u.GetAnnotations()
	name := annotations[templateKey]
	count := before[name+u.GetKind()]
	before[name+u.GetKind()]++
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", templateKey)
	if len(annotations) == 1 && name != "" {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	}
	at := k.templateOf(c, name+":1")
	if f := k.sourceFile(c, name); f != nil {
		kind := regexp.MustCompile(`(?m)^kind:\s*"?` + regexp.QuoteMeta(u.GetKind()) + `\b`)
		if found := kind.FindAllIndex(f.data, count+1); found != nil {
			at.Line = 1 + bytes.Count(f.data[:found[len(found)-1][0]], []byte("\n"))
		}
	}
	return &Object{Unstructured: u, Owner: k, template: u.Object, at: at}
}

// templateOf is the line of a template that a text names as file:line, or that
// of the HelmRelease for a chart whose files nobody here has written.
func (k *Applier) templateOf(c *chart, text string) Location {
	for _, match := range templateLine.FindAllStringSubmatch(text, -1) {
		if f := k.sourceFile(c, match[1]); f != nil {
			line, _ := strconv.Atoi(match[2])
			return Location{File: f.name, Line: max(1, line)}
		}
	}
	return k.locate()
}

var templateLine = regexp.MustCompile(`([\w@.-][\w@./-]*):\s*(?:line )?(\d*)`)

// sourceFile is the file of the chart's source that a template is, or nil. Helm
// names it after the chart, wherever the chart is.
func (k *Applier) sourceFile(c *chart, template string) *file {
	_, relative, found := strings.Cut(template, "/")
	if c.artifact == nil || !found {
		return nil
	}
	b := build{source: c.artifact, positions: c.positions}
	return b.read(path.Join(c.path, relative))
}
