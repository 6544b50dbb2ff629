package render

import (
	"cmp"
	"slices"

	"github.com/fluxcd/pkg/ssa"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// sortObjects sorts objects by the stages in which kustomize-controller applies them, and
// within a stage as fluxcd/pkg/ssa does: by kind, namespace and name.
func sortObjects(objects []*Object) {
	type place struct{ stage, kind int }
	var kinds []schema.GroupKind
	for _, object := range objects {
		if kind := object.Key().GroupKind; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.SortFunc(kinds, func(a, b schema.GroupKind) int {
		switch {
		case ssa.IsLessThan(a, b):
			return -1
		case ssa.IsLessThan(b, a):
			return 1
		default:
			return 0
		}
	})
	places := make(map[*Object]place, len(objects))
	for _, object := range objects {
		places[object] = place{stage(object), slices.Index(kinds, object.Key().GroupKind)}
	}
	slices.SortStableFunc(objects, func(a, b *Object) int {
		return cmp.Or(
			cmp.Compare(places[a].stage, places[b].stage),
			cmp.Compare(places[a].kind, places[b].kind),
			cmp.Compare(a.GetNamespace(), b.GetNamespace()),
			cmp.Compare(a.GetName(), b.GetName()),
		)
	})
}

func stage(o *Object) int {
	switch {
	case ssautil.IsClusterDefinition(o.Unstructured):
		return 0
	case ssautil.IsClassDefinition(o.Unstructured):
		return 1
	default:
		return 2
	}
}
