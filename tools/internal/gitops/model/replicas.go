package model

import (
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// SetsReplicas reports whether Flux writes an object's number of replicas again after the
// object's creation. Rules of spec.ignore count whatever their target.
func SetsReplicas(o *render.Object) bool {
	switch annotations := o.GetAnnotations(); {
	case annotations[ApplySwitch] == kustomizev1.IfNotPresentValue, annotations[ApplySwitch] == kustomizev1.IgnoreValue:
		return false
	case annotations[ReconcileSwitch] == kustomizev1.DisabledValue:
		return false
	}
	return !slices.ContainsFunc(o.Owner.Spec.Ignore, func(rule kustomizev1.IgnoreRule) bool {
		return slices.Contains(rule.Paths, replicasPath)
	})
}

// SetsAtUpgrades reports whether Flux writes it only when a release is upgraded: Helm
// corrects nothing in between, unless drift correction is on.
func SetsAtUpgrades(o *render.Object) bool {
	release := o.Owner.Release
	if release == nil {
		return false
	}
	drift := release.GetDriftDetection()
	corrects := drift.GetMode() == helmv2.DriftDetectionEnabled && !slices.ContainsFunc(drift.Ignore, func(rule helmv2.IgnoreRule) bool {
		return slices.Contains(rule.Paths, replicasPath)
	})
	return !corrects
}

const replicasPath = "/spec/replicas"
