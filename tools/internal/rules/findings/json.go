package findings

import (
	"bytes"
	"encoding/json"
)

// renderJSON writes the report as it is. Lists are never null: a reader may
// take their length.
func renderJSON(report Report, _ Options) ([]byte, error) {
	findings := make([]Finding, len(report.Findings))
	for i, finding := range report.Findings {
		finding.Clusters = notNil(finding.Clusters)
		findings[i] = finding
	}
	report.Findings = findings
	report.Coverage.Clusters = notNil(report.Coverage.Clusters)
	return encodeJSON(report)
}

func notNil(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

func encodeJSON(document any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	// People read it too, and comparisons such as <= are common in messages.
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)
	return out.Bytes(), err
}
