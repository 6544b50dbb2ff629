package findings

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// The part of SARIF 2.1.0 that validate writes. A library's types would write all
// defaults of the format in every finding; these types omit defaults.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string               `json:"columnKind"`
		Bases      map[string]sarifBase `json:"originalUriBaseIds"`
		Results    []sarifResult        `json:"results"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		Home  string      `json:"informationUri"`
		Rules []sarifRule `json:"rules"`
	}
	sarifBase struct {
		Description sarifText `json:"description"`
	}
	sarifRule struct {
		ID      string       `json:"id"`
		Short   sarifText    `json:"shortDescription"`
		Full    sarifText    `json:"fullDescription"`
		Help    sarifText    `json:"help"`
		HelpURI string       `json:"helpUri,omitempty"`
		Default sarifDefault `json:"defaultConfiguration"`
	}
	sarifDefault struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		RuleID       string             `json:"ruleId"`
		RuleIndex    *int               `json:"ruleIndex,omitempty"`
		Level        string             `json:"level"`
		Message      sarifText          `json:"message"`
		Locations    []sarifLocation    `json:"locations"`
		Fingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions []sarifSuppression `json:"suppressions,omitempty"`
		Properties   struct {
			Clusters []string `json:"clusters"`
		} `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Status        string `json:"status"`
		Justification string `json:"justification"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
)

// srcRoot is the usual name for the root of a checkout, for GitHub and others.
const srcRoot = "%SRCROOT%"

// renderSARIF writes the report for code scanning.
func renderSARIF(report Report, options Options) ([]byte, error) {
	run := sarifRun{
		// The unit in which a YAML parser counts.
		ColumnKind: "unicodeCodePoints",
		Bases:      map[string]sarifBase{srcRoot: {sarifText{"The root of the repository."}}},
		Results:    []sarifResult{},
	}
	run.Tool.Driver = sarifDriver{Name: tool, Home: home, Rules: []sarifRule{}}
	index := map[string]int{}
	for i, rule := range options.Rules {
		index[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(rule))
	}
	seen := map[string]int{}
	for _, finding := range report.Findings {
		result := sarifResultOf(finding, seen)
		if i, ok := index[finding.Rule]; ok {
			result.RuleIndex = &i
		}
		run.Results = append(run.Results, result)
	}
	return encodeJSON(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{run},
	})
}

func sarifRuleOf(rule Rule) sarifRule {
	return sarifRule{
		ID:      rule.ID,
		Short:   sarifText{rule.Title},
		Full:    sarifText{rule.Why},
		Help:    sarifText{rule.Why + "\n\n" + rule.Fix},
		HelpURI: rule.Help,
		Default: sarifDefault{level(rule.Severity)},
	}
}

func sarifResultOf(finding Finding, seen map[string]int) sarifResult {
	result := sarifResult{
		RuleID:       finding.Rule,
		Level:        level(finding.Severity),
		Message:      sarifText{strings.TrimSuffix(finding.said()+"\n"+finding.Fix, "\n")},
		Locations:    []sarifLocation{sarifLocationOf(finding)},
		Fingerprints: map[string]string{"finding/v1": fingerprint(finding, seen)},
	}
	result.Properties.Clusters = notNil(finding.Clusters)
	if finding.Accepted != "" {
		result.Suppressions = []sarifSuppression{{"external", "accepted", finding.Accepted}}
	}
	return result
}

func level(severity Severity) string {
	switch severity {
	case Error, Warning:
		return string(severity)
	}
	return "note"
}

// sarifLocationOf returns a location with a file and a line for every finding, because
// GitHub rejects the whole document if a result lacks them. A finding without a file is
// located at the root.
func sarifLocationOf(finding Finding) sarifLocation {
	file := cmp.Or(filepath.ToSlash(finding.File), ".")
	// A URL escapes the spaces, percent signs and colons of a file name.
	address := url.URL{Path: file}
	location := sarifLocation{Physical: sarifPhysical{
		Artifact: sarifArtifact{address.String(), srcRoot},
		Region:   sarifRegion{max(1, finding.Line), max(0, finding.Column)},
	}}
	if finding.Object != "" {
		location.Logical = []sarifLogical{{finding.Object, "resource"}}
	}
	return location
}

// fingerprint identifies a finding across runs. It does not contain the line, which moves
// when the file is edited. Findings that are otherwise equal are numbered.
func fingerprint(finding Finding, seen map[string]int) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{finding.Rule, finding.File, finding.Object, finding.Message}, "\x00")))
	name := hex.EncodeToString(sum[:16])
	seen[name]++
	return fmt.Sprintf("%s:%d", name, seen[name])
}
