package command

import "testing"

func TestSourceOf(t *testing.T) {
	for module, want := range map[string]string{
		"github.com/mystique-unicorn/sales-events": "https://github.com/mystique-unicorn/sales-events",
		"github.com/kedacore/keda/v2":              "https://github.com/kedacore/keda",
		"github.com/fluxcd/pkg/kustomize":          "https://github.com/fluxcd/pkg",
		"go.etcd.io/etcd/server/v3":                "https://go.etcd.io/etcd/server",
		"k8s.io/kubernetes":                        "https://k8s.io/kubernetes",
		"shop":                                     "",
		"":                                         "",
	} {
		if got := sourceOf(module); got != want {
			t.Errorf("source of %q is %q, want %q", module, got, want)
		}
	}
}

// TestExecutable checks that the programs of engines have the names that the go command gives them.
func TestExecutable(t *testing.T) {
	for path, want := range map[string]string{
		"k8s.io/kubernetes/cmd/kube-scheduler": "kube-scheduler",
		"go.etcd.io/etcd/server/v3":            "server",
		"github.com/coredns/coredns":           "coredns",
	} {
		if got := executable(path); got != want {
			t.Errorf("%s is called %q, want %q", path, got, want)
		}
	}
}
