package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// heldBack holds the checks of one cluster that were not made.
type heldBack struct {
	checks int
	// by counts them by the unknown part and by rule. A check that several unknown parts
	// hold back counts for each.
	by map[hider]map[string]int
	// of has the rules that did not judge an object for this reason.
	of map[*render.Object][]string
}

// hider is an unknown part that holds checks back.
type hider struct {
	key    render.Key
	at     render.Location
	reason string
}

func hiderOf(u render.Unknown) hider { return hider{u.Key, u.At, u.Reason} }

func (h *heldBack) add(r rule.Rule, by []render.Unknown, of *render.Object) {
	if h.by == nil {
		h.by, h.of = map[hider]map[string]int{}, map[*render.Object][]string{}
	}
	h.checks++
	for _, u := range by {
		if h.by[hiderOf(u)] == nil {
			h.by[hiderOf(u)] = map[string]int{}
		}
		h.by[hiderOf(u)][r.ID]++
	}
	if of != nil {
		h.of[of] = append(h.of[of], r.ID)
	}
}

// isChart reports whether the unknown part is a chart.
func (h hider) isChart() bool { return h.key.GroupKind == model.ReleaseKind }

// unknownListing lists what is unknown, why, and which checks that holds back.
type unknownListing struct {
	Unknown []listedUnknown `json:"unknown"`
	// Kinds are the kinds without a schema.
	Kinds []listedKind `json:"kinds"`
	// HeldBack counts the checks that were not made, by rule.
	HeldBack map[string]int `json:"heldBack"`
}

type listedUnknown struct {
	Cluster string `json:"cluster"`
	Object  string `json:"object"`
	At      string `json:"at"`
	Reason  string `json:"reason"`
	// HeldBack counts the checks that this part holds back, by rule.
	HeldBack map[string]int `json:"heldBack,omitempty"`
}

type listedKind struct {
	Cluster string `json:"cluster"`
	Kind    string `json:"kind"`
	Objects int    `json:"objects"`
	Reason  string `json:"reason"`
}

// listUnknown judges the clusters, and returns what could not be judged instead of the
// findings.
func (o Options) listUnknown(ctx context.Context) (unknownListing, error) {
	j, err := o.load(ctx, o.Revision, map[string]*model.Cluster{})
	if err != nil {
		return unknownListing{}, err
	}
	defer j.close()
	listed := unknownListing{Unknown: []listedUnknown{}, Kinds: []listedKind{}, HeldBack: map[string]int{}}
	for _, input := range j.inputs {
		listed.add(input)
	}
	return listed, nil
}

func (l *unknownListing) add(input rule.Input) {
	var held heldBack
	input.HeldBack = func(r rule.Rule, by []render.Unknown, of *render.Object) {
		held.add(r, by, of)
		l.HeldBack[r.ID]++
	}
	rules.Check(input)
	for _, u := range input.Cluster.Unknowns {
		l.Unknown = append(l.Unknown, listedUnknown{
			Cluster: input.Cluster.Name, Object: u.Key.String(), At: u.At.String(), Reason: u.Reason, HeldBack: held.by[hiderOf(u)],
		})
	}
	kinds := map[listedKind]int{}
	for _, o := range slices.Concat(input.Cluster.All(), input.Cluster.Composed()) {
		if _, source, because := input.Schema(o); source == "" {
			kind := o.GroupVersionKind()
			kinds[listedKind{Cluster: input.Cluster.Name, Kind: kind.Kind + "." + kind.GroupVersion().String(), Reason: because}]++
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(kinds), func(a, b listedKind) int { return strings.Compare(a.Kind, b.Kind) }) {
		k.Objects = kinds[k]
		l.Kinds = append(l.Kinds, k)
	}
}

func (l unknownListing) write(out io.Writer, format string) error {
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(l)
	}
	columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "CLUSTER\tUNKNOWN\tPLACE\tHOLDS BACK\tREASON")
	for _, u := range l.Unknown {
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\n", u.Cluster, u.Object, u.At, counts(u.HeldBack), u.Reason)
	}
	if len(l.Kinds) > 0 {
		fmt.Fprintln(columns, "\nCLUSTER\tKIND\tOBJECTS\tREASON")
	}
	for _, k := range l.Kinds {
		fmt.Fprintf(columns, "%s\t%s\t%d\t%s\n", k.Cluster, k.Kind, k.Objects, k.Reason)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	total := 0
	for _, n := range l.HeldBack {
		total += n
	}
	_, err := fmt.Fprintf(out, "\nchecks held back: %d (%s)\n", total, counts(l.HeldBack))
	return err
}

// counts formats the rules, each with its number.
func counts(byRule map[string]int) string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(byRule)) {
		list = append(list, fmt.Sprintf("%s %d", id, byRule[id]))
	}
	return cmp.Or(strings.Join(list, ", "), "-")
}
