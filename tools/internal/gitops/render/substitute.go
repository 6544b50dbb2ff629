package render

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/envsubst/parse"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/kustomize"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/limits"
)

// rendered is a client that serves rendered ConfigMaps and Secrets to Flux's own code,
// which reads the values to substitute from a cluster.
type rendered struct {
	client.Client // nil: substitution only reads
	cluster       *Cluster
}

// Get reads a rendered ConfigMap or Secret.
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
		// The API server does this on every write.
		for name, value := range secret.StringData {
			if secret.Data == nil {
				secret.Data = map[string][]byte{}
			}
			secret.Data[name] = []byte(value)
		}
	}
	return nil
}

// variables are the values that a Kustomization substitutes.
type variables struct {
	k       *Applier
	values  map[string]string
	lenient bool
	// outside reports whether an unknown Secret or ConfigMap supplies further values.
	outside bool
	// absent are the optional references that nothing here applies. lacking reports
	// whether a variable has no other value; then they count as outside.
	absent  []Unknown
	lacking bool
	// emptied are the variables that are replaced with nothing.
	emptied []Failure
	// flux is the Kustomization for Flux's own code, with all values in it; digest is the
	// digest of the values.
	flux   unstructured.Unstructured
	digest [sha256.Size]byte
	memory *Memory
}

// variables returns the values that a Kustomization substitutes. It returns nil if Flux
// could not start the substitution; the outcome says why.
func (w *walk) variables(ctx context.Context, k *Applier, into *outcome) (*variables, error) {
	if k.Spec.PostBuild == nil {
		return nil, nil
	}
	known, v := w.withoutOutside(k, into), &variables{k: k, lenient: w.lenient, memory: w.memory}
	v.outside = len(known.Spec.PostBuild.SubstituteFrom) < len(k.Spec.PostBuild.SubstituteFrom)
	v.absent, k.outside = w.absent(k), k.outside || v.outside
	flux, err := known.unstructured()
	if err != nil {
		return nil, err
	}
	if v.values, err = fluxkustomize.LoadVariables(ctx, rendered{cluster: w.cluster}, flux); err != nil {
		into.failures = append(into.failures,
			buildFailure(k, k.Locate("spec", "postBuild"), "a ConfigMap's data holds strings, a Secret's base64", err))
		return nil, nil
	}
	maps.Copy(v.values, k.Spec.PostBuild.Substitute)
	if open := w.openValues(k, v.values); len(open) > 0 {
		k.outside = true
		into.unknowns = append(into.unknowns, Unknown{
			Key: k.Key(), Object: k.Object, Hides: HidesValues, At: k.Locate("spec", "postBuild"),
			Reason: fmt.Sprintf("the value of %s is made outside of the repository", strings.Join(open, " and ")),
		})
	}
	for name := range v.values {
		if !variableName.MatchString(name) {
			err := fmt.Errorf("variable %q of %s: a name has letters, digits and underscores", name, k)
			into.failures = append(into.failures, buildFailure(k, k.Locate("spec", "postBuild"), "rename the key", err))
			return nil, nil
		}
	}
	values, err := json.Marshal(v.values) // sorted by name
	if err != nil {
		return nil, err
	}
	v.digest = sha256.Sum256(values)
	resolved := *k.Spec.PostBuild
	resolved.SubstituteFrom, resolved.Substitute = nil, v.values
	spec := k.Spec
	spec.PostBuild = &resolved
	v.flux, err = (&Applier{Namespace: k.Namespace, Name: k.Name, Spec: spec}).unstructured()
	return v, err
}

var variableName = regexp.MustCompile(`^[_[:alpha:]][_[:alpha:][:digit:]]*$`)

