package findings

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	for _, tc := range []struct {
		finding Finding
		want    string
	}{
		{Finding{Severity: Error}, "error"},
		{Finding{Severity: Warning}, "warning"},
		{Finding{Severity: Warning, Accepted: "why"}, "notice"},
		{Finding{Severity: Off, Accepted: "why"}, "notice"},
	} {
		if got := command(tc.finding); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.finding, got, tc.want)
		}
	}
}

// FuzzAnnotation parses an annotation as GitHub Actions' runner does, and expects the
// original text in one command.
func FuzzAnnotation(f *testing.F) {
	for _, finding := range slices.Concat(full.Findings, hostile.Findings) {
		f.Add(finding.File, finding.Line, finding.Column, finding.Object, finding.Message, finding.Fix)
	}
	f.Add("%250A,line=1::", 1, 1, "%0D%25", "::endgroup::", "##[warning]")
	f.Fuzz(func(t *testing.T, file string, line, column int, object, message, fix string) {
		finding := Finding{Rule: "KEDA003", Severity: Error, File: file, Line: line, Column: column, Object: object, Message: message, Fix: fix}
		text := annotation(finding)
		name, properties, data := parseCommand(t, text)
		if name != "error" || data != advice(finding) {
			t.Errorf("%q is the command %s with %q, want %q", text, name, data, advice(finding))
		}
		for name, want := range map[string]string{
			"file": plain(file), "line": known(line), "col": known(column),
			"title": plain(strings.TrimSpace("KEDA003 " + object)),
		} {
			if got := properties[name]; got != want {
				t.Errorf("%q has %s %q, want %q", text, name, got, want)
			}
		}
	})
}

// parseCommand follows the runner's ActionCommand: the command ends at the next two
// colons, properties end at commas, a property's name at the first equals sign.
func parseCommand(t *testing.T, text string) (name string, properties map[string]string, data string) {
	t.Helper()
	if strings.ContainsAny(text, "\r\n") {
		t.Fatalf("%q is more than a line", text)
	}
	head, data, ok := strings.Cut(strings.TrimPrefix(text, "::"), "::")
	if !ok || !strings.HasPrefix(text, "::") {
		t.Fatalf("%q is no command", text)
	}
	name, list, _ := strings.Cut(head, " ")
	properties = map[string]string{}
	for pair := range strings.SplitSeq(list, ",") {
		key, value, _ := strings.Cut(pair, "=")
		if _, twice := properties[key]; twice {
			t.Fatalf("%q has %s twice", text, key)
		}
		properties[key] = unescape(value)
	}
	return name, properties, unescape(data)
}

// unescape reverses all escapes at once, from left to right.
func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				out.WriteByte(byte(code))
				i += 2
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}
