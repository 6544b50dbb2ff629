package findings

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// renderGitHub writes workflow commands, which GitHub Actions turns into
// annotations of the changed files:
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
func renderGitHub(report Report, _ Options) ([]byte, error) {
	var out bytes.Buffer
	for _, finding := range report.Findings {
		fmt.Fprintln(&out, annotation(finding))
	}
	fmt.Fprintln(&out, closing(report))
	return out.Bytes(), nil
}

func annotation(finding Finding) string {
	var properties []string
	property := func(name, value string) {
		if value != "" {
			properties = append(properties, name+"="+escapeProperty(plain(value)))
		}
	}
	property("file", finding.File)
	property("line", known(finding.Line))
	property("col", known(finding.Column))
	property("title", strings.TrimSpace(finding.Rule+" "+finding.Object))
	return fmt.Sprintf("::%s %s::%s", command(finding), strings.Join(properties, ","), escapeData(advice(finding)))
}

// command returns the level of an annotation. GitHub shows ten of each level, so accepted
// findings must not use up the warnings.
func command(finding Finding) string {
	switch {
	case finding.Severity == Error:
		return "error"
	case finding.Severity == Warning && finding.Accepted == "":
		return "warning"
	}
	return "notice"
}

// advice returns everything that a finding says, one line for each part.
func advice(finding Finding) string {
	lines := []string{plain(finding.said())}
	if finding.Fix != "" {
		lines = append(lines, plain(finding.Fix))
	}
	if finding.Accepted != "" {
		lines = append(lines, "Accepted: "+plain(finding.Accepted))
	}
	return strings.Join(lines, "\n")
}

// known returns a number that counts from 1; empty for an unknown one.
func known(number int) string {
	if number < 1 {
		return ""
	}
	return strconv.Itoa(number)
}

// The runner decodes these escapes: a percent sign, and the characters that would end a
// command or, in properties, a property.
var (
	data     = []string{"%", "%25", "\r", "%0D", "\n", "%0A"}
	property = append(data[:len(data):len(data)], ":", "%3A", ",", "%2C")

	escapeData     = strings.NewReplacer(data...).Replace
	escapeProperty = strings.NewReplacer(property...).Replace
)
