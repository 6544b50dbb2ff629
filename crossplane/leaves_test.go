package crossplane_test

import (
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// Every field of every API has an effect: in some example, another value composes
// something else.
func TestLeaves(t *testing.T) {
	for plural, api := range allAPIs(t) {
		var examples []*unstructured.Unstructured
		for _, file := range examplesOf(t, plural) {
			examples = append(examples, readExample(t, plural, file))
		}
		for _, leaf := range leavesOf(api.spec(t), nil) {
			t.Run(plural+"/"+strings.Join(leaf.path, "."), func(t *testing.T) {
				if !slices.ContainsFunc(examples, func(xr *unstructured.Unstructured) bool { return leaf.matters(t, api, xr) }) {
					t.Error("no example composes anything else when this field changes")
				}
			})
		}
	}
}

// spec returns the schema of the XR's spec in the definition.
func (a *api) spec(t testing.TB) apiextensionsv1.JSONSchemaProps {
	t.Helper()
	var schema apiextensionsv1.JSONSchemaProps
	if err := yaml.Unmarshal(a.xrd.Spec.Versions[0].Schema.OpenAPIV3Schema.Raw, &schema); err != nil {
		t.Fatal(err)
	}
	return schema.Properties["spec"]
}

// leaf is a field of a spec with a plain value. "*" in its path stands for each item of a
// list, and for each key of a map.
type leaf struct {
	path   []string
	schema apiextensionsv1.JSONSchemaProps
}

func leavesOf(schema apiextensionsv1.JSONSchemaProps, path []string) []leaf {
	switch {
	case schema.Type == "array":
		return leavesOf(*schema.Items.Schema, append(slices.Clone(path), "*"))
	case schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil:
		return leavesOf(*schema.AdditionalProperties.Schema, append(slices.Clone(path), "*"))
	case schema.Type != "object":
		return []leaf{{path, schema}}
	}
	var leaves []leaf
	for name, property := range schema.Properties {
		leaves = append(leaves, leavesOf(property, append(slices.Clone(path), name))...)
	}
	return leaves
}

// matters reports whether another valid value of the leaf composes something else.
func (l leaf) matters(t *testing.T, api *api, xr *unstructured.Unstructured) bool {
	t.Helper()
	before := objectsOf(compose(t, xr))
	for _, value := range l.others() {
		changed := xr.DeepCopy()
		if !set(changed.Object["spec"], l.path, value) {
			continue
		}
		nameByCluster(changed)
		if len(api.admit(changed, nil)) > 0 {
			continue
		}
		if got := compose(t, changed); !cmp.Equal(before, objectsOf(got)) {
			return true
		}
	}
	return false
}

func objectsOf(o outcome) map[string]any {
	objects := map[string]any{}
	for id, object := range o.composed {
		objects[id] = object.Object
	}
	return objects
}

// others returns values that the leaf's schema allows.
func (l leaf) others() []any {
	var values []any
	for seed := range 20 {
		values = append(values, generate(l.path, l.schema).Example(seed))
	}
	return values
}

// set sets the value at a path in a mapping or list; "*" means the first item. It returns
// false if there is no such place.
func set(at any, path []string, value any) bool {
	switch at := at.(type) {
	case map[string]any:
		name := path[0]
		if name == "*" {
			for key := range at {
				name = key
			}
		}
		if len(path) == 1 {
			at[name] = value
			return true
		}
		if at[name] == nil && path[1] != "*" {
			at[name] = map[string]any{}
		}
		return set(at[name], path[1:], value)
	case []any:
		for i := range at {
			if len(path) == 1 {
				at[i] = value
				return true
			}
			if item, ok := at[i].(map[string]any); ok && (item[path[1]] != nil || len(path) > 2) && set(item, path[1:], value) {
				return true
			}
		}
	}
	return false
}

// generate returns a generator for values of a schema; path is the field.
func generate(path []string, schema apiextensionsv1.JSONSchemaProps) *rapid.Generator[any] {
	field := path[len(path)-1]
	if field == "*" {
		field = path[len(path)-2] + ".*"
	}
	if special, found := generators[field]; found {
		return special.AsAny()
	}
	if len(schema.Enum) > 0 {
		return rapid.Map(rapid.SampledFrom(schema.Enum), func(value apiextensionsv1.JSON) any {
			if number, err := strconv.ParseInt(string(value.Raw), 10, 64); err == nil {
				return number
			}
			return strings.Trim(string(value.Raw), `"`)
		})
	}
	switch schema.Type {
	case "boolean":
		return rapid.Bool().AsAny()
	case "integer":
		low, high := int64(0), int64(1)<<31
		if schema.Minimum != nil {
			low = int64(*schema.Minimum)
		}
		if schema.Maximum != nil {
			high = int64(*schema.Maximum)
		}
		return rapid.Int64Range(low, high).AsAny()
	case "string":
		return ofPattern(schema).AsAny()
	case "array":
		return rapid.Custom(func(t *rapid.T) any { return drawList(t, path, schema) })
	case "object":
		if schema.AdditionalProperties != nil {
			return rapid.Custom(func(t *rapid.T) any { return drawMap(t, path, *schema.AdditionalProperties.Schema) })
		}
		return rapid.Custom(func(t *rapid.T) any { return drawObject(t, path, schema) })
	}
	panic(fmt.Sprintf("%s: no values of type %q", strings.Join(path, "."), schema.Type))
}

// generators are for fields whose values a pattern cannot describe.
var generators = map[string]*rapid.Generator[string]{
	"cidr": rapid.Custom(func(t *rapid.T) string {
		address := netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(t, "second"), rapid.Byte().Draw(t, "third"), 0})
		return netip.PrefixFrom(address, rapid.IntRange(16, 20).Draw(t, "length")).Masked().String()
	}),
	"allowedCIDRs.*": rapid.Custom(func(t *rapid.T) string {
		address := netip.AddrFrom4([4]byte{203, 0, 113, rapid.Byte().Draw(t, "last")})
		return netip.PrefixFrom(address, rapid.IntRange(24, 32).Draw(t, "length")).Masked().String()
	}),
}

