package sqs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// RedrivePolicy is rule SQS003.
var RedrivePolicy = rule.Rule{
	ID: "SQS003", Severity: findings.Error, Title: "dead-letter queue that is missing or cannot work",
	Why: "Without a dead-letter queue, a message that no consumer can handle comes back until it expires, and keeps pods busy. " +
		"The redrive policy is JSON in a string, which nothing checks before AWS does. Both queues must be in one region and " +
		"one account, and both or neither FIFO. The dead-letter queue must keep messages at least as long, because a moved " +
		"message keeps its age " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html). A consumer " +
		"that is scaled down hands messages back, and each of them has used up a receive: with a low maxReceiveCount good " +
		"messages end in the dead-letter queue.",
	Example: "redrivePolicy: '{\"deadLetterTargetArn\": \"arn:aws:sqs:eu-west-1:111122223333:q-dql\", \"maxReceiveCount\": \"5\"}'",
	Fix:     "Name a declared queue by its ARN, with a maxReceiveCount of 5 or more.",
	Check:   checkRedrive,
}

const (
	// lowReceives is a maxReceiveCount so low that a few returned messages use it up.
	lowReceives = 5
	// maxReceives is SQS's maximum.
	maxReceives = 1000
	// defaultRetention is SQS's default, in seconds.
	defaultRetention = 4 * 24 * 60 * 60
)

func checkRedrive(r *rule.Pass) {
	queues := r.Cluster.Queues()
	policies, complete := r.Cluster.Redrives(queues)
	settled := map[string]bool{}
	for _, p := range policies {
		settled[p.Source.Name], settled[p.Name] = true, true
		if p.Err != nil {
			r.Report(p.At,
				"redrivePolicy of queue %s cannot be read as JSON: %s", p.Source.Name, strings.ReplaceAll(p.Err.Error(), "\n", "; ")).
				Fix(`write {"deadLetterTargetArn": "arn:aws:sqs:REGION:ACCOUNT:NAME", "maxReceiveCount": 10}`)
			continue
		}
		checkDeadLetterQueue(r, p, queues)
		checkReceives(r, p)
	}
	if !complete || len(queues) == 0 {
		return
	}
	for _, pods := range consumers(r) {
		settled[pods.DeadLetterQueue] = true // the consumer itself sends to it
	}
	for _, q := range queues {
		if q.Name == "" || settled[q.Name] || !r.Cluster.Complete(model.Objects.For(q.Object)) {
			continue
		}
		place, fix := q.At(), "add a redrivePolicy and the queue that it names"
		if user := userOf(r, q); user != "" {
			r.Report(place,
				"queue %s has no dead-letter queue: what %s cannot handle comes back until it expires", q.Name, user).
				Fix(fix)
		} else {
			r.Warn(place, "queue %s has no dead-letter queue", q.Name).Fix(fix)
		}
	}
}

func checkDeadLetterQueue(r *rule.Pass, p model.Redrive, queues []model.Queue) {
	source, name := p.Source, p.Name
	switch target, err := arn.Parse(p.ARN); {
	case err != nil || target.Service != "sqs":
		r.Report(p.At, "the dead-letter target of queue %s is %q, which is no queue's ARN", source.Name, p.ARN).
			Fix("write arn:aws:sqs:REGION:ACCOUNT:NAME")
		return
	case source.Region != "" && target.Region != source.Region:
		r.Report(p.At, "queue %s is in %s, its dead-letter queue in %s: both must be in one region", source.Name, source.Region, target.Region).
			Fix("use " + source.Region)
	case source.Account != "" && target.AccountID != source.Account:
		r.Report(p.At, "queue %s belongs to %s, its dead-letter queue to %s: both must be in one account",
			source.Name, source.Account, target.AccountID).
			Fix("use " + source.Account)
	}
	if name == source.Name {
		r.Report(p.At, "queue %s is its own dead-letter queue: messages never leave it", name).Fix("name another queue")
		return
	}
	if strings.HasSuffix(name, ".fifo") != strings.HasSuffix(source.Name, ".fifo") {
		r.Report(p.At, "of queue %s and its dead-letter queue %s only one is a FIFO queue", source.Name, name).
			Fix("make both FIFO queues, or neither")
	}
	i := slices.IndexFunc(queues, func(q model.Queue) bool { return q.Name == name })
	if i < 0 {
		unnamed := slices.ContainsFunc(queues, func(q model.Queue) bool { return q.Name == "" })
		if !unnamed && r.Cluster.Complete(model.ManagedResources.For(source.Object)) {
			r.Report(p.At, "the dead-letter queue of %s is %s, which the cluster does not declare", source.Name, name).
				Fix(rule.DidYouMean(name, otherNames(queues, source.Name), "declare the queue"))
		}
		return
	}
	if kept, needed := retentionOf(queues[i]), retentionOf(source); kept < needed {
		r.Report(queues[i].At("messageRetentionSeconds"),
			"dead-letter queue %s keeps messages for %d s, %s for %d s: a message keeps its age and may be gone before anyone looks",
			name, kept, source.Name, needed).
			Fix(fmt.Sprintf("make it at least %d", needed))
	}
}

func otherNames(queues []model.Queue, name string) []string {
	var names []string
	for _, q := range queues {
		if q.Name != name {
			names = append(names, q.Name)
		}
	}
	return names
}

func retentionOf(q model.Queue) int64 {
	if q.Retention == nil {
		return defaultRetention
	}
	return *q.Retention
}

func checkReceives(r *rule.Pass, p model.Redrive) {
	switch count, place := p.MaxReceives, p.At; {
	case count == nil || *count < 1 || *count > maxReceives:
		r.Report(place, "maxReceiveCount of queue %s is not a whole number from 1 to %d", p.Source.Name, maxReceives).
			Fix("write a whole number, 10 for example")
	case *count < lowReceives && handedBack(r, p.Source):
		r.Report(place,
			"maxReceiveCount of queue %s is %d: each scale-down hands messages back, which counts as a receive, so good messages are dead-lettered",
			p.Source.Name, *count).
			Fix(fmt.Sprintf("make it at least %d", lowReceives))
	case *count < lowReceives:
		r.Warn(place,
			"maxReceiveCount of queue %s is %d: after a few failed attempts a good message is dead-lettered", p.Source.Name, *count).
			Fix(fmt.Sprintf("make it at least %d", lowReceives))
	}
}

// handedBack reports whether a known consumer receives from the queue: it returns
// messages when it is asked to end.
func handedBack(r *rule.Pass, q model.Queue) bool {
	return slices.ContainsFunc(consumers(r), func(pods consumer) bool { return pods.source != nil && pods.source.Name == q.Name })
}

// userOf describes what receives from a queue, as far as the cluster shows it: a consumer
// or a scaled workload.
func userOf(r *rule.Pass, q model.Queue) string {
	for _, pods := range consumers(r) {
		if pods.source != nil && pods.source.Name == q.Name {
			return pods.Key().String()
		}
	}
	for _, t := range r.Cluster.SQSTriggers() {
		if t.HasURL && t.URL.Name == q.Name && t.Pods != nil {
			return t.Pods.Key().String()
		}
	}
	return ""
}
