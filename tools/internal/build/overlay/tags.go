package overlay

import (
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Tag is one place where a folder names an image by a tag: an entry with newTag, of
// `images:` in a kustomization.yaml, in a Kustomization of Flux, in the post-renderers
// of a HelmRelease, or in a patch of one.
type Tag struct {
	// Image is the image's name with its registry, Tag its tag.
	Image, Tag string
	// Digest is the one beside the tag, or empty.
	Digest string
	// File is the file's path, Line where the tag is, from 1.
	File string
	Line int

	entry *yaml.Node
}

// Reference is the image with its tag.
func (t Tag) Reference() string { return t.Image + ":" + t.Tag }

// Tags are those of the folder, in the order of its files and their lines.
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

// SetBeside writes the digest of each image of the folder beside its tag, and returns the
// files that changed. The digests are by image and tag; an image without one stays as it
// is.
func SetBeside(dir string, digests map[string]string) ([]string, error) {
	all, err := Tags(dir)
	if err != nil {
		return nil, err
	}
	var changed []string
	// From the last to the first, so that the lines of those before stay.
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

// beside is the file with the digest behind the tag: over the one that is there, or on
// a line of its own, or in the same braces.
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
