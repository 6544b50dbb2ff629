package model_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

// A path passes through lists, whose indices are in the result, and ends where the object
// does.
func TestValues(t *testing.T) {
	o := object(t, kustomization("k", nil), `
apiVersion: v1
kind: List
spec:
  rules:
    - {name: a, ports: [1, 2]}
    - {name: b}
    - 7
  one: {name: c}
`)
	for path, want := range map[string][][]any{
		"spec/rules/name":   {{"spec", "rules", 0, "name"}, {"spec", "rules", 1, "name"}},
		"spec/rules/ports":  {{"spec", "rules", 0, "ports", 0}, {"spec", "rules", 0, "ports", 1}},
		"spec/one":          {{"spec", "one"}},
		"spec/one/name":     {{"spec", "one", "name"}},
		"spec/one/name/all": nil,
		"spec/none":         nil,
	} {
		var got [][]any
		for _, value := range model.Values(o, path) {
			got = append(got, value.Path)
		}
		if difference := cmp.Diff(want, got); difference != "" {
			t.Errorf("%s: -want +got:\n%s", path, difference)
		}
	}
	value := model.Values(o, "spec/rules/name")[1]
	if value.Text() != "b" || value.Around["name"] != "b" {
		t.Errorf("the second name is %q of %v", value.Text(), value.Around)
	}
	if text := model.Values(o, "spec/one")[0].Text(); text != "" {
		t.Errorf("a mapping is the text %q", text)
	}
}
