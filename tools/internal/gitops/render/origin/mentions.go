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

// mentions are the texts in the YAML files of a source, comments included, that name
// a YAML file, by its last element.
type mentions map[string][]mention

// mention is a text, and the folder of the file that has it.
type mention struct{ dir, text string }

// Mentioned reports whether a YAML file of the source names another one, from where
// it stands or from the root. Names are looked for in all files at once, when
// somebody asks first.
func (t *Tree) Mentioned(file string) bool {
	all, _ := t.Files.mentions.Get(t.Source.Dir, func() (mentions, error) { return mentionsIn(t.Source.Dir), nil })
	base := path.Base(file)
	if last := base[strings.LastIndexFunc(base, isOdd)+1:]; last != base {
		return len(all[last]) > 0 // a text does not say where such a name begins
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

// isOdd reports whether a character of a file's name is in no word.
func isOdd(r rune) bool { return !words.MatchString(string(r)) }

func mentionsIn(root string) mentions {
	all := mentions{}
	_ = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // what cannot be read names nothing
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
