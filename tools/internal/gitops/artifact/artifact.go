// Package artifact makes, offline, the artifact that Flux's source-controller makes from
// a source: a folder with exactly the files that a Kustomization can see. That is less
// than the repository has: files that Git ignores are never pushed, .sourceignore and
// Flux's defaults exclude more, and links are not archived.
//
// The package must not know Kubernetes objects. The reader of a GitRepository decides
// which tree it means.
package artifact

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxcd/pkg/sourceignore"
)

// Artifact is a source's content on disk, without links and without the files that Flux
// leaves out.
type Artifact struct {
	// Dir is the folder that holds the files.
	Dir string
	// Name says, in findings, where the files come from: empty for the repository itself,
	// or else a Go module with its version, or a source.
	Name string
	// origins maps a file's path in the artifact to its name in findings, for files that
	// come from another source.
	origins map[string]string
}

// File returns the name of a file in findings. name is slash-separated and relative to
// Dir.
func (a *Artifact) File(name string) string {
	name = path.Clean(name)
	if origin, moved := a.origins[name]; moved {
		return origin
	}
	return path.Join(a.Name, name)
}

// Options are a source's settings for its artifact, besides where the files come from.
type Options struct {
	// Folders are the folders of a sparse checkout; none means the whole tree.
	Folders []string
	// Ignore has further ignore patterns, which take precedence over .sourceignore.
	Ignore string
	// Includes are other artifacts within the tree. They are copied before the patterns
	// apply.
	Includes []Include
}

// Include copies another artifact, or one of its folders, to a folder of the tree that
// does not exist yet.
type Include struct {
	From     *Artifact
	Path, To string
}

// FromFolder copies a working tree as Flux would see it after a push: without the files
// that Git ignores. A folder that is not a Git repository is copied as a whole.
func FromFolder(ctx context.Context, root string, options Options, into string) (*Artifact, error) {
	files, err := pushed(ctx, root)
	if err != nil {
		return nil, err
	}
	return archive(root, files, "", options, into)
}

// FromRevision copies the tree of a Git revision.
func FromRevision(ctx context.Context, root, revision string, options Options, into string) (*Artifact, error) {
	tree := filepath.Join(into, "tree")
	if err := Checkout(ctx, root, revision, tree); err != nil {
		return nil, err
	}
	return FromModule(tree, "", options, filepath.Join(into, "artifact"))
}

// FromModule copies the tree of a Go module, or any other folder unchanged. name is its
// name in findings.
func FromModule(dir, name string, options Options, into string) (*Artifact, error) {
	files, err := walk(dir)
	if err != nil {
		return nil, err
	}
	return archive(dir, files, name, options, into)
}

// Copy is a step of composing an artifact from others. From is a pattern of files whose
// first element is the source's alias; To is the folder in the artifact.
type Copy struct{ From, To string }

func withinAny(file string, folders []string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		folder = path.Clean(folder)
		return folder == "." || file == folder || strings.HasPrefix(file, folder+"/")
	})
}

// archive copies the files of a tree that the options and the tree's ignore files do not
// exclude. It follows source-controller's reconcilers: includes are copied first, and
// Flux's default patterns count only if there are no others.
func archive(root string, files []string, name string, options Options, into string) (*Artifact, error) {
	if len(options.Folders) > 0 {
		files = slices.DeleteFunc(files, func(file string) bool { return !withinAny(file, options.Folders) })
	}
	a := &Artifact{Dir: into, Name: name}
	if len(options.Includes) > 0 {
		staged := into + ".staged"
		var err error
		if files, err = a.stage(root, files, options.Includes, staged); err != nil {
			return nil, err
		}
		root = staged
	}
	domain := strings.Split(root, string(filepath.Separator))
	patterns, err := sourceignore.LoadIgnorePatterns(root, domain)
	if err != nil {
		return nil, fmt.Errorf("read the .sourceignore files of %s: %w", root, err)
	}
	patterns = append(patterns, sourceignore.ReadPatterns(strings.NewReader(options.Ignore), domain)...)
	matcher := sourceignore.NewDefaultMatcher(patterns, domain)
	if len(patterns) > 0 {
		matcher = sourceignore.NewMatcher(append(sourceignore.VCSPatterns(domain), patterns...))
	}
	for _, file := range files {
		if matcher.Match(append(slices.Clone(domain), strings.Split(file, "/")...), false) {
			continue
		}
		if err := copyFile(filepath.Join(root, file), filepath.Join(into, file)); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return nil, err
	}
	return a, nil
}

