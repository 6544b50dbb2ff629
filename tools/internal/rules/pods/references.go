package pods

import (
	"cmp"
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// References is rule POD009.
var References = rule.Rule{
	ID: "POD009", Severity: findings.Error, Title: "reference to a missing object",
	Why: "A pod whose ServiceAccount is missing is never created. A pod whose ConfigMap or Secret is missing, or lacks the " +
		"key, does not start (https://kubernetes.io/docs/tasks/configure-pod-container/configure-pod-configmap/#restrictions). " +
		"If a Service does not exist, or a NetworkPolicy names a namespace that nothing creates, only connections fail. If " +
		"people or operators may create the object, it is a warning, or no finding, unless its name differs from an existing " +
		"one by just a letter or two.",
	Example: "serviceAccountName: consumr",
	Fix:     "Correct the name, or add the object to the repository.",
	Check:   checkReferred,
}

func checkReferred(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		if !r.Cluster.Complete(model.ObjectsIn(w.GetNamespace()).For(w.Object)) {
			continue
		}
		checkServiceAccount(r, w)
		for _, reference := range dataReferences(w) {
			checkData(r, w.Object, reference)
		}
	}
	for _, o := range r.Cluster.Of(model.KEDAGroup, "TriggerAuthentication") {
		if !r.Cluster.Complete(model.ObjectsIn(o.GetNamespace()).For(o)) {
			continue
		}
		references, _, _ := unstructured.NestedSlice(o.Object, "spec", "secretTargetRef")
		for i, entry := range references {
			reference, _ := entry.(map[string]any)
			name, _ := reference["name"].(string)
			key, _ := reference["key"].(string)
			checkData(r, o, dataReference{kind: "Secret", name: name, key: key, at: model.At(o, "spec", "secretTargetRef", i)})
		}
	}
	for _, o := range r.Cluster.Of(networkingv1.GroupName, "NetworkPolicy") {
		checkPeers(r, o)
	}
	for _, o := range r.Cluster.All() {
		checkAddresses(r, o, o.Object, nil)
	}
}

// checkServiceAccount reports a missing ServiceAccount. Some are created together with
// their IAM role, by eksctl or Terraform.
func checkServiceAccount(r *rule.Pass, w model.Workload) {
	name := w.Template.Spec.ServiceAccountName
	given := name == "" || name == "default" || model.IsProvided(w.GetNamespace())
	if given || r.Cluster.Find(w.Object, "", "ServiceAccount", w.GetNamespace(), name) != nil {
		return
	}
	names := r.Cluster.NamesBeside(w.Object, "ServiceAccount")
	r.ReportAs(rule.SeverityOf(name, names), w.At("serviceAccountName"),
		"%s runs as ServiceAccount %s, which namespace %s does not have", w.Key(), name, w.GetNamespace()).
		Fix(rule.DidYouMean(name, names, "add the ServiceAccount, or make sure that whatever provisions the cluster creates it"))
}

// dataReference refers to a ConfigMap or a Secret, and a key of it.
type dataReference struct {
	kind, name, key string
	at              model.Field // the mapping with the name and the key
	optional        *bool
}

func dataReferences(w model.Workload) []dataReference {
	var all []dataReference
	for _, c := range w.Containers() {
		for i, from := range c.EnvFrom {
			if ref := from.ConfigMapRef; ref != nil {
				all = append(all, dataReference{"ConfigMap", ref.Name, "", c.At("envFrom", i, "configMapRef"), ref.Optional})
			}
			if ref := from.SecretRef; ref != nil {
				all = append(all, dataReference{"Secret", ref.Name, "", c.At("envFrom", i, "secretRef"), ref.Optional})
			}
		}
		for i, variable := range c.Env {
			if variable.ValueFrom == nil {
				continue
			}
			if ref := variable.ValueFrom.ConfigMapKeyRef; ref != nil {
				all = append(all, dataReference{"ConfigMap", ref.Name, ref.Key, c.At("env", i, "valueFrom", "configMapKeyRef"), ref.Optional})
			}
			if ref := variable.ValueFrom.SecretKeyRef; ref != nil {
				all = append(all, dataReference{"Secret", ref.Name, ref.Key, c.At("env", i, "valueFrom", "secretKeyRef"), ref.Optional})
			}
		}
	}
	for i, volume := range w.Template.Spec.Volumes {
		if source := volume.ConfigMap; source != nil {
			all = append(all, dataReference{"ConfigMap", source.Name, "", w.At("volumes", i, "configMap"), source.Optional})
		}
		if source := volume.Secret; source != nil {
			all = append(all, dataReference{"Secret", source.SecretName, "", w.At("volumes", i, "secret"), source.Optional})
		}
	}
	return all
}

