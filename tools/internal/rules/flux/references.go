package flux

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// References is rule FLX002.
var References = rule.Rule{
	ID: "FLX002", Severity: findings.Error, Title: "reference to something that does not exist",
	Why: "If a source, a path, a kubeConfig or its ServiceAccount, or a ConfigMap to substitute from does not exist, the " +
		"Kustomization stops at its first step, and so does everything that depends on it. A missing ConfigMap is a warning, " +
		"because whatever provisions the cluster may create it. It is an error if its name is nearly that of another " +
		"ConfigMap, or if it is applied too late.",
	Example: "spec:\n  path: ./apps/consumer/deploy/loacl",
	Fix:     "Correct the name, or apply the object earlier. Mark a reference as optional if its object may be missing.",
	Check:   checkReferences,
}

func checkReferences(r *rule.Pass) {
	r.ReportFailures(render.SourceMissing, render.PathMissing, render.PathEmpty, render.VariablesMissing)
	reported := map[render.Key]bool{}
	for _, missing := range r.Cluster.Outside {
		if reported[missing.Key] {
			continue
		}
		reported[missing.Key] = true
		r.WarnLine(missing.By.Key().String(), missing.At,
			fmt.Sprintf("%s takes values from %s, which nothing in this cluster applies: without it nothing of %s is applied",
				missing.By, missing.Key, missing.By.Name)).
			Fix("apply it earlier, or make sure that whatever provisions the cluster creates it")
	}
	checkRootSource(r)
	for _, k := range r.Cluster.Kustomizations() {
		if config := k.Spec.KubeConfig; config != nil && config.ConfigMapRef != nil {
			checkKubeConfig(r, k, config.ConfigMapRef.Name)
		}
	}
}

// checkKubeConfig checks what a kubeConfig refers to. Its Secret is a credential and is
// often made by hand. The ServiceAccount that a ConfigMap names for a cloud belongs in
// the repository: its annotations name the cloud identity that Flux uses.
func checkKubeConfig(r *rule.Pass, k *render.Applier, name string) {
	place := model.At(k.Object, "spec", "kubeConfig", "configMapRef", "name")
	config, found := r.Cluster.Data(k.Object, "ConfigMap", name)
	if !found {
		missesKubeConfig(r, place, k, name)
		return
	}
	account := config[meta.KubeConfigKeyServiceAccountName]
	if account == "" || config[meta.KubeConfigKeyProvider] == "generic" {
		return
	}
	if r.Cluster.Find(k.Object, "", "ServiceAccount", k.Namespace, account) == nil {
		r.Report(place,
			"%s calls its cluster as ServiceAccount %s/%s, which nothing in this cluster applies", k, k.Namespace, account).
			Fix("apply the ServiceAccount to the Kustomization's own namespace")
	}
}

// missesKubeConfig reports a missing ConfigMap. It may be made outside of the repository,
// like the facts of a cluster.
func missesKubeConfig(r *rule.Pass, place model.Field, k *render.Applier, name string) {
	names := r.Cluster.NamesBeside(k.Object, "ConfigMap")
	severity := rule.SeverityOf(name, names)
	if severity == findings.Warning && !r.Cluster.Complete(model.FluxObjects.For(k.Object)) {
		return
	}
	r.ReportAs(severity, place, "%s takes its kubeConfig from ConfigMap %s/%s, which nothing in this cluster applies", k, k.Namespace, name).
		Fix(rule.DidYouMean(name, names, "apply the ConfigMap to the Kustomization's own namespace"))
}

// checkRootSource checks references to the root's source. The tool that bootstraps a
// cluster makes one source besides the root Kustomization; only the references show its
// kind.
func checkRootSource(r *rule.Pass) {
	root := r.Cluster.Kustomizations()[0]
	if root.Object != nil {
		return
	}
	var naming []*render.Applier
	kinds := map[string]int{}
	for _, k := range r.Cluster.Kustomizations()[1:] {
		reference := k.Spec.SourceRef
		key := render.Key{
			GroupKind: schema.GroupKind{Group: sourcev1.GroupVersion.Group, Kind: reference.Kind},
			Namespace: cmp.Or(reference.Namespace, k.Namespace), Name: reference.Name,
		}
		if key.Name == root.Name && key.Namespace == root.Namespace && r.Cluster.Get(key) == nil {
			naming = append(naming, k)
			kinds[reference.Kind]++
		}
	}
	usual := ""
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		if kinds[kind] > kinds[usual] {
			usual = kind
		}
	}
	for _, k := range naming {
		kind := k.Spec.SourceRef.Kind
		if kinds[kind] < kinds[usual] && r.Cluster.Complete(model.FluxObjects.For(k.Object)) {
			r.Report(model.At(k.Object, "spec", "sourceRef", "kind"),
				"%s takes its content from a %s, others from a %s of that name", k, kind, usual).
				Fix("write kind: " + usual)
		}
	}
}
