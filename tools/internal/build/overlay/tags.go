package overlay

import (
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Tag is a place where a folder names an image by a tag: an item of `images:` with
// newTag, in a kustomization.yaml, in Flux's Kustomization, in a HelmRelease's
// post-renderers, or in a patch of one of these.
type Tag struct {
	// Image is the image's name, including the registry; Tag is its tag.
	Image, Tag string
	// Digest is the digest beside the tag, or empty.
	Digest string
	// File is the file's path, Line the line of the tag, from 1.
	File string
	Line int

	entry *yaml.Node
}

// Reference returns the image with its tag.
func (t Tag) Reference() string { return t.Image + ":" + t.Tag }

// Tags returns the tags of a folder, in the order of its files and lines.
func Tags(dir string) ([]Tag, error) {
	var all []Tag
	err := eachDocument(dir, func(file string, document *yaml.Node) {
		all = append(all, tags(file, document)...)
	})
	return all, err
}

func tags(file string, node *yaml.Node) []Tag {
	var found []Tag
	if tag := field(node, "newTag"); tag.Value != "" {
		name := field(node, "name")
		if replaced := field(node, "newName"); replaced.Value != "" {
			name = replaced
		}
		found = append(found, Tag{
			Image: name.Value, Tag: tag.Value, Digest: field(node, "digest").Value, File: file, Line: tag.Line, entry: node,
		})
	}
	for _, below := range node.Content {
		found = append(found, tags(file, below)...)
	}
	return found
}

// SetBeside writes the digest of each image in the folder beside its tag, and returns the
// changed files. The keys of digests have the form NAME:TAG. An image without a digest is
// not changed.
func SetBeside(dir string, digests map[string]string) ([]string, error) {
	all, err := Tags(dir)
	if err != nil {
		return nil, err
	}
	var changed []string
	// Last one first, so that earlier lines keep their numbers.
	for _, tag := range slices.Backward(all) {
		digest, found := digests[tag.Reference()]
		if !found || tag.Digest == digest {
			continue
		}
		data, err := os.ReadFile(tag.File)
		if err != nil {
			return changed, err
		}
		if err := os.WriteFile(tag.File, tag.beside(data, digest), 0o644); err != nil {
			return changed, err
		}
		if !slices.Contains(changed, tag.File) {
			changed = append(changed, tag.File)
		}
	}
	slices.Sort(changed)
	return changed, nil
}

// beside returns the file with the digest behind the tag: it replaces the old digest, or
// is added on a line of its own or within the same braces.
func (t Tag) beside(data []byte, digest string) []byte {
	lines := strings.SplitAfter(string(data), "\n")
	key, value := pair(t.entry, "newTag")
	switch _, old := pair(t.entry, "digest"); {
	case old != nil:
		line := &lines[old.Line-1]
		*line = (*line)[:old.Column-1] + strings.Replace((*line)[old.Column-1:], old.Value, digest, 1)
	case t.entry.Style&yaml.FlowStyle != 0:
		line := &lines[value.Line-1]
		end := value.Column - 1 + len(written(value))
		*line = (*line)[:end] + ", digest: " + digest + (*line)[end:]
	default:
		line := &lines[value.Line-1]
		*line = strings.TrimSuffix(*line, "\n") + "\n" + strings.Repeat(" ", key.Column-1) + "digest: " + digest + "\n"
	}
	return []byte(strings.Join(lines, ""))
}
