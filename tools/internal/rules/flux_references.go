package rules

import (
	"cmp"
	"maps"
	"slices"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

func checkReferences(r *Run) {
	r.failures(render.SourceMissing, render.PathMissing, render.PathEmpty, render.VariablesMissing)
	reported := map[render.Key]bool{}
	for _, missing := range r.Cluster.Outside {
		if reported[missing.Key] {
			continue
		}
		reported[missing.Key] = true
		r.warnAt(missing.By.Key().String(), missing.At, "apply it before, or see that what provisions the cluster makes it",
			"%s takes values from %s, which nothing in this cluster applies: without it nothing of %s is applied", missing.By, missing.Key, missing.By.Name)
	}
	r.checkRootSource()
	for _, k := range r.Cluster.Kustomizations() {
		if config := k.Spec.KubeConfig; config != nil && config.ConfigMapRef != nil {
			r.checkKubeConfig(k, config.ConfigMapRef.Name)
		}
	}
}

// checkKubeConfig: a kubeConfig Secret holds a credential and is often made by
// hand. The ServiceAccount that a ConfigMap names for a cloud belongs into the
// repository: its annotations say which identity of the cloud Flux takes.
func (r *Run) checkKubeConfig(k *render.Applier, name string) {
	place := on(k.Object, "spec", "kubeConfig", "configMapRef", "name")
	config, found := dataOf(r.Cluster, k.Object, "ConfigMap", name)
	if !found {
		r.missesKubeConfig(place, k, name)
		return
	}
	account := config[meta.KubeConfigKeyServiceAccountName]
	if account == "" || config[meta.KubeConfigKeyProvider] == "generic" {
		return
	}
	if r.Cluster.Find(k.Object, "", "ServiceAccount", k.Namespace, account) == nil {
		r.report(place, "apply the ServiceAccount to the Kustomization's own namespace",
			"%s calls its cluster as ServiceAccount %s/%s, which nothing in this cluster applies", k, k.Namespace, account)
	}
}

// missesKubeConfig: the ConfigMap may be made outside of the repository, as the
// facts of a cluster may.
func (r *Run) missesKubeConfig(place at, k *render.Applier, name string) {
	names, say := r.namesBeside(k.Object, "ConfigMap"), r.warn
	switch near := spelling.Near(name, names) != ""; {
	case near:
		say = r.report
	case r.Cluster.MayHaveMore():
		return
	}
	say(place, didYouMean(name, names, "apply the ConfigMap to the Kustomization's own namespace"),
		"%s takes its kubeConfig from ConfigMap %s/%s, which nothing in this cluster applies", k, k.Namespace, name)
}

// checkRootSource: what bootstraps a cluster makes one source besides the root
// Kustomization. Which kind it has, only the references say.
func (r *Run) checkRootSource() {
	root := r.Cluster.Kustomizations()[0]
	if root.Object != nil || r.elsewhere() {
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
		if kind := k.Spec.SourceRef.Kind; kinds[kind] < kinds[usual] {
			r.report(on(k.Object, "spec", "sourceRef", "kind"), "write kind: "+usual, "%s takes its content from a %s, others from a %s of that name", k, kind, usual)
		}
	}
}
