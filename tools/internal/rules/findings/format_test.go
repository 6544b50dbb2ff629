package findings

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// full has a finding of every kind; hostile has text with which a manifest may attack a
// format.
var (
	full = Report{
		Findings: []Finding{
			{
				Rule: "KEDA003", Severity: Error, Clusters: []string{"local"}, Object: "ScaledObject.keda.sh/apps/consumer",
				File: "apps/consumer/scaledobject.yaml", Line: 12, Column: 9,
				Message: `trigger aws-sqs-queue has no key "queueLenght"`, Fix: `Write "queueLength".`,
			},
			{
				Rule: "KEDA003", Severity: Error, Clusters: []string{"staging"}, Object: "ScaledObject.keda.sh/apps/consumer",
				File: "apps/consumer/scaledobject.yaml", Line: 12, Column: 9,
				Message: `trigger aws-sqs-queue has no key "queueLenght"`, Fix: `Write "queueLength".`,
			},
			{
				Rule: "KEDA011", Severity: Warning, Clusters: []string{"local"}, Object: "ScaledObject.keda.sh/apps/consumer",
				File: "apps/consumer/scaledobject.yaml", Line: 6, Column: 1,
				Message: "no fallback: while AWS does not answer, nothing scales", Fix: "Set spec.fallback.",
				Accepted: "the local AWS server is in the same cluster",
			},
			{
				Rule: "POD007", Severity: Off, Clusters: []string{"local", "staging"}, Object: "DaemonSet.apps/ssm-agent/installer",
				File: "apps/ssm-agent/daemonset 100%: a, b.yaml", Line: 3,
				Message: "runs as root", Fix: "Set runAsNonRoot.", Accepted: "it installs a package on the node",
			},
			{
				Rule: "KEDA007", Severity: Warning, Clusters: []string{"local", "staging"}, Object: "ScaledObject.keda.sh/apps/consumer",
				File: "clusters/staging/facts.yaml", Message: "111122223333 is a placeholder", Fix: "Set AWS_ACCOUNT_ID.",
			},
			{
				Rule: "X001", Severity: Error, Clusters: []string{"staging"},
				Message: "the cluster has no root Kustomization", Fix: "Add one.",
			},
		},
		Coverage: Coverage{Objects: 812, Unknown: 1, HeldBack: 3, HidingCharts: 1, Schemas: 95, Rules: 41, Clusters: []string{"local", "staging"}, Seconds: 0.4218},
	}
	hostile = Report{
		Findings: []Finding{{
			Rule: "KEDA003", Severity: Error, Object: "ScaledObject.keda.sh/a\x1b[2J/b\u202ec",
			File: "hostile\n::error::name\xff.yaml", Line: 1, Column: 3,
			Message: "value \"50%\r\n::stop-commands::x\x1b[31m\x00\xff\u2028]]></failure>&", Fix: "a\nb\tc",
		}},
		Coverage: Coverage{Objects: 1, Schemas: 1, Rules: 1, Clusters: []string{"local"}},
	}
	clean = Report{Coverage: Coverage{Objects: 812, Schemas: 95, Rules: 41, Clusters: []string{"local", "staging"}, Seconds: 0.4}}

	options = Options{
		Root: filepath.Join("testdata", "repository"),
		Rules: []Rule{
			{
				ID: "KEDA003", Severity: Error, Title: "trigger metadata that KEDA ignores or cannot read",
				Why: "KEDA drops a key that it does not know, and the default rules.", Fix: "Spell the key as KEDA does.",
				Help: "https://example.com/docs/validate.md#keda003",
			},
			{ID: "KEDA007", Severity: Error, Title: "queue that the cluster does not declare", Why: "The scaler gets an error for ever.", Fix: "Name a queue."},
			{ID: "KEDA011", Severity: Warning, Title: "no fallback", Why: "Nothing scales without metrics.", Fix: "Set a fallback."},
			{ID: "POD007", Severity: Error, Title: "container as root", Why: "Root in a container is close to root outside.", Fix: "Run as another user."},
		},
	}
)

