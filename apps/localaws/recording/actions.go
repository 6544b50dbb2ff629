package recording

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Actions lists the actions of calls with their parameters, one parameter a line, sorted.
// The list has no values and does not depend on the number of calls. So the lists of two
// recordings differ only where the programs do.
func Actions(calls []Call) string {
	parameters := map[string]map[string]bool{}
	for _, c := range calls {
		action := c.Service + " " + identifiers.ReplaceAllString(c.Action(), "*")
		if parameters[action] == nil {
			parameters[action] = map[string]bool{}
		}
		for _, name := range c.parameters() {
			parameters[action][name] = true
		}
	}
	var out strings.Builder
	for _, action := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintln(&out, action)
		for _, name := range slices.Sorted(maps.Keys(parameters[action])) {
			fmt.Fprintln(&out, "  "+name)
		}
	}
	return out.String()
}

// index matches the number of a list element in a parameter's name.
var index = regexp.MustCompile(`\.\d+\b`)

// parameters returns the names of the request's parameters.
func (c Call) parameters() (names []string) {
	names = slices.Collect(maps.Keys(c.query(func(value string) bool { return value != "" })))
	for name := range c.Header {
		if !slices.Contains([]string{"Content-Type", "X-Amz-Target", "X-Amzn-Query-Mode"}, name) {
			names = append(names, name)
		}
	}
	for name := range c.Body.Form {
		if name != "Action" && name != "Version" {
			names = append(names, index.ReplaceAllString(name, ".N"))
		}
	}
	var value any
	if json.Unmarshal(c.Body.JSON, &value) == nil {
		names = append(names, leaves("", value)...)
	}
	return append(names, elements(c.Body.Text)...)
}

// leaves returns the paths of the values in JSON.
func leaves(path string, value any) (paths []string) {
	switch v := value.(type) {
	case map[string]any:
		for key, inside := range v {
			paths = append(paths, leaves(strings.TrimPrefix(path+"."+key, "."), inside)...)
		}
	case []any:
		for _, inside := range v {
			paths = append(paths, leaves(path+".N", inside)...)
		}
	}
	if len(paths) == 0 && path != "" {
		return []string{path}
	}
	return paths
}

// elements returns the paths of the elements in XML.
func elements(text string) (paths []string) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	var path []string
	for {
		token, err := decoder.Token()
		if err != nil {
			return paths
		}
		switch t := token.(type) {
		case xml.StartElement:
			path = append(path, t.Name.Local)
			paths = append(paths, strings.Join(path, "."))
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}
