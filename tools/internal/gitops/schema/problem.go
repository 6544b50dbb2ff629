package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kind classes problems, so that a caller can weigh them.
type Kind string

// The kinds of problems.
const (
	UnknownField Kind = "unknown-field"
	Required     Kind = "required"
	Type         Kind = "type"
	Enum         Kind = "enum"
	Format       Kind = "format"
	Duplicate    Kind = "duplicate"
	// Limit is a value out of range, too long, or not of the wanted pattern.
	Limit Kind = "limit"
	CEL   Kind = "cel"
	// Metadata is a name, label, annotation, owner or finalizer that no API
	// server takes.
	Metadata Kind = "metadata"
	// Definition is a CustomResourceDefinition that no API server takes.
	Definition Kind = "definition"
	// Unreadable is a schema that cannot be used, or an object that is no JSON.
	Unreadable Kind = "unreadable"
)

// Problem is one reason for an API server to refuse an object.
type Problem struct {
	// Path leads to the field: strings are keys, ints are indices. Of a missing
	// field it names the place where it should be.
	Path []any
	Kind Kind
	// Message says what is there and what is expected, without the path.
	Message string
}

// String is the problem with its path, for logs and tests.
func (p Problem) String() string {
	if len(p.Path) == 0 {
		return p.Message
	}
	return text(p.Path) + ": " + p.Message
}

// text writes a path as kubectl does: spec.containers[0].name
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

// resolve turns the text of a path, as the API server's code writes it, into
// steps. Keys may have dots in them, so the object itself says where one ends:
// the longest key that fits.
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

// valueAt is the value that a path leads to, nil if nothing is there.
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

// settle puts problems in the order of their paths, and keeps of those with one
// cause the one that names it: a field of the wrong type is in addition out of
// range, holds unknown fields, and lacks others.
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
