package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	securejoin "github.com/cyphar/filepath-securejoin"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/chartutil"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	helmutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
)

// chart is a chart with the artifact that holds it; none for one that comes
// from a folder of Options.Charts.
type chart struct {
	*helmchart.Chart
	artifact  *artifact.Artifact
	path      string // within the artifact
	positions *positions
}

// chartReference says which chart a HelmRelease installs, whichever of its
// fields, or which HelmChart, says so.
type chartReference struct {
	source Key
	helmv2.HelmChartTemplateSpec
}

// refusal is the error of what Flux would refuse.
type refusal struct{ Failure }

func (r refusal) Error() string { return r.Message }

func newRefusal(cause Cause, at Location, subject, fix, format string, args ...any) error {
	return refusal{Failure{Cause: cause, Subject: subject, Message: fmt.Sprintf(format, args...), Fix: fix, At: at}}
}

// chartField is the part of a HelmRelease that names its chart.
func chartField(release *helmv2.HelmRelease) []any {
	if release.HasChartRef() {
		return []any{"spec", "chartRef"}
	}
	return []any{"spec", "chart"}
}

// chartReference resolves a HelmRelease's chart or chartRef.
func (w *walk) chartReference(k *Applier) (chartReference, error) {
	var ref chartReference
	switch spec := k.Release.Spec; {
	case spec.Chart != nil:
		ref.HelmChartTemplateSpec = spec.Chart.Spec
	case spec.ChartRef != nil:
		ref.SourceRef = helmv2.CrossNamespaceObjectReference(*spec.ChartRef)
	default:
		return ref, newRefusal(InvalidSpec, k.locate("spec"), k.Name, "set spec.chart or spec.chartRef", "no chart is named")
	}
	ref.source = sourceKey(k.Namespace, kustomizev1.CrossNamespaceSourceReference(ref.SourceRef))
	if object := w.cluster.index[ref.source]; ref.source.Kind == sourcev1.HelmChartKind && object != nil {
		// Its specification has the fields of spec.chart.spec.
		content, _, _ := unstructured.NestedMap(object.Object, "spec")
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &ref.HelmChartTemplateSpec); err != nil {
			return ref, unresolved{fmt.Sprintf("%s is malformed: %v", ref.source, err)}
		}
		ref.source = sourceKey(object.GetNamespace(), kustomizev1.CrossNamespaceSourceReference(ref.SourceRef))
	}
	return ref, nil
}

// chart loads the chart of a HelmRelease as source-controller packs it: from
// an artifact, with its dependencies, or from the folders of Options.Charts.
func (s *sources) chart(ctx context.Context, w *walk, k *Applier) (*chart, error) {
	ref, err := w.chartReference(k)
	if err != nil {
		return nil, err
	}
	at := k.locate(chartField(k.Release)...)
	var found *chart
	switch object := w.cluster.index[ref.source]; {
	case ref.source.Kind != sourcev1.HelmRepositoryKind && ref.source.Kind != sourcev1.OCIRepositoryKind:
		source, err := s.artifact(ctx, w, ref.source, nil)
		if err != nil {
			return nil, err
		}
		found, err = s.packed(source, ref, at)
		if err != nil {
			return nil, err
		}
	case object == nil:
		return nil, noSource{key: ref.source}
	default:
		if found, err = s.pulled(object, ref); err != nil {
			return nil, err
		}
		if name := missingDependency(found.Chart); name != "" {
			return nil, newRefusal(BuildFailed, at, name, "run `helm dependency build` on the chart", "chart %s lacks its dependency %s in charts/", found.Name(), name)
		}
	}
	return found, found.setValues(ref, at)
}

// packed loads a chart that an artifact holds.
func (s *sources) packed(source *artifact.Artifact, ref chartReference, at Location) (*chart, error) {
	folder := ref.Chart
	if ref.source.Kind == sourcev1.ExternalArtifactKind {
		// The artifact is the chart, in a folder as a package has it.
		if matches, _ := filepath.Glob(filepath.Join(source.Dir, "*", helmutil.ChartfileName)); len(matches) == 1 {
			folder = path.Dir(relativeTo(source, matches[0]))
		}
	}
	dir, err := securejoin.SecureJoin(source.Dir, folder)
	if err != nil {
		return nil, err
	}
	loaded, err := loader.Load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, newRefusal(PathMissing, at, ref.Chart, "name the folder of the chart within its source; .sourceignore may leave it out", "chart %s is not in its source", ref.Chart)
	case err != nil:
		return nil, newRefusal(BuildFailed, at, ref.Chart, "run `helm lint` on the chart", "chart %s: %s", ref.Chart, explain(source, err))
	}
	found := &chart{loaded, source, relativeTo(source, dir), &s.builder.positions}
	if filepath.Ext(dir) == ".tgz" {
		return found, nil
	}
	return found, s.addDependencies(found, at)
}

