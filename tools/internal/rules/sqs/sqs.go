// Package sqs holds the rules on SQS queues, and on the programs that work on them.
package sqs

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules are the rules of the family, in the order of their ids.
func Rules() []rule.Rule {
	return []rule.Rule{
		Visibility,    // SQS001
		GracePeriod,   // SQS002
		RedrivePolicy, // SQS003
		Ranges,        // SQS004
		Settings,      // SQS005
		Names,         // SQS007
		Unread,        // SQS008
		SDKVariables,  // SQS009
		Configuration, // SQS010
		Retention,     // SQS011
	}
}

// consumer are the pods of a program that takes messages, with the queue that they
// take from if the cluster declares it.
type consumer struct {
	model.Workload
	rule.Consumer
	source *model.Queue
}

func consumers(r *rule.Pass) []consumer {
	queues := r.Cluster.Queues()
	var all []consumer
	for _, w := range r.Cluster.Workloads() {
		_, settings, known := r.Settings(w)
		if !known || settings.Consumer == nil {
			continue
		}
		pods := consumer{Workload: w, Consumer: *settings.Consumer}
		i := slices.IndexFunc(queues, func(q model.Queue) bool {
			return q.Name == pods.Queue && (q.Region == "" || q.Region == settings.Region)
		})
		if i >= 0 {
			pods.source = &queues[i]
		}
		all = append(all, pods)
	}
	return all
}

// nearest is the variable of which a name may be a misspelling: it is at most two
// letters away.
func nearest(name string, variables []string) string {
	for _, variable := range variables {
		if levenshtein.ComputeDistance(strings.ToUpper(name), variable) <= 2 {
			return variable
		}
	}
	return ""
}
