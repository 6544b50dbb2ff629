package pods

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// checkPeers checks the namespaces that a policy's peers name; a namespace has its name
// as a label.
func checkPeers(r *rule.Pass, o *render.Object) {
	var policy networkingv1.NetworkPolicy
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &policy); err != nil {
		return // the schema reports it
	}
	check := func(peers []networkingv1.NetworkPolicyPeer, field ...any) {
		for i, peer := range peers {
			if peer.NamespaceSelector != nil {
				checkPeer(r, o, *peer.NamespaceSelector, append(slices.Clone(field), i, "namespaceSelector"))
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

func checkPeer(r *rule.Pass, o *render.Object, selector metav1.LabelSelector, field []any) {
	if name := selector.MatchLabels[corev1.LabelMetadataName]; name != "" {
		checkPeerName(r, o, name, append(slices.Clone(field), "matchLabels", corev1.LabelMetadataName))
	}
	for i, expression := range selector.MatchExpressions {
		if expression.Key != corev1.LabelMetadataName || expression.Operator != metav1.LabelSelectorOpIn {
			continue
		}
		for j, name := range expression.Values {
			checkPeerName(r, o, name, append(slices.Clone(field), "matchExpressions", i, "values", j))
		}
	}
}

func checkPeerName(r *rule.Pass, o *render.Object, name string, field []any) {
	if model.IsProvided(name) {
		return
	}
	names := slices.Clone(model.ProvidedNamespaces)
	for _, namespace := range r.Cluster.Of("", "Namespace") {
		names = append(names, namespace.GetName())
	}
	if !slices.Contains(names, name) && name != r.Cluster.Kustomizations()[0].Namespace && !r.Cluster.MakesNamespace(name) &&
		r.Cluster.Complete(model.Namespaces.For(o)) {
		r.Warn(model.At(o, field...),
			"%s allows namespace %s, which nothing in this cluster creates", o.Key(), name).
			Fix(rule.DidYouMean(name, names, "name a namespace of the cluster"))
	}
}

// serviceAddress matches a Service's name in the cluster's DNS.
var serviceAddress = regexp.MustCompile(`(?:^|[/@"'\s=,])([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?(?:[:/"'\s,]|$)`)

// checkAddresses looks for addresses of Services in all strings of an object. Operators
// also create Services, so it judges only namespaces with Services of this repository.
func checkAddresses(r *rule.Pass, o *render.Object, value any, field []any) {
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			checkAddresses(r, o, value[key], append(slices.Clone(field), key))
		}
	case []any:
		for i, item := range value {
			checkAddresses(r, o, item, append(slices.Clone(field), i))
		}
	case string:
		if !strings.Contains(value, ".svc") {
			return // true for most texts, and the regular expression is slow
		}
		for _, match := range serviceAddress.FindAllStringSubmatch(value, -1) {
			checkAddress(r, model.At(o, field...), match[1], match[2])
		}
	}
}

func checkAddress(r *rule.Pass, place model.Field, name, namespace string) {
	if model.IsProvided(namespace) || r.Cluster.Find(place.Object, "", "Service", namespace, name) != nil {
		return
	}
	var here, all []string
	for _, o := range r.Cluster.Of("", "Service") {
		if model.Target(o) == model.Target(place.Object) {
			all = append(all, o.GetName()+"."+o.GetNamespace())
			if o.GetNamespace() == namespace {
				here = append(here, o.GetName())
			}
		}
	}
	address := fmt.Sprintf("%s.%s", name, namespace)
	known := r.Cluster.Find(place.Object, "", "Namespace", "", namespace) != nil
	near := spelling.Near(address, all) != ""
	judged := known && len(here) > 0 || near || known && len(all) == 0
	if judged && r.Cluster.Complete(model.ObjectsIn(namespace).For(place.Object)) {
		r.Warn(place,
			"%s calls Service %s in namespace %s, which nothing in this cluster creates", place.Object.Key(), name, namespace).
			Fix(rule.DidYouMean(address, all, "name a Service of the cluster"))
	}
}