// addDependencies adds what the folder of a chart declares and does not hold,
// as source-controller does: from a folder of the same source, or from the
// repository that the dependency names.
func (s *sources) addDependencies(c *chart, at Location) error {
	for name := missingDependency(c.Chart); name != ""; name = missingDependency(c.Chart) {
		i := slices.IndexFunc(c.Metadata.Dependencies, func(d *helmchart.Dependency) bool { return d.Name == name })
		d := c.Metadata.Dependencies[i]
		folder, local := strings.CutPrefix(d.Repository, "file://")
		if d.Repository != "" && !local {
			added, err := s.newest(name, d.Version)
			if err != nil {
				return err
			}
			if added == nil {
				return unresolved{fmt.Sprintf("chart %s needs chart %s %s of %s, which Flux fetches: run `helm dependency build %s` and commit charts/, or %s", c.Name(), name, d.Version, d.Repository, c.path, supply)}
			}
			c.AddDependency(added)
			continue
		}
		dir, err := securejoin.SecureJoin(c.artifact.Dir, path.Join(c.path, cmp.Or(folder, "charts/"+name)))
		if err != nil {
			return err
		}
		added, err := loader.Load(dir)
		if err != nil || added.Name() != name {
			return newRefusal(BuildFailed, at, name, "correct the dependency in Chart.yaml, or add the chart", "chart %s needs chart %s, which is not at %s of its source", c.Name(), name, relativeTo(c.artifact, dir))
		}
		c.AddDependency(added)
	}
	return nil
}

// missingDependency is the name of a chart that another one depends on and
// does not hold, or empty.
func missingDependency(c *helmchart.Chart) string {
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(held *helmchart.Chart) bool { return held.Name() == d.Name }) {
			return d.Name
		}
	}
	return ""
}

const supply = "put it into a folder given by --charts"

// pulled finds the chart of a HelmRepository or an OCIRepository in the folders
// of Options.Charts.
func (s *sources) pulled(repository *Object, ref chartReference) (*chart, error) {
	url, _, _ := unstructured.NestedString(repository.Object, "spec", "url")
	name, version, pull := path.Base(ref.Chart), ref.Version, fmt.Sprintf("%s --repo %s", ref.Chart, url)
	if ref.source.Kind == sourcev1.OCIRepositoryKind {
		name = path.Base(url)
		tag, _, _ := unstructured.NestedString(repository.Object, "spec", "ref", "tag")
		constraint, _, _ := unstructured.NestedString(repository.Object, "spec", "ref", "semver")
		if digest, _, _ := unstructured.NestedString(repository.Object, "spec", "ref", "digest"); digest != "" && tag == "" {
			return nil, unresolved{fmt.Sprintf("%s names chart %s by its digest: add the tag, which Flux then ignores", ref.source, name)}
		}
		version = cmp.Or(constraint, tag)
		pull = url
	} else if strings.HasPrefix(url, "oci://") {
		pull = strings.TrimSuffix(url, "/") + "/" + ref.Chart
	}
	found, err := s.newest(name, version)
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, unresolved{fmt.Sprintf("chart %s %s of %s is not on this machine: %s, as `helm pull %s --version '%s' --destination DIR` does", name, cmp.Or(version, "*"), ref.source, supply, pull, cmp.Or(version, "*"))}
	}
	return &chart{Chart: found}, nil
}

// newest is the highest version of a chart that the folders of Options.Charts
// hold and a constraint admits, or nil.
func (s *sources) newest(name, version string) (*helmchart.Chart, error) {
	constraint, err := semver.NewConstraint(cmp.Or(version, "*"))
	if err != nil {
		return nil, unresolved{fmt.Sprintf("version %q of chart %s is no constraint: %v", version, name, err)}
	}
	var highest *semver.Version
	var file string
	consider := func(candidate, text string) {
		v, err := semver.NewVersion(text)
		if err == nil && constraint.Check(v) && (highest == nil || v.GreaterThan(highest)) {
			highest, file = v, candidate
		}
	}
	for _, dir := range s.charts {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("read the folder of charts: %w", err)
		}
		for _, entry := range entries {
			candidate := filepath.Join(dir, entry.Name())
			if packed, isPacked := strings.CutSuffix(entry.Name(), ".tgz"); isPacked {
				if text, found := strings.CutPrefix(packed, name+"-"); found {
					consider(candidate, text)
				}
			} else if entry.Name() == name {
				if metadata, err := helmutil.LoadChartfile(filepath.Join(candidate, helmutil.ChartfileName)); err == nil {
					consider(candidate, metadata.Version)
				}
			}
		}
	}
	if highest == nil {
		return nil, nil
	}
	loaded, err := loader.Load(file)
	if err != nil {
		reason := strings.ReplaceAll(err.Error(), filepath.Dir(file)+string(filepath.Separator), "")
		return nil, unresolved{fmt.Sprintf("chart %s cannot be read, pull it again: %s", filepath.Base(file), reason)}
	}
	return loaded, nil
}

// setValues replaces the chart's own values by those of the reference's values
// files: of the source for a chart in an artifact, else of the chart.
func (c *chart) setValues(ref chartReference, at Location) error {
	if len(ref.ValuesFiles) == 0 {
		return nil
	}
	values := map[string]any{}
	for _, name := range ref.ValuesFiles {
		data, err := c.read(name)
		var read map[string]any
		switch {
		case err != nil && ref.IgnoreMissingValuesFiles:
			continue
		case err != nil:
			return newRefusal(PathMissing, at, name, "correct valuesFiles, or set ignoreMissingValuesFiles", "values file %s is not in the source of chart %s", name, c.Name())
		}
		if err := yaml.Unmarshal(data, &read); err != nil {
			return newRefusal(BuildFailed, at, name, "correct the file", "values file %s: %v", name, err)
		}
		values = chartutil.MergeMaps(values, read)
	}
	c.Values = values
	return nil
}

func (c *chart) read(name string) ([]byte, error) {
	if c.artifact != nil {
		file, err := securejoin.SecureJoin(c.artifact.Dir, name)
		if err != nil {
			return nil, err
		}
		return os.ReadFile(file)
	}
	for _, f := range c.Raw {
		if f.Name == path.Clean(name) {
			return f.Data, nil
		}
	}
	return nil, fs.ErrNotExist
}
