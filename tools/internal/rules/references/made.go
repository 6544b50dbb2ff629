package references

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// kedaNamespace returns the namespace of KEDA's operator on an object's API server, in
// which a ClusterTriggerAuthentication's references are looked up; empty if it is
// unknown.
func kedaNamespace(r *rule.Pass, from *render.Object) string {
	for _, w := range r.Cluster.Workloads() {
		if model.Target(w.Object) != model.Target(from) {
			continue
		}
		for _, c := range w.MainContainers() {
			if name, _ := model.SplitImage(c.Image); strings.HasSuffix(name, "kedacore/keda") {
				variables, _ := r.Cluster.Environment(c)
				if said, found := variables["KEDA_CLUSTER_OBJECT_NAMESPACE"]; found {
					return said.Value
				}
				return w.GetNamespace()
			}
		}
	}
	return ""
}

// makers are the fields in which an object names another one that an operator creates for
// it: the kind with the field, its path, and the kind that is created. If the field is
// absent and usual is set, the created object has its maker's name.
var makers = []struct {
	by    schema.GroupKind
	path  string
	makes string
	usual bool
}{
	{kind("pkg.crossplane.io", "DeploymentRuntimeConfig"), "spec/serviceAccountTemplate/metadata/name", "ServiceAccount", false},
	{kind("cert-manager.io", "Certificate"), "spec/secretName", "Secret", false},
	{kind("external-secrets.io", "ExternalSecret"), "spec/target/name", "Secret", true},
	{kind("bitnami.com", "SealedSecret"), "spec/template/metadata/name", "Secret", true},
}

// isMade reports whether an operator creates an object with a kind and a name.
func isMade(r *rule.Pass, kind, name string) bool {
	if kind == "PersistentVolumeClaim" && isClaimOf(r, name) {
		return true
	}
	for _, maker := range makers {
		if maker.makes != kind {
			continue
		}
		for _, o := range r.Cluster.Of(maker.by.Group, maker.by.Kind) {
			values := model.Values(o, maker.path)
			said := slices.ContainsFunc(values, func(v model.Value) bool { return v.Text() == name })
			if said || maker.usual && len(values) == 0 && o.GetName() == name {
				return true
			}
		}
	}
	return false
}

// isClaimOf reports whether a StatefulSet creates the claim, from a template and for a
// numbered pod.
func isClaimOf(r *rule.Pass, name string) bool {
	return slices.ContainsFunc(r.Cluster.Of("apps", "StatefulSet"), func(o *render.Object) bool {
		return strings.Contains(name, "-"+o.GetName()+"-")
	})
}

// copiers are prefixes of annotations that mark a Secret or ConfigMap which an operator
// copies to other namespaces.
var copiers = []string{"reflector.v1.k8s.emberstack.com/", "replicator.v1.mittwald.de/", "kubed.appscode.com/", "config.syncer/"}

// isCopied reports whether an operator may copy an object to other namespaces.
func isCopied(r *rule.Pass, o *render.Object) bool {
	for key := range o.GetAnnotations() {
		if slices.ContainsFunc(copiers, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			return true
		}
	}
	return slices.ContainsFunc(r.Cluster.All(), func(policy *render.Object) bool {
		return strings.HasSuffix(policy.GroupVersionKind().Group, "kyverno.io")
	})
}

// passive are API groups, besides Kubernetes' own, whose objects create no objects of
// other kinds.
var passive = []string{
	"keda.sh", "monitoring.coreos.com", "autoscaling.k8s.io", "gateway.networking.k8s.io", "aws.upbound.io", "aws.m.upbound.io",
	"toolkit.fluxcd.io", "crossplane.io", "external-secrets.io", "cert-manager.io",
}

// isOperated reports whether a namespace has an object of an operator, which may create
// Services, pods and other objects that are in no manifest.
func isOperated(r *rule.Pass, target, namespace string) bool {
	return slices.ContainsFunc(objectsIn(r, target, namespace), func(o *render.Object) bool {
		group := o.GroupVersionKind().Group
		kubernetes := !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
		return !kubernetes && !slices.ContainsFunc(passive, func(suffix string) bool {
			return group == suffix || strings.HasSuffix(group, "."+suffix)
		})
	})
}

// hasObjects reports whether the repository has any object in a namespace.
func hasObjects(r *rule.Pass, target, namespace string) bool {
	return len(objectsIn(r, target, namespace)) > 0
}

func objectsIn(r *rule.Pass, target, namespace string) []*render.Object {
	var found []*render.Object
	for _, o := range r.Cluster.All() {
		if namespace != "" && o.GetNamespace() == namespace && model.Target(o) == target {
			found = append(found, o)
		}
	}
	return found
}