// stage copies files and includes into a new tree, and lists the tree.
func (a *Artifact) stage(root string, files []string, includes []Include, into string) ([]string, error) {
	for _, file := range files {
		if err := copyFile(filepath.Join(root, file), filepath.Join(into, file)); err != nil {
			return nil, err
		}
	}
	a.origins = map[string]string{}
	for _, include := range includes {
		if err := a.include(include, into); err != nil {
			return nil, fmt.Errorf("include %s at %s: %w", path.Join("/", include.Path), include.To, err)
		}
	}
	return walk(into)
}

func (a *Artifact) include(include Include, into string) error {
	to, from := strings.TrimPrefix(path.Join("/", include.To), "/"), strings.TrimPrefix(path.Join("/", include.Path), "/")
	if _, err := os.Stat(filepath.Join(into, to)); err == nil {
		return errors.New("the folder is there already")
	}
	files, err := walk(include.From.Dir)
	if err != nil {
		return err
	}
	found := false
	for _, file := range files {
		if !withinAny(file, []string{cmp.Or(from, ".")}) {
			continue
		}
		found = true
		target := path.Join(to, strings.TrimPrefix(file, from))
		if err := copyFile(filepath.Join(include.From.Dir, file), filepath.Join(into, target)); err != nil {
			return err
		}
		a.origins[target] = include.From.File(file)
	}
	if !found {
		return errors.New("the source has no such folder")
	}
	return nil
}

// copyFile copies a regular file and ignores any other, as source-controller does.
func copyFile(from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted in the working tree, so not in a push
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return write(to, data)
}

func write(file string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// pushed lists the files of a working tree that a push would contain.
func pushed(ctx context.Context, root string) ([]string, error) {
	out, err := git(ctx, root, nil, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return walk(root)
	}
	var files []string
	for file := range strings.SplitSeq(string(out), "\x00") {
		if file != "" {
			files = append(files, file)
		}
	}
	return files, nil
}

func walk(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if entry.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, name)
		files = append(files, filepath.ToSlash(relative))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the files of %s: %w", root, err)
	}
	return files, nil
}

// Checkout writes the regular files of a revision, including those that Flux leaves out.
// It reads the objects themselves, because git's archives may leave files out by
// attributes.
func Checkout(ctx context.Context, root, revision, into string) error {
	tree, err := git(ctx, root, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", revision+"^{tree}")
	if err != nil {
		return fmt.Errorf("%s has no revision %s: fetch it, or name another", root, revision)
	}
	list, err := git(ctx, root, nil, "ls-tree", "-r", "-z", "--full-tree", strings.TrimSpace(string(tree))+":"+prefix(ctx, root))
	if err != nil {
		return fmt.Errorf("read revision %s of %s: %w", revision, root, err)
	}
	var names []string
	var ids bytes.Buffer
	for entry := range strings.SplitSeq(string(list), "\x00") {
		facts, name, _ := strings.Cut(entry, "\t")
		fields := strings.Fields(facts) // mode, type, id
		if len(fields) == 3 && strings.HasPrefix(fields[0], "100") && filepath.IsLocal(name) {
			names = append(names, name)
			ids.WriteString(fields[2] + "\n")
		}
	}
	contents, err := git(ctx, root, &ids, "cat-file", "--batch")
	if err != nil {
		return fmt.Errorf("read revision %s of %s: %w", revision, root, err)
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	reader := bufio.NewReader(bytes.NewReader(contents))
	for _, name := range names {
		data, err := nextObject(reader)
		if err != nil {
			return fmt.Errorf("read %s of revision %s: %w", name, revision, err)
		}
		if err := write(filepath.Join(into, name), data); err != nil {
			return err
		}
	}
	return nil
}

// prefix returns the path of a folder within its repository.
func prefix(ctx context.Context, root string) string {
	out, err := git(ctx, root, nil, "rev-parse", "--show-prefix")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// nextObject reads one object from the output of `git cat-file --batch`: a line that ends
// with the size, the content, and a newline.
func nextObject(reader *bufio.Reader) ([]byte, error) {
	head, err := reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(head)
	size, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return nil, errors.New(strings.TrimSpace(head))
	}
	data := make([]byte, size+1)
	if _, err := io.ReadFull(reader, data); err != nil {
		return nil, err
	}
	return data[:size], nil
}

func git(ctx context.Context, root string, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = stdin, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
