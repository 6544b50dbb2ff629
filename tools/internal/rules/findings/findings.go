// Package findings has validate's findings, and writes them in the formats for a
// terminal, a pull request and a dashboard.
//
// The package must not know how a finding was made.
package findings

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Severity is the effect of a finding on the exit code.
type Severity string

// An Error fails the run, a Warning does not. A finding that is Off is only listed, with
// the reason why it is accepted.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Off     Severity = "off"
)

// Finding is one fault, with its place and its fix.
type Finding struct {
	// Rule is the id of the rule, such as KEDA003.
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	// Clusters are the names of the affected clusters.
	Clusters []string `json:"clusters"`
	// Object is the object in the form Kind.group/namespace/name; empty if the finding is
	// about a file.
	Object string `json:"object,omitempty"`
	// Others are further objects with the same fault, caused by the same line.
	Others []string `json:"others,omitempty"`
	// File is relative to the repository; Line and Column count from 1 and are zero if
	// unknown.
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Message says in one line what is wrong, Fix in one line what to do.
	Message string `json:"message"`
	Fix     string `json:"fix"`
	// Accepted is the reason why the configuration lowers the severity.
	Accepted string `json:"accepted,omitempty"`
}

// said returns the message, with the number of further objects.
func (f Finding) said() string {
	switch len(f.Others) {
	case 0:
		return f.Message
	case 1:
		return fmt.Sprintf("%s (so does %s)", f.Message, f.Others[0])
	default:
		return fmt.Sprintf("%s (so do %d more, such as %s)", f.Message, len(f.Others), f.Others[0])
	}
}

// subject returns the object, unless the message names it.
func (f Finding) subject() string {
	kind, name, _ := strings.Cut(f.Object, "/")
	kind, _, _ = strings.Cut(kind, ".") // many messages omit the group
	for word := range strings.FieldsSeq(f.Message) {
		if word = strings.TrimRight(word, ",:;)"); word == f.Object || word == kind+"/"+name {
			return ""
		}
	}
	return f.Object
}

// Merge sorts findings by place, and joins those with the same cause. These differ only
// in the cluster, because a fault in a base appears in every overlay, or only in the
// object, because a line may affect many objects.
func Merge(all []Finding) []Finding {
	return joinObjects(joinClusters(all))
}

func joinClusters(all []Finding) []Finding {
	all = slices.Clone(all)
	slices.SortStableFunc(all, compare)
	var merged []Finding
	for _, finding := range all {
		if last := len(merged) - 1; last >= 0 && compare(merged[last], finding) == 0 {
			merged[last].Clusters = union(merged[last].Clusters, finding.Clusters)
			continue
		}
		merged = append(merged, finding)
	}
	return merged
}

func joinObjects(sorted []Finding) []Finding {
	var joined []Finding
	for _, finding := range sorted {
		i := len(joined) - 1
		for i >= 0 && samePlace(joined[i], finding) && !sameCause(joined[i], finding) {
			i--
		}
		if i < 0 || !samePlace(joined[i], finding) {
			joined = append(joined, finding)
			continue
		}
		joined[i].Others = union(joined[i].Others, []string{finding.Object})
		joined[i].Clusters = union(joined[i].Clusters, finding.Clusters)
	}
	return joined
}

func samePlace(a, b Finding) bool {
	return a.Line > 0 && a.File == b.File && a.Line == b.Line && a.Column == b.Column && a.Rule == b.Rule
}

// sameCause reports whether two findings at one place have the same cause and concern two
// objects.
func sameCause(a, b Finding) bool {
	if a.Severity != b.Severity || a.Accepted != b.Accepted || a.Object == b.Object || a.Object == "" || b.Object == "" {
		return false
	}
	first, second := strings.Fields(a.Message), strings.Fields(b.Message)
	return slices.EqualFunc(first, second, func(x, y string) bool { return x == y || anonymous(x, a.Object) == anonymous(y, b.Object) })
}

var nameInWord = regexp.MustCompile(`[\w-]+(?:\.[\w-]+)*`)

// anonymous returns a word of a message without the name and the namespace of an object.
func anonymous(word, object string) string {
	names := strings.Split(object, "/")[1:]
	return nameInWord.ReplaceAllStringFunc(word, func(part string) string {
		if slices.Contains(names, part) {
			return "*"
		}
		return part
	})
}

// Introduced returns the findings of all that are not in known. It compares rule, object,
// message and clusters, but not the place, and counts how often each occurs.
func Introduced(known, all []Finding) []Finding {
	type identity struct{ rule, object, message, clusters string }
	identify := func(f Finding) identity {
		return identity{f.Rule, f.Object, f.Message, strings.Join(f.Clusters, " ")}
	}
	left := map[identity]int{}
	for _, finding := range known {
		left[identify(finding)]++
	}
	var introduced []Finding
	for _, finding := range all {
		if id := identify(finding); left[id] > 0 {
			left[id]--
			continue
		}
		introduced = append(introduced, finding)
	}
	return introduced
}

// union does not change its arguments, because findings of one run share slices.
func union(a, b []string) []string {
	joined := slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(joined, name) {
			joined = append(joined, name)
		}
	}
	return joined
}

func compare(a, b Finding) int {
	return cmp.Or(
		strings.Compare(a.File, b.File),
		cmp.Compare(a.Line, b.Line),
		cmp.Compare(a.Column, b.Column),
		strings.Compare(a.Rule, b.Rule),
		strings.Compare(a.Object, b.Object),
		strings.Compare(a.Message, b.Message),
		strings.Compare(string(a.Severity), string(b.Severity)),
		strings.Compare(a.Fix, b.Fix),
		strings.Compare(a.Accepted, b.Accepted),
	)
}

// Report is the result of a run.
type Report struct {
	Findings []Finding `json:"findings"`
	Coverage Coverage  `json:"coverage"`
}

// Coverage says how much of the clusters was checked.
type Coverage struct {
	// Objects is the number of rendered objects. Unknown is the number of them without a
	// schema, plus the Flux objects whose result is unknown.
	Objects int `json:"objects"`
	Unknown int `json:"unknown"`
	// HeldBack is the number of checks that were not made because an unknown part may
	// contain the answer. HidingCharts and HidingSources are the numbers of unknown
	// charts and other sources that caused this.
	HeldBack      int `json:"heldBack,omitempty"`
	HidingCharts  int `json:"hidingCharts,omitempty"`
	HidingSources int `json:"hidingSources,omitempty"`
	// Schemas is the number of schemas in use, Rules the number of rules that ran.
	Schemas int `json:"schemas"`
	Rules   int `json:"rules"`
	// Clusters are the names of the clusters.
	Clusters []string `json:"clusters"`
	// Known is the number of findings that are left out because the base revision has
	// them, too.
	Known int `json:"known,omitempty"`
	// Seconds is the duration of the run.
	Seconds float64 `json:"seconds"`
}

// Count returns the number of findings with a severity.
func (r Report) Count(severity Severity) int {
	count := 0
	for _, finding := range r.Findings {
		if finding.Severity == severity {
			count++
		}
	}
	return count
}
