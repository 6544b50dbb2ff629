package definition

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// sourcesFile is the file in an archive that lists the sources of its definitions.
const sourcesFile = "sources.json"

// Source is a pinned module that defines kinds.
type Source struct {
	// Name is its short name: kubernetes, keda.
	Name string `json:"name"`
	// Pins is the folder of tools/engines that pins the module.
	Pins    string `json:"pins"`
	Module  string `json:"module"`
	Version string `json:"version"`

	Definitions []Definition `json:"-"`
}

// String returns the name and the version: kubernetes 1.35.4.
func (s Source) String() string { return s.Name + " " + strings.TrimPrefix(s.Version, "v") }

// Write writes the sources into a zip archive: their list, and a JSON file for each
// definition. The same sources give the same bytes.
func Write(out io.Writer, sources []Source) error {
	archive := zip.NewWriter(out)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	sources = slices.Clone(sources)
	slices.SortFunc(sources, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	if err := writeJSON(archive, sourcesFile, sources); err != nil {
		return err
	}
	for _, source := range sources {
		definitions := slices.Clone(source.Definitions)
		slices.SortFunc(definitions, func(a, b Definition) int { return strings.Compare(fileOf(source, a), fileOf(source, b)) })
		for _, definition := range definitions {
			if err := writeJSON(archive, fileOf(source, definition), definition); err != nil {
				return err
			}
		}
	}
	return archive.Close()
}

func writeJSON(archive *zip.Writer, name string, content any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	file, err := archive.Create(name)
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	_, err = file.Write(data)
	return err
}

// fileOf returns source/group/version/Kind.json; for the core group the group is empty.
func fileOf(source Source, d Definition) string {
	group := d.Group
	if group == "" {
		group = "core"
	}
	return path.Join(source.Name, group, d.Version, d.Kind+".json")
}

// Archive reads what Write wrote. It keeps only the directory in memory, and reads a
// definition when it is needed.
type Archive struct {
	// Sources do not contain their definitions: use Read.
	Sources []Source
	files   map[schema.GroupVersionKind]packed
}

type packed struct {
	source Source
	file   *zip.File
}

// Open opens an archive and reads its directory.
func Open(data []byte) (*Archive, error) {
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("open the schema archive: %w", err)
	}
	archive := &Archive{files: map[schema.GroupVersionKind]packed{}}
	sources := map[string]Source{}
	for _, file := range reader.File {
		if file.Name == sourcesFile {
			if err := readJSON(file, &archive.Sources); err != nil {
				return nil, err
			}
			for _, source := range archive.Sources {
				sources[source.Name] = source
			}
			continue
		}
		parts := strings.Split(strings.TrimSuffix(file.Name, ".json"), "/")
		if len(parts) != 4 {
			return nil, fmt.Errorf("open the schema archive: %s is not source/group/version/Kind.json", file.Name)
		}
		kind := schema.GroupVersionKind{Group: parts[1], Version: parts[2], Kind: parts[3]}
		if kind.Group == "core" {
			kind.Group = ""
		}
		archive.files[kind] = packed{sources[parts[0]], file}
	}
	return archive, nil
}

// Kinds returns the kinds in the archive, in no particular order.
func (a *Archive) Kinds() []schema.GroupVersionKind {
	kinds := make([]schema.GroupVersionKind, 0, len(a.files))
	for kind := range a.files {
		kinds = append(kinds, kind)
	}
	return kinds
}

// SourceOf returns the source of a kind's definition.
func (a *Archive) SourceOf(kind schema.GroupVersionKind) Source { return a.files[kind].source }

// Read returns the definition of one of Kinds.
func (a *Archive) Read(kind schema.GroupVersionKind) (Definition, error) {
	entry, found := a.files[kind]
	if !found {
		return Definition{}, fmt.Errorf("the schema archive has no %s", kind)
	}
	definition := Definition{GroupVersionKind: kind}
	return definition, readJSON(entry.file, &definition)
}

func readJSON(file *zip.File, into any) error {
	reader, err := file.Open()
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file.Name, err)
	}
	defer reader.Close()
	data, err := io.ReadAll(reader)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file.Name, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("decode %s: %w", file.Name, err)
	}
	return nil
}
