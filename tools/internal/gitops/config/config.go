// Package config reads .validate.yaml, in which a repository tells render and validate
// what its manifests do not say: where the content of a source is on this machine, which
// versions belong together, and which findings it accepts and why.
//
// The package knows only the file's format. The readers interpret the entries.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Name is the name of the file, in the root of a repository.
const Name = ".validate.yaml"

// Config is the file's content. The zero value applies to a repository without the file.
type Config struct {
	// Clusters are patterns of the folders that root Kustomizations apply. If there are
	// none, the folders are found in the manifests.
	Clusters []string `yaml:"clusters"`
	// Pins is the folder of Go modules whose go.mod files pin upstream
	// projects, such as tools/engines.
	Pins string `yaml:"pins"`
	// Sources says where the content of a Flux source is offline.
	Sources []Source `yaml:"sources"`
	// Versions ties versions in manifests to the pins.
	Versions []Version `yaml:"versions"`
	// Workloads are the programs of this project that the repository runs.
	Workloads []Workload `yaml:"workloads"`
	// Exceptions accept findings.
	Exceptions []Exception `yaml:"exceptions"`
}

// Source maps the URL of a Flux source to content on this machine: a Go module at the
// source's tag, or a folder relative to the repository.
type Source struct {
	URL    string `yaml:"url"`
	Module string `yaml:"module"`
	Path   string `yaml:"path"`
}

// Version says that a version in the manifests equals a pin.
type Version struct {
	// Image is an image's name without its tag; Source is the URL of a GitRepository or
	// OCIRepository. Exactly one of them is set.
	Image  string `yaml:"image"`
	Source string `yaml:"source"`
	// Module is the pinned Go module that gives the version.
	Module string `yaml:"module"`
}

// Workload says which program of the repository an image contains. validate checks its
// settings with the program's own code.
type Workload struct {
	// Image is the image's name without tag.
	Image string `yaml:"image"`
	// Program is the name of a program that validate registers, or of a composition
	// function that runs in process.
	Program string `yaml:"program"`
	// Line is where the entry stands in the file.
	Line int `yaml:"-"`
}

// Exception lowers the severity of a rule for the files that match a pattern.
type Exception struct {
	Rule string `yaml:"rule"`
	// Path is a pattern of files, relative to the repository; ** matches any number of
	// folders.
	Path string `yaml:"path"`
	// Severity is the new severity of the finding: warning or off.
	Severity string `yaml:"severity"`
	// Reason is the explanation for readers of the report.
	Reason string `yaml:"reason"`
	// Line is where the entry stands in the file.
	Line int `yaml:"-"`
}

// Read reads a repository's file. Without a file it returns the defaults. Unknown fields
// and entries without an effect are errors that name the line.
func Read(root string) (Config, error) {
	file := filepath.Join(root, Name)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Parse(nil)
	}
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	config, err := Parse(data)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	return config, nil
}

// Parse parses the content of a file, which may be empty.
func Parse(data []byte) (Config, error) {
	var config Config
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&config); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("the file holds one document: put all of it there")
	}
	// The same entries as nodes have their lines.
	var nodes struct {
		Sources, Versions, Workloads, Exceptions []yaml.Node
	}
	if err := yaml.Unmarshal(data, &nodes); err != nil {
		return Config{}, err
	}
	for _, node := range slices.Concat(nodes.Sources, nodes.Versions, nodes.Workloads, nodes.Exceptions) {
		if node.ShortTag() == "!!null" { // the decoder leaves it out
			return Config{}, fmt.Errorf("line %d: the entry is empty", node.Line)
		}
	}
	for i, node := range nodes.Workloads {
		config.Workloads[i].Line = node.Line
	}
	for i, node := range nodes.Exceptions {
		config.Exceptions[i].Line = node.Line
	}
	return config, errors.Join(
		check(config.Sources, nodes.Sources),
		check(config.Versions, nodes.Versions),
		check(config.Workloads, nodes.Workloads),
		check(config.Exceptions, nodes.Exceptions),
	)
}

// check returns an error for each wrong entry, with its line.
func check[E interface{ check() error }](entries []E, nodes []yaml.Node) error {
	var wrong []error
	for i, entry := range entries {
		if err := entry.check(); err != nil {
			wrong = append(wrong, fmt.Errorf("line %d: %w", nodes[i].Line, err))
		}
	}
	return errors.Join(wrong...)
}

func (s Source) check() error {
	if s.URL == "" || (s.Module == "") == (s.Path == "") {
		return errors.New("a source names a url and either a module or a path")
	}
	return nil
}

func (v Version) check() error {
	if v.Module == "" || (v.Image == "") == (v.Source == "") {
		return errors.New("a version names a module and either an image or a source")
	}
	return nil
}

func (w Workload) check() error {
	if w.Image == "" || w.Program == "" {
		return errors.New("a workload names an image and the program that it contains")
	}
	return nil
}

func (e Exception) check() error {
	if e.Rule == "" || e.Path == "" || e.Reason == "" {
		return errors.New("an exception names a rule, a path and the reason")
	}
	if e.Severity != "warning" && e.Severity != "off" {
		return fmt.Errorf("severity %q of %s: it is warning or off", e.Severity, e.Rule)
	}
	return nil
}