// nameAt returns the field of the name: for Secrets in volumes it is secretName.
func (d dataReference) nameAt() model.Field {
	if d.kind == "Secret" && slices.Contains(d.at.Path, any("volumes")) {
		return d.at.At("secretName")
	}
	return d.at.At("name")
}

// givenConfigMaps are in every namespace, created by Kubernetes, OpenShift or Istio.
var givenConfigMaps = []string{"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"}

// checkData reports a missing ConfigMap, Secret or key. A repository has all its
// ConfigMaps, except those that operators create; Secrets are often made by hand.
func checkData(r *rule.Pass, o *render.Object, reference dataReference) {
	given := reference.kind == "ConfigMap" && slices.Contains(givenConfigMaps, reference.name)
	if reference.name == "" || given || reference.optional != nil && *reference.optional {
		return
	}
	object := r.Cluster.Find(o, "", reference.kind, o.GetNamespace(), reference.name)
	if object == nil {
		checkMissingData(r, o, reference)
		return
	}
	// Something else fills one without keys, such as a ServiceAccount's token.
	if keys := keysOf(object); reference.key != "" && len(keys) > 0 && !slices.Contains(keys, reference.key) {
		r.Report(reference.at.At("key"), "%s reads %s of %s, which has no such key", o.Key(), reference.key, object.Key()).
			Fix(rule.DidYouMean(reference.key, keys, "add the key"))
	}
}

func checkMissingData(r *rule.Pass, o *render.Object, reference dataReference) {
	names := r.Cluster.NamesBeside(o, reference.kind)
	if reference.kind == "Secret" {
		names = append(names, secretsMadeBeside(r, o)...)
	}
	severity := rule.SeverityOf(reference.name, names)
	if reference.kind == "Secret" && (severity == findings.Warning || slices.Contains(names, reference.name)) {
		return
	}
	r.ReportAs(severity, reference.nameAt(), "%s reads %s %s, which namespace %s does not have", o.Key(), reference.kind, reference.name,
		o.GetNamespace()).
		Fix(rule.DidYouMean(reference.name, names, "add it to the repository"))
}

// secretMakers are the kinds whose objects create a Secret, with the field of its name;
// without a field it has the object's own name.
var secretMakers = map[schema.GroupKind][]string{
	{Group: "bitnami.com", Kind: "SealedSecret"}:           {"spec", "template", "metadata", "name"},
	{Group: "external-secrets.io", Kind: "ExternalSecret"}: {"spec", "target", "name"},
	{Group: "cert-manager.io", Kind: "Certificate"}:        {"spec", "secretName"},
}

// secretsMadeBeside returns the Secrets that operators create in the namespace of an
// object.
func secretsMadeBeside(r *rule.Pass, o *render.Object) []string {
	var names []string
	for kind, field := range secretMakers {
		for _, maker := range r.Cluster.Beside(o, kind.Group, kind.Kind) {
			name, _, _ := unstructured.NestedString(maker.Object, field...)
			names = append(names, cmp.Or(name, maker.GetName()))
		}
	}
	slices.Sort(names)
	return names
}

func keysOf(o *render.Object) []string {
	keys := map[string]bool{}
	for _, field := range []string{"data", "stringData", "binaryData"} {
		values, _, _ := unstructured.NestedMap(o.Object, field)
		for key := range values {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
