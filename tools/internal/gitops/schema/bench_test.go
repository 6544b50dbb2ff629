package schema_test

import (
	"fmt"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/schema"
)

func BenchmarkValidate(b *testing.B) {
	for name, text := range map[string]string{"Deployment": deployment, "ScaledObject": scaledObject, "Queue": queue} {
		b.Run(name, func(b *testing.B) {
			object := parse(b, text)
			kind, _ := schema.Builtin().Lookup(object.GroupVersionKind())
			for i := 0; b.Loop(); i++ {
				object.SetName(fmt.Sprintf("a%d", i)) // another name, because results are cached
				kind.Validate(object.Object)
			}
		})
	}
}
