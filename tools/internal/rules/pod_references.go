package rules

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
)

func checkReferred(r *Run) {
	if r.elsewhere() {
		return
	}
	for _, w := range r.Cluster.Workloads() {
		r.checkServiceAccount(w)
		for _, reference := range dataReferences(w) {
			r.checkData(w.Object, reference)
		}
	}
	for _, o := range r.Cluster.Of(kedaGroup, "TriggerAuthentication") {
		references, _, _ := unstructured.NestedSlice(o.Object, "spec", "secretTargetRef")
		for i, entry := range references {
			reference, _ := entry.(map[string]any)
			name, _ := reference["name"].(string)
			key, _ := reference["key"].(string)
			r.checkData(o, dataReference{kind: "Secret", name: name, key: key, field: []any{"spec", "secretTargetRef", i}})
		}
	}
	for _, o := range r.Cluster.Of(networkingv1.GroupName, "NetworkPolicy") {
		r.checkPeers(o)
	}
	for _, o := range r.Cluster.All() {
		r.checkAddresses(o, o.Object, nil)
	}
}

// checkServiceAccount: some are made with the IAM role that they have, by eksctl
// or Terraform.
func (r *Run) checkServiceAccount(w model.Workload) {
	name := w.Template.Spec.ServiceAccountName
	if name == "" || name == "default" || r.Cluster.Find(w.Object, "", "ServiceAccount", w.GetNamespace(), name) != nil || isGiven(w.GetNamespace()) {
		return
	}
	names, say := r.namesBeside(w.Object, "ServiceAccount"), r.warn
	if spelling.Near(name, names) != "" {
		say = r.report
	}
	say(on(w.Object, w.Field("serviceAccountName")...), didYouMean(name, names, "add the ServiceAccount, or see that what provisions the cluster makes it"),
		"%s runs as ServiceAccount %s, which namespace %s does not have", w.Key(), name, w.GetNamespace())
}

func (r *Run) namesBeside(o *render.Object, kind string) []string {
	var names []string
	for _, other := range r.beside(o, "", kind) {
		names = append(names, other.GetName())
	}
	return names
}

// dataReference names a ConfigMap or a Secret, and a key of it.
type dataReference struct {
	kind, name, key string
	field           []any // the mapping with name and key
	optional        *bool
}

