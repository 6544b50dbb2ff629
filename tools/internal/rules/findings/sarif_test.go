package findings

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	// This package has SARIF's schema, which sarifSchema reads from its source.
	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestSARIFSchema(t *testing.T) {
	schema := sarifSchema(t)
	unknownRule := Report{Findings: []Finding{{Rule: "NEW001", Severity: Error, File: "a", Line: 1, Column: 1, Message: "m"}}}
	odd := Report{Findings: []Finding{{File: "/a:b c/é%\xff\n", Line: -1, Column: -1}}}
	for name, report := range map[string]Report{"full": full, "hostile": hostile, "clean": clean, "unknown rule": unknownRule, "odd": odd} {
		for _, options := range []Options{options, {}} {
			if err := schema.Validate(decode(t, write(t, "sarif", report, options))); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestSARIFSchemaBites shows that the schema is SARIF's, and that even formats of strings
// are checked.
func TestSARIFSchemaBites(t *testing.T) {
	schema, document := sarifSchema(t), string(write(t, "sarif", full, options))
	for name, change := range map[string][2]string{
		"version":          {`"version": "2.1.0"`, `"version": "2.2.0"`},
		"unknown property": {`"ruleId": "X001"`, `"rule_id": "X001"`},
		"level":            {`"level": "error"`, `"level": "fatal"`},
		"line":             {`"startLine": 12`, `"startLine": 0`},
		"file":             {`scaledobject.yaml"`, `%zz.yaml"`},
		"help":             {`https://example.com`, `no address %`},
		"columns":          {"unicodeCodePoints", "bytes"},
		"suppression":      {`"kind": "external"`, `"kind": "outside"`},
	} {
		broken := strings.Replace(document, change[0], change[1], 1)
		if broken == document {
			t.Fatalf("%s: %q is not in the document", name, change[0])
		}
		if err := schema.Validate(decode(t, []byte(broken))); err == nil {
			t.Errorf("%s: %q passes", name, change[1])
		}
	}
}

func TestSARIFLocation(t *testing.T) {
	for file, want := range map[string]string{
		"":                      ".",
		"a/b.yaml":              "a/b.yaml",
		"a b/100%.yaml":         "a%20b/100%25.yaml",
		"a:b.yaml":              "./a:b.yaml",
		"a?b#c.yaml":            "a%3Fb%23c.yaml",
		"größe\n.yaml":          "gr%C3%B6%C3%9Fe%0A.yaml",
		"\xff\x00.yaml":         "%FF%00.yaml",
		"..namespace/deep.yaml": "..namespace/deep.yaml",
	} {
		got := sarifLocationOf(Finding{File: file}).Physical.Artifact.URI
		if got != want {
			t.Errorf("%q is at %q, want %q", file, got, want)
		}
		if address, err := url.Parse(got); err != nil || file != "" && filepath.Clean(address.Path) != file {
			t.Errorf("%q does not come back: %v, %v", file, address, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	finding := Finding{Rule: "KEDA003", File: "a.yaml", Line: 3, Object: "o", Message: "m"}
	with := func(change func(*Finding)) string {
		other := finding
		change(&other)
		return fingerprint(other, map[string]int{})
	}
	first := fingerprint(finding, map[string]int{})
	if moved := with(func(f *Finding) { f.Line, f.Column = 70, 2 }); moved != first {
		t.Errorf("a move changes %s to %s", first, moved)
	}
	for name, change := range map[string]func(*Finding){
		"rule":    func(f *Finding) { f.Rule = "KEDA004" },
		"file":    func(f *Finding) { f.File = "b.yaml" },
		"object":  func(f *Finding) { f.Object = "p" },
		"message": func(f *Finding) { f.Message = "n" },
		"border":  func(f *Finding) { f.File, f.Object = "a.yamlo", "" },
	} {
		if other := with(change); other == first {
			t.Errorf("another %s has the fingerprint %s too", name, other)
		}
	}
	seen := map[string]int{}
	fingerprint(finding, seen)
	if second := fingerprint(finding, seen); second == first || !strings.HasSuffix(second, ":2") {
		t.Errorf("the second of two alike is %s after %s", second, first)
	}
}

// sarifSchema returns the schema of OASIS. The library has it in an unexported constant,
// and its own check validates only what its types keep of a document; this one validates
// the document itself.
func sarifSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif").Output()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(strings.TrimSpace(string(dir)), "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	ast.Inspect(file, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && text == "" {
			text, err = strconv.Unquote(literal.Value)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("sarif.json", decode(t, []byte(text))); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func decode(t *testing.T, data []byte) any {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return document
}
