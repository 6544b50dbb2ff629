package schema_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes/scheme"

	catalog "github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

// newer are fields of the Go types of go.mod's client that the pinned Kubernetes lacks.
var newer = []string{
	"preventPodSchedulingIfMissing", "schedulingGroup", "stubPKCS10Request", "volumeStatus",
	"nodeAllocatableResourceClaimStatuses", "nodeAllocatableResourceMappings",
	"message", "bools", "ints", "strings", "versions",
}

// Objects made from Kubernetes' Go types have the right shape. If one value is replaced
// by a value of another type, Validate reports it exactly if an API server's strict
// decoder does.
func TestAgreesWithTheDecoder(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	codecs := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict)
	fill := fuzzer.FuzzerFor(metafuzzer.Funcs, random, codecs)
	compared := 0
	for _, kind := range knownKinds() {
		known, found := catalog.Builtin().Lookup(kind)
		if !found {
			continue
		}
		for range 20 {
			object := filled(t, kind, fill.Fill)
			if problems := shapeProblems(known, object); len(problems) > 0 {
				t.Errorf("%s: of an object that was a Go value: %v", kind, problems)
			}
			places := leaves(object, nil)
			if len(places) == 0 {
				continue
			}
			place := places[random.Intn(len(places))]
			value := []any{"x", int64(1), int64(1) << 40, 1.5, true, nil, map[string]any{"a": "b"}, []any{"a"}}[random.Intn(8)]
			put(object, place, value)
			data, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			_, _, refused := codecs.UniversalDeserializer().Decode(data, nil, nil)
			problems := shapeProblems(known, object)
			if (refused != nil) != (len(problems) > 0) {
				t.Errorf("%s: %v at %v: the decoder says %v, Validate says %v", kind, value, place, refused, problems)
			}
			compared++
		}
	}
	if compared < 1000 {
		t.Errorf("only %d comparisons", compared)
	}
}

func knownKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for kind := range scheme.Scheme.AllKnownTypes() {
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) })
	return kinds
}

// filled returns a random object of a kind. It leaves out fields that people do not
// write, and those that the pinned Kubernetes does not have.
func filled(t *testing.T, kind schema.GroupVersionKind, fill func(any)) map[string]any {
	t.Helper()
	value, err := scheme.Scheme.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	fill(value)
	value.GetObjectKind().SetGroupVersionKind(kind)
	value.(metav1.Object).SetManagedFields(nil)
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		t.Fatal(err)
	}
	data, err := utiljson.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	object = nil
	if err := utiljson.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	delete(object, "status")
	dropNewer(object)
	return object
}

func dropNewer(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range newer {
			delete(value, name)
		}
		for _, child := range value {
			dropNewer(child)
		}
	case []any:
		for _, child := range value {
			dropNewer(child)
		}
	}
}

// shapeProblems returns the problems that a decoder could find, too.
func shapeProblems(kind *catalog.Schema, object map[string]any) []string {
	var found []string
	for _, problem := range kind.Validate(object) {
		switch problem.Kind {
		case catalog.UnknownField, catalog.Type, catalog.Format, catalog.Limit, catalog.Unreadable:
			found = append(found, fmt.Sprint(problem.Kind, " ", problem))
		}
	}
	return found
}

// leaves returns the paths to all values that are neither objects nor lists.
func leaves(value any, path []any) [][]any {
	var found [][]any
	switch value := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if len(path) == 0 && (key == "apiVersion" || key == "kind") {
				continue
			}
			found = append(found, leaves(value[key], append(slices.Clip(path), key))...)
		}
	case []any:
		for i, child := range value {
			found = append(found, leaves(child, append(slices.Clip(path), i))...)
		}
	default:
		found = append(found, path)
	}
	return found
}
