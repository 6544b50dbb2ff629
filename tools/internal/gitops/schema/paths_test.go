package schema_test

import (
	"slices"
	"testing"

	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

func TestLacks(t *testing.T) {
	deployment, known := schema.Builtin().Lookup(runtimeschema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	if !known {
		t.Fatal("no schema of Deployment")
	}
	for name, test := range map[string]struct {
		path  []any
		depth int
		lacks bool
	}{
		"a field":             {[]any{"spec", "replicas"}, 0, false},
		"an element":          {[]any{"spec", "template", "spec", "containers", 0, "image"}, 0, false},
		"each element":        {[]any{"spec", "template", "spec", "containers", "*", "image"}, 0, false},
		"any key":             {[]any{"spec", "selector", "matchLabels", "example.com/any"}, 0, false},
		"metadata":            {[]any{"metadata", "annotations", "a"}, 0, false},
		"no such field":       {[]any{"spec", "replica"}, 1, true},
		"nor in an element":   {[]any{"spec", "template", "spec", "containers", 0, "imgae"}, 5, true},
		"below what has none": {[]any{"spec", "replicas", "more"}, 2, true},
	} {
		depth, fields, lacks := deployment.Lacks(test.path)
		if lacks != test.lacks || depth != test.depth {
			t.Errorf("%s: lacks %v at %d, want %v at %d", name, lacks, depth, test.lacks, test.depth)
		}
		if name == "no such field" && !slices.Contains(fields, "replicas") {
			t.Errorf("%s: the fields there are %v", name, fields)
		}
	}
}
