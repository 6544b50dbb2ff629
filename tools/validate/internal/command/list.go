package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// listFormats are the formats of --list, the default first.
var listFormats = []string{"text", "json"}

// listing lists the objects in the order in which Flux applies them, each with the schema
// and the rules that checked it or, for unknown parts, the reason.
type listing []listedObject

// listedObject is an object, or a Flux object whose result is unknown.
type listedObject struct {
	Cluster string `json:"cluster"`
	Object  string `json:"object"`
	At      string `json:"at"`
	// Schema is the schema that validated the object; empty if its kind has none.
	Schema string `json:"schema,omitempty"`
	// Rules are the ids of the rules that judged the object. HeldBack are those that
	// could not, because an unknown part may contain the answer.
	Rules    []string `json:"rules"`
	HeldBack []string `json:"heldBack,omitempty"`
	// Unknown says why the Flux object's result is unknown, or why the object has no
	// schema.
	Unknown string `json:"unknown,omitempty"`
}

// list judges the clusters, and returns what each rule looked at instead of what it
// found.
func (o Options) list(ctx context.Context) (listing, error) {
	j, err := o.load(ctx, o.Revision, map[string]*model.Cluster{})
	if err != nil {
		return nil, err
	}
	defer j.close()
	var listed listing
	for _, input := range j.inputs {
		listed = append(listed, listCluster(input)...)
	}
	return listed, nil
}

func listCluster(input rule.Input) listing {
	readers := map[*render.Object][]string{}
	input.Saw = func(by rule.Rule, o *render.Object) {
		if !slices.Contains(readers[o], by.ID) {
			readers[o] = append(readers[o], by.ID)
		}
	}
	var held heldBack
	input.HeldBack = held.add
	rules.Check(input)
	var listed listing
	for _, o := range slices.Concat(input.Cluster.All(), input.Cluster.Composed()) {
		_, source, because := input.Schema(o)
		e := listedObject{
			Cluster: input.Cluster.Name, Object: o.Key().String(), At: o.Locate().String(),
			Schema: source, Rules: []string{}, Unknown: because,
		}
		for _, id := range readers[o] {
			if !slices.Contains(held.of[o], id) {
				e.Rules = append(e.Rules, id)
			}
		}
		e.HeldBack = slices.Compact(slices.Sorted(slices.Values(held.of[o])))
		listed = append(listed, e)
	}
	for _, unknown := range input.Cluster.Unknowns {
		listed = append(listed, listedObject{
			Cluster: input.Cluster.Name, Object: unknown.Key.String(), At: unknown.At.String(), Rules: []string{}, Unknown: unknown.Reason,
		})
	}
	return listed
}

func (l listing) write(out io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(l)
	}
	columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "CLUSTER\tOBJECT\tPLACE\tSCHEMA\tRULES")
	for _, e := range l {
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\n", e.Cluster, cmp.Or(e.Object, "(the root)"), e.At, e.schema(), e.readers())
	}
	return columns.Flush()
}

func (e listedObject) schema() string {
	switch {
	case e.Unknown == "":
		return e.Schema
	case len(e.Rules) == 0:
		return "unknown"
	default:
		return "none"
	}
}

// readers returns the rules, or the reason why none judged the object.
func (e listedObject) readers() string {
	judged := strings.Join(e.Rules, " ")
	if len(e.HeldBack) > 0 {
		judged += fmt.Sprintf(" (held back: %s)", strings.Join(e.HeldBack, " "))
	}
	return cmp.Or(e.Unknown, judged, "-")
}
