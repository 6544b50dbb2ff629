package iam

import (
	"strings"

	"github.com/mystique-unicorn/sales-events/internal/iam"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/render"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Notifications is rule IRSA009.
var Notifications = rule.Rule{
	ID: "IRSA009", Severity: findings.Error, Title: "queue that the bucket may not send to",
	Why: "A bucket sends its events to a queue as the service s3.amazonaws.com, and only the queue's own policy can allow " +
		"that. If it does not, AWS refuses the notification (\"Unable to validate the following destination configurations\", " +
		"https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html). The rule judges " +
		"queues that the cluster declares.",
	Example: "kind: BucketNotification\nspec:\n  forProvider:\n    queue: [{queueArnRef: {name: events}}] # and no QueuePolicy",
	Fix:     "Add a QueuePolicy that allows sqs:SendMessage to the service s3.amazonaws.com, with the bucket as aws:SourceArn.",
	Check:   checkNotifications,
}

func checkNotifications(r *rule.Pass) {
	for _, o := range r.Cluster.Managed("s3", "BucketNotification") {
		for _, target := range model.Values(o, "spec/forProvider/queue") {
			entry, _ := target.Value.(map[string]any)
			queue := notified(r, o, entry)
			if queue == nil || mayNotify(r, *queue) || !r.Cluster.Complete(model.ManagedResources.For(o)) {
				continue
			}
			r.Report(target.Field, "%s sends events to queue %s, whose policy does not let S3 send", o.Key(), queue.Name).
				Fix("add a QueuePolicy that allows sqs:SendMessage to the service s3.amazonaws.com")
		}
	}
}

// notified returns the declared queue that an entry names, by ARN or by reference, or
// nil.
func notified(r *rule.Pass, from *render.Object, entry map[string]any) *model.Queue {
	arn, _ := entry["queueArn"].(string)
	reference, _ := entry["queueArnRef"].(map[string]any)
	selector, _ := entry["queueArnSelector"].(map[string]any)
	for _, queue := range r.Cluster.Queues() {
		named := reference != nil && reference["name"] == queue.Object.GetName() && model.CanMean(from, queue.Object, reference)
		selected := selector != nil && model.CanMean(from, queue.Object, selector) && model.Selects(from, queue.Object, selector)
		if named || selected || queue.Name != "" && strings.HasSuffix(arn, ":"+queue.Name) {
			return &queue
		}
	}
	return nil
}

// mayNotify reports whether the queue's policy allows S3 to send.
func mayNotify(r *rule.Pass, queue model.Queue) bool {
	policy := resourcePolicy(r, "sqs", queue.Name)
	if policy == nil {
		return false
	}
	return decide(iam.Policies{Resource: policy}, iam.Request{
		Principal: iam.Principal{Kind: iam.Service, ID: "s3.amazonaws.com"}, Action: "sqs:SendMessage",
		Resource: "arn:aws:sqs:" + queue.Region + ":" + queue.Account + ":" + queue.Name, ResourceAccount: queue.Account,
		Context: map[string][]string{"aws:SecureTransport": {"true"}},
	}).Allowed()
}
