package diff

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

func TestFields(t *testing.T) {
	for _, test := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing", "{a: 1, b: [x]}", "{b: [x], a: 1}", nil},
		{"a number is no string", "{a: 1}", `{a: "1"}`, []string{`a: 1 → "1"`}},
		{"a value becomes a mapping", "{a: 1}", "{a: {b: 1}}", []string{`a: 1 → {"b":1}`}},
		{"keys with dots are quoted", "{a: {b.c/d: 1}}", "{a: {}}", []string{`a["b.c/d"]: removed 1`}},
		{"an element is known by its name", "{l: [{name: x, v: 1}, {name: z, v: 2}]}", "{l: [{name: z, v: 3}]}", []string{"l[z].v: 2 → 3", "l[x]: removed\n- name: x\n- v: 1"}},
		{"or by another key, and shown by its place", "{l: [{port: 80, v: 1}]}", "{l: [{port: 443}, {port: 80, v: 2}]}", []string{`l[0]: added {"port":443}`, "l[1].v: 1 → 2"}},
		{"elements change places", "{l: [{name: x}, {name: z}]}", "{l: [{name: z}, {name: x}]}", []string{"l: reordered"}},
		{"elements of one name go by place", "{l: [{name: x, v: 1}, {name: x, v: 2}]}", "{l: [{name: x, v: 1}, {name: x, v: 3}]}", []string{"l[1].v: 2 → 3"}},
		{"something in front", "{l: [a, b]}", "{l: [x, a, b]}", []string{`l[0]: added "x"`}},
		{"something in the middle", "{l: [a, b, c, d]}", "{l: [a, x, d]}", []string{`l[1]: "b" → "x"`, `l[2]: removed "c"`}},
		{"all of it", "{l: [a]}", "{l: []}", []string{`l[0]: removed "a"`}},
		{"lines", `{t: "a\nb\n"}`, `{t: "a\nc"}`, []string{"t:\n@@ -1,2 +1,2 @@\n a\n-b\n+c"}},
		{"markup stays", "{a: '<b>'}", "{a: '&'}", []string{`a: "<b>" → "&"`}},
		{"a Secret", "{kind: Secret, data: {a: x, b: x}, type: A}", "{kind: Secret, data: {a: y, b: x}, type: B}", []string{"data.a: (hidden) → (hidden)", `type: "A" → "B"`}},
		{"a Secret without values", "{kind: Secret, data: x}", "{kind: Secret, stringData: y}", []string{"data: removed (hidden)", "stringData: added (hidden)"}},
		{"who applies it", "{metadata: {labels: {kustomize.toolkit.fluxcd.io/name: a}}}", "{metadata: {labels: {kustomize.toolkit.fluxcd.io/name: b}}}", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, change := range compareObjects(object(t, test.old), object(t, test.new)) {
				got = append(got, strings.Join(change.lines(), "\n"))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestColoursAndFences(t *testing.T) {
	clusters := []Cluster{{Path: "clusters/a"}, {Path: "clusters/b", Deleted: []Object{{Name: "ConfigMap/x", Owner: "Kustomization/a/b"}}}}
	for colours, want := range map[bool]string{
		true:  "clusters/a: nothing changes\nclusters/b: 1 deleted\n  \x1b[31m- ConfigMap/x\x1b[0m  Kustomization/a/b\n",
		false: "clusters/a: nothing changes\nclusters/b: 1 deleted\n  - ConfigMap/x  Kustomization/a/b\n",
	} {
		var text strings.Builder
		if err := WriteText(&text, clusters, colours); err != nil || text.String() != want {
			t.Errorf("got %q, %v, want %q", &text, err, want)
		}
	}
	if got := fence("a ```` b"); got != "`````" {
		t.Errorf("fence %s", got)
	}
}

func object(t *testing.T, text string) *render.Object {
	t.Helper()
	content := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatal(err)
	}
	return &render.Object{Unstructured: &unstructured.Unstructured{Object: content}}
}
