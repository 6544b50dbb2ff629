// Package rule defines what a rule of validate is: its text and its check, its input, and
// how it reports findings. A check reads the model of a cluster, and reports nothing if a
// part that could not be rendered may contain the answer (Cluster.Complete).
//
// The package must not know any rule, output format or program of this repository.
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

// Rule is one kind of fault that validate finds.
type Rule struct {
	// ID is the family and a number, such as KEDA003. It never changes.
	ID       string
	Severity findings.Severity
	// Title names the fault in a few words.
	Title string
	// Why says what goes wrong and links the evidence, Example shows the fault, and Fix
	// says what to do.
	Why, Example, Fix string
	// Base reports whether the rule judges changes, so that it needs a base revision.
	Base bool
	// Check finds the faults in one cluster.
	Check func(*Pass)
}

// Input is the input of rules.
type Input struct {
	Cluster *model.Cluster
	// Base is the cluster in the base revision; nil without a base revision, or if the
	// cluster is new.
	Base *model.Cluster
	// Clusters are all clusters of the repository, including this one; nil if only some
	// are checked.
	Clusters []*model.Cluster
	Config   config.Config
	// Versions are the versions that the configuration ties to pins.
	Versions []Version
	// Programs are the registered programs.
	Programs []Program
	// Saw is called with each object that a rule reads, each time; it may be nil.
	Saw func(Rule, *render.Object)
	// HeldBack is called for each check that a rule does not make because an unknown part
	// may contain the answer, with the object if the check is about one; it may be nil.
	HeldBack func(rule Rule, by []render.Unknown, of *render.Object)
}

// Version says that a version in the manifests equals a pinned one.
type Version struct {
	config.Version
	Pinned string
}

// Schema returns the schema that validates an object, or why there is none.
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

// Run checks one cluster with one rule.
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

// Pass is one rule's run on one cluster.
type Pass struct {
	Input
	rule  Rule
	found []*findings.Finding
}

// Draft is a finding without a fix yet.
type Draft struct{ finding *findings.Finding }

// Fix sets the finding's fix.
func (d Draft) Fix(text string) {
	if d.finding != nil {
		d.finding.Fix = text
	}
}

// Severe changes the finding to an error.
func (d Draft) Severe() {
	if d.finding != nil {
		d.finding.Severity = findings.Error
	}
}

// Report adds a finding at a field, with the rule's own severity.
func (p *Pass) Report(at model.Field, format string, args ...any) Draft {
	return p.ReportAs(p.rule.Severity, at, format, args...)
}

// Warn adds a warning, for rules whose findings are otherwise errors.
func (p *Pass) Warn(at model.Field, format string, args ...any) Draft {
	return p.ReportAs(findings.Warning, at, format, args...)
}

// ReportAs adds a finding with a severity. It ignores findings about unknown values, and
// mere advice about generated files.
func (p *Pass) ReportAs(severity findings.Severity, at model.Field, format string, args ...any) Draft {
	if at.Object.Open(at.Path...) || severity == findings.Warning && at.Object.Generated() {
		return Draft{}
	}
	return p.add(severity, at.Object.Key().String(), at.Object.Locate(at.Path...), fmt.Sprintf(format, args...))
}

// ReportLine adds a finding at a line instead of a field.
func (p *Pass) ReportLine(object string, at render.Location, message string) Draft {
	return p.add(p.rule.Severity, object, at, message)
}

// WarnLine adds a warning at a line instead of a field.
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

// ReportFailures reports the failures of rendering that have one of the causes.
func (p *Pass) ReportFailures(causes ...render.Cause) {
	for _, failure := range p.Cluster.Failures(causes...) {
		object := ""
		if failure.Applier != nil {
			object = failure.Applier.Key().String()
		}
		p.ReportLine(object, failure.At, failure.Message).Fix(failure.Fix)
	}
}

// Pinned returns the severity and a note for a fault that is known only for the pinned
// version of an upstream project, such as `keda 2.21.0`: an error or, if the cluster
// installs another minor version, or does not say which, a warning with a note.
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

// DidYouMean returns the fix for a name that does not exist: the nearest candidate, or
// else otherwise.
func DidYouMean(name string, candidates []string, otherwise string) string {
	if meant := spelling.Nearest(name, candidates); meant != "" {
		return fmt.Sprintf("did you mean %s?", meant)
	}
	return otherwise
}

// SeverityOf returns an error for a name that looks like a misspelt candidate, and
// otherwise a warning, because the object may be created elsewhere.
func SeverityOf(name string, candidates []string) findings.Severity {
	if spelling.Near(name, candidates) != "" {
		return findings.Error
	}
	return findings.Warning
}

// Problems splits joined errors.
func Problems(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok { // only the outermost one
		return joined.Unwrap()
	}
	return slices.DeleteFunc([]error{err}, func(err error) bool { return err == nil })
}
