package sqs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Unread is rule SQS008.
var Unread = rule.Rule{
	ID: "SQS008", Severity: findings.Error, Title: "variable that the program never reads",
	Why: "If a variable is misspelt, the program silently uses the default: the setting is not in force " +
		"(https://12factor.net/config). A name that resembles no variable of the program is a warning. The rule judges the " +
		"programs that the configuration lists under workloads.",
	Example: "env:\n  - name: MAX_MSG_PER_BATCH # MAX_MSGS_PER_BATCH\n    value: \"10\"",
	Fix:     "Correct the name, or remove the variable.",
	Check:   checkUnread,
}

// foreign matches variables that the Go runtime and the programs' libraries read, and
// variables that describe the pod for people.
var foreign = regexp.MustCompile(`^(AWS|OTEL|SSL|KUBERNETES|POD|NODE|K8S)_` +
	`|^(GO[A-Z0-9]+|TZ|HOME|PATH|HOSTNAME|USER|LANG|TMPDIR)$|(?i)^(https?|no|all)_proxy$`)

func checkUnread(r *rule.Pass) {
	for _, w := range r.Cluster.Workloads() {
		program, known := r.Program(w)
		if !known || program.Read == nil {
			continue
		}
		read := variablesOf(program)
		for i, env := range w.Template.Spec.Containers[0].Env {
			expected := slices.Contains(read, env.Name) || foreign.MatchString(env.Name) || env.ValueFrom != nil
			if expected || misspeltSDKVariable(env.Name) != "" {
				continue
			}
			place := w.At("containers", 0, "env", i, "name")
			if near := nearest(env.Name, read); near != "" {
				r.Report(place, "%s sets %s, which the %s does not read", w.Key(), env.Name, program.Name).
					Fix("did you mean " + near + "?")
			} else {
				r.Warn(place, "%s sets %s, which the %s does not read", w.Key(), env.Name, program.Name).
					Fix(fmt.Sprintf("remove it; it reads %s", strings.Join(read, ", ")))
			}
		}
	}
}
