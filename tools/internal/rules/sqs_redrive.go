package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
)

const (
	// lowReceives is a maxReceiveCount that a few hand-backs use up.
	lowReceives = 5
	// maxReceives is the highest that SQS takes.
	maxReceives = 1000
	// defaultRetention is AWS's, in seconds.
	defaultRetention = 4 * 24 * 60 * 60
)

// redriven is a queue's redrive policy and where it is said.
type redriven struct {
	source queue
	at     at
	policy redrive
	err    error // the policy cannot be read
}

func checkRedrive(r *Run) {
	queues := queuesOf(r.Cluster)
	policies, complete := r.redrives(queues)
	settled := map[string]bool{}
	for _, p := range policies {
		settled[p.source.name], settled[p.policy.queue] = true, true
		if p.err != nil {
			r.report(p.at, `write {"deadLetterTargetArn": "arn:aws:sqs:REGION:ACCOUNT:NAME", "maxReceiveCount": 10}`, "redrivePolicy of queue %s cannot be read as JSON: %s", p.source.name, strings.ReplaceAll(p.err.Error(), "\n", "; "))
			continue
		}
		r.checkTarget(p, queues)
		r.checkReceives(p)
	}
	if !complete || r.elsewhere() {
		return
	}
	for _, pods := range r.consumers() {
		settled[pods.DeadLetterQueue] = true // the consumer sends there itself
	}
	for _, q := range queues {
		if q.name == "" || settled[q.name] {
			continue
		}
		place, fix := on(q.object, q.field...), "add a redrivePolicy and the queue that it names"
		if user := r.userOf(q); user != "" {
			r.report(place, fix, "queue %s has no dead-letter queue: what %s cannot handle comes back until it expires", q.name, user)
		} else {
			r.warn(place, fix, "queue %s has no dead-letter queue", q.name)
		}
	}
}

// redrives are the policies of the declared queues, those that QueueRedrivePolicy
// sets included. Complete is false when it is not known of which queue one is.
func (r *Run) redrives(queues []queue) (policies []redriven, complete bool) {
	for _, q := range queues {
		if q.object.GetKind() == "ConfigMap" {
			if q.deadLetterQueue != "" {
				policies = append(policies, redriven{source: q, at: q.at("redrive", "deadLetterQueue"), policy: redrive{queue: q.deadLetterQueue, maxReceives: q.maxReceives}})
			}
			continue
		}
		for _, provider := range []string{"forProvider", "initProvider"} {
			if text, said, _ := unstructured.NestedString(q.object.Object, "spec", provider, "redrivePolicy"); said && text != "" {
				policies = append(policies, readPolicy(q, on(q.object, "spec", provider, "redrivePolicy"), text))
				break
			}
		}
	}
	complete = true
	for _, group := range queueGroups {
		for _, o := range r.Cluster.Of(group, "QueueRedrivePolicy") {
			i := slices.IndexFunc(queues, func(q queue) bool { return redrivesQueue(o, q) })
			if i < 0 {
				complete = false
				continue
			}
			text, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "redrivePolicy")
			policies = append(policies, readPolicy(queues[i], on(o, "spec", "forProvider", "redrivePolicy"), text))
		}
	}
	return policies, complete
}

func readPolicy(source queue, place at, text string) redriven {
	policy, err := parseRedrive(text)
	return redriven{source, place, policy, err}
}

// redrivesQueue tells whether a QueueRedrivePolicy is that of a queue.
func redrivesQueue(o *render.Object, q queue) bool {
	provider, _, _ := unstructured.NestedMap(o.Object, "spec", "forProvider")
	if name, _, _ := unstructured.NestedString(provider, "queueUrlRef", "name"); name != "" {
		return q.object.GetName() == name && q.object.GetNamespace() == o.GetNamespace() && q.object.GetKind() == "Queue"
	}
	if labels, _, _ := unstructured.NestedStringMap(provider, "queueUrlSelector", "matchLabels"); len(labels) > 0 {
		return q.object.GetKind() == "Queue" && includes(q.object.GetLabels(), labels)
	}
	text, _, _ := unstructured.NestedString(provider, "queueUrl")
	url, ok := parseQueueURL(text)
	return ok && url.name == q.name
}