func TestGolden(t *testing.T) {
	terminal := options
	terminal.Excerpts, terminal.Colors = true, true
	for name, report := range map[string]Report{"full": full, "hostile": hostile, "clean": clean} {
		for _, format := range Formats() {
			t.Run(name+"."+format, func(t *testing.T) { golden(t, name+"."+format, write(t, format, report, options)) })
		}
		t.Run(name+".terminal", func(t *testing.T) { golden(t, name+".terminal", write(t, "text", report, terminal)) })
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	reversed := full
	reversed.Findings = slices.Clone(full.Findings)
	slices.Reverse(reversed.Findings)
	for i := range reversed.Findings {
		// Clusters keep the order in which they were checked.
		if reversed.Findings[i].Rule == "KEDA003" {
			reversed.Findings[i].Clusters = []string{"local", "staging"}
		}
	}
	for _, format := range Formats() {
		if got, want := write(t, format, reversed, options), write(t, format, full, options); !bytes.Equal(got, want) {
			t.Errorf("%s differs:\n%s", format, got)
		}
	}
}

func TestJSONIsTheReport(t *testing.T) {
	var got Report
	if err := json.Unmarshal(write(t, "json", full, options), &got); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(Report{Findings: Merge(full.Findings), Coverage: full.Coverage})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(got); err != nil || !bytes.Equal(again, want) {
		t.Errorf("got  %s, %v\nwant %s", again, err, want)
	}
}

func TestWriteErrors(t *testing.T) {
	err := Write(&bytes.Buffer{}, "html", clean, Options{})
	if err == nil || err.Error() != `unknown format "html": use one of text, json, sarif, github, junit` {
		t.Errorf("unknown format: %v", err)
	}
	full := errors.New("disk full")
	for _, format := range Formats() {
		if err := Write(failing{full}, format, clean, Options{}); !errors.Is(err, full) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                 "",
		"größer als 5 €":   "größer als 5 €",
		"a\r\n\tb\u2028c":  "a   b c",
		"\x1b[31mred\x9b":  "\ufffd[31mred\ufffd",
		"\u202eevil\u2066": "\ufffdevil\ufffd",
		"\xff\xc3(":        "\ufffd\ufffd(",
		"nul\x00del\x7f":   "nul\ufffddel\ufffd",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzWrite checks what every format promises: valid UTF-8, no control character other
// than the line's end where people read it, and the same bytes for the same report.
func FuzzWrite(f *testing.F) {
	for _, finding := range slices.Concat(full.Findings, hostile.Findings) {
		f.Add(finding.File, finding.Line, finding.Column, finding.Object, finding.Message, finding.Fix, finding.Accepted)
	}
	f.Fuzz(func(t *testing.T, file string, line, column int, object, message, fix, accepted string) {
		report := Report{Findings: []Finding{{
			Rule: "KEDA003", Severity: Warning, Clusters: []string{object}, Object: object,
			File: file, Line: line, Column: column, Message: message, Fix: fix, Accepted: accepted,
		}}}
		excerpts := options
		excerpts.Excerpts = true
		for _, format := range Formats() {
			got := write(t, format, report, excerpts)
			if !utf8.Valid(got) {
				t.Errorf("%s is not UTF-8: %q", format, got)
			}
			if isJSON := format == "json" || format == "sarif"; isJSON && !json.Valid(got) {
				t.Errorf("%s is not JSON: %s", format, got)
			} else if i := bytes.IndexFunc(got, forbidden); i >= 0 && !isJSON {
				t.Errorf("%s has a control character at %q", format, got[i:])
			}
			if again := write(t, format, report, excerpts); !bytes.Equal(got, again) {
				t.Errorf("%s differs from run to run:\n%s\n%s", format, got, again)
			}
		}
	})
}

func forbidden(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }

func write(t *testing.T, format string, report Report, options Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, format, report, options); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; to accept the output: go test ./tools/internal/rules/findings -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s\nto accept it: go test ./tools/internal/rules/findings -update", got, want)
	}
}
