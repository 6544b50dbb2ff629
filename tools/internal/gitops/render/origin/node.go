package origin

import (
	"fmt"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Child returns an entry of a mapping, including entries that it merges in.
func Child(node *yaml.Node, key string) (name, value *yaml.Node) {
	node = Resolve(node)
	if node == nil || node.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i], node.Content[i+1]
		}
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag == "!!merge" {
			return Child(node.Content[i+1], key)
		}
	}
	return nil, nil
}

// Resolve returns the node that an alias refers to, or the node itself.
func Resolve(node *yaml.Node) *yaml.Node {
	if node != nil && node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

// Follow follows a field down a tree as far as possible, and returns how far that is.
// content is the object: a list element is found by its identity there, because patches
// move elements. at is the node of the last key, if there is one, or else of the value.
func Follow(node *yaml.Node, field []any, content any) (at, value *yaml.Node, depth int) {
	at, value = node, node
	for depth, element := range field {
		var name, next *yaml.Node
		switch element := element.(type) {
		case string:
			name, next = Child(value, element)
		case int:
			list, _ := content.([]any)
			next = itemOf(Resolve(value), element, list)
			name = next
		}
		if next == nil {
			return at, value, depth
		}
		at, value, content = name, next, into(content, element)
	}
	return at, value, len(field)
}

// into returns an element of a mapping or a list.
func into(content, element any) any {
	switch element := element.(type) {
	case string:
		if mapping, ok := content.(map[string]any); ok {
			return mapping[element]
		}
	case int:
		if list, ok := content.([]any); ok && element >= 0 && element < len(list) {
			return list[element]
		}
	}
	return nil
}

// ValueAt returns the value of an object at a field.
func ValueAt(content any, field []any) any {
	for _, element := range field {
		content = into(content, element)
	}
	return content
}

// identities are the keys by which Kubernetes distinguishes list elements.
var identities = []string{"name", "key", "containerPort", "port", "mountPath", "type", "kind", "sid", "topologyKey"}

// Identity returns the key and the value that distinguish a list element from the others,
// whatever its position.
func Identity(item any) (key string, value any, ok bool) {
	mapping, _ := item.(map[string]any)
	for _, key := range identities {
		switch value := mapping[key].(type) {
		case nil, map[string]any, []any:
		default:
			return key, value, true
		}
	}
	return "", nil, false
}

// itemOf returns the node of a list element: among elements with the same identity the
// one in the same place, and without identity the one at the same index.
func itemOf(node *yaml.Node, index int, list []any) *yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode || index < 0 {
		return nil
	}
	key, value, ok := Identity(into(list, index))
	if !ok {
		if index < len(node.Content) {
			return node.Content[index]
		}
		return nil
	}
	earlier := 0
	for _, item := range list[:index] {
		// Compared as text, because nodes contain text.
		if k, v, _ := Identity(item); k == key && fmt.Sprint(v) == fmt.Sprint(value) {
			earlier++
		}
	}
	for _, content := range node.Content {
		if _, said := Child(content, key); said == nil || said.Value != fmt.Sprint(value) {
			continue
		}
		if earlier == 0 {
			return content
		}
		earlier--
	}
	return nil
}

// says reports whether a node contains a value of the object completely: a patch of some
// fields does not set the whole mapping around them.
func says(node *yaml.Node, content any) bool {
	var said any
	return content != nil && node.Decode(&said) == nil && fmt.Sprint(said) == fmt.Sprint(content)
}

// TextOffset returns the difference between a line number within a scalar and in the
// file: a block begins on the line after its indicator.
func TextOffset(node *yaml.Node) int {
	if node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return node.Line
	}
	return node.Line - 1
}

// YAMLLine matches a line number in a YAML error.
var YAMLLine = regexp.MustCompile(`line (\d+)`)

// YAMLErrorLine returns the line number in a YAML error, or zero.
func YAMLErrorLine(text string) int {
	match := YAMLLine.FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	line, _ := strconv.Atoi(match[1])
	return line
}
