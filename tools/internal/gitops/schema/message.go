package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// describe describes a value briefly.
func describe(value any) string {
	switch value := value.(type) {
	case nil:
		return "null"
	case string:
		const most = 60
		if runes := []rune(value); len(runes) > most {
			value = string(runes[:most]) + "…"
		}
		return "the string " + strconv.Quote(value)
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case bool:
		return fmt.Sprintf("the boolean %t", value)
	}
	return "the number " + inJSON(value)
}

// articles has the names of JSON types with their articles.
var articles = map[string]string{
	"string": "a string", "integer": "an integer", "number": "a number",
	"boolean": "a boolean", "object": "an object", "array": "a list", "null": "null",
}

// splitMessage splits the field's name off an error that has it only in its text: quoted
// at the start for anyOf and oneOf, at the end for the range of numbers.
func splitMessage(message string) (name, expected string) {
	if quoted, err := strconv.QuotedPrefix(message); err == nil {
		name, _ = strconv.Unquote(quoted) // QuotedPrefix has unquoted it
		return name, strings.TrimSpace(message[len(quoted):])
	}
	if end := strings.LastIndex(message, " in "); end >= 0 {
		return message[end+len(" in "):], message[:end]
	}
	return "", message
}

// alternatives lists the values of an enumeration, without an empty one.
func alternatives(values []any) string {
	var list []string
	for _, value := range values {
		if value == "" {
			continue
		}
		if text, ok := value.(string); ok {
			list = append(list, strconv.Quote(text))
			continue
		}
		list = append(list, fmt.Sprint(value))
	}
	return strings.Join(list, ", ")
}

// culprit describes the bad value. Errors about labels and annotations name only the map:
// the bad value is one of its keys or values.
func culprit(object any, path []any, bad any) (at []any, what string) {
	value := valueAt(object, path)
	text, ok := bad.(string)
	if !ok {
		return path, describe(value)
	}
	entries, ok := value.(map[string]any)
	if !ok {
		return path, describe(text)
	}
	if _, ok := entries[text]; ok {
		return append(path, text), "the key " + strconv.Quote(text)
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		if entries[key] == text {
			return append(path, key), describe(text)
		}
	}
	return path, describe(value)
}

// detail returns the first line: in the other lines CEL draws an arrow.
func detail(err *field.Error) string {
	if err.Detail == "" {
		return ""
	}
	line, _, _ := strings.Cut(err.Detail, "\n")
	return ": " + line
}

func inJSON(value any) string {
	data, err := utiljson.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(data)
}
