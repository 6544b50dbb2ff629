package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind classifies problems, so that callers can choose a severity.
type Kind string

// The kinds of problems.
const (
	UnknownField Kind = "unknown-field"
	Required     Kind = "required"
	Type         Kind = "type"
	Enum         Kind = "enum"
	Format       Kind = "format"
	Duplicate    Kind = "duplicate"
	// Limit is a value that is out of range, too long, or does not match the pattern.
	Limit Kind = "limit"
	CEL   Kind = "cel"
	// Metadata is a name, label, annotation, owner or finalizer that an API server
	// rejects.
	Metadata Kind = "metadata"
	// Definition is a CustomResourceDefinition that an API server rejects.
	Definition Kind = "definition"
	// Unreadable is a schema that cannot be used, or an object that is not JSON.
	Unreadable Kind = "unreadable"
)

// Problem is one reason for an API server to reject an object.
type Problem struct {
	// Path leads to the field: strings are keys, ints are indices. For a missing field it
	// is where the field should be.
	Path []any
	Kind Kind
	// Message says what the value is and what is expected, without the path.
	Message string
}

// String returns the problem with its path, for logs and tests.
func (p Problem) String() string {
	if len(p.Path) == 0 {
		return p.Message
	}
	return text(p.Path) + ": " + p.Message
}

// text returns a path in kubectl's notation: spec.containers[0].name
func text(path []any) string {
	var b strings.Builder
	for i, step := range path {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

// resolve splits the text of a path, as the API server's code writes it, into steps. Keys
// may contain dots, so the object decides where a key ends: the longest key that exists
// counts.
func resolve(value any, path string) []any {
	path = strings.TrimPrefix(path, ".")
	if path == "" {
		return nil
	}
	switch value := value.(type) {
	case []any:
		number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		index, err := strconv.Atoi(number)
		if ok && err == nil && index >= 0 && index < len(value) {
			return append([]any{index}, resolve(value[index], rest)...)
		}
	case map[string]any:
		if key, rest, ok := longestKey(value, path); ok {
			return append([]any{key}, resolve(value[key], rest)...)
		}
	}
	return []any{strings.TrimSuffix(strings.TrimPrefix(path, "["), "]")}
}

func longestKey(object map[string]any, path string) (key, rest string, found bool) {
	for candidate := range object {
		if found && len(candidate) <= len(key) {
			continue
		}
		for _, prefix := range []string{candidate, "[" + candidate + "]"} {
			tail, ok := strings.CutPrefix(path, prefix)
			if ok && (tail == "" || tail[0] == '.' || tail[0] == '[') {
				key, rest, found = candidate, tail, true
			}
		}
	}
	return key, rest, found
}

// valueAt returns the value at a path, nil if there is none.
func valueAt(value any, path []any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// settle sorts problems by path. Of several with one cause it keeps the one that names
// the cause: a field of the wrong type is also out of range, has unknown fields, and
// lacks others.
func settle(problems []Problem) []Problem {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(slices.CompareFunc(a.Path, b.Path, compareSteps), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Message, b.Message))
	})
	problems = slices.CompactFunc(problems, func(a, b Problem) bool {
		return a.Kind == b.Kind && a.Message == b.Message && slices.Equal(a.Path, b.Path)
	})
	mistyped := map[string]bool{}
	for _, problem := range problems {
		if problem.Kind == Type {
			mistyped[text(problem.Path)] = true
		}
	}
	return slices.DeleteFunc(problems, func(p Problem) bool {
		for i := range len(p.Path) {
			if mistyped[text(p.Path[:i])] {
				return true
			}
		}
		return p.Kind != Type && mistyped[text(p.Path)]
	})
}

func compareSteps(a, b any) int {
	x, xIndex := a.(int)
	y, yIndex := b.(int)
	if xIndex && yIndex {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}
