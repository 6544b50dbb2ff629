package references

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite kustomize.txt")

// TestKustomize compares kustomize.txt with the references of the pinned kustomize. They
// are not exported, so the test reads the source.
func TestKustomize(t *testing.T) {
	want := "# What the pinned kustomize follows when it renames an object, see TestKustomize: the kind that is named, the kind that names\n" +
		"# it, and the field.\n" + strings.Join(knownToKustomize(t), "\n") + "\n"
	if *update {
		if err := os.WriteFile("kustomize.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("kustomize.txt")
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(want, string(got)); difference != "" {
		t.Errorf("kustomize.txt is not of the pinned kustomize, -update writes it:\n%s", difference)
	}
}

func knownToKustomize(t *testing.T) []string {
	t.Helper()
	folder, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kustomize/api").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(folder)), "internal", "konfig", "builtinpluginconsts", "namereference.go")
	var configuration struct {
		NameReference []struct {
			Kind       string
			FieldSpecs []struct{ Path, Kind string }
		}
	}
	if err := yaml.Unmarshal([]byte(constantIn(t, file)), &configuration); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, named := range configuration.NameReference {
		for _, field := range named.FieldSpecs {
			lines = append(lines, named.Kind+" "+field.Kind+" "+field.Path)
		}
	}
	return lines
}

// constantIn returns the only constant of a Go file.
func constantIn(t *testing.T, file string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(parsed, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING && strings.Contains(literal.Value, "nameReference:") {
			text, err = strconv.Unquote(literal.Value)
		}
		return true
	})
	if err != nil || text == "" {
		t.Fatalf("%s has no configuration of references: %v", file, err)
	}
	return text
}

// TestTable: each row is complete.
func TestTable(t *testing.T) {
	rows := table()
	if len(rows) < 40 {
		t.Errorf("%d references are not all of kustomize's and our own", len(rows))
	}
	for _, row := range rows {
		if row.from.Kind == "" || row.path == "" || row.effect == "" {
			t.Errorf("%+v: kind, path and effect are needed", row)
		}
	}
}
