package artifact_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/artifact"
)

// TestFromFolder: an artifact has the files of a push, without those that Flux leaves
// out.
func TestFromFolder(t *testing.T) {
	root := tree(t, map[string]string{
		".gitignore": "built/\n*.secret\n", ".sourceignore": "/docs\n!/docs/keep.yaml\n", "nested/.sourceignore": "*.txt\n",
		"a.yaml": "", "deleted.yaml": "", "docs/a.md": "", "docs/keep.yaml": "", "nested/a.txt": "", "nested/a.yaml": "",
		"built/out.yaml": "", "key.secret": "", "logo.png": "", ".github/workflows/ci.yaml": "", ".sops.yaml": "",
	})
	commit(t, root)
	if err := os.Remove(filepath.Join(root, "deleted.yaml")); err != nil {
		t.Fatal(err)
	}
	write(t, root, "untracked.yaml", "")
	if err := os.Symlink("a.yaml", filepath.Join(root, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	a, err := artifact.FromFolder(t.Context(), root, artifact.Options{}, filepath.Join(t.TempDir(), "artifact"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".github/workflows/ci.yaml", ".sops.yaml", ".sourceignore", "a.yaml", "docs/keep.yaml", "logo.png", "nested/.sourceignore", "nested/a.yaml", "untracked.yaml"}
	if got := files(t, a.Dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
	if got := a.File("nested/../a.yaml"); got != "a.yaml" {
		t.Errorf("file of the repository is called %s", got)
	}
}

// TestFromRevision reads the revision instead of the working tree. It includes files that
// attributes leave out of archives, and for a folder within a repository it reads only
// that folder.
func TestFromRevision(t *testing.T) {
	root := tree(t, map[string]string{"a.yaml": "old", ".gitattributes": "hidden.yaml export-ignore\n", "hidden.yaml": "x\n\x00y", "sub/b.yaml": "b", "gone.yaml": ""})
	if err := os.Symlink("a.yaml", filepath.Join(root, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	commit(t, root)
	write(t, root, "a.yaml", "new")
	write(t, root, "sub/new.yaml", "")
	if err := os.Remove(filepath.Join(root, "gone.yaml")); err != nil {
		t.Fatal(err)
	}
	for folder, want := range map[string][]string{".": {"a.yaml", "gone.yaml", "hidden.yaml", "sub/b.yaml"}, "sub": {"b.yaml"}} {
		a, err := artifact.FromRevision(t.Context(), filepath.Join(root, folder), "HEAD", artifact.Options{}, filepath.Join(t.TempDir(), "artifact"))
		if err != nil {
			t.Fatal(err)
		}
		if got := files(t, a.Dir); !slices.Equal(got, want) {
			t.Errorf("%s: files %q, want %q", folder, got, want)
		}
		if data, err := os.ReadFile(filepath.Join(a.Dir, "a.yaml")); folder == "." && (err != nil || string(data) != "old") {
			t.Errorf("a.yaml is %q, %v", data, err)
		}
	}
	for _, revision := range []string{"nowhere", "--output=x", ""} {
		_, err := artifact.FromRevision(t.Context(), root, revision, artifact.Options{}, filepath.Join(t.TempDir(), "artifact"))
		if err == nil || !strings.Contains(err.Error(), "has no revision "+revision) {
			t.Errorf("revision %q: %v", revision, err)
		}
	}
}

func TestFromModule(t *testing.T) {
	dir := tree(t, map[string]string{"config/a.yaml": "", "config/sub/b.yaml": "", "configuration/c.yaml": "", "main.go": "", ".sourceignore": "/config/sub\n"})
	for _, test := range []struct{ folders, want []string }{
		{nil, []string{".sourceignore", "config/a.yaml", "configuration/c.yaml", "main.go"}},
		{[]string{"config"}, []string{"config/a.yaml"}},
		{[]string{"./configuration/", "config/"}, []string{"config/a.yaml", "configuration/c.yaml"}},
		{[]string{"none"}, nil},
		{[]string{"."}, []string{".sourceignore", "config/a.yaml", "configuration/c.yaml", "main.go"}},
	} {
		a, err := artifact.FromModule(dir, "example.com/m@v1.0.0", artifact.Options{Folders: test.folders}, filepath.Join(t.TempDir(), "artifact"))
		if err != nil {
			t.Fatal(err)
		}
		if got := files(t, a.Dir); !slices.Equal(got, test.want) {
			t.Errorf("folders %q: files %q, want %q", test.folders, got, test.want)
		}
		if got, want := a.File("config/a.yaml"), "example.com/m@v1.0.0/config/a.yaml"; got != want {
			t.Errorf("file is called %s, want %s", got, want)
		}
	}
}

// TestIgnore: patterns of the source take precedence over those of the tree, and Flux's
// own count only if there are no others.
func TestIgnore(t *testing.T) {
	for _, test := range []struct{ tree, ignore, want string }{
		{"", "", "a.yaml b.yaml"},
		{"", "/a.yaml", "b.yaml logo.png"},
		{"/*\n!/b.yaml", "", "b.yaml"},
		{"/*\n!/b.yaml", "!/a.yaml", "a.yaml b.yaml"},
		{"/b.yaml", "/a.yaml", "logo.png"},
		{"", "*\n!.gitattributes", ".gitattributes"},
	} {
		content := map[string]string{"a.yaml": "", "b.yaml": "", "logo.png": "", ".gitattributes": ""}
		if test.tree != "" {
			content[".sourceignore"] = test.tree
		}
		a, err := artifact.FromModule(tree(t, content), "m", artifact.Options{Ignore: test.ignore}, filepath.Join(t.TempDir(), "artifact"))
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(files(t, a.Dir), func(file string) bool { return file == ".sourceignore" })
		if strings.Join(got, " ") != test.want {
			t.Errorf("%q, %q: %q, want %q", test.tree, test.ignore, got, test.want)
		}
	}
}

// TestIncludes copies other artifacts into the tree before anything is ignored.
func TestIncludes(t *testing.T) {
	other, err := artifact.FromModule(tree(t, map[string]string{"app/a.yaml": "", "app/b.yaml": "", "apple/c.yaml": ""}), "other", artifact.Options{}, filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		include artifact.Include
		want    string // files with their names in findings, or the error
	}{
		{artifact.Include{To: "x"}, "own.yaml=own/own.yaml x/app/a.yaml=other/app/a.yaml x/apple/c.yaml=other/apple/c.yaml"},
		{artifact.Include{Path: "./app/", To: "x/y"}, "own.yaml=own/own.yaml x/y/a.yaml=other/app/a.yaml"},
		{artifact.Include{Path: "app", To: "../../x"}, "own.yaml=own/own.yaml x/a.yaml=other/app/a.yaml"},
		{artifact.Include{Path: "none", To: "x"}, "include /none at x: the source has no such folder"},
		{artifact.Include{To: "sub"}, "include / at sub: the folder is there already"},
	} {
		test.include.From = other
		options := artifact.Options{Ignore: "b.yaml\n/sub", Includes: []artifact.Include{test.include}}
		a, err := artifact.FromModule(tree(t, map[string]string{"own.yaml": "", "sub/d.yaml": ""}), "own", options, filepath.Join(t.TempDir(), "artifact"))
		var got []string
		if err != nil {
			got = append(got, err.Error())
		} else {
			for _, file := range files(t, a.Dir) {
				got = append(got, file+"="+a.File(file))
			}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%+v: %s, want %s", test.include, text, test.want)
		}
	}
}

// TestCompose follows the documentation of spec.artifacts[].copy.
func TestCompose(t *testing.T) {
	sources := map[string]*artifact.Artifact{}
	for alias, content := range map[string]map[string]string{
		"repo":  {"stack/app/a.yaml": "repo", "stack/b.yaml": "repo", "one.yaml": "repo"},
		"other": {"app/a.yaml": "other"},
	} {
		a, err := artifact.FromModule(tree(t, content), alias, artifact.Options{}, filepath.Join(t.TempDir(), alias))
		if err != nil {
			t.Fatal(err)
		}
		sources[alias] = a
	}
	for _, test := range []struct {
		name   string
		copies []artifact.Copy
		want   []string // files with their names in findings
		err    string
	}{
		{"what a pattern matches, from its first wildcard on", []artifact.Copy{{From: "@repo/stack/**", To: "@artifact/"}}, []string{"app/a.yaml repo/stack/app/a.yaml", "b.yaml repo/stack/b.yaml"}, ""},
		{"a pattern of files", []artifact.Copy{{From: "@repo/**/*.yaml", To: "@artifact/x/"}}, []string{"x/one.yaml repo/one.yaml", "x/stack/app/a.yaml repo/stack/app/a.yaml", "x/stack/b.yaml repo/stack/b.yaml"}, ""},
		{"a folder with its name", []artifact.Copy{{From: "@repo/stack", To: "@artifact/x/"}}, []string{"x/stack/app/a.yaml repo/stack/app/a.yaml", "x/stack/b.yaml repo/stack/b.yaml"}, ""},
		{"a file into a folder", []artifact.Copy{{From: "@repo/one.yaml", To: "@artifact/x/"}}, []string{"x/one.yaml repo/one.yaml"}, ""},
		{"a file under another name", []artifact.Copy{{From: "@repo/one.yaml", To: "@artifact/x/two.yaml"}}, []string{"x/two.yaml repo/one.yaml"}, ""},
		{"the last copy wins", []artifact.Copy{{From: "@repo/stack/**", To: "@artifact/"}, {From: "@other/**", To: "@artifact/"}}, []string{"app/a.yaml other/app/a.yaml", "b.yaml repo/stack/b.yaml"}, ""},
		{"nothing leaves the artifact", []artifact.Copy{{From: "@repo/one.yaml", To: "@artifact/../../x/"}}, []string{"x/one.yaml repo/one.yaml"}, ""},
		{"an unknown alias", []artifact.Copy{{From: "@none/**", To: "@artifact/"}}, nil, `no source has the alias "none"`},
		{"another target", []artifact.Copy{{From: "@repo/**", To: "elsewhere/"}}, nil, "does not begin with @artifact/"},
		{"no file", []artifact.Copy{{From: "@repo/none/**", To: "@artifact/"}}, nil, "no file matches"},
		{"no pattern", []artifact.Copy{{From: "@repo/[", To: "@artifact/"}}, nil, "syntax error in pattern"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, err := artifact.Compose(sources, test.copies, filepath.Join(t.TempDir(), "composed"))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, file := range files(t, a.Dir) {
				got = append(got, file+" "+a.File(file))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("files %q, want %q", got, test.want)
			}
		})
	}
}

func tree(t *testing.T, content map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range content {
		write(t, root, name, text)
	}
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, root string) {
	t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "all"}} {
		if out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}

func files(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
