package rules

import (
	"encoding/base64"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// variable is an environment variable of a container.
type variable struct {
	value string
	// known is false where the value comes from what the cluster decides or
	// from an object that is not in the repository.
	known bool
	// field is where the workload says it.
	field []any
}

// environment reads the variables of a workload's container at an index.
func environment(c *model.Cluster, w model.Workload, index int) (variables map[string]variable, complete bool) {
	return containerVariables(c, w, w.Template.Spec.Containers[index], "containers", index)
}

// containerVariables reads the variables of a container, which is a field of its pod,
// ConfigMaps and Secrets of the repository included. Complete is false when some
// may be missing: an envFrom whose object is not there.
func containerVariables(c *model.Cluster, w model.Workload, container corev1.Container, field ...any) (variables map[string]variable, complete bool) {
	at := func(elements ...any) []any { return w.Field(slices.Concat(field, elements)...) }
	variables, complete = map[string]variable{}, true
	for i, from := range container.EnvFrom {
		kind, name := "ConfigMap", ""
		switch {
		case from.ConfigMapRef != nil:
			name = from.ConfigMapRef.Name
		case from.SecretRef != nil:
			kind, name = "Secret", from.SecretRef.Name
		}
		data, found := dataOf(c, w.Object, kind, name)
		complete = complete && found
		for key, value := range data {
			variables[from.Prefix+key] = variable{value, value != render.Encrypted, at("envFrom", i)}
		}
	}
	for i, env := range container.Env {
		// $(NAME) is another variable's value.
		v := variable{value: env.Value, known: env.ValueFrom == nil && !strings.Contains(env.Value, "$("), field: at("env", i, "value")}
		if env.ValueFrom != nil {
			v.field = at("env", i, "valueFrom")
			v.value, v.known = referenced(c, w, env.ValueFrom)
		}
		variables[env.Name] = v
	}
	return variables, complete
}

func referenced(c *model.Cluster, w model.Workload, from *corev1.EnvVarSource) (string, bool) {
	kind, name, key := "", "", ""
	switch {
	case from.ConfigMapKeyRef != nil:
		kind, name, key = "ConfigMap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key
	case from.SecretKeyRef != nil:
		kind, name, key = "Secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key
	default:
		return "", false
	}
	data, _ := dataOf(c, w.Object, kind, name)
	value, found := data[key]
	return value, found && value != render.Encrypted
}

// dataOf is the content of a ConfigMap or Secret that an object of its namespace
// names.
func dataOf(c *model.Cluster, from *render.Object, kind, name string) (map[string]string, bool) {
	object := c.Find(from, "", kind, from.GetNamespace(), name)
	if object == nil {
		return nil, false
	}
	data := map[string]string{}
	for _, field := range []string{"data", "stringData"} {
		values, _, _ := unstructured.NestedMap(object.Object, field)
		for key, value := range values {
			text, ok := value.(string)
			if plain, err := base64.StdEncoding.DecodeString(text); kind == "Secret" && field == "data" && err == nil {
				text = string(plain)
			}
			if ok {
				data[key] = text
			}
		}
	}
	return data, true
}