func includes(labels, selected map[string]string) bool {
	for key, value := range selected {
		if labels[key] != value {
			return false
		}
	}
	return true
}

func (r *Run) checkTarget(p redriven, queues []queue) {
	source, name := p.source, p.policy.queue
	if source.object.GetKind() == "Queue" {
		target, err := arn.Parse(p.policy.arn)
		switch {
		case err != nil || target.Service != "sqs":
			r.report(p.at, "write arn:aws:sqs:REGION:ACCOUNT:NAME", "the dead-letter target of queue %s is %q, which is no queue's ARN", source.name, p.policy.arn)
			return
		case source.region != "" && target.Region != source.region:
			r.report(p.at, "use "+source.region, "queue %s is in %s, its dead-letter queue in %s: both must be in one region", source.name, source.region, target.Region)
		case source.account != "" && target.AccountID != source.account:
			r.report(p.at, "use "+source.account, "queue %s belongs to %s, its dead-letter queue to %s: both must be in one account", source.name, source.account, target.AccountID)
		}
	}
	if name == source.name {
		r.report(p.at, "name another queue", "queue %s is its own dead-letter queue: messages never leave it", name)
		return
	}
	if strings.HasSuffix(name, ".fifo") != strings.HasSuffix(source.name, ".fifo") {
		r.report(p.at, "make both FIFO queues, or neither", "queue %s and its dead-letter queue %s are of two kinds", source.name, name)
	}
	i := slices.IndexFunc(queues, func(q queue) bool { return q.name == name })
	if i < 0 {
		if unnamed := slices.ContainsFunc(queues, func(q queue) bool { return q.name == "" }); !unnamed && !r.elsewhere() {
			r.report(p.at, didYouMean(name, otherNames(queues, source.name), "declare the queue"), "the dead-letter queue of %s is %s, which the cluster does not declare", source.name, name)
		}
		return
	}
	if kept, needed := retentionOf(queues[i]), retentionOf(source); kept < needed {
		r.report(queues[i].at("messageRetentionSeconds"), fmt.Sprintf("make it at least %d", needed), "dead-letter queue %s keeps messages for %d s, %s for %d s: a message keeps its age and may be gone before anyone looks", name, kept, source.name, needed)
	}
}

func otherNames(queues []queue, name string) []string {
	var names []string
	for _, q := range queues {
		if q.name != name {
			names = append(names, q.name)
		}
	}
	return names
}

func retentionOf(q queue) int64 {
	if q.retention == nil {
		return defaultRetention
	}
	return *q.retention
}

func (r *Run) checkReceives(p redriven) {
	count, place := p.policy.maxReceives, p.at
	if p.source.object.GetKind() == "ConfigMap" {
		place = p.source.at("redrive", "maxReceiveCount")
	}
	switch {
	case count == nil || *count < 1 || *count > maxReceives:
		r.report(place, "write a whole number, 10 for example", "maxReceiveCount of queue %s is no whole number from 1 to %d", p.source.name, maxReceives)
	case *count < lowReceives && r.handedBack(p.source):
		r.report(place, fmt.Sprintf("make it at least %d", lowReceives), "maxReceiveCount of queue %s is %d: each scale-down hands messages back, which counts, and good ones are dead-lettered", p.source.name, *count)
	case *count < lowReceives:
		r.warn(place, fmt.Sprintf("make it at least %d", lowReceives), "maxReceiveCount of queue %s is %d: a few receives that come to nothing bury a good message", p.source.name, *count)
	}
}

// handedBack tells whether a known consumer takes from the queue: it hands
// messages back when it is asked to end.
func (r *Run) handedBack(q queue) bool {
	return slices.ContainsFunc(r.consumers(), func(pods consumerPods) bool { return pods.source != nil && pods.source.name == q.name })
}

// userOf names what takes from a queue, as far as the cluster says: a consumer
// or a scaled workload.
func (r *Run) userOf(q queue) string {
	for _, pods := range r.consumers() {
		if pods.source != nil && pods.source.name == q.name {
			return pods.Key().String()
		}
	}
	for _, t := range r.sqsTriggers() {
		if t.hasURL && t.url.name == q.name && t.pods != nil {
			return t.pods.Key().String()
		}
	}
	return ""
}
