package findings

import (
	"encoding/xml"
	"fmt"
	"strings"
)

type testSuites struct {
	XMLName  xml.Name    `xml:"testsuites"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Time     string      `xml:"time,attr"`
	Suites   []testSuite `xml:"testsuite"`
}

type testSuite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Cases    []testCase `xml:"testcase"`
}

type testCase struct {
	Name      string   `xml:"name,attr"`
	ClassName string   `xml:"classname,attr"`
	File      string   `xml:"file,attr,omitempty"`
	Line      string   `xml:"line,attr,omitempty"`
	Failure   *failure `xml:"failure"`
	Skipped   *skipped `xml:"skipped"`
	Output    string   `xml:"system-out,omitempty"`
}

type failure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

type skipped struct {
	Message string `xml:"message,attr"`
}

// renderJUnit writes a suite for each file and a case for each finding. An error fails, a
// warning passes with its text as output, an accepted finding is skipped. A run without
// findings has one passing case, because readers take a document without cases for a run
// that did not happen.
func renderJUnit(report Report, _ Options) ([]byte, error) {
	document := testSuites{Name: tool, Time: fmt.Sprintf("%.3f", report.Coverage.Seconds)}
	for i, finding := range report.Findings {
		if i == 0 || report.Findings[i-1].File != finding.File {
			document.Suites = append(document.Suites, testSuite{Name: title(finding.File)})
		}
		document.Suites[len(document.Suites)-1].add(caseOf(finding))
	}
	if len(report.Findings) == 0 {
		clean := testSuite{Name: tool}
		clean.add(testCase{Name: "no findings", ClassName: tool, Output: closing(report)})
		document.Suites = []testSuite{clean}
	}
	for _, suite := range document.Suites {
		document.Tests += suite.Tests
		document.Failures += suite.Failures
	}
	body, err := xml.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

func (s *testSuite) add(c testCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Skipped != nil {
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// caseOf returns a case. Its name does not contain the line, because readers follow a case
// from run to run by its name.
func caseOf(finding Finding) testCase {
	c := testCase{
		Name:      plain(strings.TrimSpace(finding.Rule+" "+finding.subject()) + ": " + finding.Message),
		ClassName: title(finding.File),
		File:      plain(finding.File),
		Line:      known(finding.Line),
	}
	switch {
	case finding.Severity == Error:
		c.Failure = &failure{Type: plain(finding.Rule), Message: plain(finding.said()), Text: details(finding)}
	case finding.Accepted != "" || finding.Severity == Off:
		c.Skipped = &skipped{Message: "accepted: " + plain(finding.Accepted)}
	default:
		c.Output = details(finding)
	}
	return c
}

// details returns the place of a finding, as a line that editors and terminals turn into
// a link, and then its text.
func details(finding Finding) string {
	place := []string{title(finding.File)}
	for _, number := range []string{known(finding.Line), known(finding.Column)} {
		if number != "" {
			place = append(place, number)
		}
	}
	return fmt.Sprintf("%s: %s\n%s", strings.Join(place, ":"), finding.Severity, advice(finding))
}
