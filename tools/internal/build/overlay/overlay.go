// Package overlay reads and writes the digests with which a folder of manifests pins its
// images: in `images:` of its kustomization.yaml, in fields of the form NAME@DIGEST, such
// as the package of a Crossplane Function, and beside the tags of upstream's images. It
// changes nothing else in a file: comments, order and form stay.
//
// The package must not know registries or Git, nor what a folder is for.
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

// Pin is a place where a folder names an image by its digest, or where a
// kustomization.yaml names it by a tag that a digest would replace.
type Pin struct {
	// Image is the image's name, including the registry.
	Image string
	// Digest has the form sha256:…; it is empty if there is only a tag, or nothing.
	Digest string
	// File is the file's path, Line the line that names the image, from 1.
	File string
	Line int

	// value is the node that a new digest replaces; entry is the item of images:.
	value, entry *yaml.Node
}

// Pins returns the pins of a folder, in the order of its files and lines.
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

// Of returns the pins of one image. If there are none, the error says what to add.
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
	// Last one first, so that earlier lines keep their numbers.
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

// entries returns the pins of `images:`.
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

// references returns the pins in scalars of the form NAME@DIGEST.
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

// field returns the value of a mapping's field, empty if it has none.
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

// replace returns the file with a new digest. It replaces the old digest or the tag, or
// adds a line below the image's name.
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

// written returns a plain or quoted scalar in its spelling in the file.
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
