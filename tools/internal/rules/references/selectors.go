package references

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Selectors is rule REF002.
var Selectors = rule.Rule{
	ID: "REF002", Severity: findings.Warning, Title: "selector that matches nothing",
	Why: "A NetworkPolicy that selects no pod restricts nothing, one that admits namespaces by a label that none has admits " +
		"nobody, and a monitor without targets leaves its dashboard empty " +
		"(https://prometheus-operator.dev/docs/platform/troubleshooting/). None of them shows an error. The rule ignores " +
		"selectors whose pods or Services an operator may create.",
	Example: "kind: NetworkPolicy\nspec:\n  podSelector: {matchLabels: {app: consumr}}",
	Fix:     "Use the labels of the objects that you mean.",
	Check:   checkSelectors,
}

// selector is a field that selects objects by their labels.
type selector struct {
	from schema.GroupKind
	path string
	// selects is the kind that it selects; for pods their templates count.
	selects string
	// namespaces is the path of the selector for namespaces, as Prometheus' monitors have
	// one; empty for the object's own namespace.
	namespaces string
	effect     string
}

const (
	pods       = "Pod"
	services   = "Service"
	namespaces = "Namespace"
)

// selectors are the fields that select objects. A new one needs only a line.
var selectors = []selector{
	{kind("networking.k8s.io", "NetworkPolicy"), "spec/podSelector", pods, "", "it restricts nothing"},
	{kind("networking.k8s.io", "NetworkPolicy"), "spec/ingress/from/namespaceSelector", namespaces, "", "it lets nobody in"},
	{kind("networking.k8s.io", "NetworkPolicy"), "spec/egress/to/namespaceSelector", namespaces, "", "it lets nothing out"},
	{kind("monitoring.coreos.com", "PodMonitor"), "spec/selector", pods, "spec/namespaceSelector", "nothing is scraped"},
	{kind("monitoring.coreos.com", "ServiceMonitor"), "spec/selector", services, "spec/namespaceSelector", "nothing is scraped"},
	{kind("security.istio.io", "AuthorizationPolicy"), "spec/selector", pods, "", "it holds for nothing"},
	{kind("security.istio.io", "PeerAuthentication"), "spec/selector", pods, "", "it holds for nothing"},
}

func checkSelectors(r *rule.Pass) {
	for _, row := range selectors {
		for _, o := range r.Cluster.Of(row.from.Group, row.from.Kind) {
			for _, value := range model.Values(o, row.path) {
				checkSelector(r, row, o, value)
			}
		}
	}
}

func checkSelector(r *rule.Pass, row selector, o *render.Object, value model.Value) {
	chosen, readable := compile(value.Value)
	if !readable || chosen.Empty() {
		return // the schema reports it, or it selects everything
	}
	within := namespacesOf(o, row.namespaces)
	if row.selects == namespaces {
		within = []string{""}
	}
	for _, namespace := range within {
		if row.matches(r, o, namespace, chosen) || !row.judged(r, o, namespace, chosen) {
			return
		}
	}
	where := ""
	if row.selects != namespaces {
		where = " of namespace " + within[0]
		if len(within) > 1 {
			where = " of its namespaces"
		}
	}
	r.Report(value.Field, "%s selects no %s%s with %s: %s", o.Key(), row.selects, where, chosen, row.effect).
		Fix("use the labels of the objects that you mean")
}

// compile parses a label selector.
func compile(value any) (labels.Selector, bool) {
	content, ok := value.(map[string]any)
	if !ok {
		return nil, false
	}
	var said metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, &said); err != nil {
		return nil, false
	}
	chosen, err := metav1.LabelSelectorAsSelector(&said)
	return chosen, err == nil
}

// anywhere stands for all namespaces.
const anywhere = "*"

// namespacesOf returns the namespaces in which an object's selector looks.
func namespacesOf(o *render.Object, path string) []string {
	if path == "" {
		return []string{o.GetNamespace()}
	}
	for _, value := range model.Values(o, path) {
		said, _ := value.Value.(map[string]any)
		if all, _ := said["any"].(bool); all {
			return []string{anywhere}
		}
		if names, _, _ := unstructured.NestedStringSlice(said, "matchNames"); len(names) > 0 {
			return names
		}
	}
	return []string{o.GetNamespace()}
}

// judged reports whether everything that could match is known.
func (s selector) judged(r *rule.Pass, o *render.Object, namespace string, chosen labels.Selector) bool {
	if s.selects == namespaces {
		// Rule POD009 judges namespaces by name.
		requirements, _ := chosen.Requirements()
		named := slices.ContainsFunc(requirements, func(q labels.Requirement) bool { return q.Key() == corev1.LabelMetadataName })
		return !named && r.Cluster.Complete(model.Objects.For(o))
	}
	if namespace == anywhere {
		return false // among all namespaces, some are not the repository's
	}
	target := model.Target(o)
	known := hasObjects(r, target, namespace) && !model.IsProvided(namespace) || namespace == metav1.NamespaceDefault
	return known && !isOperated(r, target, namespace) && r.Cluster.Complete(model.ObjectsIn(namespace).For(o))
}

// matches reports whether any object has the labels.
func (s selector) matches(r *rule.Pass, o *render.Object, namespace string, chosen labels.Selector) bool {
	here := func(other *render.Object) bool {
		return model.Target(other) == model.Target(o) && (s.selects == namespaces || other.GetNamespace() == namespace)
	}
	if s.selects == pods {
		return slices.ContainsFunc(r.Cluster.Workloads(), func(w model.Workload) bool {
			return here(w.Object) && chosen.Matches(labels.Set(w.Template.Labels))
		})
	}
	return slices.ContainsFunc(r.Cluster.Of("", s.selects), func(other *render.Object) bool {
		return here(other) && chosen.Matches(labels.Set(other.GetLabels()))
	})
}
