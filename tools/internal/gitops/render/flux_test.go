package render

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestLenient: the version of Flux that a cluster states decides how variables without a
// value are treated.
func TestLenient(t *testing.T) {
	controller := func(image, gates string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: kustomize-controller}\n" +
			"spec: {template: {spec: {containers: [{args: [--log-level=info" + gates + "], image: " + image + "}]}}}"
	}
	namespace := func(version string) string {
		return "apiVersion: v1\nkind: Namespace\nmetadata: {name: flux-system, labels: {app.kubernetes.io/version: " + version + "}}"
	}
	instance := func(version, patch string) string {
		return "apiVersion: fluxcd.controlplane.io/v1\nkind: FluxInstance\nmetadata: {name: flux}\n" +
			"spec: {distribution: {version: '" + version + "'}, kustomize: {patches: [{patch: '" + patch + "'}]}}"
	}
	const off, on = "StrictPostBuildSubstitutions=false", "StrictPostBuildSubstitutions=true"
	for name, test := range map[string]struct {
		objects []string
		want    bool
	}{
		"nothing":               {nil, false},
		"older controller":      {[]string{controller("ghcr.io/fluxcd/kustomize-controller:v1.8.4@sha256:00", "")}, true},
		"newer controller":      {[]string{controller("ghcr.io/fluxcd/kustomize-controller:v1.9.0-rc.1", "")}, false},
		"gate off":              {[]string{controller("kustomize-controller:v1.9.5", ", '--feature-gates=A=true,"+off+"'"), namespace("v2.9.0")}, true},
		"gate on":               {[]string{controller("kustomize-controller:v1.2.0", ", --feature-gates="+on), namespace("v2.2.0")}, false},
		"own build":             {[]string{controller("example.com/kustomize-controller:main", ""), namespace("v2.8.0")}, true},
		"registry with port":    {[]string{controller("127.0.0.1:5000/kustomize-controller:v1.8.0", "")}, true},
		"namespace":             {[]string{namespace("v2.9.1")}, false},
		"before 2":              {[]string{namespace("v0.41.2")}, true},
		"instance":              {[]string{instance("2.x", "")}, false},
		"instance, minor":       {[]string{instance("2.7.x", "")}, true},
		"instance, short minor": {[]string{instance("2.7", "")}, true},
		"instance, bounded":     {[]string{instance(">=2.6.0 <2.9.0", "")}, true},
		"instance, exact":       {[]string{instance("2.9.3", "")}, false},
		"instance, any":         {[]string{instance("*", "")}, false},
		"instance, gate":        {[]string{instance("2.x", "value: --feature-gates="+off)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			owner := &Applier{}
			for _, object := range test.objects {
				u := &unstructured.Unstructured{}
				if err := yaml.Unmarshal([]byte(object), &u.Object); err != nil {
					t.Fatal(err)
				}
				owner.Objects = append(owner.Objects, &Object{Unstructured: u, Owner: owner})
			}
			cluster := &Cluster{Kustomizations: []*Applier{owner}}
			if got := cluster.lenient(); got != test.want {
				t.Errorf("lenient: %v, want %v", got, test.want)
			}
		})
	}
}