func dataReferences(w model.Workload) []dataReference {
	var all []dataReference
	for _, c := range containersOf(w) {
		field := func(elements ...any) []any { return append(slices.Clone(c.field), elements...) }
		for i, from := range c.EnvFrom {
			if from.ConfigMapRef != nil {
				all = append(all, dataReference{"ConfigMap", from.ConfigMapRef.Name, "", field("envFrom", i, "configMapRef"), from.ConfigMapRef.Optional})
			}
			if from.SecretRef != nil {
				all = append(all, dataReference{"Secret", from.SecretRef.Name, "", field("envFrom", i, "secretRef"), from.SecretRef.Optional})
			}
		}
		for i, variable := range c.Env {
			from := variable.ValueFrom
			if from != nil && from.ConfigMapKeyRef != nil {
				all = append(all, dataReference{"ConfigMap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key, field("env", i, "valueFrom", "configMapKeyRef"), from.ConfigMapKeyRef.Optional})
			}
			if from != nil && from.SecretKeyRef != nil {
				all = append(all, dataReference{"Secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key, field("env", i, "valueFrom", "secretKeyRef"), from.SecretKeyRef.Optional})
			}
		}
	}
	for i, volume := range w.Template.Spec.Volumes {
		if source := volume.ConfigMap; source != nil {
			all = append(all, dataReference{"ConfigMap", source.Name, "", w.Field("volumes", i, "configMap"), source.Optional})
		}
		if source := volume.Secret; source != nil {
			all = append(all, dataReference{"Secret", source.SecretName, "", w.Field("volumes", i, "secret"), source.Optional})
		}
	}
	return all
}

// givenConfigMaps are in every namespace: of Kubernetes, OpenShift and Istio.
var givenConfigMaps = []string{"kube-root-ca.crt", "openshift-service-ca.crt", "istio-ca-root-cert"}

// checkData: the objects of a repository are all its ConfigMaps but for those of
// operators; Secrets are often made by hand.
func (r *Run) checkData(o *render.Object, reference dataReference) {
	if reference.name == "" || reference.kind == "ConfigMap" && slices.Contains(givenConfigMaps, reference.name) || reference.optional != nil && *reference.optional {
		return
	}
	nameField := "name"
	if reference.kind == "Secret" && slices.Contains(reference.field, any("volumes")) {
		nameField = "secretName"
	}
	object := r.Cluster.Find(o, "", reference.kind, o.GetNamespace(), reference.name)
	if object == nil {
		names, say := r.namesBeside(o, reference.kind), r.warn
		if reference.kind == "Secret" {
			names = append(names, r.secretsMadeBeside(o)...)
		}
		switch {
		case reference.kind == "Secret" && slices.Contains(names, reference.name):
			return
		case spelling.Near(reference.name, names) != "":
			say = r.report
		case reference.kind == "Secret":
			return
		}
		say(on(o, append(slices.Clone(reference.field), nameField)...), didYouMean(reference.name, names, "add it to the repository"),
			"%s takes %s %s, which namespace %s does not have", o.Key(), reference.kind, reference.name, o.GetNamespace())
		return
	}
	// One without keys is filled by somebody else, as a ServiceAccount's token is.
	if keys := keysOf(object); reference.key != "" && len(keys) > 0 && !slices.Contains(keys, reference.key) {
		r.report(on(o, append(slices.Clone(reference.field), "key")...), didYouMean(reference.key, keys, "add the key"),
			"%s takes %s of %s, which has no such key", o.Key(), reference.key, object.Key())
	}
}

// secretMakers are the kinds whose objects make a Secret, with the field that
// names it; without one it has the object's own name.
var secretMakers = map[schema.GroupKind][]string{
	{Group: "bitnami.com", Kind: "SealedSecret"}:           {"spec", "template", "metadata", "name"},
	{Group: "external-secrets.io", Kind: "ExternalSecret"}: {"spec", "target", "name"},
	{Group: "cert-manager.io", Kind: "Certificate"}:        {"spec", "secretName"},
}

// secretsMadeBeside are the Secrets that operators make in the namespace of an
// object.
func (r *Run) secretsMadeBeside(o *render.Object) []string {
	var names []string
	for kind, field := range secretMakers {
		for _, maker := range r.beside(o, kind.Group, kind.Kind) {
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

// checkPeers: a namespace has its name as a label.
func (r *Run) checkPeers(o *render.Object) {
	var policy networkingv1.NetworkPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &policy); err != nil {
		return // the schema says why
	}
	check := func(peers []networkingv1.NetworkPolicyPeer, field ...any) {
		for i, peer := range peers {
			if peer.NamespaceSelector != nil {
				r.checkPeer(o, *peer.NamespaceSelector, append(slices.Clone(field), i, "namespaceSelector"))
			}
		}
	}
	for i, rule := range policy.Spec.Ingress {
		check(rule.From, "spec", "ingress", i, "from")
	}
	for i, rule := range policy.Spec.Egress {
		check(rule.To, "spec", "egress", i, "to")
	}
}

func (r *Run) checkPeer(o *render.Object, selector metav1.LabelSelector, field []any) {
	if name := selector.MatchLabels[corev1.LabelMetadataName]; name != "" {
		r.checkPeerName(o, name, append(slices.Clone(field), "matchLabels", corev1.LabelMetadataName))
	}
	for i, expression := range selector.MatchExpressions {
		if expression.Key != corev1.LabelMetadataName || expression.Operator != metav1.LabelSelectorOpIn {
			continue
		}
		for j, name := range expression.Values {
			r.checkPeerName(o, name, append(slices.Clone(field), "matchExpressions", i, "values", j))
		}
	}
}

func (r *Run) checkPeerName(o *render.Object, name string, field []any) {
	if isGiven(name) {
		return
	}
	names := slices.Clone(given)
	for _, namespace := range r.Cluster.Of("", "Namespace") {
		names = append(names, namespace.GetName())
	}
	if !slices.Contains(names, name) && name != r.Cluster.Kustomizations()[0].Namespace && !r.madeElsewhere(name) {
		r.warn(on(o, field...), didYouMean(name, names, "name a namespace of the cluster"), "%s lets namespace %s through, which nothing in this cluster creates", o.Key(), name)
	}
}

// serviceAddress is a Service's name in the cluster's DNS.
var serviceAddress = regexp.MustCompile(`(?:^|[/@"'\s=,])([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?(?:[:/"'\s,]|$)`)

// checkAddresses looks for addresses of Services in every text of an object.
// Operators make Services too, so that only a namespace of this repository's
// own Services is judged.
func (r *Run) checkAddresses(o *render.Object, value any, field []any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			r.checkAddresses(o, value[key], append(slices.Clone(field), key))
		}
	case []any:
		for i, item := range value {
			r.checkAddresses(o, item, append(slices.Clone(field), i))
		}
	case string:
		if !strings.Contains(value, ".svc") {
			return // most texts, and the expression is slow
		}
		for _, match := range serviceAddress.FindAllStringSubmatch(value, -1) {
			r.checkAddress(on(o, field...), match[1], match[2])
		}
	}
}

func (r *Run) checkAddress(place at, name, namespace string) {
	if isGiven(namespace) || r.Cluster.Find(place.object, "", "Service", namespace, name) != nil {
		return
	}
	var here, all []string
	for _, o := range r.Cluster.Of("", "Service") {
		if model.Target(o) == model.Target(place.object) {
			all = append(all, o.GetName()+"."+o.GetNamespace())
			if o.GetNamespace() == namespace {
				here = append(here, o.GetName())
			}
		}
	}
	address := fmt.Sprintf("%s.%s", name, namespace)
	known := r.Cluster.Find(place.object, "", "Namespace", "", namespace) != nil
	near := spelling.Near(address, all) != ""
	if known && len(here) > 0 || near || known && len(all) == 0 {
		r.warn(place, didYouMean(address, all, "name a Service of the cluster"), "%s calls Service %s in namespace %s, which nothing in this cluster creates", place.object.Key(), name, namespace)
	}
}
