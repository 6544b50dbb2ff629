// Package traffic has the rules about what reaches a workload's pods, and what they
// reach: what NetworkPolicies allow.
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

// Rules returns the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Metrics,      // POD013
		Names,        // POD014
		ServicePorts, // POD015
	}
}

// policy is a NetworkPolicy that could be decoded.
type policy struct {
	networkingv1.NetworkPolicy
	object *render.Object
}

// policiesOf returns the NetworkPolicies that select the pods of a workload.
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

// restricts reports whether a policy limits the pods' traffic in a direction to what it
// names.
func (p policy) restricts(direction networkingv1.PolicyType) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, direction)
	}
	// The API server's default.
	return direction == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
}

// means reports whether a policy's port is a container's port, by its name, its number or
// a range.
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

// judged reports whether all policies for the pods are known: it cannot read other kinds
// than Kubernetes' own.
func judged(r *rule.Pass, w model.Workload) bool {
	return !w.Template.Spec.HostNetwork && r.Cluster.Complete(model.ObjectsIn(w.GetNamespace()).For(w.Object))
}
