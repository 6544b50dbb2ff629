package findings

import (
	"fmt"
	"io"
	"strings"
)

// tool is the name under which results are filed; home is the page that explains it.
const (
	tool = "validate"
	home = "https://github.com/mystique-unicorn/sales-events"
)

// Options say what a format needs beside the report. The zero value is valid.
type Options struct {
	// Rules describe the rules, in the order in which they are to be listed.
	Rules []Rule
	// Root is the folder to which the files of findings are relative. Nothing
	// outside it is read.
	Root string
	// Excerpts adds the line of the source to each finding of a text; a file
	// that cannot be read has none.
	Excerpts bool
	// Colors makes a text colored, for terminals.
	Colors bool
}

// Rule describes a rule to those who see its findings elsewhere.
type Rule struct {
	ID       string
	Severity Severity
	// Title is the fault in a few words, Why what goes wrong, Fix what to do.
	Title, Why, Fix string
	// Help is the address of a page about the rule; it may be empty.
	Help string
}

// formats are in the order in which help lists them. Each gives the same bytes
// for the same report, and none lets a control character or broken UTF-8 of a
// manifest end a line, a field or the document.
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

// Formats are the names that Write knows, the default first.
func Formats() []string {
	var names []string
	for _, format := range formats {
		names = append(names, format.name)
	}
	return names
}

// Write writes a report, its findings merged, in the format of a name.
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