// withoutOutside returns a copy of a Kustomization without the references for
// substitution that nothing in the cluster applies before it: Secrets and facts of a
// cluster may be made by hand or by another tool. Their values are unknown.
func (w *walk) withoutOutside(k *Applier, into *outcome) *Applier {
	postBuild := *k.Spec.PostBuild
	postBuild.SubstituteFrom = nil
	for i, reference := range k.Spec.PostBuild.SubstituteFrom {
		key, at := variablesKey(k, reference), k.Locate("spec", "postBuild", "substituteFrom", i, "name")
		switch {
		case reference.Optional || w.cluster.index[key] != nil:
			postBuild.SubstituteFrom = append(postBuild.SubstituteFrom, reference)
		case reference.Kind == "Secret":
			into.unknowns = append(into.unknowns, substitutesFromOutside(k, key, at))
		default:
			into.outside = append(into.outside, Outside{By: k, Key: key, At: at})
		}
	}
	spec := k.Spec
	spec.PostBuild = &postBuild
	return &Applier{Namespace: k.Namespace, Name: k.Name, Spec: spec}
}

// absent returns the optional references of a Kustomization that nothing in the cluster
// applies before it.
func (w *walk) absent(k *Applier) []Unknown {
	var absent []Unknown
	for i, reference := range k.Spec.PostBuild.SubstituteFrom {
		if key := variablesKey(k, reference); reference.Optional && w.cluster.index[key] == nil {
			absent = append(absent, substitutesFromOutside(k, key, k.Locate("spec", "postBuild", "substituteFrom", i, "name")))
		}
	}
	return absent
}

func substitutesFromOutside(k *Applier, key Key, at Location) Unknown {
	return Unknown{
		Key: k.Key(), Object: k.Object, Hides: HidesValues, At: at,
		Reason: fmt.Sprintf("it substitutes from %s %s/%s, which nothing in this cluster applies before: "+
			"if it is made outside of the repository, only the cluster knows its values", key.Kind, key.Namespace, key.Name),
	}
}

// substitute replaces the variables in one object. It returns nil if the object has none,
// or if Flux would reject it: then every variable without a value is a failure, not only
// the first.
func (v *variables) substitute(ctx context.Context, object *Object, data []byte) ([]*unstructured.Unstructured, []Failure) {
	if !bytes.ContainsRune(data, '$') {
		return nil, nil
	}
	if bytes.Count(data, []byte("${")) > limits.MaxVariables {
		return nil, []Failure{v.failure(object, fmt.Errorf("it has more than %d variables", limits.MaxVariables))}
	}
	if !v.lenient && !v.outside && len(v.absent) == 0 {
		if objects := v.remembered(ctx, object, data); len(objects) > 0 {
			return objects, nil
		}
	}
	r, err := kustomize.NewResource(object.Object)
	if err != nil {
		return nil, []Failure{v.failure(object, err)}
	}
	text, err := r.AsYAML()
	if err != nil {
		return nil, []Failure{v.failure(object, err)}
	}
	if v.outside {
		v.leave(v.undefined(string(text)))
	}
	result, err := v.replace(ctx, r)
	if err != nil && !v.outside && len(v.absent) > 0 && len(v.undefined(string(text))) > 0 {
		v.outside, v.k.outside, v.lacking = true, true, true
		return v.substitute(ctx, object, data)
	}
	if err != nil {
		return nil, v.refused(object, string(text), err)
	}
	// Flux replaces nothing without values, or in an object that opts out.
	if v.lenient && result != nil && (v.always() || len(v.values) > 0) {
		v.empty(object, v.undefined(string(text)))
	}
	substituted, err := kustomize.Content(r)
	if err != nil {
		return nil, []Failure{v.failure(object, err)}
	}
	objects, err := kustomize.Decode(substituted)
	if err != nil {
		return nil, []Failure{v.failure(object, err)}
	}
	return objects, nil
}

// remembered returns the result for an object in which an earlier rendering replaced the
// same variables with the same values, or replaces them now; nil if Flux rejects it.
func (v *variables) remembered(ctx context.Context, object *Object, data []byte) []*unstructured.Unstructured {
	key := substitutionKey{sha256.Sum256(data), v.digest, v.always()}
	substituted, err := v.memory.substituted.Get(key, func() ([]byte, error) {
		r, err := kustomize.NewResource(object.Object)
		if err != nil {
			return nil, err
		}
		if _, err := v.replace(ctx, r); err != nil {
			return nil, err
		}
		return kustomize.Content(r)
	})
	if err != nil {
		return nil
	}
	objects, _ := kustomize.Decode(substituted)
	return objects
}

