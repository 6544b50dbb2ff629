package queues

import (
	"strings"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Regions is rule KEDA006.
var Regions = rule.Rule{
	ID: "KEDA006", Severity: findings.Error, Title: "regions that differ or are missing",
	Why: "awsRegion decides the endpoint and the signature, the host of queueURL says where the queue is, and the pods use " +
		"AWS_REGION. If they differ, KEDA counts the messages of a queue that nobody consumes, or of none.",
	Example: "queueURL: https://sqs.eu-west-1.amazonaws.com/111122223333/q\nawsRegion: eu-central-1",
	Fix:     "Take the region from the same fact of the cluster everywhere.",
	Check:   checkRegions,
}

func checkRegions(r *rule.Pass) {
	queues := r.Cluster.Queues()
	for _, t := range r.Cluster.SQSTriggers() {
		region := t.Text("awsRegion")
		if isOpen(region) {
			continue
		}
		if region == "" {
			checkRegionSaid(r, t)
			continue
		}
		endpoint := t.Text("awsEndpoint")
		if of := model.RegionOf(endpoint); of != "" && of != region && !isOpen(of) {
			r.Report(t.At("awsEndpoint"), "awsRegion is %s, but awsEndpoint is in %s", region, of).Fix("use one region")
		}
		// Another server accepts any host and any region.
		ofAWS := endpoint == "" || model.RegionOf(endpoint) != ""
		if t.HasURL && ofAWS && t.URL.Region != "" && t.URL.Region != region && !isOpen(t.URLText) {
			r.Report(t.At("awsRegion"), "awsRegion is %s, but the queue's URL is in %s", region, t.URL.Region).
				Fix("use one region")
		}
		if q, found := t.Queue(queues); found && q.Region != "" && q.Region != region && !isOpen(q.Region) {
			r.Report(t.At("awsRegion"),
				"awsRegion is %s, but %s declares queue %s in %s", region, q.Object.Key(), q.Name, q.Region).
				Fix("use the queue's region")
		}
		for _, w := range r.Cluster.Workloads() {
			if model.Target(w.Object) == model.Target(t.Object) {
				checkWorkloadRegion(r, w, t, region)
			}
		}
	}
}

// isOpen reports whether a text contains a variable whose value is made outside of the
// repository: then it can be compared with nothing.
func isOpen(text string) bool { return strings.Contains(text, "${") }

// checkRegionSaid reports a missing region. KEDA takes it from the trigger or the
// authentication, and rejects a trigger without one.
func checkRegionSaid(r *rule.Pass, t model.SQSTrigger) {
	if r.Cluster.AuthenticationSupplies(t.Object, t.Trigger.AuthenticationRef, "awsRegion") {
		return
	}
	r.Report(t.At("awsRegion"), "the trigger of %s has no awsRegion, which KEDA requires", t.Object.Key()).
		Fix("say awsRegion")
}

// checkWorkloadRegion compares the region in the containers that use a trigger's queue:
// the scaled one, and those that name the queue.
func checkWorkloadRegion(r *rule.Pass, w model.Workload, t model.SQSTrigger, region string) {
	scaled, _ := t.Container()
	for _, container := range w.MainContainers() {
		variables, _ := r.Cluster.Environment(container)
		uses := t.Pods != nil && w.Object == t.Pods.Object && container.Name == scaled.Name
		for _, v := range variables {
			uses = uses || t.HasURL && v.Known && (v.Value == t.URL.Name || v.Value == t.URLText)
		}
		if v := variables["AWS_REGION"]; uses && v.Known && v.Value != region && !isOpen(v.Value) {
			r.Report(v.Field,
				"AWS_REGION of %s is %s, but %s reads the queue in %s", w.Key(), v.Value, t.Object.Key(), region).
				Fix("use one region")
		}
	}
}
