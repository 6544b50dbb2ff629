package rules

import (
	"github.com/bmatcuk/doublestar/v4"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// unusedException is rule CFG001.
var unusedException = rule.Rule{
	ID: "CFG001", Severity: findings.Warning, Title: "exception that nothing needs",
	Why: "An exception that outlives its finding hides the next finding in the same files, which nobody has considered " +
		"(https://eslint.org/docs/latest/use/configure/rules#report-unused-eslint-disable-comments).",
	Example: "exceptions:\n  - rule: POD005\n    path: apps/gone/**\n    severity: \"off\"\n    reason: it has its own firewall",
	Fix:     "Remove the entry of " + config.Name + ", or correct its path.",
	Check:   func(*rule.Pass) {}, // Unused runs when all rules have judged all clusters
}

// Accept lowers the severity of the findings that the configuration accepts, in place.
func Accept(found []findings.Finding, exceptions []config.Exception) {
	for n, finding := range found {
		for _, exception := range exceptions {
			if !covers(exception, finding) {
				continue
			}
			found[n].Accepted, found[n].Severity = exception.Reason, findings.Warning
			if exception.Severity == "off" {
				found[n].Severity = findings.Off
			}
		}
	}
}

// Unused returns findings about the exceptions that no finding needs. Call it after all
// clusters have been judged.
func Unused(found []findings.Finding, exceptions []config.Exception) []findings.Finding {
	var unused []findings.Finding
	for _, exception := range exceptions {
		needed := false
		for _, finding := range found {
			needed = needed || covers(exception, finding)
		}
		if !needed {
			unused = append(unused, findings.Finding{
				Rule: unusedException.ID, Severity: unusedException.Severity, File: config.Name, Line: exception.Line,
				Message: "no finding of " + exception.Rule + " is in " + exception.Path, Fix: "remove the exception, or correct its path",
			})
		}
	}
	return unused
}

func covers(exception config.Exception, finding findings.Finding) bool {
	return exception.Rule == finding.Rule && doublestar.MatchUnvalidated(exception.Path, finding.File)
}
