// Package limits bounds the input of the renderer. kustomize and its libraries trust
// their input: an anchor that contains itself ends the process, aliases multiply without
// limit, a mapping's keys are compared pairwise, and some mistakes cause a panic.
//
// The package must not know what the content means.
package limits

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// The limits of a build.
const (
	MaxFile  = 16 << 20 // bytes
	MaxNodes = 500_000  // values in a file, with aliases expanded
	MaxGrown = 10_000   // values that aliases may add
	MaxKeys  = 10_000   // in one mapping
	// smallFile is the number of keys and items up to which a file is not checked.
	smallFile = 20_000
	// MaxVariables is the limit of variables in an object: they can be nested, and each
	// level takes stack.
	MaxVariables = 100_000
	// MaxLayers is the limit of kustomization files in a build, each counted as often as
	// it is included. The largest public repositories have less than a hundred.
	MaxLayers = 5000
)

func init() {
	// JSON patches with copies can double an object again and again.
	jsonpatch.AccumulatedCopySizeLimit = MaxFile
}

// Check returns an error if kustomize must not see a file. Most files pass by their size
// alone.
func Check(data []byte) error {
	if len(data) > MaxFile {
		return fmt.Errorf("the file has %d MB, and no API server takes an object that large", len(data)>>20)
	}
	// Each key of a mapping and each item of a list ends with one of these characters.
	small := bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte(",")) <= smallFile
	if small && (!mayHave(data, '&') || !mayHave(data, '*')) {
		return nil
	}
	var total measure
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			// It is no YAML: a generator reads it as text, or else kustomize reports it.
			return nil //nolint:nilerr // its reader reports what is wrong with it
		}
		if err := total.add(&document, map[*yaml.Node]int{}); err != nil {
			return fmt.Errorf("line %d: %w", document.Line, err)
		}
	}
}

// mayHave reports whether a file may have an anchor or an alias: its sign stands where a
// value begins, and a name follows.
func mayHave(data []byte, sign byte) bool {
	for i := bytes.IndexByte(data, sign); i >= 0 && i+1 < len(data); {
		if (i == 0 || bytes.IndexByte([]byte(" \t\r\n[{,:-?"), data[i-1]) >= 0) && bytes.IndexByte([]byte(" \t\r\n"), data[i+1]) < 0 {
			return true
		}
		next := bytes.IndexByte(data[i+1:], sign)
		if next < 0 {
			return false
		}
		i += 1 + next
	}
	return false
}

// measure counts the values of a file, and the values that aliases add.
type measure struct{ nodes, grown int }

func (m *measure) add(document *yaml.Node, sizes map[*yaml.Node]int) error {
	size, err := expanded(document, sizes)
	if err != nil {
		return err
	}
	plain := count(document)
	m.nodes += plain
	m.grown += min(size-plain, MaxGrown+1)
	switch {
	case m.grown > MaxGrown:
		return fmt.Errorf("its aliases expand to more than %d values", MaxGrown)
	case m.nodes > MaxNodes:
		return fmt.Errorf("it holds more than %d values", MaxNodes)
	}
	return nil
}

func count(node *yaml.Node) int {
	nodes := 1
	for _, content := range node.Content {
		nodes += count(content)
	}
	return nodes
}

// expanded returns the number of values of a node with its aliases expanded, at most a
// little more than the limit. A size of -1 marks a node that is being counted.
func expanded(node *yaml.Node, sizes map[*yaml.Node]int) (int, error) {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
		if size, known := sizes[node]; known && size >= 0 {
			return size, nil
		}
	}
	if sizes[node] < 0 {
		return 0, fmt.Errorf("anchor %s contains itself", node.Anchor)
	}
	if node.Kind == yaml.MappingNode && len(node.Content)/2 > MaxKeys {
		return 0, fmt.Errorf("a mapping has more than %d keys", MaxKeys)
	}
	size := 1
	if node.Anchor != "" {
		sizes[node] = -1
	}
	for _, content := range node.Content {
		nested, err := expanded(content, sizes)
		if err != nil {
			return 0, err
		}
		size = min(size+nested, 2*MaxNodes)
	}
	if node.Anchor != "" {
		sizes[node] = size
	}
	return size, nil
}

// Recover turns a panic into an error: kustomize panics on some invalid input.
func Recover(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("kustomize cannot digest the input: %v", r)
	}
}
