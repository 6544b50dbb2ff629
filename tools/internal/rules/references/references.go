// Package references has the rules about references and selectors between objects. Which
// fields are references is data: a new one needs a line in a table, see table.go and
// selectors.go; kustomize.txt has those that kustomize knows.
package references

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		References, // REF001
		Selectors,  // REF002
	}
}

// References is rule REF001.
var References = rule.Rule{
	ID: "REF001", Severity: findings.Error, Title: "name of an object that does not exist",
	Why: "The API server accepts each such name. A health check of a Deployment with another name never ends " +
		"(https://github.com/fluxcd/kustomize-controller/issues/405), a RoleBinding to a ServiceAccount of another namespace " +
		"grants nothing, and an Ingress to a missing Service answers 503. It is an error if an object of a nearly equal name " +
		"exists, or one with the name in another namespace or of another kind. Otherwise it is a warning, or no finding if " +
		"people or operators may create the object.",
	Example: "kind: HorizontalPodAutoscaler\nspec:\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: db} # a StatefulSet",
	Fix:     "Correct the name, the kind or the namespace.",
	Check:   checkReferences,
}

func checkReferences(r *rule.Pass) {
	for _, row := range table() {
		for _, o := range r.Cluster.Of(row.from.Group, row.from.Kind) {
			if row.unless != nil && row.unless(o) {
				continue
			}
			for _, value := range model.Values(o, row.path) {
				if named, ok := read(r, row, o, value); ok {
					named.check(r)
				}
			}
		}
	}
}

// named is the object that a field refers to.
type named struct {
	reference
	by *render.Object
	// from is by, on the API server where the object is looked up.
	from model.Field
	key  render.Key
	// dataKey is a key of the object; empty for none.
	dataKey string
}

// read interprets a value as a reference; false if the row is not about it.
func read(r *rule.Pass, row reference, o *render.Object, value model.Value) (named, bool) {
	mapping, place := value.Around, value.Field
	if inner, ok := value.Value.(map[string]any); ok {
		mapping, place = inner, value.At("name")
	}
	field := func(name string) string { text, _ := mapping[name].(string); return text }
	name := field("name")
	if text := value.Text(); text != "" {
		name = text
	}
	if optional, _ := mapping["optional"].(bool); optional || name == "" {
		return named{}, false
	}
	to := row.to
	switch kind := field("kind"); {
	case to.Kind == "" && kind == "":
		to.Kind = row.usual
	case to.Kind == "":
		to.Kind = kind
	case kind != "" && kind != to.Kind:
		return named{}, false // it belongs to another row
	}
	if group := field("group"); group != "" {
		to.Group = group
	}
	if version := field("apiVersion"); version != "" {
		to.Group = model.GroupOf(version)
	}
	n := named{reference: row, by: o, from: place, key: render.Key{GroupKind: to, Name: name}, dataKey: field("key")}
	n.key.Namespace = n.namespace(r, field("namespace"))
	return n, to.Kind != ""
}

// namespace returns the namespace in which the object is looked up.
func (n named) namespace(r *rule.Pass, said string) string {
	switch {
	case n.in == cluster, slices.Contains(clusterScoped, n.key.Kind):
		return ""
	case n.in == operator:
		return kedaNamespace(r, n.by)
	case said != "":
		return said
	}
	return n.by.GetNamespace()
}

func (n named) check(r *rule.Pass) {
	if n.in == operator && n.key.Namespace == "" {
		return // it is unknown where KEDA runs
	}
	if n.key.Name == everything {
		n.checkNamespace(r)
		return
	}
	if found := n.find(r); found != nil {
		n.checkKey(r, found)
		return
	}
	if n.isGiven(r) || isMade(r, n.key.Kind, n.key.Name) || n.by.Open(n.from.Path...) || !n.complete(r) {
		return
	}
	what, where := n.key.Kind+" "+n.key.Name, ""
	if n.key.Namespace != "" {
		where = " in namespace " + n.key.Namespace
	}
	severity, fix := n.judge(r)
	if severity == "" {
		return
	}
	r.ReportAs(severity, n.from, "%s names %s%s, which nothing in this cluster applies: %s", n.by.Key(), what, where, n.effect).Fix(fix)
}

// everything is the name with which Flux's notifications mean all objects of a kind.
const everything = "*"

// checkNamespace checks a reference to all objects of a kind: the kind may have no
// objects, but the namespace must exist.
func (n named) checkNamespace(r *rule.Pass) {
	if !hasObjects(r, n.target(r), n.key.Namespace) && !model.IsProvided(n.key.Namespace) && n.complete(r) {
		r.ReportAs(findings.Warning, n.from, "%s means every %s of namespace %s, which has none: %s",
			n.by.Key(), n.key.Kind, n.key.Namespace, n.effect).
			Fix("correct the namespace, or remove the entry")
	}
}

