package helm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	helmutil "helm.sh/helm/v4/pkg/chart/v2/util"
	releasev1 "helm.sh/helm/v4/pkg/release/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// Release is a HelmRelease to install.
type Release struct {
	*helmv2.HelmRelease
	Chart  *Chart
	Values map[string]any
	// Locate returns the place of a field of the HelmRelease.
	Locate func(field ...any) origin.Location
}

// Object is an object that the release installs.
type Object struct {
	*unstructured.Unstructured
	// At is the template's line with the object's kind, or the HelmRelease's line.
	At origin.Location
	// Bundled reports whether it is a definition in the chart's crds folder.
	Bundled bool
}

// Render returns what helm-controller would install: the definitions in the chart's crds
// folder and the objects of its templates, without hooks. kinds are the built-in kinds
// and those that the cluster defines.
func (r Release) Render(ctx context.Context, kinds *schema.Catalog) ([]Object, error) {
	definitions, err := r.definitions()
	if err != nil {
		return nil, err
	}
	catalog := kinds.With(definitions)
	files, err := r.template(ctx, catalog)
	if err != nil {
		return nil, err
	}
	manifests, err := r.postRender(files)
	if err != nil {
		return nil, Refuse(BuildFailed, r.templateOf(err.Error()), r.Chart.Name(), "correct the template, or postRenderers",
			"chart %s: %v", r.Chart.Name(), err)
	}
	var objects []Object
	before := map[string]int{}
	for _, u := range manifests {
		at := r.locateManifest(u, before)
		if _, isHook := u.GetAnnotations()[releasev1.HookAnnotation]; isHook {
			continue
		}
		known, found := catalog.Lookup(u.GroupVersionKind())
		if u.GetNamespace() == "" && (!found || known.Namespaced()) {
			u.SetNamespace(r.GetReleaseNamespace())
		}
		SetStrings(u, "labels", map[string]string{"app.kubernetes.io/managed-by": "Helm"})
		SetStrings(u, "annotations", map[string]string{
			"meta.helm.sh/release-name": r.releaseName(), "meta.helm.sh/release-namespace": r.GetReleaseNamespace(),
		})
		objects = append(objects, Object{u, at, false})
	}
	for _, u := range definitions {
		objects = append(objects, Object{u, r.locateManifest(u, before), true})
	}
	return objects, nil
}

// releaseName returns the release's name, shortened as helm-controller does.
func (r Release) releaseName() string {
	const longest, digits = 53, 12
	name := r.GetReleaseName()
	if len(name) <= longest {
		return name
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	return name[:longest-digits-1] + "-" + sum[:digits]
}

// template executes the chart's templates as for an installation.
func (r Release) template(ctx context.Context, catalog *schema.Catalog) (files map[string]string, err error) {
	c := r.Chart
	refused := func(at origin.Location, fix string, err error) error {
		return Refuse(BuildFailed, at, c.Name(), fix, "chart %s: %s", c.Name(), strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	at := r.Locate(ChartField(r.HelmRelease)...)
	defer func() {
		if panicked := recover(); panicked != nil {
			err = refused(at, "run `helm template` on the chart", fmt.Errorf("helm cannot digest it: %v", panicked))
		}
	}()
	capabilities := capabilitiesOf(catalog)
	if wanted := c.Metadata.KubeVersion; wanted != "" && !helmutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return nil, refused(at, "take a version of the chart for it",
			fmt.Errorf("it requires Kubernetes %s, and not %s", wanted, capabilities.KubeVersion.Version))
	}
	if err := helmutil.ProcessDependencies(c.Chart, r.Values); err != nil {
		return nil, refused(at, "run `helm lint` on the chart", err)
	}
	options := common.ReleaseOptions{Name: r.releaseName(), Namespace: r.GetReleaseNamespace(), Revision: 1, IsInstall: true}
	scope, err := util.ToRenderValuesWithSchemaValidation(c.Chart, r.Values, options, capabilities, true)
	if err != nil {
		return nil, refused(at, "correct the values", err)
	}
	if coalesced, ok := scope["Values"].(common.Values); ok && !r.GetInstall().DisableSchemaValidation {
		if field, err := checkValues(c.Chart, coalesced.AsMap(), nil); err != nil {
			return nil, refused(r.Locate(append([]any{"spec", "values"}, field...)...), "correct spec.values, or what valuesFrom names", err)
		}
	}
	files, err = execute(ctx, c, scope)
	if _, left := errors.AsType[Runaway](err); err != nil && !left {
		err = refused(r.templateOf(err.Error()), "correct the template or the values; `helm template` shows the same error", err)
	}
	return files, err
}

// ChartField returns the part of a HelmRelease that names its chart.
func ChartField(release *helmv2.HelmRelease) []any {
	if release.HasChartRef() {
		return []any{"spec", "chartRef"}
	}
	return []any{"spec", "chart"}
}

// capabilitiesOf returns what templates see of the cluster: the kinds of Kubernetes and
// Flux, and those that the cluster defines.
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
		case name != definitionKind && !strings.HasSuffix(kind.Group, ".fluxcd.io"):
			continue
		}
		served[kind.GroupVersion().String()] = true
		served[kind.GroupVersion().String()+"/"+kind.Kind] = true
	}
	capabilities.APIVersions = slices.Sorted(maps.Keys(served))
	return capabilities
}

