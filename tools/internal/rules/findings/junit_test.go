package findings

import (
	"encoding/xml"
	"fmt"
	"slices"
	"testing"
)

func TestJUnitCase(t *testing.T) {
	for name, tc := range map[string]struct {
		finding Finding
		want    string
	}{
		"error":            {Finding{Severity: Error}, "failed"},
		"warning":          {Finding{Severity: Warning}, "passed with output"},
		"accepted warning": {Finding{Severity: Warning, Accepted: "why"}, "skipped"},
		"accepted":         {Finding{Severity: Off, Accepted: "why"}, "skipped"},
	} {
		c := caseOf(tc.finding)
		got := "passed"
		switch {
		case c.Failure != nil && c.Skipped == nil:
			got = "failed"
		case c.Skipped != nil && c.Failure == nil:
			got = "skipped"
		case c.Output != "":
			got = "passed with output"
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestJUnitCounts(t *testing.T) {
	for name, tc := range map[string]struct {
		report Report
		// tests, failures, skipped and the suites.
		want string
	}{
		"full":  {full, "5 2 2 4"},
		"clean": {clean, "1 0 0 1"},
	} {
		document := parseJUnit(t, write(t, "junit", tc.report, options))
		tests, failures, skips := 0, 0, 0
		for _, suite := range document.Suites {
			if suite.Tests != len(suite.Cases) {
				t.Errorf("%s: suite %s says %d, has %d", name, suite.Name, suite.Tests, len(suite.Cases))
			}
			tests, failures, skips = tests+suite.Tests, failures+suite.Failures, skips+suite.Skipped
		}
		if document.Tests != tests || document.Failures != failures {
			t.Errorf("%s: the document says %d and %d, its suites %d and %d", name, document.Tests, document.Failures, tests, failures)
		}
		if got := fmt.Sprint(tests, failures, skips, len(document.Suites)); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// FuzzJUnit reads the document back: a strict parser accepts it, and the findings' texts
// are unchanged.
func FuzzJUnit(f *testing.F) {
	for _, finding := range slices.Concat(full.Findings, hostile.Findings) {
		f.Add(finding.File, finding.Object, finding.Message, finding.Fix, finding.Accepted)
	}
	f.Add("\ufffe\uffff", "\x0b", "]]>", "<![CDATA[", "&#0;")
	f.Fuzz(func(t *testing.T, file, object, message, fix, accepted string) {
		for _, severity := range []Severity{Error, Warning, Off} {
			finding := Finding{Rule: "KEDA003", Severity: severity, File: file, Object: object, Message: message, Fix: fix, Accepted: accepted}
			document := parseJUnit(t, write(t, "junit", Report{Findings: []Finding{finding}}, Options{}))
			if len(document.Suites) != 1 || len(document.Suites[0].Cases) != 1 {
				t.Fatalf("not one case: %v", document)
			}
			got, want := document.Suites[0].Cases[0], caseOf(finding)
			if show(got) != show(want) {
				t.Errorf("got  %s\nwant %s", show(got), show(want))
			}
		}
	})
}

func show(c testCase) string {
	text := fmt.Sprintf("%q %q %q %q %q", c.Name, c.ClassName, c.File, c.Line, c.Output)
	if c.Failure != nil {
		text += fmt.Sprintf(" %q", *c.Failure)
	}
	if c.Skipped != nil {
		text += fmt.Sprintf(" %q", *c.Skipped)
	}
	return text
}

func parseJUnit(t *testing.T, data []byte) testSuites {
	t.Helper()
	var document testSuites
	if err := xml.Unmarshal(data, &document); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return document
}
