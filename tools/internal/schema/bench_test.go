package schema_test

import (
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/schema"
)

func BenchmarkValidate(b *testing.B) {
	for name, text := range map[string]string{"Deployment": deployment, "ScaledObject": scaledObject, "Queue": queue} {
		b.Run(name, func(b *testing.B) {
			object := parse(b, text)
			kind, _ := schema.Builtin().Lookup(object.GroupVersionKind())
			for b.Loop() {
				kind.Validate(object.Object)
			}
		})
	}
}
