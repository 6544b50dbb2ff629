package pods

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Installs is rule POD010.
var Installs = rule.Rule{
	ID: "POD010", Severity: findings.Error, Title: "container that installs packages at every start",
	Why: "Every new pod waits for a registry that others run, and two pods of one Deployment may get different packages: a " +
		"container should start with a minimum of setup " +
		"(https://docs.docker.com/build/building/best-practices/#create-ephemeral-containers). It is an error where pods come " +
		"in bursts: for a known program, or if a queue scales the workload.",
	Example: "image: python:3\ncommand: [sh, -c, pip install boto3 && exec python consumer.py]",
	Fix:     "Build the packages into the image.",
	Check:   checkInstalls,
}

// installs matches commands that download packages; a list of files to install from this
// machine does not count.
var installs = regexp.MustCompile(`\b(?:pip3?|pipx|uv pip|gem|apt|apt-get|yum|dnf|microdnf|npm|pnpm|yarn)` +
	`(?:\s+-\S+)*\s+(?:install|ci|add)\b|\bapk(?:\s+-\S+)*\s+add\b|\b(?:curl|wget)\b[^|;&]*\|\s*(?:sudo\s+)?(?:ba|da)?sh\b`)

func checkInstalls(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		for _, c := range w.Containers() {
			if install := installs.FindString(strings.Join(slices.Concat(c.Command, c.Args), " ")); install != "" {
				r.ReportAs(severityFor(r, w), commandOf(c), "container %s of %s runs %q at every start", c.Name, w.Key(), install).
					Fix("build the packages into the image")
			}
		}
	}
}

// commandOf returns the field with a container's command.
func commandOf(c model.Container) model.Field {
	if len(c.Command) == 0 {
		return c.At("args")
	}
	return c.At("command")
}

// severityFor returns an error for pods that start in bursts and end in the middle of
// work: those of a workload that is scaled on a queue, or that runs a known program.
func severityFor(r *rule.Pass, w model.Workload) findings.Severity {
	_, known := r.Program(w)
	scaled := slices.ContainsFunc(r.Cluster.SQSTriggers(), func(t model.SQSTrigger) bool { return t.Pods != nil && t.Pods.Object == w.Object })
	if known || scaled {
		return findings.Error
	}
	return findings.Warning
}
