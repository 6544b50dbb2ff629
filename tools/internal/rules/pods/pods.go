// Package pods has the rules about workloads and their surroundings: what Kubernetes
// rejects, or accepts although it does not work.
package pods

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Security,   // POD001
		Resources,  // POD002
		Probes,     // POD003
		Filesystem, // POD004
		Network,    // POD005
		Budgets,    // POD006
		Coherence,  // POD007
		Services,   // POD008
		References, // POD009
		Installs,   // POD010
		Shell,      // POD011
		Images,     // POD012
	}
}

// onSelector returns the field of a selector's only label, or of the whole selector.
func onSelector(o *render.Object, field ...string) model.Field {
	place := model.At(o)
	for _, element := range field {
		place.Path = append(place.Path, element)
	}
	selected, _, _ := unstructured.NestedStringMap(o.Object, field...)
	for key := range selected {
		if len(selected) == 1 {
			place.Path = append(place.Path, key)
		}
	}
	return place
}

// includes reports whether labels contain all labels of a Service's selector.
func includes(all, selected map[string]string) bool {
	return labels.SelectorFromSet(selected).Matches(labels.Set(all))
}

func portNames(c corev1.Container) []string {
	var names []string
	for _, port := range c.Ports {
		names = append(names, port.Name)
	}
	return names
}
