package rules

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var schemaRules = []Rule{
	{
		ID: "SCH001", Severity: findings.Error, Title: "kind that the API server does not know",
		Why: "An object of an unknown kind fails the dry-run of its whole Kustomization. The kinds are those of the pinned " +
			"Kubernetes, Flux, KEDA, Crossplane and AWS provider, and what the cluster's own definitions declare. A group of " +
			"which none of them has a kind is a warning: a distribution or an installer may bring it before Flux starts.",
		Example: "apiVersion: apps/v1\nkind: Deploymnt",
		Fix:     "Correct apiVersion or kind, apply the definition, or name it with --schema.",
		check:   checkKinds,
	},
	{
		ID: "SCH002", Severity: findings.Error, Title: "object that the API server refuses",
		Why: "An unknown field, a wrong type, a missing field or a broken rule of the definition: server-side apply refuses " +
			"the object, and with it the whole Kustomization.",
		Example: "spec:\n  replicas: \"2\"",
		Fix:     "Write the field as the schema says; an unquoted number or true is not a string.",
		check:   checkShapes,
	},
}

// coreGroups are groups whose kinds come with Kubernetes itself: no source that
// is unknown here adds to them.
var coreGroups = []string{"", "apps", "batch", "autoscaling", "policy", "rbac.authorization.k8s.io", "networking.k8s.io"}

func checkKinds(r *Run) {
	unchecked := map[schema.GroupVersionKind]bool{}
	for _, o := range slices.Concat(r.Cluster.All(), r.Cluster.Composed()) {
		kind := o.GroupVersionKind()
		if _, known := r.Cluster.Catalog.Lookup(kind); known {
			continue
		}
		group := r.meantGroup(kind)
		versions, groups, kinds := r.Cluster.Catalog.Versions(kind.GroupKind()), r.Cluster.Catalog.Groups(kind.Kind), r.Cluster.Catalog.Kinds(kind.Group)
		field, fix := "kind", "apply its CustomResourceDefinition, or name it with --schema"
		switch {
		case group != "":
			field, fix = "apiVersion", fmt.Sprintf("did you mean %s?", group)
		case r.elsewhere() && !ofKubernetes(kind.Group):
			continue
		case len(kinds) == 0 && !ofKubernetes(kind.Group):
			if !unchecked[kind] {
				unchecked[kind] = true
				r.warn(on(o, "apiVersion"), "apply its CustomResourceDefinition, or give it by --schema",
					"no schema of %s in %s is known here: its objects are not checked", kind.Kind, kind.GroupVersion())
			}
			continue
		case len(versions) > 0:
			field, fix = "apiVersion", fmt.Sprintf("the version is one of %v", versions)
		case len(groups) == 1:
			field, fix = "apiVersion", fmt.Sprintf("%s is a kind of the group %s", kind.Kind, groups[0])
		case len(groups) > 1:
			field, fix = "apiVersion", didYouMean(kind.Group, groups, fix)
		case len(kinds) > 0:
			fix = didYouMean(kind.Kind, kinds, fix)
		}
		r.report(on(o, field), fix, "there is no kind %s in %s", kind.Kind, kind.GroupVersion())
	}
}

// ofKubernetes tells whether no definition can add the kinds of a group: the
// group of a CustomResourceDefinition has a dot.
func ofKubernetes(group string) bool {
	return slices.Contains(coreGroups, group) || !strings.Contains(group, ".")
}

// meantGroup is the group, with such a kind, of which an unknown one is a
// misspelling; empty for none. Services of a cloud have groups whose first parts
// are that short that ecs is no misspelling of eks.
func (r *Run) meantGroup(kind schema.GroupVersionKind) string {
	if len(r.Cluster.Catalog.Kinds(kind.Group)) > 0 {
		return ""
	}
	meant := spelling.Near(kind.Group, r.Cluster.Catalog.Groups(kind.Kind))
	service, cloud, _ := strings.Cut(kind.Group, ".")
	other, same, _ := strings.Cut(meant, ".")
	if cloud != "" && cloud == same && len(service) <= 3 && len(other) <= 3 {
		return ""
	}
	return meant
}

func checkShapes(r *Run) {
	objects := slices.Concat(r.Cluster.All(), r.Cluster.Composed())
	problems := make([][]catalog.Problem, len(objects))
	var judges errgroup.Group
	judges.SetLimit(runtime.GOMAXPROCS(0))
	for i, o := range objects {
		if kind, known := r.Cluster.Catalog.Lookup(o.GroupVersionKind()); known {
			judges.Go(func() error { problems[i] = kind.Validate(o.Object); return nil })
		}
	}
	_ = judges.Wait() // none fails
	for i, o := range objects {
		if len(problems[i]) == 0 {
			continue
		}
		kind, _ := r.Cluster.Catalog.Lookup(o.GroupVersionKind())
		say := r.sayOf(o, kind.Source())
		for _, problem := range problems[i] {
			say(on(o, problem.Path...), "correct it: the schema is that of "+kind.Source(), "%s", problem)
		}
	}
	for _, w := range r.Cluster.Workloads() {
		r.checkImages(w)
	}
	for _, o := range r.Cluster.Of(networkingv1.GroupName, "NetworkPolicy") {
		r.checkPorts(o)
	}
}

// checkImages: the schema lets an image be missing, the API server does not. A
// patch for a misspelt container adds such a one.
func (r *Run) checkImages(w model.Workload) {
	for list, containers := range map[string][]corev1.Container{"containers": w.Template.Spec.Containers, "initContainers": w.Template.Spec.InitContainers} {
		var names []string
		for _, container := range containers {
			if container.Image != "" {
				names = append(names, container.Name)
			}
		}
		for i, container := range containers {
			if container.Image == "" && container.Name != "" {
				r.report(on(w.Object, w.Field(list, i, "name")...), didYouMean(container.Name, names, "say its image"), "container %s of %s has no image", container.Name, w.Key())
			}
		}
	}
}

// checkPorts: a text is the name of a port, which has a letter.
func (r *Run) checkPorts(policy *render.Object) {
	for _, direction := range []string{"ingress", "egress"} {
		rules, _, _ := unstructured.NestedSlice(policy.Object, "spec", direction)
		for i, rule := range rules {
			mapping, _ := rule.(map[string]any)
			ports, _, _ := unstructured.NestedSlice(mapping, "ports")
			for j, port := range ports {
				mapping, _ := port.(map[string]any)
				if name, isText := mapping["port"].(string); isText && len(validation.IsValidPortName(name)) > 0 {
					r.report(on(policy, "spec", direction, i, "ports", j, "port"), "write a number without quotes, or a port's name", "%q is not the name of a port", name)
				}
			}
		}
	}
}

// namespaced tells whether an object's kind lives in namespaces, if its kind is
// known.
func (i Input) namespaced(o *render.Object) (namespaced, known bool) {
	kind, known := i.Cluster.Catalog.Lookup(o.GroupVersionKind())
	return known && kind.Namespaced(), known
}

// Schema names the schema that an object was held against; empty for none.
func (i Input) Schema(o *render.Object) (kind schema.GroupVersionKind, source string) {
	if found, known := i.Cluster.Catalog.Lookup(o.GroupVersionKind()); known {
		return found.Kind(), found.Source()
	}
	return schema.GroupVersionKind{}, ""
}
