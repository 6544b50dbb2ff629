package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render/origin"
)

// Change is one field that differs.
type Change struct {
	// Field is its path, such as spec.triggers[0].metadata.queueLength. A list element
	// with a name has it in the path: containers[app].
	Field string `json:"field"`
	Kind  Kind   `json:"change"`
	// Old and New are the values; a Secret's values appear as hidden.
	Old any `json:"old,omitempty"`
	New any `json:"new,omitempty"`
	// At is the line of the new value or, for a removed field, of the old one.
	At Place `json:"at"`
}

// Kind says how a field changes.
type Kind string

// The kinds of changes. Reordered is a list whose kept elements change places.
const (
	Added     Kind = "added"
	Removed   Kind = "removed"
	Changed   Kind = "changed"
	Reordered Kind = "reordered"
)

// hidden is a value that is compared but not shown.
type hidden struct{ value any }

func (hidden) String() string { return "(hidden)" }

// MarshalJSON returns a placeholder.
func (h hidden) MarshalJSON() ([]byte, error) { return json.Marshal(h.String()) }

// comparison collects the changes of one object.
type comparison struct {
	old, current *render.Object
	changes      []Change
}

// where is a field: its name for people, and its path in each object.
type where struct {
	text     string
	old, new []any
}

func (w where) key(key string) where {
	switch {
	case !plainKey.MatchString(key):
		w.text += "[" + strconv.Quote(key) + "]"
	case w.text == "":
		w.text = key
	default:
		w.text += "." + key
	}
	return w.step(key, key)
}

var plainKey = regexp.MustCompile(`^[\w-]+$`)

// item returns an element of a list, by its name or by its index in each of the two
// objects.
func (w where) item(name string, old, current int) where {
	if name == "" {
		name = strconv.Itoa(max(old, current))
		if current >= 0 {
			name = strconv.Itoa(current)
		}
	}
	w.text += "[" + name + "]"
	return w.step(old, current)
}

func (w where) step(old, current any) where {
	w.old = append(slices.Clone(w.old), old)
	w.new = append(slices.Clone(w.new), current)
	return w
}

func compareObjects(old, current *render.Object) []Change {
	c := comparison{old: old, current: current}
	c.values(where{}, comparable(old), comparable(current))
	return c.changes
}

// comparable returns an object in a form for comparison: without the labels that name its
// applier, and with a Secret's values hidden.
func comparable(object *render.Object) map[string]any {
	content := object.DeepCopy().Object
	if metadata, ok := content["metadata"].(map[string]any); ok {
		if labels, ok := metadata["labels"].(map[string]any); ok {
			delete(labels, kustomizev1.GroupVersion.Group+"/name")
			delete(labels, kustomizev1.GroupVersion.Group+"/namespace")
		}
	}
	if object.GroupVersionKind().Group == "" && object.GetKind() == "Secret" {
		for _, field := range []string{"data", "stringData"} {
			if values, ok := content[field].(map[string]any); ok {
				for key, value := range values {
					values[key] = hidden{value}
				}
			} else if value, found := content[field]; found {
				content[field] = hidden{value}
			}
		}
	}
	return content
}

func (c *comparison) values(w where, old, current any) {
	switch old := old.(type) {
	case map[string]any:
		if current, ok := current.(map[string]any); ok {
			c.maps(w, old, current)
			return
		}
	case []any:
		if current, ok := current.([]any); ok {
			c.lists(w, old, current)
			return
		}
	}
	if !reflect.DeepEqual(old, current) {
		c.add(w, Changed, old, current)
	}
}

func (c *comparison) maps(w where, old, current map[string]any) {
	keys := maps.Clone(old)
	maps.Copy(keys, current)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		before, was := old[key]
		after, is := current[key]
		switch w := w.key(key); {
		case !was:
			c.add(w, Added, nil, after)
		case !is:
			c.add(w, Removed, before, nil)
		default:
			c.values(w, before, after)
		}
	}
}

func (c *comparison) lists(w where, old, current []any) {
	before, distinctBefore := identities(old)
	after, distinctAfter := identities(current)
	if !distinctBefore || !distinctAfter {
		c.sequences(w, old, current)
		return
	}
	last, reordered := -1, false
	for i, item := range current {
		id := identify(item)
		j, was := before[id]
		if !was {
			c.add(w.item(id.name(), -1, i), Added, nil, item)
			continue
		}
		reordered = reordered || j < last
		last = max(last, j)
		c.values(w.item(id.name(), j, i), old[j], item)
	}
	for j, item := range old {
		id := identify(item)
		if _, is := after[id]; !is {
			c.add(w.item(id.name(), j, -1), Removed, item, nil)
		}
	}
	if reordered {
		c.add(w, Reordered, nil, nil)
	}
}

// identity distinguishes an element of a list from the others.
type identity struct{ key, value string }

// name is the element's name in a field's path.
func (id identity) name() string {
	if id.key == "name" || id.key == "key" {
		return id.value
	}
	return ""
}

func identify(item any) identity {
	key, value, _ := origin.Identity(item)
	return identity{key, fmt.Sprint(value)}
}

// identities returns the positions of a list's elements by identity, and whether all are
// distinct.
func identities(list []any) (positions map[identity]int, distinct bool) {
	positions = make(map[identity]int, len(list))
	for i, item := range list {
		id := identify(item)
		if _, twice := positions[id]; twice || id.key == "" {
			return nil, false
		}
		positions[id] = i
	}
	return positions, true
}

// sequences compares lists by position, after skipping what they share at both ends.
func (c *comparison) sequences(w where, old, current []any) {
	start := 0
	for start < min(len(old), len(current)) && reflect.DeepEqual(old[start], current[start]) {
		start++
	}
	end := 0
	for end < min(len(old), len(current))-start && reflect.DeepEqual(old[len(old)-1-end], current[len(current)-1-end]) {
		end++
	}
	for i := start; i < max(len(old), len(current))-end; i++ {
		switch {
		case i >= len(old)-end:
			c.add(w.item("", -1, i), Added, nil, current[i])
		case i >= len(current)-end:
			c.add(w.item("", i, -1), Removed, old[i], nil)
		default:
			c.values(w.item("", i, i), old[i], current[i])
		}
	}
}

func (c *comparison) add(w where, kind Kind, old, current any) {
	at := c.current.Locate(w.new...)
	if kind == Removed {
		at = c.old.Locate(w.old...)
	}
	c.changes = append(c.changes, Change{Field: w.text, Kind: kind, Old: old, New: current, At: Place(at)})
}
