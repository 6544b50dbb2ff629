package flux

import (
	"encoding/base64"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	quantity "k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// fixed is a field that the API server does not allow to change. The API server sets
// defaults. So if only one of two manifests has a value, that is a change only if the
// default cannot be the same value.
type fixed struct {
	path []string
	// unset is the API server's default.
	unset any
	// filled means that the cluster chooses a value if the manifest has none; a later
	// manifest may contain that value.
	filled bool
	// kept means that the API server keeps the value if the manifest no longer has it.
	kept bool
	// defaulted are the keys below the field for which the API server sets defaults;
	// anyKey means all.
	defaulted []string
}

var anyKey = []string{"*"}

// immutable are the fields that Kubernetes' validation of updates protects:
// pkg/apis/*/validation of k8s.io/kubernetes.
var immutable = map[schema.GroupKind][]fixed{
	{Group: "apps", Kind: "Deployment"}: {{path: []string{"spec", "selector"}}},
	{Group: "apps", Kind: "DaemonSet"}:  {{path: []string{"spec", "selector"}}},
	{Group: "apps", Kind: "ReplicaSet"}: {{path: []string{"spec", "selector"}}},
	{Group: "apps", Kind: "StatefulSet"}: {
		{path: []string{"spec", "selector"}},
		{path: []string{"spec", "serviceName"}},
		{path: []string{"spec", "podManagementPolicy"}, unset: "OrderedReady"},
		{path: []string{"spec", "volumeClaimTemplates"}, defaulted: []string{"apiVersion", "kind", "status", "volumeMode", "creationTimestamp"}},
	},
	{Group: "batch", Kind: "Job"}: {
		{path: []string{"spec", "selector"}, filled: true},
		{path: []string{"spec", "completions"}, filled: true, kept: true},
		{path: []string{"spec", "completionMode"}, unset: "NonIndexed"},
		{path: []string{"spec", "template"}, defaulted: anyKey},
	},
	{Kind: "Service"}: {{path: []string{"spec", "clusterIP"}, filled: true, kept: true}},
	{Kind: "PersistentVolumeClaim"}: {
		{path: []string{"spec", "accessModes"}},
		{path: []string{"spec", "selector"}},
		{path: []string{"spec", "volumeMode"}, unset: "Filesystem"},
		{path: []string{"spec", "storageClassName"}, filled: true},
		{path: []string{"spec", "volumeName"}, filled: true},
		{path: []string{"spec", "dataSource"}, filled: true, kept: true, defaulted: anyKey},
		{path: []string{"spec", "dataSourceRef"}, filled: true, kept: true, defaulted: anyKey},
	},
	{Kind: "Secret"}: {{path: []string{"type"}, unset: "Opaque"}},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        {{path: []string{"roleRef"}, defaulted: []string{"apiGroup"}}},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: {{path: []string{"roleRef"}, defaulted: []string{"apiGroup"}}},
	{Group: "storage.k8s.io", Kind: "StorageClass"}: {
		{path: []string{"provisioner"}},
		{path: []string{"parameters"}},
		{path: []string{"reclaimPolicy"}, unset: "Delete"},
		{path: []string{"volumeBindingMode"}, unset: "Immediate"},
	},
}

// checkImmutable compares an object with the one in the cluster, unless Flux recreates it
// or leaves it alone.
func checkImmutable(r *rule.Pass, old, o *render.Object) {
	forced := o.Owner.Spec.Force || model.Switched(o, model.ForceSwitch, "enabled") || model.Switched(old, model.ForceSwitch, "enabled")
	ignored := model.Switched(o, model.ReconcileSwitch, "disabled") || model.Switched(o, model.ApplySwitch, "Ignore") ||
		model.Switched(o, model.ApplySwitch, "IfNotPresent")
	if forced || ignored || r.Base.Broken(old.Owner) || r.Cluster.Broken(o.Owner) || reflect.DeepEqual(old.Object, o.Object) {
		return
	}
	fix := fmt.Sprintf("keep the value or give the object another name; %s: enabled lets Flux delete the object and create it anew",
		model.ForceSwitch)
	for _, field := range immutable[o.GroupVersionKind().GroupKind()] {
		if exempt(old, o, field) || !field.changes(value(old, field.path), value(o, field.path)) {
			continue
		}
		r.Report(model.At(o, anys(field.path)...),
			"%s of %s changes (%s in the base revision), and the API server refuses that of an object that exists",
			strings.Join(field.path, "."), o.Key(), old.Locate(anys(field.path)...)).
			Fix(fix)
	}
	if isFrozen(old) && (!isFrozen(o) || !maps.Equal(contentOf(old), contentOf(o))) {
		r.Report(model.At(o, "metadata", "name"), "%s changes, and the cluster has it with immutable: true", o.Key()).
			Fix(fix)
	}
	if kind, known := r.Cluster.Catalog.Lookup(o.GroupVersionKind()); known && old.GroupVersionKind() == o.GroupVersionKind() {
		for _, problem := range kind.ValidateUpdate(old.Object, o.Object) {
			r.Report(model.At(o, problem.Path...), "%s, and the cluster has %s with another value", problem, o.Key()).
				Fix(fix)
		}
	}
}

// exempt reports whether Kubernetes allows this update: of a Job that may be gone or has
// not started, of an Indexed Job that grows, or of the address of a Service that has, or
// had, no cluster IP.
func exempt(old, o *render.Object, field fixed) bool {
	switch old.GetKind() {
	case "Job":
		_, expires, _ := unstructured.NestedFieldNoCopy(old.Object, "spec", "ttlSecondsAfterFinished")
		suspended, _, _ := unstructured.NestedBool(old.Object, "spec", "suspend")
		mode, _, _ := unstructured.NestedString(o.Object, "spec", "completionMode")
		last := field.path[len(field.path)-1]
		return expires || suspended && last == "template" || mode == "Indexed" && last == "completions"
	case "Service":
		return value(old, []string{"spec", "type"}) == "ExternalName" || value(o, []string{"spec", "type"}) == "ExternalName"
	}
	return false
}

// changes reports whether the API server rejects the change of a field from one value to
// another.
func (f fixed) changes(old, now any) bool {
	if empty(old) {
		old = f.unset
	}
	if empty(now) {
		now = f.unset
	}
	switch {
	case empty(old) && empty(now):
		return false
	case empty(old):
		return !f.filled || now == "None" // no cluster chooses this value
	case empty(now):
		return !f.kept
	}
	return f.differs(f.path[len(f.path)-1], old, now)
}

// freeform are mappings in which no key has a default.
var freeform = []string{"labels", "matchLabels", "annotations", "nodeSelector", "parameters", "requests", "limits"}

// differs compares both sides' values of a key.
func (f fixed) differs(key string, old, now any) bool {
	if before, ok := old.(map[string]any); ok {
		after, ok := now.(map[string]any)
		return !ok || f.differsMapping(key, before, after)
	}
	if before, ok := old.([]any); ok {
		after, ok := now.([]any)
		if !ok || len(before) != len(after) {
			return true
		}
		for i := range before {
			if f.differs(key, before[i], after[i]) {
				return true
			}
		}
		return false
	}
	return !sameValue(old, now)
}

func (f fixed) differsMapping(of string, old, now map[string]any) bool {
	for key := range union(old, now) {
		before, after := old[key], now[key]
		switch {
		case !empty(before) && !empty(after):
			if f.differs(key, before, after) {
				return true
			}
		case empty(before) && empty(after):
		case slices.Contains(freeform, of):
			return true
		case slices.Contains(f.defaulted, key) || slices.Equal(f.defaulted, anyKey):
		default:
			return true
		}
	}
	return false
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// sameValue compares scalars as Kubernetes does: quantities by their amount.
func sameValue(old, now any) bool {
	before, after := fmt.Sprint(old), fmt.Sprint(now)
	if before == after {
		return true
	}
	amount, err := quantity.ParseQuantity(before)
	if err != nil {
		return false
	}
	other, err := quantity.ParseQuantity(after)
	return err == nil && amount.Cmp(other) == 0
}

func empty(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return false
}

func value(o *render.Object, path []string) any {
	found, _, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
	return found
}

func anys(path []string) []any {
	var elements []any
	for _, element := range path {
		elements = append(elements, element)
	}
	return elements
}

func isFrozen(o *render.Object) bool {
	frozen, _, _ := unstructured.NestedBool(o.Object, "immutable")
	return frozen
}

// contentOf returns the content of a ConfigMap or a Secret, in whichever form the
// manifest has it.
func contentOf(o *render.Object) map[string]string {
	content := map[string]string{}
	for _, field := range []string{"data", "binaryData", "stringData"} {
		entries, _, _ := unstructured.NestedMap(o.Object, field)
		for key, entry := range entries {
			text := fmt.Sprint(entry)
			if field == "binaryData" || field == "data" && o.GetKind() == "Secret" {
				if decoded, err := base64.StdEncoding.DecodeString(text); err == nil {
					text = string(decoded)
				}
			}
			content[key] = text
		}
	}
	return content
}
