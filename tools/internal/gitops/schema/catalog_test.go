package schema_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

func TestBuiltin(t *testing.T) {
	for kind, want := range map[schema.GroupVersionKind]struct {
		source     string
		namespaced bool
	}{
		{Version: "v1", Kind: "Pod"}:                                                               {"kubernetes", true},
		{Version: "v1", Kind: "Namespace"}:                                                         {"kubernetes", false},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "ClusterRole"}:                   {"kubernetes", false},
		{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}:                       {"kubernetes", false},
		{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}:                     {"kubernetes", true},
		{Group: "source.toolkit.fluxcd.io", Version: "v1", Kind: "GitRepository"}:                  {"source-controller", true},
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}:               {"kustomize-controller", true},
		{Group: "helm.toolkit.fluxcd.io", Version: "v2", Kind: "HelmRelease"}:                      {"helm-controller", true},
		{Group: "notification.toolkit.fluxcd.io", Version: "v1beta3", Kind: "Alert"}:               {"notification-controller", true},
		{Group: "image.toolkit.fluxcd.io", Version: "v1", Kind: "ImagePolicy"}:                     {"image-reflector-controller", true},
		{Group: "image.toolkit.fluxcd.io", Version: "v1", Kind: "ImageUpdateAutomation"}:           {"image-automation-controller", true},
		{Group: "source.extensions.fluxcd.io", Version: "v1beta1", Kind: "ArtifactGenerator"}:      {"source-watcher", true},
		{Group: "keda.sh", Version: "v1alpha1", Kind: "ClusterTriggerAuthentication"}:              {"keda", false},
		{Group: "apiextensions.crossplane.io", Version: "v2", Kind: "CompositeResourceDefinition"}: {"crossplane", false},
		{Group: "pkg.crossplane.io", Version: "v1", Kind: "Provider"}:                              {"crossplane", false},
		{Group: "sqs.aws.m.upbound.io", Version: "v1beta1", Kind: "Queue"}:                         {"provider-aws", true},
		{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: "Cluster"}:                       {"provider-aws", true},
		{Group: "aws.m.upbound.io", Version: "v1beta1", Kind: "ClusterProviderConfig"}:             {"provider-aws", false},
	} {
		found, ok := catalog.Builtin().Lookup(kind)
		if !ok {
			t.Errorf("no schema for %s", kind)
			continue
		}
		source, version, _ := strings.Cut(found.Source(), " ")
		if source != want.source || version == "" || found.Namespaced() != want.namespaced {
			t.Errorf("%s: source %q, namespaced %t, want %s <version>, %t", kind, found.Source(), found.Namespaced(), want.source, want.namespaced)
		}
	}
	if _, ok := catalog.Builtin().Lookup(schema.GroupVersionKind{Version: "v1", Kind: "Pods"}); ok {
		t.Error("a schema for a kind that does not exist")
	}
}

// What messages about an unknown kind need.
func TestNames(t *testing.T) {
	builtin := catalog.Builtin()
	for name, test := range map[string]struct{ got, want []string }{
		"versions of a kind": {builtin.Versions(schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}), []string{"v1", "v2"}},
		"of an unknown kind": {builtin.Versions(schema.GroupKind{Group: "keda.sh", Kind: "ScaleObject"}), nil},
		"kinds of a group":   {builtin.Kinds("keda.sh"), []string{"ClusterTriggerAuthentication", "ScaledJob", "ScaledObject", "TriggerAuthentication"}},
		"groups of a kind":   {builtin.Groups("Cluster"), []string{"eks.aws.m.upbound.io", "postgresql.cnpg.io"}},
		"with a layer":       {builtin.With(objects(t, widgets)).Kinds("example.org"), []string{"Widget"}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: got %q, want %q", name, test.got, test.want)
		}
	}
}

