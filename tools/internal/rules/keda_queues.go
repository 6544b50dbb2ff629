package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/graph"
)

// queue is the declared queue of a trigger, if the cluster declares queues.
func (t sqsTrigger) queue(queues []queue) (queue, bool) {
	i := slices.IndexFunc(queues, func(q queue) bool { return q.name == t.url.name })
	if !t.hasURL || i < 0 {
		return queue{}, false
	}
	return queues[i], true
}

func checkRegions(r *Run) {
	queues := queuesOf(r.Cluster)
	for _, t := range r.sqsTriggers() {
		region := t.Metadata["awsRegion"]
		if t.hasURL && t.url.region != "" && region != "" && t.url.region != region {
			r.report(t.at("awsRegion"), "use one region", "awsRegion is %s, but the queue's URL is in %s", region, t.url.region)
		}
		if q, found := t.queue(queues); found && q.region != "" && region != "" && q.region != region {
			r.report(t.at("awsRegion"), "use the queue's region", "awsRegion is %s, but %s declares queue %s in %s", region, q.object.Key(), q.name, q.region)
		}
		if region == "" {
			continue
		}
		for _, w := range r.Cluster.Workloads() {
			r.checkWorkloadRegion(w, t, region)
		}
	}
}

// checkWorkloadRegion compares the region of the pods that use a trigger's
// queue: the scaled ones and those that name the queue.
func (r *Run) checkWorkloadRegion(w graph.Workload, t sqsTrigger, region string) {
	for i := range w.Template.Spec.Containers {
		variables, _ := environment(r.Cluster, w, i)
		uses := t.target != nil && w.Object == t.target.Object
		for _, v := range variables {
			uses = uses || t.hasURL && v.known && (v.value == t.url.name || v.value == t.Metadata["queueURL"])
		}
		if v, found := variables["AWS_REGION"]; found && uses && v.known && v.value != region {
			r.report(on(w.Object, v.field...), "use one region", "AWS_REGION of %s is %s, but ScaledObject %s reads the queue in %s", w.Key(), v.value, t.scaled.Name, region)
		}
	}
}

// placeholders are account numbers of AWS's documentation.
var placeholders = []string{"000000000000", "111111111111", "111122223333", "123456789012", "444455556666", "999999999999"}

func checkQueueNames(r *Run) {
	queues := queuesOf(r.Cluster)
	for _, t := range r.sqsTriggers() {
		key := "queueURL"
		if t.Metadata[key] == "" {
			key = "queueURLFromEnv"
		}
		if !t.hasURL {
			if text := t.Metadata["queueURL"]; strings.Contains(text, "/") {
				r.report(t.at(key), "write https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", "KEDA finds no queue name in %q: the path is /account/name", text)
			}
			continue
		}
		if t.url.isAWS() && slices.Contains(placeholders, t.url.account) {
			r.warn(t.at(key), "write your account's number into the cluster's facts", "account %s is a placeholder", t.url.account)
		}
		if len(queues) == 0 || r.elsewhere() {
			continue
		}
		q, found := t.queue(queues)
		if !found {
			var names []string
			for _, q := range queues {
				names = append(names, q.name)
			}
			r.report(t.at(key), didYouMean(t.url.name, names, "declare the queue"), "the cluster declares no queue %s", t.url.name)
		} else if q.account != "" && q.account != t.url.account {
			r.report(t.at(key), "use account "+q.account, "queue %s is declared in account %s, not in %s", q.name, q.account, t.url.account)
		}
	}
}

func checkQueueLength(r *Run) {
	for _, t := range r.sqsTriggers() {
		text, said := t.Metadata["queueLength"]
		if !said {
			text = "5" // KEDA's default
		}
		length, err := strconv.ParseInt(text, 10, 64)
		place := t.at("queueLength")
		switch batch := r.batchOf(t); {
		case err != nil:
			r.report(place, "write a whole number in quotes", "queueLength is %q: KEDA cannot read it", text)
		case length <= 0:
			r.report(place, "write how many messages one pod shall have", "queueLength is %d: KEDA divides by it", length)
		case t.Metadata["scaleOnInFlight"] != "false" && length < int64(batch):
			r.report(place, fmt.Sprintf("make it at least %d", batch), "queueLength is %d, but one pod has up to %d messages in flight: busy pods ask for more pods", length, batch)
		}
	}
}

// batchOf is how many messages a scaled pod takes at once, as its own settings
// say; zero when it is not known.
func (r *Run) batchOf(t sqsTrigger) int {
	if t.target == nil {
		return 0
	}
	settings, ok := r.consumerSettings(*t.target)
	if !ok {
		return 0
	}
	return settings.BatchSize
}

// maxInFlight is what a standard queue hands out at most.
const maxInFlight = 120_000

func checkInFlightLimit(r *Run) {
	for _, t := range r.sqsTriggers() {
		maximum := int(t.GetHPAMaxReplicas())
		if batch := r.batchOf(t); maximum*batch > maxInFlight {
			r.report(on(t.object, "spec", "maxReplicaCount"), fmt.Sprintf("at most %d", maxInFlight/batch), "%d pods with %d messages each are more than the %d that a queue hands out", maximum, batch, maxInFlight)
		}
	}
}

func checkDelayed(r *Run) {
	queues := queuesOf(r.Cluster)
	for _, t := range r.sqsTriggers() {
		_, said := t.Metadata["scaleOnDelayed"]
		if q, found := t.queue(queues); found && !said && q.delay != nil && *q.delay > 0 {
			r.report(on(t.object, "spec", "triggers", t.index, "metadata"), "say scaleOnDelayed", "queue %s delays its messages by %d s, and the trigger does not say whether they count", q.name, *q.delay)
		}
	}
}
