package rules

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// unknownWorkloads is rule CFG002.
var unknownWorkloads = rule.Rule{
	ID: "CFG002", Severity: findings.Warning, Title: "program that is known in one cluster and not in another",
	Why: "validate checks the settings of a program with the program's own code, if " + config.Name + " lists its image. If " +
		"production patches the image to another name, only the local cluster's settings are checked, and a wrong setting in " +
		"production goes unnoticed. validate recognizes a name that `images` of a kustomization replaces by newName.",
	Example: "workloads:\n  - image: ghcr.io/acme/consumer # production runs registry.acme.example/consumer\n    program: consumer",
	Fix:     "Add an entry with the image that the cluster runs, or rename the image with `images` of a kustomization.",
	Check:   checkWorkloads,
}

func checkWorkloads(r *rule.Pass) {
	if len(r.Config.Workloads) == 0 {
		return
	}
	elsewhere := knownWorkloads(r)
	for _, w := range r.Cluster.Workloads() {
		known, found := elsewhere[w.Key()]
		if _, here := r.Entry(w); here || !found {
			continue
		}
		r.Report(w.MainContainers()[0].At("image"),
			"%s runs %s, which no entry of %s lists; in %s the image is %s, and only there are its settings checked",
			w.Key(), w.Template.Spec.Containers[0].Image, config.Name, known.cluster, known.Program).
			Fix("add the image to the entries of workloads, with program: " + known.Program)
	}
	for _, entry := range r.Config.Workloads {
		if len(r.Clusters) > 0 && !runsAnywhere(r, entry) {
			r.ReportLine("", render.Location{File: config.Name, Line: entry.Line},
				fmt.Sprintf("no cluster runs %s: the entry has no settings of program %s to check", entry.Image, entry.Program)).
				Fix("write the image that the clusters run, or remove the entry")
		}
	}
}

// knownWorkload is a workload in a cluster, with the configuration's entry that matches
// it.
type knownWorkload struct {
	config.Workload
	cluster string
}

// knownWorkloads returns the workloads of all clusters that an entry matches.
func knownWorkloads(r *rule.Pass) map[render.Key]knownWorkload {
	known := map[render.Key]knownWorkload{}
	for _, cluster := range r.Clusters {
		for _, w := range cluster.Workloads() {
			if entry, found := r.Entry(w); found {
				known[w.Key()] = knownWorkload{entry, cluster.Name}
			}
		}
	}
	return known
}

// runsAnywhere reports whether a cluster has, or may have, a workload that an entry
// matches.
func runsAnywhere(r *rule.Pass, entry config.Workload) bool {
	for _, cluster := range r.Clusters {
		if !cluster.Complete(model.Objects) || len(cluster.Failures(render.BuildFailed)) > 0 {
			return true
		}
		for _, w := range cluster.Workloads() {
			if found, known := r.Entry(w); known && found.Image == entry.Image {
				return true
			}
		}
		for _, function := range cluster.Of("pkg.crossplane.io", "Function") {
			source, _, _ := unstructured.NestedString(function.Object, "spec", "package")
			if name, _ := model.SplitImage(source); name == entry.Image {
				return true
			}
		}
	}
	return false
}
