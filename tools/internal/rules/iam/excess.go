package iam

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Excess is rule IRSA004.
var Excess = rule.Rule{
	ID: "IRSA004", Severity: findings.Error, Title: "role that may do more than its program does",
	Why: "Whoever breaks into a pod can do what its role allows. The programs of this project and KEDA's operator call few " +
		"actions on few resources, so wildcards and managed policies with full access grant what nobody uses " +
		"(https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege). The rule does not judge " +
		"roles of other programs, or of pods that also run another program.",
	Example: "\"Action\": \"sqs:*\", \"Resource\": \"*\"",
	Fix:     "Name the actions that the program calls and the ARNs it calls them on.",
	Check:   checkGrants,
}

func checkGrants(r *rule.Pass) {
	for _, o := range roles(r) {
		allowed, known := allowanceOf(r, o)
		if !known {
			continue
		}
		documents, elsewhere := documents(r, o)
		for _, policy := range elsewhere {
			if fullAccess.MatchString(policy.arn) {
				r.Report(policy.at, "role %s of %s has %s", o.name, allowed, policy.arn).
					Fix("attach a policy with the actions that it calls")
			}
		}
		for _, d := range documents {
			policy, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text))
			if err != nil {
				continue // rule IRSA003 reports it
			}
			for _, grant := range policy.Grants() {
				checkGrant(r, d.at, o, allowed, grant)
			}
		}
	}
}

var fullAccess = regexp.MustCompile(`^arn:aws[a-z-]*:iam::aws:policy/(?:.*/)?(?:\w*FullAccess\w*|AdministratorAccess|PowerUserAccess)$`)

func (a allowance) String() string {
	return strings.Join(slices.Sorted(maps.Keys(a.programs)), " and ")
}

func checkGrant(r *rule.Pass, place model.Field, o role, allowed allowance, grant iam.Grant) {
	for _, action := range grant.Actions {
		switch name := strings.ToLower(action.Text); {
		case allowed.actions[name]:
		case strings.ContainsAny(name, "*?"):
			r.Report(place, "role %s of %s may %s (%s): a wildcard", o.name, allowed, action.Text, action.Path).
				Fix("name the actions that it calls")
		case !allowed.operator:
			r.Report(place, "role %s may %s (%s), which %s does not call", o.name, action.Text, action.Path, allowed).
				Fix("remove it")
		case !reads(name):
			r.Report(place, "role %s may %s (%s), but KEDA only reads", o.name, action.Text, action.Path).
				Fix("remove it")
		}
	}
	if grant.Conditional || !concernsQueues(grant) {
		return
	}
	for _, value := range grant.Resources {
		if strings.ContainsAny(value.Text, "*?") && !allowed.needs(value.Text) {
			r.Report(place, "role %s of %s may act on %s (%s): a wildcard", o.name, allowed, value.Text, value.Path).
				Fix("name the ARN that it calls")
		}
	}
}

// reads reports whether an action, in lower case, changes nothing. KEDA's operator also
// assumes the roles of its triggers.
func reads(action string) bool {
	_, verb, _ := strings.Cut(action, ":")
	reading := []string{"get", "list", "describe", "batchget", "query"}
	return action == "sts:assumerole" || slices.ContainsFunc(reading, func(prefix string) bool { return strings.HasPrefix(verb, prefix) })
}

// concernsQueues reports whether a grant is about queues, buckets or keys, and not about
// resources without an ARN, such as CloudWatch's metrics.
func concernsQueues(grant iam.Grant) bool {
	return slices.ContainsFunc(grant.Actions, func(action iam.Value) bool {
		service, _, _ := strings.Cut(strings.ToLower(action.Text), ":")
		return slices.Contains([]string{"*", "sqs", "s3", "kms"}, service)
	})
}

func (a allowance) needs(arn string) bool {
	return slices.ContainsFunc(a.prefixes, func(prefix string) bool {
		return strings.HasPrefix(arn, prefix) && !strings.ContainsAny(prefix, "*?")
	})
}

// podsOf returns the workloads whose ServiceAccount has a role.
func podsOf(r *rule.Pass, o role) []model.Workload {
	var all []model.Workload
	for _, w := range r.Cluster.Workloads() {
		if a, annotated := roleOfPods(r, w); annotated && o.is(a) {
			all = append(all, w)
		}
	}
	return all
}

// allowance is what the programs that act as a role need from it.
type allowance struct {
	programs map[string]bool
	actions  map[string]bool // in lower case
	// prefixes are the prefixes of object ARNs, the only resources that may end in a
	// wildcard.
	prefixes []string
	// operator reports whether KEDA's operator uses the role: it serves triggers of every
	// type.
	operator bool
}

// allowanceOf returns what a role's pods need. It is known only if every pod with the
// role runs a program with known calls, and nothing else.
func allowanceOf(r *rule.Pass, o role) (allowance, bool) {
	a := allowance{programs: map[string]bool{}, actions: map[string]bool{}}
	for _, u := range users(r) {
		if !o.is(u.role) {
			continue
		}
		a.programs[u.program] = true
		for _, call := range u.calls {
			a.actions[strings.ToLower(call.action)] = true
			for _, use := range keyActions[call.action] {
				a.actions[strings.ToLower(use)], a.actions[strings.ToLower(use)+"*"] = true, true
			}
			if strings.HasSuffix(call.on.arn, "/") {
				a.prefixes = append(a.prefixes, call.on.arn)
			}
		}
	}
	for _, w := range podsOf(r, o) {
		a.operator = a.operator || runsOperator(w)
		if !isKnown(r, w) {
			return a, false
		}
	}
	if a.operator {
		a.programs[scalerProgram] = true
	}
	return a, len(a.programs) > 0
}

// isKnown reports whether a pod runs only a program with known calls.
func isKnown(r *rule.Pass, w model.Workload) bool {
	alone := len(w.Template.Spec.Containers) == 1 && len(w.Template.Spec.InitContainers) == 0
	_, _, known := r.Settings(w)
	return alone && (known || runsOperator(w))
}
