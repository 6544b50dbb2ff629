package enginebuild_test

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/build/enginebuild"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/pins"
)

// Recipes are found by folder name, so a renamed folder would lose its recipe without an
// error.
func TestEveryRecipeHasItsPin(t *testing.T) {
	for _, r := range enginebuild.All() {
		engine, err := pins.Read("../../../engines/" + r.Name)
		if err != nil {
			t.Errorf("the recipe of %s: %v", r.Name, err)
			continue
		}
		if _, err := engine.VersionOf(r.Module); err != nil {
			t.Errorf("the recipe of %s: %v", r.Name, err)
		}
	}
}

func TestLinkerFlags(t *testing.T) {
	for engine, want := range map[string]string{
		"cni":        "-s -w",
		"nowhere":    "-s -w",
		"keda":       "-s -w -X github.com/kedacore/keda/v2/version.Version=1.35.4",
		"kubernetes": "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35",
		"runc":       "-s -w -extldflags -static",
	} {
		if got := enginebuild.Of(engine).LinkerFlags("v1.35.4"); got != want {
			t.Errorf("%s: %s, want %s", engine, got, want)
		}
	}
}
