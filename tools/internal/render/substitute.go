package render

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/envsubst"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
)

// rendered answers Flux's own code, which reads the ConfigMaps and Secrets to
// substitute from out of a cluster, with the rendered objects.
type rendered struct {
	client.Client // nil: reading is all that substitution does
	cluster       *Cluster
}

func (r rendered) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := "ConfigMap"
	if _, secret := into.(*corev1.Secret); secret {
		kind = "Secret"
	}
	object := r.cluster.index[Key{schema.GroupKind{Kind: kind}, key.Namespace, key.Name}]
	if object == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		return fmt.Errorf("%s: %w", object.Key(), err)
	}
	if secret, ok := into.(*corev1.Secret); ok {
		// What the API server does on write.
		for name, value := range secret.StringData {
			if secret.Data == nil {
				secret.Data = map[string][]byte{}
			}
			secret.Data[name] = []byte(value)
		}
	}
	return nil
}

// variables gives access to what a Kustomization substitutes from, and names
// the references that nothing in the cluster answers.
func (w *walk) variables(k *Kustomization) (client.Client, []Failure) {
	if k.Spec.PostBuild == nil {
		return nil, nil
	}
	var missing []Failure
	for i, reference := range k.Spec.PostBuild.SubstituteFrom {
		if reference.Optional || w.cluster.index[variablesKey(k, reference)] != nil {
			continue
		}
		missing = append(missing, Failure{
			Cause: VariablesMissing, Kustomization: k, Subject: reference.Name,
			Message: fmt.Sprintf("%s substitutes from %s %s, which nothing in this cluster applies to namespace %s before it", k, reference.Kind, reference.Name, k.Namespace),
			Mend:    "apply it with a Kustomization that this one does not need, into the same namespace, or mark the reference optional",
			At:      k.locate("spec", "postBuild", "substituteFrom", i, "name"),
		})
	}
	return rendered{cluster: w.cluster}, missing
}

// substitute replaces the variables of one resource. When that fails because
// variables have no value it names all of them, and not only the first.
func substitute(ctx context.Context, k *Kustomization, flux unstructured.Unstructured, r *resource.Resource, from client.Client, lenient bool) ([]string, error) {
	always := (&kustomizev1.Kustomization{Spec: k.Spec}).GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways
	before, err := r.AsYAML()
	if err != nil {
		return nil, err
	}
	_, err = fluxkustomize.SubstituteVariables(ctx, from, flux, r,
		fluxkustomize.SubstituteWithStrict(!lenient), fluxkustomize.SubstituteWithAlways(always))
	if err == nil || lenient {
		return nil, err
	}
	values, loadErr := fluxkustomize.LoadVariables(ctx, from, flux)
	if loadErr != nil {
		return nil, loadErr
	}
	maps.Copy(values, k.Spec.PostBuild.Substitute)
	return undefined(string(before), values), err
}

// undefined lists the variables of a text that have neither value nor default.
func undefined(text string, values map[string]string) []string {
	found := map[string]bool{}
	for {
		last := ""
		_, err := envsubst.Eval(text, func(name string) (string, bool) {
			value, known := values[name]
			if !known && !found[name] {
				last = name
			}
			return value, known || found[name]
		})
		if err == nil || last == "" || found[last] {
			return slices.Sorted(maps.Keys(found))
		}
		found[last] = true
	}
}

func undefinedFailures(k *Kustomization, object *Object, names []string, err error) []Failure {
	if err == nil {
		return nil
	}
	if len(names) == 0 {
		return []Failure{{
			Cause: BuildFailed, Kustomization: k, Message: fmt.Sprintf("substitute the variables of %s: %v", object.Key(), err),
			Mend: "write $${…} for text that is no variable, or set the annotation kustomize.toolkit.fluxcd.io/substitute: disabled",
			At:   object.Locate(),
		}}
	}
	var failures []Failure
	for _, name := range names {
		failures = append(failures, Failure{
			Cause: VariableMissing, Kustomization: k, Subject: name,
			Message: fmt.Sprintf("variable %s in %s has neither a value nor a default: Flux refuses it", name, object.Key()),
			Mend:    fmt.Sprintf("give %s a value where %s substitutes from, write ${%s:=default}, or $${%s} for text that is no variable", name, k, name, name),
			At:      object.find(regexp.MustCompile(`\$\{` + regexp.QuoteMeta(name) + `\b`)),
		})
	}
	return failures
}

func resourceFactory() *resource.Factory {
	return provider.NewDefaultDepProvider().GetResourceFactory()
}
