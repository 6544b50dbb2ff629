package findings

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// renderText groups findings by file: place and message in one line, the fix in the next.
// At the end it says how much was checked. Accepted findings are only counted; the other
// formats list them.
func renderText(report Report, options Options) ([]byte, error) {
	source := openSource(options)
	defer source.close()
	paint := painter(options.Colors)

	var out bytes.Buffer
	shown := slices.DeleteFunc(slices.Clone(report.Findings), func(f Finding) bool { return f.Severity == Off })
	for i, finding := range shown {
		if i == 0 || shown[i-1].File != finding.File {
			fmt.Fprintln(&out, paint(bold, title(finding.File)))
		}
		writeFinding(&out, paint, finding, report.Coverage)
		writeExcerpt(&out, paint, source, finding)
		if i+1 == len(shown) || shown[i+1].File != finding.File {
			fmt.Fprintln(&out)
		}
	}
	fmt.Fprintln(&out, closing(report))
	return out.Bytes(), nil
}

func title(file string) string {
	if file == "" {
		return "(no file)"
	}
	return plain(file)
}

func writeFinding(out *bytes.Buffer, paint paintFunc, finding Finding, coverage Coverage) {
	what := []string{position(finding), paint(colorOf(finding.Severity), string(finding.Severity)), plain(finding.Rule)}
	if subject := finding.subject(); subject != "" {
		what = append(what, plain(subject))
	}
	fmt.Fprintf(out, "  %s: %s%s\n", strings.Join(what, " "), plain(finding.said()), where(finding, coverage))
	if finding.Fix != "" {
		fmt.Fprintf(out, "    fix: %s\n", plain(finding.Fix))
	}
	if finding.Accepted != "" {
		fmt.Fprintf(out, "    accepted: %s\n", plain(finding.Accepted))
	}
}

// position returns line:column, as far as they are known.
func position(finding Finding) string {
	switch {
	case finding.Line < 1:
		return "-"
	case finding.Column < 1:
		return known(finding.Line)
	}
	return fmt.Sprintf("%d:%d", finding.Line, finding.Column)
}

// where names the clusters, unless all of them have the fault.
func where(finding Finding, coverage Coverage) string {
	everywhere := !slices.ContainsFunc(coverage.Clusters, func(name string) bool {
		return !slices.Contains(finding.Clusters, name)
	})
	if everywhere || len(finding.Clusters) == 0 {
		return ""
	}
	return " (" + plain(strings.Join(finding.Clusters, ", ")) + ")"
}

func writeExcerpt(out *bytes.Buffer, paint paintFunc, source *source, finding Finding) {
	line, caret, ok := source.excerpt(finding.File, finding.Line, finding.Column)
	if !ok {
		return
	}
	number := fmt.Sprint(finding.Line)
	fmt.Fprintf(out, "    %s %s\n", paint(dim, number+" |"), strings.TrimRight(line, " "))
	if caret > 0 {
		margin := strings.Repeat(" ", len(number)) + " |"
		fmt.Fprintf(out, "    %s %s%s\n", paint(dim, margin), strings.Repeat(" ", caret-1), paint(colorOf(finding.Severity), "^"))
	}
}

// closing says in one line what was checked, and the result.
func closing(report Report) string {
	coverage := report.Coverage
	parts := []string{
		count(coverage.Objects, "object") + " in " + count(len(coverage.Clusters), "cluster"),
		count(coverage.Schemas, "schema") + " used",
		fmt.Sprintf("%d unknown", coverage.Unknown),
	}
	if coverage.HeldBack > 0 {
		parts = append(parts, count(coverage.HeldBack, "check")+" held back by "+hiding(coverage)+": --list-unknown")
	}
	parts = append(parts,
		count(coverage.Rules, "rule")+" run", count(report.Count(Error), "error"), count(report.Count(Warning), "warning"))
	if accepted := report.Count(Off); accepted > 0 {
		parts = append(parts, fmt.Sprintf("%d accepted", accepted))
	}
	if coverage.Known > 0 {
		parts = append(parts, fmt.Sprintf("%d known from the base revision", coverage.Known))
	}
	return strings.Join(append(parts, fmt.Sprintf("%.2f s", coverage.Seconds)), ", ")
}

// hiding says what holds back checks.
func hiding(coverage Coverage) string {
	var list []string
	if coverage.HidingCharts > 0 {
		list = append(list, count(coverage.HidingCharts, "unknown chart"))
	}
	if coverage.HidingSources > 0 {
		list = append(list, count(coverage.HidingSources, "unknown source"))
	}
	return strings.Join(list, " and ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// The styles, as parameters of the ECMA-48 sequence that sets them.
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	yellow = "33"
)

func colorOf(severity Severity) string {
	switch severity {
	case Error:
		return red
	case Warning:
		return yellow
	}
	return dim
}

type paintFunc func(style, text string) string

func painter(colors bool) paintFunc {
	if !colors {
		return func(_, text string) string { return text }
	}
	return func(style, text string) string { return "\x1b[" + style + "m" + text + "\x1b[0m" }
}
