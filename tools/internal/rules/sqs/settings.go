package sqs

import (
	"maps"
	"regexp"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Settings is rule SQS005.
var Settings = rule.Rule{
	ID: "SQS005", Severity: findings.Error, Title: "settings that the program refuses",
	Why: "A program that checks its variables at start exits if one is missing or out of range, and its pod crashes in a loop " +
		"(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#container-states). The rule runs the program's own " +
		"check, for the programs that the configuration lists under workloads.",
	Example: "env:\n  - name: MAX_MSGS_PER_BATCH\n    value: \"100\" # at most 10",
	Fix:     "Correct the variable; apps/consumer/config and apps/producer/config list them.",
	Check:   checkSettings,
}

func checkSettings(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		program, known := r.Program(w)
		if !known || program.Read == nil {
			continue
		}
		variables, complete := r.Cluster.Environment(w.MainContainers()[0])
		_, err := program.Read(r.Lookup(w))
		for _, problem := range rule.Problems(err) {
			about := named(problem.Error(), variablesOf(program))
			if len(about) == 0 || !decided(about, variables, complete) {
				continue
			}
			place := w.At("containers", 0, "env")
			if v, set := variables[about[0]]; set {
				place = v.Field
			}
			r.Report(place, "%v", problem).Fix("correct it, or the " + program.Name + " exits at its start")
		}
	}
}

// variablesOf lists the variables that a program reads, by recording its lookups.
func variablesOf(program rule.Program) []string {
	asked := map[string]bool{}
	_, _ = program.Read(func(name string) (string, bool) {
		asked[name] = true
		return "", false
	})
	return slices.Sorted(maps.Keys(asked))
}

var variableName = regexp.MustCompile(`[A-Z][A-Z0-9_]+`)

// named returns the variables in a message; the message is about the first one.
func named(message string, variables []string) []string {
	var found []string
	for _, word := range variableName.FindAllString(message, -1) {
		if slices.Contains(variables, word) && !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found
}

// decided reports whether the manifests determine the values of all these variables,
// including those that are not set.
func decided(names []string, variables map[string]model.Variable, complete bool) bool {
	for _, name := range names {
		if v, set := variables[name]; set && !v.Known || !set && !complete {
			return false
		}
	}
	return true
}
