package settings

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	helmchart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// UnreadValues is rule FLX019.
var UnreadValues = rule.Rule{
	ID: "FLX019", Severity: findings.Warning, Title: "value that the chart never reads",
	Why: "Helm accepts every value of a release, even if no template reads it: a misspelt key leaves the default in force " +
		"(https://github.com/helm/helm/issues/6422). The rule judges charts that are on this machine: it reports a key that no " +
		"file of the chart, or of the charts that it depends on, contains.",
	Example: "values:\n  replicaCont: 3 # the chart reads replicaCount",
	Fix:     "Correct the key, or remove it.",
	Check:   checkUnreadValues,
}

func checkUnreadValues(r *rule.Pass) {
	for _, k := range r.Cluster.Releases() {
		if k.Chart == nil || k.Object == nil || len(k.Objects) == 0 {
			continue
		}
		text := textOf(k.Chart.Chart)
		if !dumps.MatchString(text) {
			checkValues(r, k, text, k.Release.GetValues(), k.Chart.Values, []any{"spec", "values"})
		}
	}
}

// dumps matches a template that uses the values as a whole: then it is unknown which ones
// it reads.
var dumps = regexp.MustCompile(`\.Values\s*[^.\w\s]`)

// checkValues looks for keys that no file of the chart contains, in mappings for which
// the chart has keys of its own: a chart passes on a mapping without any as it is.
func checkValues(r *rule.Pass, k *render.Applier, text string, values, defaults map[string]any, field []any) {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		_, known := defaults[key]
		place := append(slices.Clone(field), key)
		if !known && key != "global" && !regexp.MustCompile(`\b`+regexp.QuoteMeta(key)+`\b`).MatchString(text) {
			r.Report(model.At(k.Object, place...), "chart %s reads no value %s", k.Chart.Name(), strings.Join(words(place[2:]), ".")).
				Fix(rule.DidYouMean(key, slices.Sorted(maps.Keys(defaults)), "remove it"))
			continue
		}
		inner, isMapping := values[key].(map[string]any)
		if own, has := defaults[key].(map[string]any); isMapping && has && len(own) > 0 {
			checkValues(r, k, text, inner, own, place)
		}
	}
}

func words(path []any) []string {
	var all []string
	for _, element := range path {
		word, _ := element.(string)
		all = append(all, word)
	}
	return all
}

// textOf returns the text of all files of a chart and its dependencies.
func textOf(chart *helmchart.Chart) string {
	var text strings.Builder
	for _, file := range chart.Templates {
		text.Write(file.Data)
		text.WriteByte('\n')
	}
	for _, file := range chart.Raw {
		if !strings.HasPrefix(file.Name, "templates/") {
			text.Write(file.Data)
			text.WriteByte('\n')
		}
	}
	for _, dependency := range chart.Dependencies() {
		text.WriteString(dependency.Name() + "\n" + textOf(dependency))
	}
	return text.String()
}
