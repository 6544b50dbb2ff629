// Package traffic holds the rules on who reaches the pods of a workload, and whom they
// reach: what NetworkPolicies let through.
package traffic

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Metrics,      // POD013
		Names,        // POD014
		ServicePorts, // POD015
	}
}

// policy is a NetworkPolicy, as far as it can be read.
type policy struct {
	networkingv1.NetworkPolicy
	object *render.Object
}

// policiesOf are the NetworkPolicies that select the pods of a workload.
func policiesOf(r *rule.Pass, w model.Workload) []policy {
	var all []policy
	for _, o := range r.Cluster.Beside(w.Object, networkingv1.GroupName, "NetworkPolicy") {
		p := policy{object: o}
		err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p.NetworkPolicy)
		if err == nil && w.SelectedBy(o, "spec", "podSelector") {
			all = append(all, p)
		}
	}
	return all
}

// restricts reports whether a policy closes the pods in a direction to all that it does
// not name.
func (p policy) restricts(direction networkingv1.PolicyType) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, direction)
	}
	// What the API server fills in.
	return direction == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
}

// means reports whether a port of a policy is one of a container: by its name, or by its
// number or a range.
func means(p networkingv1.NetworkPolicyPort, name string, number int32, protocol corev1.Protocol) bool {
	said := corev1.ProtocolTCP
	if p.Protocol != nil {
		said = *p.Protocol
	}
	switch {
	case said != protocol:
		return false
	case p.Port == nil:
		return true
	case p.Port.Type == intstr.String:
		return p.Port.StrVal == name
	case p.EndPort != nil:
		return p.Port.IntVal <= number && number <= *p.EndPort
	}
	return p.Port.IntVal == number
}

// judged reports whether all that lets pods through is known: other policies than
// Kubernetes' are not read.
func judged(r *rule.Pass, w model.Workload) bool {
	return !w.Template.Spec.HostNetwork && r.Cluster.Complete(model.ObjectsIn(w.GetNamespace()).For(w.Object))
}
