package rules_test

import (
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// TestSeverities: where one rule has two severities, an error is what does not
// work, a warning what works for now.
func TestSeverities(t *testing.T) {
	for fixture, want := range map[string]map[int]findings.Severity{
		"FLX002-elsewhere":   {48: findings.Error, 60: findings.Error},
		"FLX002-provisioned": {21: findings.Warning, 33: findings.Error, 45: findings.Error, 57: findings.Error, 80: findings.Error, 89: findings.Warning, 98: findings.Error},
		"FLX003-older":       {4: findings.Warning},
		"KEDA003-installed":  {20: findings.Warning},
		"KEDA003-range":      {20: findings.Error},
		"KEDA001-release":    {2: findings.Error},
		"KEDA001-upgrade":    {2: findings.Warning},
		"POD001-refused":     {18: findings.Error, 32: findings.Error, 46: findings.Error, 70: findings.Warning},
		"POD009-provisioned": {53: findings.Error, 67: findings.Warning, 75: findings.Error},
		"SCH001-outside":     {1: findings.Warning, 6: findings.Warning, 10: findings.Warning, 18: findings.Warning, 22: findings.Error, 26: findings.Error, 30: findings.Error},
		"SQS003-buried":      {29: findings.Error, 51: findings.Error, 125: findings.Warning, 135: findings.Warning},
		"SQS005-crash":       {14: findings.Error, 20: findings.Error, 22: findings.Warning},
		"SQS006-scaled":      {13: findings.Error, 41: findings.Error},
		"SQS006-shell":       {13: findings.Warning, 14: findings.Warning, 43: findings.Error, 65: findings.Warning},
	} {
		rule, _, _ := strings.Cut(fixture, "-")
		got := map[int]findings.Severity{}
		for _, finding := range checkFixture(t, "testdata/"+fixture+".txtar") {
			if finding.Rule == rule {
				got[finding.Line] = finding.Severity
			}
		}
		for line, severity := range want {
			if got[line] != severity {
				t.Errorf("%s:%d: %q, want %q", fixture, line, got[line], severity)
			}
		}
	}
}