// replace replaces the variables in an object as Flux does.
func (v *variables) replace(ctx context.Context, r *resource.Resource) (*resource.Resource, error) {
	return fluxkustomize.SubstituteVariables(ctx, nil, v.flux, r,
		fluxkustomize.SubstituteWithStrict(!v.lenient), fluxkustomize.SubstituteWithAlways(v.always()))
}

// always reports whether Flux substitutes even without values.
func (v *variables) always() bool {
	return (&kustomizev1.Kustomization{Spec: v.k.Spec}).GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways
}

// leave sets variables to themselves, so that they stay in the text.
func (v *variables) leave(names []string) {
	for _, name := range names {
		v.values[name] = "${" + name + "}"
		_ = unstructured.SetNestedField(v.flux.Object, v.values[name], "spec", "postBuild", "substitute", name)
	}
}

// empty records the variables that are replaced with nothing. In the texts of Flux's own
// definitions that is harmless, and Flux versions that reject them have other
// definitions.
func (v *variables) empty(object *Object, names []string) {
	if isFluxDefinition(object) {
		return
	}
	for _, name := range names {
		v.emptied = append(v.emptied, v.missing(object, name, "it becomes empty, and Flux refuses it from 2.9 on"))
	}
}

// refused returns a failure for each variable because of which Flux rejects an object.
func (v *variables) refused(object *Object, text string, err error) []Failure {
	var failures []Failure
	if !v.lenient {
		for _, name := range v.undefined(text) {
			failures = append(failures, v.missing(object, name, "Flux refuses it"))
		}
	}
	if len(failures) == 0 {
		failures = append(failures, v.failure(object, err))
	}
	return failures
}

func (v *variables) missing(object *Object, name, consequence string) Failure {
	fix := fmt.Sprintf("give %s a value where %s substitutes from, write ${%s:=default}, or $${%s} for text that is no variable",
		name, v.k, name, name)
	if isFluxDefinition(object) {
		fix = "update Flux: the definitions of kustomize-controller 1.9.2 and later are left out of the substitution"
	}
	return Failure{
		Cause: VariableMissing, Applier: v.k, Subject: name, Fix: fix,
		Message: fmt.Sprintf("variable %s in %s has neither a value nor a default: %s", name, object.Key(), consequence),
		At:      object.find(regexp.MustCompile(`\$\{#?` + regexp.QuoteMeta(name) + `\b`)),
	}
}

// isFluxDefinition reports whether an object is one of Flux's own definitions. Those of
// 2.8 and 2.9.0 explain variables with examples that are variables themselves:
// https://github.com/fluxcd/kustomize-controller/issues/1692
func isFluxDefinition(o *Object) bool {
	return o.GetKind() == "CustomResourceDefinition" && strings.HasSuffix(o.GetName(), ".toolkit.fluxcd.io")
}

func (v *variables) failure(object *Object, err error) Failure {
	return buildFailure(v.k, object.Locate(),
		"write $${…} for text that is no variable, or set the annotation kustomize.toolkit.fluxcd.io/substitute: disabled",
		fmt.Errorf("substitute the variables of %s: %w", object.Key(), err))
}

// undefined lists the variables in a text that have neither a value nor a default.
func (v *variables) undefined(text string) []string {
	tree, err := parse.Parse(text)
	if err != nil {
		return nil
	}
	found := map[string]bool{}
	v.collect(tree.Root, found)
	return slices.Sorted(maps.Keys(found))
}

func (v *variables) collect(node parse.Node, found map[string]bool) {
	switch node := node.(type) {
	case *parse.ListNode:
		for _, nested := range node.Nodes {
			v.collect(nested, found)
		}
	case *parse.FuncNode:
		// An operator that gives a default is -, +, = or ?, or a colon and one of these.
		_, known := v.values[node.Param]
		if !known && !strings.ContainsAny(node.Name, "-+=?") {
			found[node.Param] = true
		}
		for _, nested := range node.Args {
			v.collect(nested, found)
		}
	}
}

// unstructured returns the Kustomization for Flux's own code.
func (k *Applier) unstructured() (unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(k.typed())
	return unstructured.Unstructured{Object: content}, err
}
