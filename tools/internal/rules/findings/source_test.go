package findings

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestExcerpt(t *testing.T) {
	root, outside := t.TempDir(), filepath.Join(t.TempDir(), "secret.yaml")
	long := strings.Repeat("a", 80) + "KEY" + strings.Repeat("b", 80)
	for file, text := range map[string]string{
		filepath.Join(root, "plain.yaml"):   "\ufeffkind: A\r\nname:\tä: b\n\n" + long + "\n",
		filepath.Join(root, "open.yaml"):    "no line end",
		filepath.Join(root, "longest.yaml"): strings.Repeat("x", lineLimit+1) + "\nshort\n",
		outside:                             "password: x\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(root, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(root, outside)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		file         string
		line, column int
		text         string
		// under is the text above the caret, empty if there is none.
		under string
	}{
		"first":              {"plain.yaml", 1, 1, "kind: A ", "k"},
		"columns are runes":  {"plain.yaml", 2, 9, "name: ä: b", " "},
		"empty":              {"plain.yaml", 3, 1, "", ""},
		"no column":          {"plain.yaml", 1, 0, "kind: A ", ""},
		"behind the line":    {"plain.yaml", 1, 99, "kind: A ", ""},
		"middle of a long":   {"plain.yaml", 4, 81, "…" + strings.Repeat("a", 48) + "KEY" + strings.Repeat("b", 47) + "…", "K"},
		"start of a long":    {"plain.yaml", 4, 1, strings.Repeat("a", 80) + "KEY" + strings.Repeat("b", 16) + "…", "a"},
		"end of a long":      {"plain.yaml", 4, 163, "…" + strings.Repeat("a", 16) + "KEY" + strings.Repeat("b", 80), "b"},
		"no line end":        {"open.yaml", 1, 4, "no line end", "l"},
		"behind the file":    {"plain.yaml", 5, 1, "", ""},
		"no line":            {"plain.yaml", 0, 0, "", ""},
		"negative":           {"plain.yaml", -1, -1, "", ""},
		"not there":          {"gone.yaml", 1, 1, "", ""},
		"no file":            {"", 1, 1, "", ""},
		"folder":             {".", 1, 1, "", ""},
		"pipe":               {"pipe.yaml", 1, 1, "", ""},
		"link to outside":    {"link.yaml", 1, 1, "", ""},
		"path to outside":    {relative, 1, 1, "", ""},
		"absolute":           {outside, 1, 1, "", ""},
		"line beyond bounds": {"longest.yaml", 1, 1, "", ""},
		"line after it":      {"longest.yaml", 2, 1, "short", "s"},
	} {
		t.Run(name, func(t *testing.T) {
			source := openSource(Options{Root: root, Excerpts: true})
			defer source.close()
			text, caret, ok := source.excerpt(tc.file, tc.line, tc.column)
			if text != tc.text || ok != (tc.text != "" || name == "empty") {
				t.Errorf("got %q, %v, want %q", text, ok, tc.text)
			}
			under := ""
			if caret > 0 {
				under = string([]rune(text)[caret-1])
			}
			if under != tc.under {
				t.Errorf("the caret is under %q, not %q", under, tc.under)
			}
		})
	}
}

func TestNoExcerpts(t *testing.T) {
	for name, options := range map[string]Options{
		"not asked for": {Root: options.Root},
		"no root":       {Excerpts: true},
		"root is gone":  {Excerpts: true, Root: filepath.Join(t.TempDir(), "gone")},
	} {
		t.Run(name, func(t *testing.T) {
			source := openSource(options)
			defer source.close()
			if text, _, ok := source.excerpt("apps/consumer/scaledobject.yaml", 12, 9); ok {
				t.Errorf("got %q", text)
			}
		})
	}
}
