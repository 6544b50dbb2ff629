package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// Flux applies the root Kustomization's patches: with the flag there is one object fewer.
func TestWithoutNetwork(t *testing.T) {
	const left = "kind: Kustomization\nmetadata:\n  name: platform-cluster\n"
	all, some := rootObjects(t, upOptions{}), rootObjects(t, upOptions{withoutNetwork: true})
	if !strings.Contains(all, left) || strings.Contains(some, left) {
		t.Errorf("platform-cluster is there: %t by default, %t without the network", strings.Contains(all, left), strings.Contains(some, left))
	}
	if a, b := strings.Count(all, "kind: Kustomization\n"), strings.Count(some, "kind: Kustomization\n"); a != b+1 {
		t.Errorf("%d Kustomizations by default, %d without the network", a, b)
	}
}

func rootObjects(t *testing.T, opts upOptions) string {
	t.Helper()
	memory := filesys.MakeFsInMemory()
	files, err := filepath.Glob("../../../../clusters/local/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files in clusters/local: %v", len(files), err)
	}
	var names []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(file))
		if err := memory.WriteFile(filepath.Base(file), data); err != nil {
			t.Fatal(err)
		}
	}
	kustomization, err := json.Marshal(map[string]any{
		"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": names, "patches": opts.patches(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := memory.WriteFile("kustomization.yaml", kustomization); err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, ".")
	if err != nil {
		t.Fatal(err)
	}
	stream, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(stream)
}