// locateManifest returns the place of an object in its template: for the n-th object of a
// kind, the template's n-th line with that kind. It removes the annotation with the
// template's name.
func (r Release) locateManifest(u *unstructured.Unstructured, before map[string]int) origin.Location {
	annotations := u.GetAnnotations()
	name := annotations[templateKey]
	count := before[name+u.GetKind()]
	before[name+u.GetKind()]++
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", templateKey)
	if len(annotations) == 1 && name != "" {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	}
	at := r.templateOf(name + ":1")
	if f := r.Chart.sourceFile(name); f != nil {
		kind := regexp.MustCompile(`(?m)^kind:\s*"?` + regexp.QuoteMeta(u.GetKind()) + `\b`)
		if found := kind.FindAllIndex(f.Data, count+1); found != nil {
			at.Line = 1 + bytes.Count(f.Data[:found[len(found)-1][0]], []byte("\n"))
		}
	}
	return at
}

// templateOf returns the template's line that a text names in the form file:line, or the
// HelmRelease's place if the chart's files are not in this repository.
func (r Release) templateOf(text string) origin.Location {
	for _, match := range templateLine.FindAllStringSubmatch(text, -1) {
		if f := r.Chart.sourceFile(match[1]); f != nil {
			line, _ := strconv.Atoi(match[2])
			return origin.Location{File: f.Name, Line: max(1, line)}
		}
	}
	return r.Locate()
}

var templateLine = regexp.MustCompile(`([\w@.-][\w@./-]*):\s*(?:line )?(\d*)`)

// sourceFile returns the file of the chart's source behind a template, or nil. Helm names
// the file by the chart, wherever the chart is.
func (c *Chart) sourceFile(template string) *origin.File {
	_, relative, found := strings.Cut(template, "/")
	file := path.Join(c.path, relative)
	if c.artifact == nil || !found || !filepath.IsLocal(filepath.FromSlash(file)) {
		return nil
	}
	return c.files.Read(filepath.Join(c.artifact.Dir, filepath.FromSlash(file)), c.artifact.File(file))
}

// SetStrings sets labels or annotations. A field of another type is not changed, so that
// rules can report it.
func SetStrings(u *unstructured.Unstructured, field string, values map[string]string) {
	metadata, ok := u.Object["metadata"].(map[string]any)
	if !ok || len(values) == 0 {
		return
	}
	pairs, ok := metadata[field].(map[string]any)
	switch {
	case metadata[field] == nil:
		pairs = map[string]any{}
	case !ok:
		return
	}
	for key, value := range values {
		pairs[key] = value
	}
	metadata[field] = pairs
}

// originLabels returns the labels by which helm-controller recognizes its objects.
func (r Release) originLabels() map[string]string {
	return map[string]string{helmv2.GroupVersion.Group + "/name": r.Name, helmv2.GroupVersion.Group + "/namespace": r.Namespace}
}
