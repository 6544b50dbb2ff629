// Package rules holds what schemas cannot see: faults that take two objects, or
// an object and how Flux, KEDA or AWS treats it. Each family has its file, each
// rule an id that stays, the reason for it with where people were hurt, and the
// fix. A rule never flags what works: where upstream tolerates something, so
// does the rule.
//
// The rules walk package graph; they read no files and know no output format.
package rules

import (
	"fmt"
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

// Rule is one thing that is checked.
type Rule struct {
	// ID is the family and a number, such as KEDA003.
	ID       string
	Severity findings.Severity
	// Title is the fault in a few words.
	Title string
	// Why says what goes wrong and who says so, Example shows the fault, Fix
	// how to fix it.
	Why, Example, Fix string
	// Base is whether the rule judges a change, and so has nothing to say
	// without a base revision.
	Base bool

	check func(*Run)
}

// All are the rules in the order of their ids.
func All() []Rule {
	return slices.Concat(exceptionRules, fluxRules, irsaRules, kedaRules, podRules, schemaRules, sqsRules, crossplaneRules)
}

// Find is the rule with an id.
func Find(id string) (Rule, bool) {
	for _, rule := range All() {
		if rule.ID == id {
			return rule, true
		}
	}
	return Rule{}, false
}

// Input is what rules judge.
type Input struct {
	Cluster *model.Cluster
	// Base is the cluster before the change; nil if nobody asks what changes, or
	// if the cluster is new.
	Base   *model.Cluster
	Config config.Config
	// Versions are those that the configuration ties to pins.
	Versions []Version
	// Saw is told of each object that a rule read to come to its judgement, as
	// often as it did; nil if nobody asks.
	Saw func(Rule, *render.Object)
}

// Check runs every rule over one cluster.
func Check(input Input) []findings.Finding {
	var all []findings.Finding
	for _, rule := range All() {
		run := &Run{Input: input, rule: rule}
		if input.Saw != nil {
			run.Cluster = input.Cluster.Watch(func(o *render.Object) { input.Saw(rule, o) })
		}
		rule.check(run)
		all = append(all, run.found...)
	}
	return all
}

// Run is one rule at work on one cluster.
type Run struct {
	Input
	rule  Rule
	found []findings.Finding
}

// at is a field of an object.
type at struct {
	object *render.Object
	field  []any
}

// on names a field of an object as the place of a finding.
func on(object *render.Object, field ...any) at { return at{object, field} }

// report adds a finding at a field.
func (r *Run) report(place at, fix, format string, args ...any) {
	r.add(r.rule.Severity, place, fix, format, args...)
}

// warn is report for what a rule of errors only warns of.
func (r *Run) warn(place at, fix, format string, args ...any) {
	r.add(findings.Warning, place, fix, format, args...)
}

// add leaves out what is said of a value that nobody knows here.
func (r *Run) add(severity findings.Severity, place at, fix, format string, args ...any) {
	if place.object.Open(place.field...) {
		return
	}
	r.addAt(severity, place.object.Key().String(), place.object.Locate(place.field...), fix, format, args...)
}

// reportAt and warnAt are report and warn for what no field of an object says.
func (r *Run) reportAt(object string, location render.Location, fix, format string, args ...any) {
	r.addAt(r.rule.Severity, object, location, fix, format, args...)
}

func (r *Run) warnAt(object string, location render.Location, fix, format string, args ...any) {
	r.addAt(findings.Warning, object, location, fix, format, args...)
}

func (r *Run) addAt(severity findings.Severity, object string, location render.Location, fix, format string, args ...any) {
	r.found = append(r.found, findings.Finding{
		Rule: r.rule.ID, Severity: severity, Clusters: []string{r.Cluster.Name},
		Object: object, File: location.File, Line: location.Line, Column: location.Column,
		Message: fmt.Sprintf(format, args...), Fix: fix,
	})
}

// elsewhere tells whether something that the cluster lacks may come from what
// could not be rendered.
func (r *Run) elsewhere() bool { return r.Cluster.Incomplete() }
