package findings

import (
	"bytes"
	"encoding/json"
)

// renderJSON writes the report unchanged. Lists are never null, so that readers can take
// their length.
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
	// People read it, too, and messages often contain comparisons such as <=.
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(document)
	return out.Bytes(), err
}
