package render_test

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// BenchmarkRepository renders all clusters of this repository.
func BenchmarkRepository(b *testing.B) {
	const root = "../../../.."
	settings, err := config.Read(root)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		rendering, err := render.Run(b.Context(), render.Options{Root: root, Config: settings})
		if err != nil {
			b.Fatal(err)
		}
		if err := rendering.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
