package sqs

import (
	"slices"

	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// Names is rule SQS007.
var Names = rule.Rule{
	ID: "SQS007", Severity: findings.Error, Title: "queue or bucket that the cluster does not declare",
	Why: "If a program names a queue or a bucket that does not exist, AWS answers its first call with QueueDoesNotExist or " +
		"NoSuchBucket: the pods start, and nothing is sent or stored " +
		"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html). The rule judges " +
		"clusters that declare their queues and buckets.",
	Example: "- name: RELIABLE_QUEUE_NAME\n  value: reliabel-q",
	Fix:     "Name a queue or bucket that the cluster declares.",
	Check:   checkNames,
}

func checkNames(r *rule.Pass) {
	var queues, buckets []string
	for _, q := range r.Cluster.Queues() {
		queues = append(queues, q.Name)
	}
	for _, o := range r.Cluster.Managed("s3", "Bucket") {
		buckets = append(buckets, o.GetName(), o.GetAnnotations()["crossplane.io/external-name"])
	}
	if len(queues)+len(buckets) == 0 || slices.Contains(queues, "") {
		return
	}
	for _, w := range r.Cluster.Workloads() {
		program, _ := r.Program(w)
		for _, variable := range program.Queues {
			checkName(r, w, variable, "queue", queues)
		}
		for _, variable := range program.Buckets {
			checkName(r, w, variable, "bucket", buckets)
		}
	}
}

func checkName(r *rule.Pass, w model.Workload, variable, kind string, declared []string) {
	variables, _ := r.Cluster.Environment(w.MainContainers()[0])
	v, set := variables[variable]
	missing := set && v.Known && len(declared) > 0 && !slices.Contains(declared, v.Value)
	if missing && r.Cluster.Complete(model.ManagedResources.For(w.Object)) {
		r.Report(v.Field, "%s of %s is %s, but the cluster declares no such %s", variable, w.Key(), v.Value, kind).
			Fix(rule.DidYouMean(v.Value, declared, "declare the "+kind))
	}
}
