package model_test

import (
	"slices"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// kustomization returns a Kustomization in flux-system.
func kustomization(name string, parent *render.Applier, dependsOn ...string) *render.Applier {
	k := &render.Applier{Namespace: "flux-system", Name: name, Parent: parent}
	for _, dependency := range dependsOn {
		k.Spec.DependsOn = append(k.Spec.DependsOn, kustomizev1.DependencyReference{Name: dependency})
	}
	return k
}

func waiting(k *render.Applier) *render.Applier {
	k.Spec.Wait = true
	return k
}

func cluster(all ...*render.Applier) *model.Cluster {
	return model.New(&render.Cluster{Kustomizations: all}, catalog.Builtin())
}

func TestPrecedes(t *testing.T) {
	root := kustomization("root", nil)
	base := kustomization("base", root)
	middle := kustomization("middle", root, "base")
	top := kustomization("top", root, "middle")
	deaf := kustomization("deaf", root)
	unheard := kustomization("unheard", deaf)
	patient := waiting(kustomization("patient", root))
	heard := kustomization("heard", patient)
	inside := kustomization("inside", top)
	late := kustomization("late", root, "deaf", "patient")
	astray := kustomization("astray", root, "nowhere")
	this, that := kustomization("this", root, "that"), kustomization("that", root, "this")
	c := cluster(root, base, middle, top, deaf, unheard, patient, heard, inside, late, astray, this, that)
	for _, test := range []struct {
		name        string
		first, then *render.Applier
		want        bool
	}{
		{"a dependency", base, middle, true},
		{"a dependency's dependency", base, top, true},
		{"the reverse", top, base, false},
		{"itself", base, base, false},
		{"siblings", base, deaf, false},
		{"the parent is still at work", root, base, false},
		{"what the parent depends on", base, inside, true},
		{"a child that its parent waits for", heard, late, true},
		{"a child that its parent does not wait for", unheard, late, false},
		{"a dependency that is not there", base, astray, false},
		{"around a cycle", base, this, false},
	} {
		if got := c.Precedes(test.first, test.then); got != test.want {
			t.Errorf("%s: %s precedes %s: %v, want %v", test.name, test.first, test.then, got, test.want)
		}
	}
}

// A dependsOn without a namespace means the Kustomization's own.
func TestDependencies(t *testing.T) {
	here, there := kustomization("base", nil), kustomization("base", nil)
	there.Namespace = "team"
	k := kustomization("k", nil, "base")
	c := cluster(here, there, k)
	if got := c.Dependencies(k); !slices.Equal(got, []*render.Applier{here}) {
		t.Errorf("without namespace: %v", got)
	}
	k.Spec.DependsOn[0].Namespace = "team"
	if got := c.Dependencies(k); !slices.Equal(got, []*render.Applier{there}) {
		t.Errorf("with namespace: %v", got)
	}
}

func TestWaitsFor(t *testing.T) {
	child := kustomization("child", nil)
	check := meta.NamespacedObjectKindReference{Kind: "Kustomization", Namespace: "flux-system", Name: "child"}
	other, deployment := check, check
	other.Name, deployment.Kind = "other", "Deployment"
	for name, test := range map[string]struct {
		spec kustomizev1.KustomizationSpec
		want bool
	}{
		"wait":                        {kustomizev1.KustomizationSpec{Wait: true}, true},
		"neither":                     {kustomizev1.KustomizationSpec{}, false},
		"a check of it":               {kustomizev1.KustomizationSpec{HealthChecks: []meta.NamespacedObjectKindReference{other, check}}, true},
		"a check of another one":      {kustomizev1.KustomizationSpec{HealthChecks: []meta.NamespacedObjectKindReference{other}}, false},
		"a check of a Deployment":     {kustomizev1.KustomizationSpec{HealthChecks: []meta.NamespacedObjectKindReference{deployment}}, false},
		"checks beside wait: ignored": {kustomizev1.KustomizationSpec{Wait: true, HealthChecks: []meta.NamespacedObjectKindReference{other}}, true},
	} {
		parent := &render.Applier{Spec: test.spec}
		if got := model.WaitsFor(parent, child); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func object(t *testing.T, owner *render.Applier, text string) *render.Object {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	o := &render.Object{Unstructured: &unstructured.Unstructured{Object: content}, Owner: owner}
	owner.Objects = append(owner.Objects, o)
	return o
}

// An object is found by group, kind, namespace and name, in any version, on the API
// server of the object that refers to it.
func TestFind(t *testing.T) {
	hub, spoke := kustomization("hub", nil), kustomization("spoke", nil)
	spoke.Spec.KubeConfig = &meta.KubeConfigReference{ConfigMapRef: &meta.LocalObjectReference{Name: "spoke"}}
	const account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: apps}"
	here, there := object(t, hub, account), object(t, spoke, account)
	scaler := object(t, hub, "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: s, namespace: apps}")
	global := object(t, hub, "apiVersion: v1\nkind: Namespace\nmetadata: {name: apps}")
	c := cluster(hub, spoke)
	for _, test := range []struct {
		name                         string
		from                         *render.Object
		group, kind, namespace, find string
		want                         *render.Object
	}{
		{"on the hub", scaler, "", "ServiceAccount", "apps", "a", here},
		{"on the spoke", there, "", "ServiceAccount", "apps", "a", there},
		{"not on the spoke", there, "keda.sh", "ScaledObject", "apps", "s", nil},
		{"without namespace", scaler, "", "Namespace", "", "apps", global},
		{"another namespace", scaler, "", "ServiceAccount", "default", "a", nil},
		{"another group", scaler, "apps", "ServiceAccount", "apps", "a", nil},
		{"another name", scaler, "", "ServiceAccount", "apps", "b", nil},
	} {
		if got := c.Find(test.from, test.group, test.kind, test.namespace, test.find); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if got := c.Of("", "ServiceAccount"); !slices.Equal(got, []*render.Object{here, there}) {
		t.Errorf("of both servers: %v", got)
	}
}

func TestWorkloadOf(t *testing.T) {
	const pod = "{spec: {containers: [{name: a}]}}"
	two := int32(2)
	for _, test := range []struct {
		text     string
		want     bool
		field    []any
		replicas *int32
	}{
		{"apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 2, template: " + pod + "}", true, []any{"spec", "template", "spec", "containers", 0}, &two},
		{"apiVersion: apps/v1\nkind: Deployment\nspec: {template: " + pod + "}", true, []any{"spec", "template", "spec", "containers", 0}, nil},
		{"apiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: {spec: {template: " + pod + "}}}", true, []any{"spec", "jobTemplate", "spec", "template", "spec", "containers", 0}, nil},
		{"apiVersion: keda.sh/v1alpha1\nkind: ScaledJob\nspec: {jobTargetRef: {template: " + pod + "}}", true, []any{"spec", "jobTargetRef", "template", "spec", "containers", 0}, nil},
		{"apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a}]}", true, []any{"spec", "containers", 0}, nil},
		{"apiVersion: v1\nkind: Service\nspec: {template: " + pod + "}", false, nil, nil},
		{"apiVersion: example.com/v1\nkind: Deployment\nspec: {template: " + pod + "}", false, nil, nil},
		{"apiVersion: apps/v1\nkind: Deployment\nspec: {}", false, nil, nil},
		{"apiVersion: apps/v1\nkind: Deployment\nspec: {template: {spec: {containers: a}}}", false, nil, nil},
	} {
		w, ok := model.WorkloadOf(object(t, kustomization("k", nil), test.text))
		if ok != test.want {
			t.Errorf("%s: %v, want %v", test.text, ok, test.want)
		}
		if !ok {
			continue
		}
		if got := w.At("containers", 0).Path; !slices.Equal(got, test.field) {
			t.Errorf("%s: field %v, want %v", test.text, got, test.field)
		}
		if (w.Replicas == nil) != (test.replicas == nil) || w.Replicas != nil && *w.Replicas != *test.replicas {
			t.Errorf("%s: replicas %v, want %v", test.text, w.Replicas, test.replicas)
		}
		if len(w.Template.Spec.Containers) != 1 || w.Template.Spec.Containers[0].Name != "a" {
			t.Errorf("%s: containers %v", test.text, w.Template.Spec.Containers)
		}
	}
}

func TestApplier(t *testing.T) {
	k := kustomization("k", nil)
	c := cluster(k)
	if got := c.Applier(k.Key()); got != k {
		t.Errorf("by its key: %v", got)
	}
	if got := c.Applier(render.Key{GroupKind: schema.GroupKind{Kind: "Kustomization"}, Namespace: k.Namespace, Name: k.Name}); got != nil {
		t.Errorf("a Kustomization of another group: %v", got)
	}
}