// A cluster's own definitions hide all built-in versions of a kind.
func TestWith(t *testing.T) {
	layered := catalog.Builtin().With(objects(t, strings.NewReplacer("example.org", "keda.sh", "Widget", "ScaledObject", "widgets", "scaledobjects").Replace(widgets)))
	found, ok := layered.Lookup(schema.GroupVersionKind{Group: "keda.sh", Version: "v1", Kind: "ScaledObject"})
	if !ok || found.Source() != "CustomResourceDefinition scaledobjects.keda.sh" {
		t.Errorf("got %v, %t", found, ok)
	}
	for _, version := range []string{"v1alpha1", "v0"} {
		if _, ok := layered.Lookup(schema.GroupVersionKind{Group: "keda.sh", Version: version, Kind: "ScaledObject"}); ok {
			t.Errorf("version %s is not served, but found", version)
		}
	}
	if _, ok := layered.Lookup(schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "ScaledJob"}); !ok {
		t.Error("a kind that is not declared is gone")
	}
	if catalog.Builtin().With(nil) != catalog.Builtin() {
		t.Error("nothing declared makes a layer")
	}
}

// TestValidateUpdate finds the changes that a transition rule rejects, and nothing that
// Validate finds.
func TestValidateUpdate(t *testing.T) {
	kind, _ := catalog.Builtin().With(objects(t, widgets)).Lookup(schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"})
	for name, test := range map[string]struct {
		old, now map[string]any
		want     []string
	}{
		"same":                   {map[string]any{"fixed": "a"}, map[string]any{"fixed": "a", "size": int64(1)}, nil},
		"other":                  {map[string]any{"fixed": "a"}, map[string]any{"fixed": "b"}, []string{"spec.fixed: failed rule: self == oldSelf"}},
		"new":                    {map[string]any{}, map[string]any{"fixed": "b"}, nil},
		"gone":                   {map[string]any{"fixed": "a"}, map[string]any{}, nil},
		"wrong by itself":        {map[string]any{"fixed": "a"}, map[string]any{"fixed": "a", "size": int64(3), "mode": "fast"}, nil},
		"misshapen":              {map[string]any{"fixed": "a"}, map[string]any{"fixed": int64(1)}, nil},
		"misshapen before":       {map[string]any{"fixed": int64(1)}, map[string]any{"fixed": "a"}, nil},
		"wrong before and after": {map[string]any{"size": int64(3), "mode": "fast"}, map[string]any{"size": int64(4), "mode": "fast"}, nil},
	} {
		widget := func(spec map[string]any) map[string]any {
			return map[string]any{"apiVersion": "example.org/v1", "kind": "Widget", "metadata": map[string]any{"name": "a"}, "spec": spec}
		}
		var got []string
		for _, problem := range kind.ValidateUpdate(widget(test.old), widget(test.now)) {
			got = append(got, problem.String())
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// Clusters that apply the same definition share its schema; a cluster with another
// definition has its own.
func TestWithShares(t *testing.T) {
	kind := schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"}
	first, _ := catalog.Builtin().With(objects(t, widgets)).Lookup(kind)
	second, _ := catalog.Builtin().With(objects(t, widgets)).Lookup(kind)
	other, _ := catalog.Builtin().With(objects(t, strings.Replace(widgets, "must be positive", "must be more", 1))).Lookup(kind)
	if first == nil || first != second || first == other {
		t.Errorf("got %p, %p for the same, %p for another", first, second, other)
	}
	widget := func(count int) map[string]any {
		parts := []any{map[string]any{"name": "a", "count": int64(count)}}
		return map[string]any{"apiVersion": "example.org/v1", "kind": "Widget", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{"parts": parts}}
	}
	for _, want := range []struct {
		schema *catalog.Schema
		count  int
		text   string
	}{{first, 0, "must be positive"}, {first, 1, ""}, {first, 0, "must be positive"}, {other, 0, "must be more"}} {
		var got string
		for _, problem := range want.schema.Validate(widget(want.count)) {
			got += problem.Message
		}
		if got != want.text {
			t.Errorf("count %d: got %q, want %q", want.count, got, want.text)
		}
	}
}

func TestLoadPath(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "crds", "widgets.yaml"), "# a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n"+widgets)
	write(t, filepath.Join(dir, "crds", "README.md"), "# CRDs")
	write(t, filepath.Join(dir, "empty", "a.yaml"), "a: b\n")
	write(t, filepath.Join(dir, "broken", "a.yaml"), "a: [\n")
	for _, name := range []string{"crds", "crds/widgets.yaml"} {
		loaded, err := catalog.Builtin().LoadPath(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		found, ok := loaded.Lookup(schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: "Widget"})
		if !ok || !strings.HasSuffix(found.Source(), "crds/widgets.yaml") {
			t.Errorf("%s: got %v, %t", name, found, ok)
		}
	}
	for name, want := range map[string]string{
		"empty":  "has no CustomResourceDefinition",
		"broken": "broken/a.yaml",
		"absent": "no such file",
	} {
		if _, err := catalog.Builtin().LoadPath(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", name, err, want)
		}
	}
}

// The API server's own order: defaults are set before rules see the object,
// unknown fields are found where a schema is closed and left where it is open.
func TestDeclaredKinds(t *testing.T) {
	for name, test := range map[string]struct {
		declared, object string
		want             []string
	}{
		"valid":                   {widgets, "{size: 3, mode: slow}", nil},
		"rule sees the default":   {widgets, "{size: 3}", nil},
		"rule broken":             {widgets, "{size: 3, mode: fast}", []string{"cel spec: slow when larger than 2"}},
		"transition rule":         {widgets, "{size: 3, fixed: a}", nil},
		"rule that needs a shape": {widgets, "{size: '3', mode: fast}", []string{`type spec.size: is the string "3": expected an integer`}},
		"rule in a list":          {widgets, "{parts: [{name: a, count: 0}]}", []string{"cel spec.parts[0].count: must be positive"}},
		"unknown in a list":       {widgets, "{parts: [{name: a, b: c}]}", []string{"unknown-field spec.parts[0].b: unknown field"}},
		"open part":               {widgets, "{anything: {a: {b: c}}}", nil},
		"map list twice":          {widgets, "{parts: [{name: a}, {name: b}, {name: a}]}", []string{`duplicate spec.parts[2]: is there twice: {"name":"a"}`}},
		"set twice":               {widgets, "{tags: [a, b, a]}", []string{`duplicate spec.tags[2]: is there twice: "a"`}},
		"key with dots":           {widgets, "{labels: {a.b/c: 1}}", []string{`type spec.labels.a.b/c: is the number 1: expected a string`}},
		"null is not given":       {widgets, "{size: null, parts: null}", nil},
		"null is a value":         {widgets, "{maybe: null}", nil},
		"null for a default":      {widgets, "{mode: null}", nil},
		"int or string":           {widgets, "{port: 80}", nil},
		"int or string as truth":  {widgets, "{port: true}", []string{"type spec.port: is the boolean true: expected an integer or a string"}},
		"format":                  {widgets, "{since: yesterday}", []string{`format spec.since: is the string "yesterday": expected the format date-time`}},
		"format that is ignored":  {widgets, "{colour: blue}", nil},
		"one of none":             {widgets, "{choice: {}}", []string{`limit spec.choice: is an object: must validate one and only one schema (oneOf). Found none valid`, "required spec.choice.a: is required and not set"}},
		"template":                {widgets, "{template: {apiVersion: v1, kind: Pod, metadata: {name: a}, any: thing}}", nil},
		"template without kind":   {widgets, "{template: {apiVersion: v1}}", []string{"required spec.template.kind: is required and not set"}},
		"unknown in its metadata": {widgets, "{template: {apiVersion: v1, kind: Pod, metadata: {nam: a}}}", []string{"unknown-field spec.template.metadata.nam: unknown field"}},
		"composite":               {gadgets, "{region: a, crossplane: {compositionRef: {name: a}}}", nil},
		"composite, unknown":      {gadgets, "{region: a, compositionRef: {name: a}}", []string{"unknown-field spec.compositionRef: unknown field"}},
		"composite, required":     {gadgets, "{}", []string{"required spec.region: is required and not set"}},
		"composite of version 1":  {strings.Replace(gadgets, "io/v2", "io/v1", 1), "{region: a, compositionRef: {name: a}}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			layered := catalog.Builtin().With(objects(t, test.declared))
			kind := "Widget"
			if strings.Contains(test.declared, "Gadget") {
				kind = "Gadget"
			}
			object := parse(t, "apiVersion: example.org/v1\nkind: "+kind+"\nmetadata: {name: a}\nspec: "+test.object)
			found, ok := layered.Lookup(object.GroupVersionKind())
			if !ok {
				t.Fatalf("no schema for %s", object.GroupVersionKind())
			}
			check(t, found.Validate(object.Object), test.want)
		})
	}
}

// A composite resource has the scope in its definition; a claim is namespaced.
func TestCompositeScope(t *testing.T) {
	for name, test := range map[string]struct {
		declared   string
		kind       string
		namespaced bool
	}{
		"version 2":          {gadgets, "Gadget", true},
		"version 2, cluster": {strings.Replace(gadgets, "group:", "scope: Cluster\n  group:", 1), "Gadget", false},
		"version 1":          {strings.Replace(gadgets, "io/v2", "io/v1", 1), "Gadget", false},
		"claim":              {strings.Replace(strings.Replace(gadgets, "io/v2", "io/v1", 1), "group:", "claimNames: {kind: GadgetClaim, plural: gadgetclaims}\n  group:", 1), "GadgetClaim", true},
	} {
		found, ok := catalog.Builtin().With(objects(t, test.declared)).Lookup(schema.GroupVersionKind{Group: "example.org", Version: "v1", Kind: test.kind})
		if !ok || found.Namespaced() != test.namespaced || found.Source() != "CompositeResourceDefinition gadgets.example.org" {
			t.Errorf("%s: got %v, %t", name, found, ok)
		}
	}
}

const widgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
    - {name: v0, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              x-kubernetes-validations:
                - {rule: "!has(self.size) || self.size <= 2 || self.mode == 'slow'", message: slow when larger than 2}
              properties:
                size: {type: integer, maximum: 10}
                mode: {type: string, default: slow, enum: [slow, fast]}
                fixed: {type: string, maxLength: 9, x-kubernetes-validations: [{rule: self == oldSelf}]}
                anything: {type: object, x-kubernetes-preserve-unknown-fields: true}
                maybe: {type: string, nullable: true}
                port: {x-kubernetes-int-or-string: true}
                since: {type: string, format: date-time}
                colour: {type: string, format: colour}
                labels: {type: object, additionalProperties: {type: string}}
                tags: {type: array, x-kubernetes-list-type: set, items: {type: string}}
                choice:
                  type: object
                  properties: {a: {type: string}, b: {type: string}}
                  oneOf: [{required: [a]}, {required: [b]}]
                template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
                parts:
                  type: array
                  maxItems: 9
                  x-kubernetes-list-type: map
                  x-kubernetes-list-map-keys: [name]
                  items:
                    type: object
                    required: [name]
                    properties:
                      name: {type: string}
                      count: {type: integer, x-kubernetes-validations: [{rule: self > 0, message: must be positive}]}
`

const gadgets = `
apiVersion: apiextensions.crossplane.io/v2
kind: CompositeResourceDefinition
metadata: {name: gadgets.example.org}
spec:
  group: example.org
  names: {kind: Gadget, plural: gadgets}
  versions:
    - name: v1
      served: true
      referenceable: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, required: [region], properties: {region: {type: string}}}
`

func objects(t testing.TB, texts ...string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, text := range texts {
		all = append(all, parse(t, text))
	}
	return all
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A schema is prepared only once, even with concurrent callers.
func TestConcurrentUse(t *testing.T) {
	layered := catalog.Builtin().With(objects(t, widgets))
	var group sync.WaitGroup
	for range 8 {
		for _, text := range []string{deployment, scaledObject, kustomization, queue, widgets, "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: a}\nspec: {size: 3}"} {
			object := parse(t, text)
			group.Go(func() {
				found, ok := layered.Lookup(object.GroupVersionKind())
				if !ok || !found.Namespaced() && object.GetKind() != "CustomResourceDefinition" {
					t.Errorf("%s: got %v, %t", object.GetKind(), found, ok)
					return
				}
				check(t, found.Validate(object.Object), nil)
			})
		}
	}
	group.Wait()
}