// find returns the object that the field refers to, or nil.
func (n named) find(r *rule.Pass) *render.Object {
	for _, o := range n.candidates(r) {
		if o.GetName() == n.key.Name && (o.GetNamespace() == n.key.Namespace || o.GetNamespace() == "") {
			return o
		}
	}
	return nil
}

// candidates returns the objects of the kind in all namespaces.
func (n named) candidates(r *rule.Pass) []*render.Object {
	var all []*render.Object
	for _, group := range n.groups() {
		for _, o := range r.Cluster.Of(group, n.key.Kind) {
			if model.Target(o) == n.target(r) {
				all = append(all, o)
			}
		}
	}
	return all
}

// groups returns the possible groups of the kind: Flux's references contain only the
// kind.
func (n named) groups() []string {
	if n.key.Group == anyOfFlux {
		return fluxGroups
	}
	return []string{n.key.Group}
}

// target returns the API server on which the object is looked up: a Kustomization checks
// the health of objects where it applies them.
func (n named) target(r *rule.Pass) string {
	if n.in == applied {
		if applier := r.Cluster.Applier(n.by.Key()); applier != nil {
			return model.Target(&render.Object{Owner: applier})
		}
	}
	return model.Target(n.by)
}

func (n named) complete(r *rule.Pass) bool {
	if n.key.Namespace == "" {
		return r.Cluster.Complete(model.Objects.For(n.by))
	}
	return r.Cluster.Complete(model.ObjectsIn(n.key.Namespace).For(n.by))
}

// isGiven reports whether the object exists without a manifest: Kubernetes, a
// distribution, or the tool that bootstraps Flux creates it.
func (n named) isGiven(r *rule.Pass) bool {
	root := r.Cluster.Kustomizations()[0]
	bootstrapped := n.key.Group == anyOfFlux && n.key.Name == root.Name && n.key.Namespace == root.Namespace
	return bootstrapped || model.IsProvided(n.key.Namespace) && n.key.Namespace != "default" && n.key.Namespace != root.Namespace ||
		slices.ContainsFunc(given[n.key.Kind], func(name string) bool {
			prefix, isPrefix := strings.CutSuffix(name, "*")
			return name == n.key.Name || isPrefix && strings.HasPrefix(n.key.Name, prefix)
		})
}

// judge returns the severity of a missing object, and the fix. The severity is empty if
// something else may create the object.
func (n named) judge(r *rule.Pass) (severity findings.Severity, fix string) {
	var names []string
	for _, o := range n.candidates(r) {
		switch {
		case o.GetNamespace() == n.key.Namespace:
			names = append(names, o.GetName())
		case o.GetName() == n.key.Name && !isCopied(r, o):
			fix = "it is in namespace " + o.GetNamespace() + ": name that one, or apply it here"
		}
	}
	copies := slices.Contains([]string{"Secret", "ConfigMap"}, n.key.Kind)
	switch near := spelling.Near(n.key.Name, names); {
	case near != "":
		return findings.Error, "did you mean " + near + "?"
	case fix != "" && copies:
		return findings.Warning, fix
	case fix != "":
		return findings.Error, fix
	}
	if other := n.otherKind(r); other != nil {
		return findings.Error, fmt.Sprintf("%s is a %s: write that kind, with its apiVersion", n.key.Name, other.GetKind())
	}
	known := n.key.Namespace == "" || hasObjects(r, n.target(r), n.key.Namespace) && !isOperated(r, n.target(r), n.key.Namespace)
	if n.missing == "" || !known {
		return "", ""
	}
	return n.missing, rule.DidYouMean(n.key.Name, names, "correct the name, or apply it")
}

// otherKind returns a workload of another kind with the name, if the field refers to a
// workload.
func (n named) otherKind(r *rule.Pass) *render.Object {
	if !slices.Contains(workloads, n.key.Kind) {
		return nil
	}
	for _, kind := range workloads {
		for _, o := range r.Cluster.Of("apps", kind) {
			if o.GetName() == n.key.Name && o.GetNamespace() == n.key.Namespace && model.Target(o) == n.target(r) {
				return o
			}
		}
	}
	return nil
}

// checkKey reports a missing key; something else fills an object without keys.
func (n named) checkKey(r *rule.Pass, o *render.Object) {
	if n.dataKey == "" || !slices.Contains([]string{"Secret", "ConfigMap"}, o.GetKind()) {
		return
	}
	data, _ := r.Cluster.Data(o, o.GetKind(), o.GetName())
	var keys []string
	for key := range data {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if len(keys) > 0 && !slices.Contains(keys, n.dataKey) {
		place := n.from
		place.Path = append(slices.Clone(place.Path[:len(place.Path)-1]), "key")
		r.Report(place, "%s reads %s of %s, which has no such key", n.by.Key(), n.dataKey, o.Key()).
			Fix(rule.DidYouMean(n.dataKey, keys, "add the key"))
	}
}

// kind returns a GroupKind.
func kind(group, kind string) schema.GroupKind { return schema.GroupKind{Group: group, Kind: kind} }
