//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// Every folder exists, and has a kustomization if it must be built.
func TestFindOverlays(t *testing.T) {
	found, err := findOverlays(t.Context(), root, []string{"local"})
	if err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, o := range found {
		dirs = append(dirs, filepath.ToSlash(o.dir))
		if _, err := os.Stat(filepath.Join(o.dir, "kustomization.yaml")); (err == nil) != o.kustomized {
			t.Errorf("%s: kustomized is %t: %v", o.dir, o.kustomized, err)
		}
	}
	for _, want := range []string{"clusters/local", "apps/consumer/deploy/local", "/config/default"} {
		if !strings.Contains(strings.Join(dirs, "\n")+"\n", want+"\n") {
			t.Errorf("no %s among %q", want, dirs)
		}
	}
}

// The library is the one that kubeconform uses.
func TestSchemas(t *testing.T) {
	dir := t.TempDir()
	if err := writeSchemas(filepath.Join(root, archive), dir); err != nil {
		t.Fatal(err)
	}
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n"
	for name, test := range map[string]struct {
		schema, object, want string
	}{
		"valid": {"apps/v1/deployment.json", deployment +
			"spec: {selector: {}, template: {spec: {containers: [{name: a, resources: {limits: {cpu: 1, memory: 1Gi}}, livenessProbe: {httpGet: {port: http}}}]}}}", ""},
		"unknown field":       {"apps/v1/deployment.json", deployment + "spec: {selector: {}, template: {}, replica: 1}", "'replica' not allowed"},
		"wrong type":          {"apps/v1/deployment.json", deployment + "spec: {selector: {}, template: {}, replicas: many}", "want integer"},
		"number or string":    {"apps/v1/deployment.json", deployment + "spec: {selector: {}, template: {spec: {containers: [{name: a, livenessProbe: {httpGet: {port: 1.5}}}]}}}", "want integer or string"},
		"custom resource":     {"keda.sh/v1alpha1/scaledobject.json", "spec: {scaleTargetRef: {name: a}, triggers: [], max: 1}", "'max' not allowed"},
		"of the core group":   {"v1/v1/configmap.json", "data: {a: 1}", "want string"},
		"unknown at the root": {"v1/v1/configmap.json", "dta: {a: b}", "'dta' not allowed"},
	} {
		schema, err := jsonschema.NewCompiler().Compile(filepath.Join(dir, test.schema))
		if err != nil {
			t.Fatal(err)
		}
		var object any
		if err := yaml.Unmarshal([]byte(test.object), &object); err != nil {
			t.Fatal(err)
		}
		switch err := schema.Validate(object); {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v does not say %q", name, err, test.want)
		}
	}
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	fast := series{times: []time.Duration{3e6, 1e6, 2e6}, memory: 4e6}
	slow := series{times: []time.Duration{10e6, 5e6, 90e6}, memory: 12e6}
	if err := report(&out, 6, fast, slow); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"validate is 5.0 times as fast as kustomize and kubeconform: 6 overlays, 3 runs each, ",
		"validate                  2 ms     1 ms      4 MB\n",
		"kustomize | kubeconform   10 ms    5 ms      12 MB\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}