func ofPattern(schema apiextensionsv1.JSONSchemaProps) *rapid.Generator[string] {
	pattern := schema.Pattern
	if pattern == "" {
		pattern = `[a-z][a-z0-9]{0,8}`
	}
	longest := 40
	if schema.MaxLength != nil {
		longest = int(*schema.MaxLength)
	}
	// Unbounded repetitions in a pattern soon exceed its maxLength.
	pattern = regexp.MustCompile(`\*`).ReplaceAllString(pattern, "{0,5}")
	return rapid.StringMatching(pattern).Filter(func(s string) bool { return len(s) <= longest })
}

func drawList(t *rapid.T, path []string, schema apiextensionsv1.JSONSchemaProps) any {
	low, high := 0, 4
	if schema.MinItems != nil {
		low = int(*schema.MinItems)
	}
	if schema.MaxItems != nil {
		high = min(high, int(*schema.MaxItems))
	}
	items := make([]any, 0, high)
	for i := range rapid.IntRange(low, high).Draw(t, "items") {
		items = append(items, generate(append(slices.Clone(path), "*"), *schema.Items.Schema).Draw(t, fmt.Sprint(i)))
	}
	return items
}

func drawObject(t *rapid.T, path []string, schema apiextensionsv1.JSONSchemaProps) any {
	object := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		if slices.Contains(schema.Required, name) || rapid.Bool().Draw(t, "with "+name) {
			object[name] = generate(append(slices.Clone(path), name), schema.Properties[name]).Draw(t, name)
		}
	}
	return object
}

func drawMap(t *rapid.T, path []string, schema apiextensionsv1.JSONSchemaProps) any {
	object := map[string]any{}
	for _, name := range []string{"team", "example.com/role"} {
		if rapid.Bool().Draw(t, "with "+name) {
			object[name] = generate(append(slices.Clone(path), "*"), schema).Draw(t, name)
		}
	}
	return object
}

