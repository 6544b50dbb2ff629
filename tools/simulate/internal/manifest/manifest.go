// Package manifest changes numbers in manifests, and nothing else in a line: comments and
// quotes stay. It must not know any setting.
package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/scenario"
)

// number matches the last number of a line, before a comment: the value of a key or of a
// patch.
var number = regexp.MustCompile(`^([^#]*?[:\s]["']?)(\d+)(["']?\s*(?:#.*)?)$`)

// Write changes settings in the manifests, and returns a description of each edit. A
// change without a place is an error before anything is written.
func Write(root string, places map[string]scenario.Place, changes []scenario.Change) (edits []string, err error) {
	files := map[string][]string{}
	for _, c := range changes {
		setting, before, after := c.Setting, c.Before, c.After
		if setting == "behavior" {
			setting, before, after = scenario.DownWindow, window(before), window(after)
		}
		place, known := places[setting]
		if !known || before == "" {
			return nil, fmt.Errorf("no manifest says %s where this could change it: set it to %s yourself", setting, after)
		}
		if files[place.File] == nil {
			text, err := os.ReadFile(filepath.Join(root, place.File))
			if err != nil {
				return nil, err
			}
			files[place.File] = strings.Split(string(text), "\n")
		}
		lines := files[place.File]
		if place.Line < 1 || place.Line > len(lines) {
			return nil, fmt.Errorf("%s has no line %d, where %s was said", place.File, place.Line, setting)
		}
		match := number.FindStringSubmatch(lines[place.Line-1])
		if match == nil || match[2] != before {
			return nil, fmt.Errorf("%s:%d does not say %s for %s: set it to %s yourself", place.File, place.Line, before, setting, after)
		}
		lines[place.Line-1] = match[1] + after + match[3]
		edits = append(edits, fmt.Sprintf("%s:%d: %s %s → %s", place.File, place.Line, setting, before, after))
	}
	for file, lines := range files {
		name := filepath.Join(root, file)
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), info.Mode()); err != nil {
			return nil, err
		}
	}
	return edits, nil
}

var downWindow = regexp.MustCompile(`(?s)scaleDown:.*?stabilizationWindowSeconds: (\d+)`)

// window returns the scale-down window in a behavior; empty if it has none.
func window(behavior string) string {
	if match := downWindow.FindStringSubmatch(behavior); match != nil {
		return match[1]
	}
	return ""
}
