package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
)

func checkRegions(r *Run) {
	queues := queuesOf(r.Cluster)
	for _, t := range r.sqsTriggers() {
		region := t.text("awsRegion")
		if region == "" {
			r.checkRegionSaid(t)
			continue
		}
		endpoint := t.text("awsEndpoint")
		if of := regionOf(endpoint); of != "" && of != region {
			r.report(t.at("awsEndpoint"), "use one region", "awsRegion is %s, but awsEndpoint is in %s", region, of)
		}
		// A server of another kind takes any host and any region.
		ofAWS := endpoint == "" || regionOf(endpoint) != ""
		if t.hasURL && ofAWS && t.url.region != "" && t.url.region != region {
			r.report(t.at("awsRegion"), "use one region", "awsRegion is %s, but the queue's URL is in %s", region, t.url.region)
		}
		if q, found := t.queue(queues); found && q.region != "" && q.region != region {
			r.report(t.at("awsRegion"), "use the queue's region", "awsRegion is %s, but %s declares queue %s in %s", region, q.object.Key(), q.name, q.region)
		}
		for _, w := range r.Cluster.Workloads() {
			if model.Target(w.Object) == model.Target(t.object) {
				r.checkWorkloadRegion(w, t, region)
			}
		}
	}
}

// checkRegionSaid: KEDA takes the region from the trigger or the authentication,
// and refuses a trigger without one.
func (r *Run) checkRegionSaid(t sqsTrigger) {
	if r.authenticationSupplies(t.object, t.trigger.AuthenticationRef, "awsRegion") {
		return
	}
	r.report(t.at("awsRegion"), "say awsRegion", "the trigger of ScaledObject %s says no awsRegion, which KEDA requires", t.Name)
}

// checkWorkloadRegion compares the region of the containers that use a
// trigger's queue: the scaled one and those that name the queue.
func (r *Run) checkWorkloadRegion(w model.Workload, t sqsTrigger, region string) {
	scaled, _ := t.container()
	for i := range w.Template.Spec.Containers {
		variables, _ := environment(r.Cluster, w, i)
		uses := t.pods != nil && w.Object == t.pods.Object && i == scaled
		for _, v := range variables {
			uses = uses || t.hasURL && v.known && (v.value == t.url.name || v.value == t.urlText)
		}
		if v := variables["AWS_REGION"]; uses && v.known && v.value != region {
			r.report(on(w.Object, v.field...), "use one region", "AWS_REGION of %s is %s, but ScaledObject %s reads the queue in %s", w.Key(), v.value, t.Name, region)
		}
	}
}

// placeholders are account numbers of AWS's documentation.
var placeholders = []string{"000000000000", "111111111111", "111122223333", "123456789012", "444455556666", "999999999999"}

func checkQueueNames(r *Run) {
	queues := queuesOf(r.Cluster)
	for _, t := range r.sqsTriggers() {
		place := t.at(t.urlKey())
		switch {
		case t.text("queueURL") == "" && t.text("queueURLFromEnv") == "":
			r.report(place, "say queueURL or queueURLFromEnv", "the trigger of ScaledObject %s names no queue", t.Name)
		case !t.hasURL && strings.Contains(t.urlText, "/"):
			// The text of a variable may be a Secret's.
			r.report(place, "write https://sqs.REGION.amazonaws.com/ACCOUNT/NAME", "KEDA finds no queue name by %q: the path is /account/name", t.text(t.urlKey()))
		case t.hasURL:
			if t.url.isAWS() && slices.Contains(placeholders, t.url.account) {
				r.warn(place, "write your account's number into the cluster's facts", "account %s is a placeholder", t.url.account)
			}
			r.checkQueueDeclared(t, queues)
		}
	}
}

func (r *Run) checkQueueDeclared(t sqsTrigger, queues []queue) {
	var names []string
	for _, q := range queues {
		names = append(names, q.name)
	}
	if len(queues) == 0 || slices.Contains(names, "") || r.elsewhere() || r.uncomposed() {
		return
	}
	place := t.at(t.urlKey())
	q, found := t.queue(queues)
	if !found {
		r.report(place, didYouMean(t.url.name, names, "declare the queue"), "the cluster declares no queue %s", t.url.name)
	} else if q.account != "" && q.account != t.url.account {
		r.report(place, "use account "+q.account, "queue %s is declared in account %s, not in %s", q.name, q.account, t.url.account)
	}
}

// defaultQueueLength is KEDA's queueLength when there is none.
const defaultQueueLength = 5

func checkQueueLength(r *Run) {
	for _, t := range r.sqsTriggers() {
		length := int64(defaultQueueLength)
		if text := t.text("queueLength"); text != "" {
			var err error
			if length, err = wholeNumber(text); err != nil {
				continue // KEDA003 says so
			}
		}
		place := t.at("queueLength")
		switch held := r.inHandOf(t); {
		case length <= 0:
			r.report(place, "write how many messages one pod shall have", "queueLength is %d: the HorizontalPodAutoscaler takes targets above zero", length)
		case t.flag("scaleOnInFlight", true) && length < int64(held):
			r.report(place, fmt.Sprintf("make it at least %d", held), "queueLength is %d, but one pod has up to %d messages in flight: busy pods ask for more pods", length, held)
		}
	}
}

// inHandOf is how many messages a scaled pod has in flight at most, as its own
// settings say; zero when it is not known.
func (r *Run) inHandOf(t sqsTrigger) int {
	if t.pods == nil {
		return 0
	}
	settings, known := r.consumerSettings(*t.pods)
	if !known {
		return 0
	}
	return settings.InHand()
}

// maxInFlight is what a standard queue hands out at most.
const maxInFlight = 120_000

func checkInFlightLimit(r *Run) {
	for _, t := range r.sqsTriggers() {
		maximum := int(t.GetHPAMaxReplicas())
		if held := r.inHandOf(t); maximum*held > maxInFlight {
			r.report(on(t.object, "spec", "maxReplicaCount"), fmt.Sprintf("at most %d", maxInFlight/held), "%d pods with %d messages each are more than the %d that a queue hands out", maximum, held, maxInFlight)
		}
	}
}

func checkDelayed(r *Run) {
	queues := queuesOf(r.Cluster)
	for _, t := range r.sqsTriggers() {
		if q, found := t.queue(queues); found && t.text("scaleOnDelayed") == "" && q.delay != nil && *q.delay > 0 {
			r.report(t.at("scaleOnDelayed"), "say scaleOnDelayed", "queue %s delays its messages by %d s, and the trigger does not say whether they count", q.name, *q.delay)
		}
	}
}
