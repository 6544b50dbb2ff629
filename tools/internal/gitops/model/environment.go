package model

import (
	"encoding/base64"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

// Variable is an environment variable of a container.
type Variable struct {
	Value string
	// Known is false if the value is decided in the cluster, or comes from an object that
	// is not in the repository.
	Known bool
	// Field is the workload's field with the value.
	Field Field
}

// Environment returns the variables of a container, including those from ConfigMaps and
// Secrets in the repository. complete is false if some may be missing, because the object
// of an envFrom is not there.
func (c *Cluster) Environment(of Container) (variables map[string]Variable, complete bool) {
	variables, complete = map[string]Variable{}, true
	for i, from := range of.EnvFrom {
		kind, name := "ConfigMap", ""
		switch {
		case from.ConfigMapRef != nil:
			name = from.ConfigMapRef.Name
		case from.SecretRef != nil:
			kind, name = "Secret", from.SecretRef.Name
		}
		data, found := c.Data(of.field.Object, kind, name)
		complete = complete && found
		for key, value := range data {
			variables[from.Prefix+key] = Variable{value, value != render.Encrypted, of.At("envFrom", i)}
		}
	}
	for i, env := range of.Env {
		// $(NAME) stands for another variable's value.
		v := Variable{env.Value, env.ValueFrom == nil && !strings.Contains(env.Value, "$("), of.At("env", i, "value")}
		if env.ValueFrom != nil {
			v.Field = of.At("env", i, "valueFrom")
			v.Value, v.Known = c.referenced(of.field.Object, env.ValueFrom)
		}
		variables[env.Name] = v
	}
	return variables, complete
}

func (c *Cluster) referenced(by *render.Object, from *corev1.EnvVarSource) (string, bool) {
	kind, name, key := "", "", ""
	switch {
	case from.ConfigMapKeyRef != nil:
		kind, name, key = "ConfigMap", from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key
	case from.SecretKeyRef != nil:
		kind, name, key = "Secret", from.SecretKeyRef.Name, from.SecretKeyRef.Key
	default:
		return "", false
	}
	data, _ := c.Data(by, kind, name)
	value, found := data[key]
	return value, found && value != render.Encrypted
}

// Data returns the content of a ConfigMap or Secret in the namespace of the object that
// names it.
func (c *Cluster) Data(from *render.Object, kind, name string) (map[string]string, bool) {
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

// IsLocal reports whether an object is applied to a cluster whose facts say that it runs
// on one machine, with a local replacement for AWS.
func (c *Cluster) IsLocal(o *render.Object) bool {
	for _, facts := range c.Of("", "ConfigMap") {
		environment, _, _ := unstructured.NestedString(facts.Object, "data", "ENVIRONMENT")
		if environment == "local" && Target(facts) == Target(o) {
			return true
		}
	}
	return false
}
