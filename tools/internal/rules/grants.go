package rules

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

// allowance is what the programs that act as a role need of it.
type allowance struct {
	programs map[string]bool
	actions  map[string]bool // in lower case
	// prefixes are of the ARNs that need a wildcard: of a bucket's objects.
	prefixes []string
	// operator: KEDA's operator serves triggers of every type.
	operator bool
}

func checkGrants(r *Run) {
	for _, o := range r.roles() {
		allowed, known := r.allowance(o)
		if !known {
			continue
		}
		documents, elsewhere := r.documents(o)
		for _, policy := range elsewhere {
			if fullAccess.MatchString(policy.arn) {
				r.report(policy.at, "attach a policy with the actions that it calls", "role %s of %s has %s", o.name, allowed, policy.arn)
			}
		}
		for _, d := range documents {
			policy, err := iam.Parse(d.name, iam.IdentityPolicy, []byte(d.text))
			if err != nil {
				continue // IRSA003 says why
			}
			for _, grant := range policy.Grants() {
				r.checkGrant(d.at, o, allowed, grant)
			}
		}
	}
}

var fullAccess = regexp.MustCompile(`^arn:aws[a-z-]*:iam::aws:policy/(?:.*/)?(?:\w*FullAccess\w*|AdministratorAccess|PowerUserAccess)$`)

// allowance is known when every pod that takes the role runs a program whose
// calls are known, and nothing beside it.
func (r *Run) allowance(o role) (allowance, bool) {
	a := allowance{programs: map[string]bool{}, actions: map[string]bool{}}
	for _, u := range r.users() {
		if !o.is(u.role) {
			continue
		}
		a.programs[u.program] = true
		for _, call := range calls[u.program] {
			a.actions[strings.ToLower(call.action)] = true
			for _, use := range keyActions[call.action] {
				a.actions[strings.ToLower(use)], a.actions[strings.ToLower(use)+"*"] = true, true
			}
		}
		for _, target := range u.resources {
			if strings.HasSuffix(target.arn, "/") {
				a.prefixes = append(a.prefixes, target.arn)
			}
		}
	}
	for _, w := range r.podsOf(o) {
		a.operator = a.operator || runsOperator(w)
		if !r.isKnown(w) {
			return a, false
		}
	}
	if a.operator {
		a.programs[scalerProgram] = true
	}
	return a, len(a.programs) > 0
}

func (r *Run) isKnown(w model.Workload) bool {
	alone := len(w.Template.Spec.Containers) == 1 && len(w.Template.Spec.InitContainers) == 0
	_, producer := r.producerSettings(w)
	_, consumer := r.consumerSettings(w)
	return alone && (producer || consumer || runsOperator(w))
}

func (a allowance) String() string {
	return strings.Join(slices.Sorted(maps.Keys(a.programs)), " and ")
}

func (r *Run) checkGrant(place at, o role, allowed allowance, grant iam.Grant) {
	for _, action := range grant.Actions {
		switch name := strings.ToLower(action.Text); {
		case allowed.actions[name]:
		case strings.ContainsAny(name, "*?"):
			r.report(place, "name the actions that it calls", "role %s of %s may %s (%s): a wildcard", o.name, allowed, action.Text, action.Path)
		case !allowed.operator:
			r.report(place, "remove it", "role %s may %s (%s), which %s does not call", o.name, action.Text, action.Path, allowed)
		case !reads(name):
			r.report(place, "remove it", "role %s may %s (%s), but KEDA only reads", o.name, action.Text, action.Path)
		}
	}
	if grant.Conditional || !concernsQueues(grant) {
		return
	}
	for _, value := range grant.Resources {
		if strings.ContainsAny(value.Text, "*?") && !allowed.needs(value.Text) {
			r.report(place, "name the ARN that it calls", "role %s of %s may act on %s (%s): a wildcard", o.name, allowed, value.Text, value.Path)
		}
	}
}

// reads tells whether an action, in lower case, changes nothing; KEDA's operator
// also takes the roles of its triggers.
func reads(action string) bool {
	_, verb, _ := strings.Cut(action, ":")
	return action == "sts:assumerole" || slices.ContainsFunc([]string{"get", "list", "describe", "batchget", "query"}, func(prefix string) bool {
		return strings.HasPrefix(verb, prefix)
	})
}

// concernsQueues leaves out what has no ARN to name, such as CloudWatch's
// metrics.
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

// podsOf are the workloads whose ServiceAccount takes a role.
func (r *Run) podsOf(o role) []model.Workload {
	var all []model.Workload
	for _, w := range r.Cluster.Workloads() {
		if a, annotated := r.roleOfPods(w); annotated && o.is(a) {
			all = append(all, w)
		}
	}
	return all
}
