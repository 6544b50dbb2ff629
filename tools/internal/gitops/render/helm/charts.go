// Package helm renders the release of a chart as helm-controller installs it: it loads
// the chart as source-controller packages it, executes the templates with Helm's engine,
// and runs the post-renderers. Random values and times are placeholders, and lookup finds
// nothing.
//
// The package knows one release and its chart. It must not know where the chart's source
// is, nor what else the cluster has.
package helm

import (
	"cmp"
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
	"github.com/fluxcd/pkg/chartutil"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	helmutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/source"
)

// Chart is a chart and the artifact that has it; the artifact is nil for a chart from a
// folder of Library.
type Chart struct {
	*helmchart.Chart
	artifact *artifact.Artifact
	path     string // within the artifact
	files    *origin.Files
}

// Problem is the reason why Flux would reject a release.
type Problem string

// The problems.
const (
	PathMissing Problem = "path missing" // the chart, or a values file, is not in its source
	BuildFailed Problem = "build failed" // the chart cannot be rendered
	InvalidSpec Problem = "invalid spec" // the HelmRelease is malformed
)

// Refusal is an error for what Flux would reject: what is wrong, where, and the fix.
type Refusal struct {
	Problem               Problem
	At                    origin.Location
	Subject, Message, Fix string
}

func (r Refusal) Error() string { return r.Message }

// Refuse returns a Refusal with a formatted message.
func Refuse(problem Problem, at origin.Location, subject, fix, format string, args ...any) error {
	return Refusal{Problem: problem, At: at, Subject: subject, Fix: fix, Message: fmt.Sprintf(format, args...)}
}

// Library finds charts on this machine.
type Library struct {
	// Folders have the charts of Helm repositories, packed as name-version.tgz or
	// unpacked, as `helm pull` writes them.
	Folders []string
	// Files reads the files of charts in artifacts.
	Files *origin.Files
}

// Packed loads a chart from an artifact, with its dependencies. at is the place where the
// release names it.
func (l Library) Packed(from *artifact.Artifact, folder string, at origin.Location) (*Chart, error) {
	dir, err := securejoin.SecureJoin(from.Dir, folder)
	if err != nil {
		return nil, err
	}
	loaded, err := loader.Load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Refuse(PathMissing, at, folder, "name the folder of the chart within its source; .sourceignore may leave it out",
			"chart %s is not in its source", folder)
	case err != nil:
		return nil, Refuse(BuildFailed, at, folder, "run `helm lint` on the chart", "chart %s: %s", folder, origin.Explain(from, err))
	}
	found := &Chart{loaded, from, origin.Relative(from, dir), l.Files}
	if filepath.Ext(dir) == ".tgz" {
		return found, nil
	}
	return found, l.addDependencies(found, at)
}

// addDependencies adds the dependencies that a chart declares and its folder lacks, as
// source-controller does: from a folder of the same source, or from the repository that
// the dependency names.
func (l Library) addDependencies(c *Chart, at origin.Location) error {
	for name := missingDependency(c.Chart); name != ""; name = missingDependency(c.Chart) {
		i := slices.IndexFunc(c.Metadata.Dependencies, func(d *helmchart.Dependency) bool { return d.Name == name })
		d := c.Metadata.Dependencies[i]
		folder, local := strings.CutPrefix(d.Repository, "file://")
		if d.Repository != "" && !local {
			added, err := l.newest(name, d.Version)
			if err != nil {
				return err
			}
			if added == nil {
				return source.Unresolved{Reason: fmt.Sprintf("chart %s needs chart %s %s of %s, which Flux fetches: "+
					"run `helm dependency build %s` and commit charts/, or %s",
					c.Name(), name, d.Version, d.Repository, c.path, supply)}
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
			return Refuse(BuildFailed, at, name, "correct the dependency in Chart.yaml, or add the chart",
				"chart %s needs chart %s, which is not at %s of its source", c.Name(), name, origin.Relative(c.artifact, dir))
		}
		c.AddDependency(added)
	}
	return nil
}

// missingDependency returns the name of a declared dependency that a chart lacks, or
// empty.
func missingDependency(c *helmchart.Chart) string {
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(held *helmchart.Chart) bool { return held.Name() == d.Name }) {
			return d.Name
		}
	}
	return ""
}

const supply = "put it into a folder given by --charts"

// Pulled returns the newest chart in the folders with a name and a version, or a range.
// For the error, by is who needs it, and pull the repository in the form of `helm pull`.
func (l Library) Pulled(name, version, by, pull string, at origin.Location) (*Chart, error) {
	found, err := l.newest(name, version)
	if err != nil {
		return nil, err
	}
	if found == nil {
		version = cmp.Or(version, "*")
		return nil, source.Unresolved{Reason: fmt.Sprintf("chart %s %s of %s is not on this machine: %s, "+
			"as `helm pull %s --version '%s' --destination DIR` does",
			name, version, by, supply, pull, version)}
	}
	if missing := missingDependency(found); missing != "" {
		return nil, Refuse(BuildFailed, at, missing, "run `helm dependency build` on the chart",
			"chart %s lacks its dependency %s in charts/", found.Name(), missing)
	}
	return &Chart{Chart: found}, nil
}

// newest returns the chart in the folders with the highest version that a constraint
// allows, or nil.
func (l Library) newest(name, version string) (*helmchart.Chart, error) {
	constraint, err := semver.NewConstraint(cmp.Or(version, "*"))
	if err != nil {
		return nil, source.Unresolved{Reason: fmt.Sprintf("version %q of chart %s is no constraint: %v", version, name, err)}
	}
	var highest *semver.Version
	var file string
	consider := func(candidate, text string) {
		v, err := semver.NewVersion(text)
		if err == nil && constraint.Check(v) && (highest == nil || v.GreaterThan(highest)) {
			highest, file = v, candidate
		}
	}
	for _, dir := range l.Folders {
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
		return nil, source.Unresolved{Reason: fmt.Sprintf("chart %s cannot be read, pull it again: %s", filepath.Base(file), reason)}
	}
	return loaded, nil
}

// SetValues replaces the chart's own values with the reference's values files. These are
// files of the source if the chart is in an artifact, or else of the chart.
func (c *Chart) SetValues(ref helmv2.HelmChartTemplateSpec, at origin.Location) error {
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
			return Refuse(PathMissing, at, name, "correct valuesFiles, or set ignoreMissingValuesFiles",
				"values file %s is not in the source of chart %s", name, c.Name())
		}
		if err := yaml.Unmarshal(data, &read); err != nil {
			return Refuse(BuildFailed, at, name, "correct the file", "values file %s: %v", name, err)
		}
		values = chartutil.MergeMaps(values, read)
	}
	c.Values = values
	return nil
}

func (c *Chart) read(name string) ([]byte, error) {
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