// Any valid XR composes: no result is fatal, the provider's definitions accept all of it,
// and no two composed resources share a name.
func TestRandom(t *testing.T) {
	for plural, api := range allAPIs(t) {
		t.Run(plural, func(t *testing.T) {
			example := readExample(t, plural, filepath.Join("examples", plural, filepath.Base(examplesOf(t, plural)[0])))
			spec := api.spec(t)
			admitted := 0
			rapid.Check(t, func(r *rapid.T) {
				xr := draw(r, spec, example)
				if refused := api.admit(xr, nil); len(refused) > 0 {
					r.Skip(refused.ToAggregate())
				}
				admitted++
				checkRandom(t, r, xr)
			})
			if admitted < 50 {
				t.Errorf("only %d random objects were admitted", admitted)
			}
		})
	}
}

func draw(r *rapid.T, spec apiextensionsv1.JSONSchemaProps, example *unstructured.Unstructured) *unstructured.Unstructured {
	xr := &unstructured.Unstructured{Object: map[string]any{}}
	xr.SetGroupVersionKind(example.GroupVersionKind())
	xr.SetNamespace(example.GetNamespace())
	xr.SetName(rapid.StringMatching(`[a-z][a-z0-9-]{0,25}[a-z0-9]`).Draw(r, "name"))
	xr.Object["spec"] = generate([]string{"spec"}, spec).Draw(r, "spec")
	coherent(r, xr, spec)
	return xr
}

// coherent corrects values that the rules between fields would usually reject.
func coherent(r *rapid.T, xr *unstructured.Unstructured, schema apiextensionsv1.JSONSchemaProps) {
	spec, _ := xr.Object["spec"].(map[string]any)
	nameByCluster(xr)
	if nodes, ok := spec["nodes"].(map[string]any); ok {
		nodes["minSize"], nodes["desiredSize"], nodes["maxSize"] = int64(1), int64(2), rapid.Int64Range(2, 6).Draw(r, "maxSize")
	}
	grants, _ := spec["grants"].([]any)
	for i := range grants {
		grants[i] = drawGrant(r, *schema.Properties["grants"].Items.Schema)
	}
}

// drawGrant draws a grant for a queue or a bucket, with the fields that belong together.
func drawGrant(r *rapid.T, schema apiextensionsv1.JSONSchemaProps) map[string]any {
	draw := func(field string) any {
		return generate([]string{"grants", "*", field}, schema.Properties[field]).Draw(r, field)
	}
	if rapid.Bool().Draw(r, "on a bucket") {
		return map[string]any{"eventBucket": draw("eventBucket"), "access": "Write", "prefix": draw("prefix")}
	}
	access := rapid.SampledFrom([]string{"Send", "Consume", "ReadDepth"}).Draw(r, "access")
	return map[string]any{"eventQueue": draw("eventQueue"), "access": access}
}

func checkRandom(t *testing.T, r *rapid.T, xr *unstructured.Unstructured) {
	got := runToTheEnd(t, xr)
	if got.fatal != "" {
		r.Fatalf("%v is admitted, and then fatal: %s", xr.Object, got.fatal)
	}
	seen := map[string]bool{}
	for _, object := range got.objects() {
		for _, refused := range admitComposed(t, object) {
			r.Errorf("%s %s: %v", object.GetKind(), object.GetName(), refused)
		}
		name := object.GroupVersionKind().String() + " " + object.GetName()
		if seen[name] {
			r.Errorf("%s is composed twice", name)
		}
		seen[name] = true
	}
}

// nameByCluster gives an XR that each cluster has once its cluster's name.
func nameByCluster(xr *unstructured.Unstructured) {
	if name, _, _ := unstructured.NestedString(xr.Object, "spec", "clusterName"); slices.Contains([]string{"EKSCluster", "Network"}, xr.GetKind()) {
		xr.SetName(name)
	}
}
