package schema

import (
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Shapes is rule SCH002.
var Shapes = rule.Rule{
	ID: "SCH002", Severity: findings.Error, Title: "object that the API server refuses",
	Why: "Server-side apply refuses an object with an unknown field, a wrong type, a missing field or a violated rule of its " +
		"definition, and with it the whole Kustomization.",
	Example: "spec:\n  replicas: \"2\"",
	Fix:     "Write the field as the schema says; an unquoted number or true is not a string.",
	Check:   checkShapes,
}

func checkShapes(r *rule.Pass) {
	objects := slices.Concat(r.Cluster.All(), r.Cluster.Composed())
	problems := make([][]catalog.Problem, len(objects))
	var judges errgroup.Group
	judges.SetLimit(runtime.GOMAXPROCS(0))
	for i, o := range objects {
		if kind, _ := r.Cluster.Schema(o); kind != nil {
			judges.Go(func() error { problems[i] = kind.Validate(o.Object); return nil })
		}
	}
	_ = judges.Wait() // none of them fails
	for i, o := range objects {
		if len(problems[i]) == 0 {
			continue
		}
		kind, _ := r.Cluster.Schema(o)
		severity, note := r.Pinned(o, kind.Source())
		for _, problem := range problems[i] {
			if isEncrypted(problem) {
				continue // rule FLX009 reports it
			}
			r.ReportAs(severity, model.At(o, problem.Path...), "%s%s", problem, note).Fix("correct it: the schema is that of " + kind.Source())
		}
	}
	for _, w := range r.Cluster.Workloads() {
		checkImages(r, w)
	}
	for _, o := range r.Cluster.Of(networkingv1.GroupName, "NetworkPolicy") {
		checkPorts(r, o)
	}
}

// isEncrypted reports whether a problem is about what SOPS adds to an encrypted object;
// Flux removes it during decryption.
func isEncrypted(problem catalog.Problem) bool {
	return len(problem.Path) > 0 && problem.Path[0] == "sops"
}

// checkImages reports a missing image. The schema allows it, the API server does not. A
// patch for a misspelt container adds a container without an image.
func checkImages(r *rule.Pass, w model.Workload) {
	for list, containers := range map[string][]corev1.Container{
		"containers": w.Template.Spec.Containers, "initContainers": w.Template.Spec.InitContainers,
	} {
		var names []string
		for _, container := range containers {
			if container.Image != "" {
				names = append(names, container.Name)
			}
		}
		for i, container := range containers {
			if container.Image == "" && container.Name != "" {
				r.Report(w.At(list, i, "name"), "container %s of %s has no image", container.Name, w.Key()).
					Fix(rule.DidYouMean(container.Name, names, "set its image"))
			}
		}
	}
}

// checkPorts reports a port of a NetworkPolicy that is a string without a letter: a
// string is a port's name, which has one.
func checkPorts(r *rule.Pass, policy *render.Object) {
	for _, direction := range []string{"ingress", "egress"} {
		rules, _, _ := unstructured.NestedSlice(policy.Object, "spec", direction)
		for i, entry := range rules {
			mapping, _ := entry.(map[string]any)
			ports, _, _ := unstructured.NestedSlice(mapping, "ports")
			for j, port := range ports {
				mapping, _ := port.(map[string]any)
				if name, isText := mapping["port"].(string); isText && len(validation.IsValidPortName(name)) > 0 {
					r.Report(model.At(policy, "spec", direction, i, "ports", j, "port"),
						"%q is not the name of a port", name).
						Fix("write a number without quotes, or a port's name")
				}
			}
		}
	}
}
