package keda

import (
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Replicas is rule KEDA001.
var Replicas = rule.Rule{
	ID: "KEDA001", Severity: findings.Error, Title: "scaled workload that sets replicas",
	Why: "Flux writes spec.replicas at every interval and the HorizontalPodAutoscaler writes it every 15 seconds: the " +
		"pods go up and down forever (https://github.com/kedacore/keda/issues/5572).",
	Example: "kind: Deployment\nspec:\n  replicas: 1",
	Fix:     "Remove spec.replicas; minReplicaCount of the ScaledObject says how many there are at least.",
	Check:   checkReplicas,
}

func checkReplicas(r *rule.Pass) {
	for _, s := range r.Cluster.ScaledObjects() {
		if s.Pods == nil || s.Pods.Replicas == nil || !keepsReplicas(s.Pods.Object) {
			continue
		}
		severity := findings.Error
		if release := s.Pods.Owner.Release; release != nil && !correctsReplicas(release) {
			severity = findings.Warning // at each upgrade only
		}
		r.ReportAs(severity, model.At(s.Pods.Object, "spec", "replicas"),
			"%s sets replicas: %d, but ScaledObject %s scales it", s.Pods.Key(), *s.Pods.Replicas, s.Name).
			Fix("remove spec.replicas")
	}
}

// correctsReplicas reports whether Flux sets the replicas of a release's objects
// between upgrades as well.
func correctsReplicas(release *helmv2.HelmRelease) bool {
	drift := release.GetDriftDetection()
	return drift.GetMode() == helmv2.DriftDetectionEnabled && !slices.ContainsFunc(drift.Ignore, func(rule helmv2.IgnoreRule) bool {
		return slices.Contains(rule.Paths, "/spec/replicas")
	})
}

// keepsReplicas reports whether Flux writes an object's spec.replicas again and
// again. A rule of spec.ignore counts whatever its target is.
func keepsReplicas(o *render.Object) bool {
	switch annotations := o.GetAnnotations(); {
	case annotations[model.ApplySwitch] == kustomizev1.IfNotPresentValue, annotations[model.ApplySwitch] == kustomizev1.IgnoreValue:
		return false
	case annotations[model.ReconcileSwitch] == kustomizev1.DisabledValue:
		return false
	}
	return !slices.ContainsFunc(o.Owner.Spec.Ignore, func(rule kustomizev1.IgnoreRule) bool {
		return slices.Contains(rule.Paths, "/spec/replicas")
	})
}
