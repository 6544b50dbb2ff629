package findings

import (
	"fmt"
	"io"
	"strings"
)

// tool is the name under which results are published; home is the page about it.
const (
	tool = "validate"
	home = "https://github.com/mystique-unicorn/sales-events"
)

// Options are settings of a format. The zero value is valid.
type Options struct {
	// Rules describes the rules, in the order in which they are listed.
	Rules []Rule
	// Root is the folder to which the findings' files are relative. Nothing outside of it
	// is read.
	Root string
	// Excerpts adds the source line to each finding in text; a file that cannot be read
	// has none.
	Excerpts bool
	// Colors makes text colored, for terminals.
	Colors bool
}

// Rule describes a rule for readers of its findings in other tools.
type Rule struct {
	ID       string
	Severity Severity
	// Title names the fault in a few words; Why says what goes wrong, Fix what to do.
	Title, Why, Fix string
	// Help is the address of a page about the rule; it may be empty.
	Help string
}

// formats are in the order of the help. Each format gives the same bytes for the same
// report. In none can a control character or invalid UTF-8 from a manifest end a line, a
// field or the document.
var formats = []struct {
	name   string
	render func(Report, Options) ([]byte, error)
}{
	{"text", renderText},
	{"json", renderJSON},
	{"sarif", renderSARIF},
	{"github", renderGitHub},
	{"junit", renderJUnit},
}

// Formats returns the names of the formats, the default first.
func Formats() []string {
	var names []string
	for _, format := range formats {
		names = append(names, format.name)
	}
	return names
}

// Write writes a report in a format, with its findings merged.
func Write(w io.Writer, format string, report Report, options Options) error {
	report.Findings = Merge(report.Findings)
	for _, known := range formats {
		if known.name != format {
			continue
		}
		data, err := known.render(report, options)
		if err != nil {
			return fmt.Errorf("write findings as %s: %w", format, err)
		}
		if _, err := w.Write(data); err != nil {
			return fmt.Errorf("write findings as %s: %w", format, err)
		}
		return nil
	}
	return fmt.Errorf("unknown format %q: use one of %s", format, strings.Join(Formats(), ", "))
}
