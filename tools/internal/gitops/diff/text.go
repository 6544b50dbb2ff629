package diff

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"sigs.k8s.io/yaml"
)

// style is the appearance of a kind of difference on a terminal.
type style struct{ sign, colour string }

var (
	deletedStyle = style{"-", "31"}
	leftStyle    = style{"=", "33"}
	ownedStyle   = style{">", "35"}
	createdStyle = style{"+", "32"}
	changedStyle = style{"~", "33"}
	unknownStyle = style{"?", "36"}
)

// WriteText writes the difference for a terminal; colours turns colours on.
func WriteText(out io.Writer, clusters []Cluster, colours bool) error {
	p := printer{colours: colours}
	for _, cluster := range clusters {
		p.cluster(cluster)
	}
	_, err := io.WriteString(out, p.text.String())
	return err
}

type printer struct {
	text    strings.Builder
	colours bool
}

func (p *printer) cluster(c Cluster) {
	p.line("%s: %s", c.Path, c.Summary())
	p.objects(deletedStyle, c.Deleted)
	p.objects(leftStyle, c.Left)
	p.objects(ownedStyle, c.Owned)
	p.objects(createdStyle, c.Created)
	p.objects(changedStyle, c.Changed)
	p.objects(unknownStyle, c.Unknown)
}

func (p *printer) objects(s style, objects []Object) {
	for _, object := range objects {
		p.line("  %s  %s", p.paint(s, s.sign+" "+object.Name), object.origin())
		for _, change := range object.Changes {
			for i, line := range change.lines() {
				indent := "      "
				if i > 0 {
					indent = "        "
				}
				p.line("%s%s", indent, line)
			}
		}
	}
}

func (p *printer) paint(s style, text string) string {
	if !p.colours {
		return text
	}
	return "\x1b[" + s.colour + "m" + text + "\x1b[0m"
}

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(&p.text, format+"\n", args...)
}

// Summary returns the number of differences of each kind, as text.
func (c Cluster) Summary() string {
	if c.Same() {
		return "nothing changes"
	}
	var parts []string
	for _, part := range []struct {
		objects []Object
		what    string
	}{
		{c.Deleted, "deleted"},
		{c.Left, "left behind"},
		{c.Owned, "newly owned"},
		{c.Created, "created"},
		{c.Changed, "changed"},
		{c.Unknown, "not compared"},
	} {
		if len(part.objects) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", len(part.objects), part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// origin says who applies the object, where it is declared, and the note.
func (o Object) origin() string {
	text := o.Owner
	if o.Before != "" {
		text = o.Before + " → " + o.Owner
	}
	if at := o.At.String(); at != "" {
		text += ", " + at
	}
	if o.Note != "" {
		text += " (" + o.Note + ")"
	}
	return text
}

// lines describes a change as text: one line, or more if a value has several lines.
func (c Change) lines() []string {
	where := ""
	if at := c.At.String(); at != "" {
		where = "  " + at
	}
	old, oldBlock := format(c.Old)
	current, currentBlock := format(c.New)
	switch c.Kind {
	case Added:
		return describe(c.Field+": added", current, currentBlock, "+", where)
	case Removed:
		return describe(c.Field+": removed", old, oldBlock, "-", where)
	case Reordered:
		return []string{c.Field + ": reordered" + where}
	}
	if !oldBlock && !currentBlock {
		return []string{fmt.Sprintf("%s: %s → %s%s", c.Field, old, current, where)}
	}
	return append([]string{c.Field + ":" + where}, textDiff(old, current)...)
}

func describe(head, value string, block bool, sign, where string) []string {
	if !block {
		return []string{head + " " + value + where}
	}
	lines := []string{head + where}
	for line := range strings.SplitSeq(strings.TrimSuffix(value, "\n"), "\n") {
		lines = append(lines, sign+" "+line)
	}
	return lines
}

// format returns a value as YAML; block reports whether it has several lines.
func format(value any) (text string, block bool) {
	switch value := value.(type) {
	case hidden:
		return value.String(), false
	case string:
		if strings.Contains(value, "\n") {
			return value, true
		}
	case map[string]any, []any:
		if text, err := yaml.Marshal(value); err == nil && strings.Count(string(text), "\n") > 1 {
			return string(text), true
		}
	}
	data, err := encode(value)
	if err != nil {
		return fmt.Sprint(value), false
	}
	return data, false
}

func encode(value any) (string, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// textDiff compares two texts line by line.
func textDiff(old, current string) []string {
	unified := string(diff.Diff("old", []byte(endLine(old)), "new", []byte(endLine(current))))
	lines := strings.Split(strings.TrimSuffix(unified, "\n"), "\n")
	// The first three lines name the files.
	return lines[min(3, len(lines)):]
}

func endLine(text string) string {
	if strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
