package providertrim

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// pkg is a package of the program.
type pkg struct {
	path   string // import path
	module *module
	dir    string // in the module
	shaken bool
	files  []*file
	// embedded has the files that it embeds, by their paths in the module.
	embedded map[string][]byte
}

// file is a Go file of a package.
type file struct {
	name    string // path in the module
	data    []byte
	syntax  *ast.File
	imports map[string]string // import paths by their names in the file
	units   []*unit
}

// target is the platform that the source is compiled for: this machine, without C.
var target = build.Context{GOOS: runtime.GOOS, GOARCH: runtime.GOARCH, Compiler: "gc", ReleaseTags: build.Default.ReleaseTags}

// load reads a package that has become part of the program.
func (p *program) load(importPath string) error {
	m := p.moduleOf(importPath)
	if m == nil || p.packages[importPath] != nil {
		return nil
	}
	loaded := &pkg{
		path: importPath, module: m, dir: strings.TrimPrefix(strings.TrimPrefix(importPath, m.path), "/"),
		shaken: isShaken(importPath), embedded: map[string][]byte{},
	}
	p.packages[importPath] = loaded
	sources, err := m.goFiles(loaded.dir)
	if err != nil {
		return fmt.Errorf("package %s: %w", importPath, err)
	}
	if len(sources) == 0 {
		return fmt.Errorf("package %s has no Go file in %s", importPath, m.dir)
	}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		if err := p.add(loaded, name, sources[name]); err != nil {
			return err
		}
	}
	return nil
}

// add reads a file of a package, and registers its declarations.
func (p *program) add(to *pkg, name string, data []byte) error {
	syntax, err := parser.ParseFile(token.NewFileSet(), name, data, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		return err
	}
	f := &file{name: name, data: data, syntax: syntax}
	if f.imports, err = importNames(syntax); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	to.files = append(to.files, f)
	if err := p.embed(to, f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := p.declare(to, f); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, spec := range syntax.Imports {
		if isBlank(spec) {
			p.happen(event{path: importPath(spec)})
		}
	}
	return nil
}

// goFiles returns the files in a folder that are compiled for the target.
func (m *module) goFiles(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, data := range m.extra {
		if path.Dir(name) == dir {
			files[name] = data
		}
	}
	entries, err := os.ReadDir(filepath.Join(m.dir, dir))
	if err != nil && (len(files) == 0 || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		compiled, err := target.MatchFile(filepath.Join(m.dir, dir), name)
		if err != nil {
			return nil, err
		}
		if !compiled {
			continue
		}
		if files[path.Join(dir, name)], err = os.ReadFile(filepath.Join(m.dir, dir, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

var (
	embedDirective = regexp.MustCompile(`(?m)^\s*//go:embed (.*)$`)
	linkDirective  = regexp.MustCompile(`(?m)^//go:linkname `)
)

// embed reads the files that a file embeds. A go:embed directive belongs to a
// declaration, so such a file is kept as a whole.
func (p *program) embed(to *pkg, f *file) error {
	directives := embedDirective.FindAllSubmatch(f.data, -1)
	if to.shaken && (len(directives) > 0 || linkDirective.Match(f.data)) {
		return errors.New("it embeds files or names symbols of the linker, which this generator cannot leave out in part")
	}
	for _, directive := range directives {
		for _, pattern := range strings.Fields(string(directive[1])) {
			if err := p.embedFiles(to, pattern); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *program) embedFiles(to *pkg, pattern string) error {
	matches, err := filepath.Glob(filepath.Join(to.module.dir, to.dir, pattern))
	if err != nil {
		return err
	}
	if len(matches) == 0 {
		return fmt.Errorf("it embeds %s, which is not there", pattern)
	}
	for _, match := range matches {
		data, err := os.ReadFile(match)
		if err != nil {
			return fmt.Errorf("it embeds %s, which must be a file: %w", pattern, err)
		}
		name := path.Join(to.dir, strings.TrimPrefix(filepath.ToSlash(match), filepath.ToSlash(filepath.Join(to.module.dir, to.dir))+"/"))
		if reduce := to.module.reduce[name]; reduce != nil {
			p.reduced[name] = true
			if data, err = reduce(data); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		to.embedded[name] = data
	}
	return nil
}

// importNames returns the import paths by their names in a file.
func importNames(f *ast.File) (map[string]string, error) {
	selected := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				selected[x.Name] = true
			}
		}
		return true
	})
	names := map[string]string{}
	var implicit []string
	for _, spec := range f.Imports {
		switch {
		case spec.Name == nil:
			implicit = append(implicit, importPath(spec))
		case spec.Name.Name == ".":
			return nil, fmt.Errorf("it imports %s with a dot, so that nobody can say by names what it mentions", spec.Path.Value)
		case spec.Name.Name != "_":
			names[spec.Name.Name] = importPath(spec)
		}
	}
	for _, imported := range implicit {
		for _, name := range packageNames(imported) {
			if _, taken := names[name]; selected[name] && !taken {
				names[name] = imported
				break
			}
		}
	}
	return names, nil
}

func importPath(spec *ast.ImportSpec) string {
	// The parser has checked the literal.
	value, _ := strconv.Unquote(spec.Path.Value)
	return value
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// packageNames returns the names that a package with a path usually has, the likeliest
// first: the last part of the path, or the part before it if that is a version; and both
// without a prefix or suffix for Go.
func packageNames(importPath string) []string {
	base := path.Base(importPath)
	names := []string{base}
	if majorVersion.MatchString(base) {
		names = append(names, path.Base(path.Dir(importPath)))
	}
	for _, name := range slices.Clone(names) {
		bare := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(name, "go-"), "-go"), path.Ext(name))
		names = append(names, bare, strings.ReplaceAll(name, "-", ""), name[strings.LastIndexByte(name, '-')+1:])
	}
	return names
}

// isEmpty reports whether no part of the file is kept.
func (f *file) isEmpty() bool {
	return !slices.ContainsFunc(f.units, func(u *unit) bool { return u.kept }) && !slices.ContainsFunc(f.syntax.Imports, isBlank)
}

// isBlank reports whether a package is imported only for its side effects.
func isBlank(spec *ast.ImportSpec) bool { return spec.Name != nil && spec.Name.Name == "_" }
