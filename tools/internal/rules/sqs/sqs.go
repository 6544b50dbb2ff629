// Package sqs has the rules about SQS queues, and about the programs that use them.
package sqs

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Rules returns the rules of the family, in the order of their ids.
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

// consumer is the pods of a program that receives messages, and the queue that they
// receive from, if the cluster declares it.
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

// nearest returns the variable that a name may misspell: at most two letters differ.
func nearest(name string, variables []string) string {
	for _, variable := range variables {
		if levenshtein.ComputeDistance(strings.ToUpper(name), variable) <= 2 {
			return variable
		}
	}
	return ""
}
