// Package rule is what every rule of validate is made of: its text and its check,
// what it is given to judge, and how it reports what it finds. A check walks the
// model of a cluster and stays silent where something that could not be rendered may
// hold the answer (Cluster.Complete).
//
// The package knows no rule, no output format and no program of this repository.
package rule

import (
	"fmt"
	"slices"
	"strings"

	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/spelling"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// Rule is one thing that is checked.
type Rule struct {
	// ID is the family and a number, such as KEDA003. It stays.
	ID       string
	Severity findings.Severity
	// Title is the fault in a few words.
	Title string
	// Why says what goes wrong and who says so, Example shows the fault, Fix what
	// to do about it.
	Why, Example, Fix string
	// Base is whether the rule judges a change, and so has nothing to say without a
	// base revision.
	Base bool
	// Check finds the faults of one cluster.
	Check func(*Pass)
}

// Input is what rules judge.
type Input struct {
	Cluster *model.Cluster
	// Base is the cluster before the change; nil if nobody asks what changes, or
	// if the cluster is new.
	Base *model.Cluster
	// Clusters are all of the repository, this one included; nil where only some of
	// them are looked at.
	Clusters []*model.Cluster
	Config   config.Config
	// Versions are those that the configuration ties to pins.
	Versions []Version
	// Programs are those whose settings and needs are known.
	Programs []Program
	// Saw is told of each object that a rule read to come to its judgement, as
	// often as it did; nil if nobody asks.
	Saw func(Rule, *render.Object)
	// HeldBack is told of each check that a rule does not make because something
	// unknown may hold the answer, and of which object, where it is of one; nil if
	// nobody asks.
	HeldBack func(rule Rule, by []render.Unknown, of *render.Object)
}

// Version says that a version in the manifests equals a pinned one.
type Version struct {
	config.Version
	Pinned string
}

// Schema names the schema that an object was validated by; if there is none, it says why.
func (i Input) Schema(o *render.Object) (kind runtimeschema.GroupVersionKind, source, because string) {
	found, because := i.Cluster.Schema(o)
	switch {
	case found != nil:
		return found.Kind(), found.Source(), ""
	case because != "":
		return runtimeschema.GroupVersionKind{}, "", because
	}
	return runtimeschema.GroupVersionKind{}, "", fmt.Sprintf(
		"no schema of %s in %s is known here: apply its definition or give it by --schema", o.GetKind(), o.GetAPIVersion())
}

// Run checks one cluster by one rule.
func (r Rule) Run(input Input) []findings.Finding {
	pass := &Pass{Input: input, rule: r}
	var read func(*render.Object)
	if input.Saw != nil {
		read = func(o *render.Object) { input.Saw(r, o) }
	}
	var hidden func([]render.Unknown, *render.Object)
	if input.HeldBack != nil {
		hidden = func(by []render.Unknown, of *render.Object) { input.HeldBack(r, by, of) }
	}
	pass.Cluster = input.Cluster.Watch(read, hidden)
	r.Check(pass)
	found := make([]findings.Finding, 0, len(pass.found))
	for _, finding := range pass.found {
		found = append(found, *finding)
	}
	return found
}

// Pass is one rule at work on one cluster.
type Pass struct {
	Input
	rule  Rule
	found []*findings.Finding
}

// Draft is a finding that has no fix yet.
type Draft struct{ finding *findings.Finding }

// Fix says what to do about the finding.
func (d Draft) Fix(text string) {
	if d.finding != nil {
		d.finding.Fix = text
	}
}

// Severe makes the finding an error.
func (d Draft) Severe() {
	if d.finding != nil {
		d.finding.Severity = findings.Error
	}
}

// Report adds a finding at a field, of the rule's own severity.
func (p *Pass) Report(at model.Field, format string, args ...any) Draft {
	return p.ReportAs(p.rule.Severity, at, format, args...)
}

// Warn is Report for what a rule of errors only warns of.
func (p *Pass) Warn(at model.Field, format string, args ...any) Draft {
	return p.ReportAs(findings.Warning, at, format, args...)
}

// ReportAs is Report with another severity. It leaves out what is said of a value
// that nobody knows here, and what is no more than advice on what a program writes.
func (p *Pass) ReportAs(severity findings.Severity, at model.Field, format string, args ...any) Draft {
	if at.Object.Open(at.Path...) || severity == findings.Warning && at.Object.Generated() {
		return Draft{}
	}
	return p.add(severity, at.Object.Key().String(), at.Object.Locate(at.Path...), fmt.Sprintf(format, args...))
}

// ReportLine is Report for what a line says, and no field of an object.
func (p *Pass) ReportLine(object string, at render.Location, message string) Draft {
	return p.add(p.rule.Severity, object, at, message)
}

// WarnLine is Warn for what a line says, and no field of an object.
func (p *Pass) WarnLine(object string, at render.Location, message string) Draft {
	return p.add(findings.Warning, object, at, message)
}

func (p *Pass) add(severity findings.Severity, object string, at render.Location, message string) Draft {
	finding := &findings.Finding{
		Rule: p.rule.ID, Severity: severity, Clusters: []string{p.Cluster.Name},
		Object: object, File: at.File, Line: at.Line, Column: at.Column, Message: message,
	}
	p.found = append(p.found, finding)
	return Draft{finding}
}

// ReportFailures reports what rendering ran into, for some causes.
func (p *Pass) ReportFailures(causes ...render.Cause) {
	for _, failure := range p.Cluster.Failures(causes...) {
		object := ""
		if failure.Applier != nil {
			object = failure.Applier.Key().String()
		}
		p.ReportLine(object, failure.At, failure.Message).Fix(failure.Fix)
	}
}

// Pinned is how to report what only the pinned version of an upstream project says
// is wrong with an object, such as `keda 2.21.0`: as an error or, in a cluster that
// installs another minor version, or does not say which, as a warning with a note.
func (p *Pass) Pinned(o *render.Object, source string) (severity findings.Severity, note string) {
	project, pinned, _ := strings.Cut(source, " ")
	if other := p.Cluster.OtherVersion(o, project, pinned); other != "" {
		return findings.Warning, fmt.Sprintf(" (in %s; the cluster installs %s, which is not known here)", source, other)
	}
	if p.Cluster.AssumesVersion(o, source) {
		return findings.Warning, fmt.Sprintf(" (in %s, which is assumed: the cluster does not say which version it has)", source)
	}
	return p.rule.Severity, ""
}

// DidYouMean is the fix of a name that does not exist: the nearest one that does, or
// the general advice.
func DidYouMean(name string, candidates []string, otherwise string) string {
	if meant := spelling.Nearest(name, candidates); meant != "" {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return otherwise
}

// SeverityOf is an error for a name that looks like a misspelling of another one, and
// otherwise a warning: the name may be made elsewhere.
func SeverityOf(name string, candidates []string) findings.Severity {
	if spelling.Near(name, candidates) != "" {
		return findings.Error
	}
	return findings.Warning
}

// Problems takes joined errors apart.
func Problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // the outermost one is meant
		return joined.Unwrap()
	}
	return slices.DeleteFunc([]error{err}, func(err error) bool { return err == nil })
}
