package compose

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// finish adds the result of an XR to the cluster.
func (c *composer) finish(xr *composite) {
	if xr.result.fatal != "" {
		c.cluster.Failures = append(c.cluster.Failures, render.Failure{
			Cause: render.CompositionFailed, Applier: xr.Owner, Subject: xr.Key().String(),
			Message: xr.result.fatal, Fix: "correct the field that the message names",
			At: xr.Locate(fieldOf(xr.result.fatal)...),
		})
		return
	}
	var composed []*render.Object
	for _, id := range slices.Sorted(maps.Keys(xr.result.composed)) {
		object := &unstructured.Unstructured{Object: integers(xr.result.composed[id]).(map[string]any)}
		composed = append(composed, &render.Object{Unstructured: object, Owner: xr.Owner, Composite: xr.Object})
	}
	slices.SortStableFunc(composed, func(a, b *render.Object) int {
		return cmp.Or(strings.Compare(a.GroupVersionKind().String(), b.GroupVersionKind().String()), strings.Compare(a.GetName(), b.GetName()))
	})
	c.cluster.Composed = append(c.cluster.Composed, composed...)
}

// integers turns whole numbers that are floats in a function's answer into integers, as
// an API server does.
func integers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, item := range value {
			value[key] = integers(item)
		}
	case []any:
		for i, item := range value {
			value[i] = integers(item)
		}
	case float64:
		if whole := int64(value); float64(whole) == value {
			return whole
		}
	}
	return value
}

// inMessage matches the name of an XR's field in a function's message.
var inMessage = regexp.MustCompile(`\b(?:spec|metadata)(?:\.[A-Za-z0-9]+|\[[0-9]+\])+`)

// fieldOf returns the field that a message names, as keys and indices; nil if it names
// none.
func fieldOf(message string) []any {
	segments, err := fieldpath.Parse(inMessage.FindString(message))
	if err != nil {
		return nil
	}
	var field []any
	for _, segment := range segments {
		if segment.Type == fieldpath.SegmentIndex {
			field = append(field, int(segment.Index)) //nolint:gosec // an index of a list in memory
		} else {
			field = append(field, segment.Field)
		}
	}
	return field
}
