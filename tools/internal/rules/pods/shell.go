package pods

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Shell is rule POD011.
var Shell = rule.Rule{
	ID: "POD011", Severity: findings.Error, Title: "program under a shell that does not forward SIGTERM",
	Why: "A shell that is the first process does not forward SIGTERM, so the program is killed during its work " +
		"(https://docs.docker.com/reference/dockerfile/#shell-form-entrypoint-example). It is an error where pods come in " +
		"bursts: for a known program, or if a queue scales the workload. A shell may replace itself with a single command, " +
		"which is therefore a warning.",
	Example: "command: [sh, -c, ./migrate && python consumer.py]",
	Fix:     "Run the program directly, or write exec before it.",
	Check:   checkShell,
}

var (
	shells = regexp.MustCompile(`^(?:/(?:usr/)?bin/)?(?:ba|da|a|z)?sh$`)
	// passes matches commands with which a script passes SIGTERM on.
	passes = regexp.MustCompile(`\b(?:exec|trap)\s`)
	// several matches a script with more than one command.
	several = regexp.MustCompile(`[;&|\n]`)
)

func checkShell(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		if !w.LongRunning() {
			continue
		}
		for _, c := range w.Containers() {
			script, shell := scriptOf(slices.Concat(c.Command, c.Args))
			if !shell || c.Starts || passes.MatchString(script) {
				continue
			}
			severity := findings.Warning
			if several.MatchString(strings.TrimSpace(script)) {
				severity = severityFor(r, w)
			}
			r.ReportAs(severity, commandOf(c), "container %s of %s runs its program under a shell, which does not forward SIGTERM", c.Name, w.Key()).
				Fix("run the program directly, or write exec before it")
		}
	}
}

// scriptOf returns the script in a command of the form sh -c script.
func scriptOf(words []string) (script string, found bool) {
	if len(words) == 0 || !shells.MatchString(words[0]) {
		return "", false
	}
	for i, word := range words[1:] {
		if !strings.HasPrefix(word, "-") {
			return "", false
		}
		if strings.HasSuffix(word, "c") && i+2 < len(words) {
			return words[i+2], true
		}
	}
	return "", false
}
