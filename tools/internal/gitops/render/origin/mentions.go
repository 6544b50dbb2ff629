package origin

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mentions are the texts in a source's YAML files, comments included, that name a YAML
// file, by the last element of the name.
type mentions map[string][]mention

// mention is such a text, and the folder of its file.
type mention struct{ dir, text string }

// Mentioned reports whether any YAML file of the source names a file, relative to itself
// or to the root. The first call searches all files.
func (t *Tree) Mentioned(file string) bool {
	all, _ := t.Files.mentions.Get(t.Source.Dir, func() (mentions, error) { return mentionsIn(t.Source.Dir), nil })
	base := path.Base(file)
	if last := base[strings.LastIndexFunc(base, isOdd)+1:]; last != base {
		return len(all[last]) > 0 // the text does not show where such a name begins
	}
	return slices.ContainsFunc(all[base], func(m mention) bool {
		return path.Join(m.dir, m.text) == file || m.text == file ||
			strings.Contains(m.text, "/") && strings.HasSuffix(file, "/"+path.Clean(m.text))
	})
}

var (
	words     = regexp.MustCompile(`[\w@./-]+`)
	extension = regexp.MustCompile(`\.ya?ml`)
)

// isOdd reports whether a character of a file name does not occur in words.
func isOdd(r rune) bool { return !words.MatchString(string(r)) }

func mentionsIn(root string) mentions {
	all := mentions{}
	_ = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // a file that cannot be read names nothing
		case entry.IsDir() && entry.Name() == ".git":
			return filepath.SkipDir
		case entry.IsDir() || !IsManifest(file):
			return nil
		}
		data, _ := os.ReadFile(file)
		relative, _ := filepath.Rel(root, file)
		dir := path.Dir(filepath.ToSlash(relative))
		for _, word := range words.FindAllString(string(data), -1) {
			for _, end := range extension.FindAllStringIndex(word, -1) {
				text := word[:end[1]]
				all[path.Base(text)] = append(all[path.Base(text)], mention{dir, text})
			}
		}
		return nil
	})
	return all
}
