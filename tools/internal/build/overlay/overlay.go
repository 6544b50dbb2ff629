// Package overlay reads and writes the digests by which a folder of manifests
// pins its images: in `images:` of its kustomization.yaml, in fields that hold
// NAME@DIGEST, such as the package of a Crossplane Function, and beside the tags of
// upstream's images. It changes nothing else of a file: comments, order and form stay
// as they are.
//
// The package knows nothing of registries, of Git and of which folder is which.
package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Pin is one place where a folder names an image by its digest, or where a
// kustomization.yaml names one by a tag, which a digest would replace.
type Pin struct {
	// Image is the image's name with its registry.
	Image string
	// Digest is such as sha256:…, empty where there is a tag or nothing.
	Digest string
	// File is the file's path, Line where the image is named, from 1.
	File string
	Line int

	// value is what a new digest replaces; entry is the images: entry.
	value, entry *yaml.Node
}

// Pins are those of the folder, in the order of its files and their lines.
func Pins(dir string) ([]Pin, error) {
	var all []Pin
	err := eachDocument(dir, func(file string, document *yaml.Node) {
		if filepath.Base(file) == "kustomization.yaml" {
			all = append(all, entries(file, document)...)
		}
		all = append(all, references(file, document)...)
	})
	return all, err
}

// eachDocument visits each document of the folder's manifests.
func eachDocument(dir string, visit func(file string, document *yaml.Node)) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s holds no manifest", dir)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		decoder := yaml.NewDecoder(bytes.NewReader(data))
		for {
			var document yaml.Node
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			visit(file, &document)
		}
	}
	return nil
}

// Of are the pins of one image. None is an error, which says what to add.
func Of(pins []Pin, dir, image string) ([]Pin, error) {
	var found []Pin
	for _, pin := range pins {
		if pin.Image == image {
			found = append(found, pin)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s pins no image %s: add `- name: %s` to images in its kustomization.yaml", dir, image, image)
	}
	return found, nil
}

// Set writes the digest in every place where the folder pins the image, and
// returns the files that changed.
func Set(dir, image, digest string) ([]string, error) {
	all, err := Pins(dir)
	if err != nil {
		return nil, err
	}
	found, err := Of(all, dir, image)
	if err != nil {
		return nil, err
	}
	var changed []string
	// From the last to the first, so that the lines of those before stay.
	for _, pin := range slices.Backward(found) {
		if pin.Digest == digest {
			continue
		}
		data, err := os.ReadFile(pin.File)
		if err != nil {
			return changed, err
		}
		if err := os.WriteFile(pin.File, pin.replace(data, digest), 0o644); err != nil {
			return changed, err
		}
		if !slices.Contains(changed, pin.File) {
			changed = append(changed, pin.File)
		}
	}
	return changed, nil
}

var reference = regexp.MustCompile(`^([^@\s]+)@(sha256:[0-9a-f]{64})$`)

// entries are the pins of `images:`.
func entries(file string, document *yaml.Node) []Pin {
	var found []Pin
	for _, entry := range field(document.Content[0], "images").Content {
		name := field(entry, "name")
		if replaced := field(entry, "newName"); replaced.Value != "" {
			name = replaced
		}
		pin := Pin{Image: name.Value, File: file, Line: entry.Line, entry: entry}
		if digest := field(entry, "digest"); digest.Value != "" {
			pin.Digest, pin.value = digest.Value, digest
		}
		found = append(found, pin)
	}
	return found
}

// references are the scalars that hold NAME@DIGEST.
func references(file string, node *yaml.Node) []Pin {
	if parts := reference.FindStringSubmatch(node.Value); node.Kind == yaml.ScalarNode && parts != nil {
		return []Pin{{Image: parts[1], Digest: parts[2], File: file, Line: node.Line, value: node}}
	}
	var found []Pin
	for _, below := range node.Content {
		found = append(found, references(file, below)...)
	}
	return found
}

// field is the value of a mapping's field, empty if it has none.
func field(mapping *yaml.Node, name string) *yaml.Node {
	if _, value := pair(mapping, name); value != nil {
		return value
	}
	return &yaml.Node{}
}

func pair(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// replace is the file with another digest: over the one that is there, over a
// tag, or on a line of its own below the image's name.
func (p Pin) replace(data []byte, digest string) []byte {
	lines := strings.SplitAfter(string(data), "\n")
	switch tag, value := pair(p.entry, "newTag"); {
	case p.value != nil:
		line := &lines[p.value.Line-1]
		*line = (*line)[:p.value.Column-1] + strings.Replace((*line)[p.value.Column-1:], p.Digest, digest, 1)
	case tag != nil:
		line := &lines[tag.Line-1]
		rest := (*line)[value.Column-1:]
		*line = (*line)[:tag.Column-1] + "digest: " + digest + rest[len(written(value)):]
	default:
		name, value := pair(p.entry, "name")
		line := &lines[value.Line-1]
		*line = strings.TrimSuffix(*line, "\n") + "\n" + strings.Repeat(" ", name.Column-1) + "digest: " + digest + "\n"
	}
	return []byte(strings.Join(lines, ""))
}

// written is a plain or quoted scalar as the file has it.
func written(value *yaml.Node) string {
	switch value.Style {
	case yaml.DoubleQuotedStyle:
		return `"` + value.Value + `"`
	case yaml.SingleQuotedStyle:
		return "'" + value.Value + "'"
	default:
		return value.Value
	}
}
