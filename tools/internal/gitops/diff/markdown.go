package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes the difference for a pull request. Deleted and moved objects are
// visible at once, the rest after unfolding.
func WriteMarkdown(out io.Writer, clusters []Cluster) error {
	var text strings.Builder
	for _, c := range clusters {
		fmt.Fprintf(&text, "### `%s`: %s\n\n", c.Path, c.Summary())
		markdownList(&text, "Deleted", c.Deleted)
		markdownList(&text, "Left behind", c.Left)
		markdownList(&text, "Newly owned", c.Owned)
		markdownList(&text, "Not compared", c.Unknown)
		markdownDetails(&text, "created", c.Created)
		markdownDetails(&text, "changed", c.Changed)
	}
	_, err := io.WriteString(out, text.String())
	return err
}

func markdownList(text *strings.Builder, title string, objects []Object) {
	if len(objects) == 0 {
		return
	}
	fmt.Fprintf(text, "**%s**\n\n", title)
	for _, object := range objects {
		fmt.Fprintf(text, "- `%s` %s\n", object.Name, object.origin())
	}
	text.WriteString("\n")
}

func markdownDetails(text *strings.Builder, title string, objects []Object) {
	if len(objects) == 0 {
		return
	}
	fmt.Fprintf(text, "<details><summary>%d %s</summary>\n\n", len(objects), title)
	for _, object := range objects {
		fmt.Fprintf(text, "- `%s` %s\n", object.Name, object.origin())
		if len(object.Changes) > 0 {
			markdownChanges(text, object.Changes)
		}
	}
	text.WriteString("\n</details>\n\n")
}

// markdownChanges writes changes as a code block of the language diff, which is coloured
// in pull requests.
func markdownChanges(text *strings.Builder, changes []Change) {
	var block strings.Builder
	for _, change := range changes {
		old, oldBlock := format(change.Old)
		current, currentBlock := format(change.New)
		if change.Kind == Changed && !oldBlock && !currentBlock {
			fmt.Fprintf(&block, "@@ %s @@ %s\n-%s\n+%s\n", change.Field, change.At, old, current)
			continue
		}
		lines := change.lines()
		fmt.Fprintf(&block, "@@ %s\n", lines[0])
		for _, line := range lines[1:] {
			block.WriteString(line + "\n")
		}
	}
	fence := fence(block.String())
	fmt.Fprintf(text, "\n  %sdiff\n", fence)
	for line := range strings.SplitSeq(strings.TrimSuffix(block.String(), "\n"), "\n") {
		fmt.Fprintf(text, "  %s\n", line)
	}
	fmt.Fprintf(text, "  %s\n\n", fence)
}

// fence returns a fence that is longer than any run of backquotes in the text.
func fence(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}

// WriteJSON writes the difference as JSON: a list of clusters.
func WriteJSON(out io.Writer, clusters []Cluster) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(clusters)
}
