package rules

import (
	"fmt"
	"slices"
	"time"

	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/gitops/model"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"
)

var sqsRules = []Rule{
	{
		ID: "SQS001", Severity: findings.Error, Title: "visibility timeout that ends in mid work",
		Why: "When the timeout of a message ends before the message is deleted, SQS hands it to another consumer, and both " +
			"work on it (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html). " +
			"The consumer extends the timeout while it works, but a timeout of 0 leaves nothing to extend.",
		Example: "visibilityTimeoutSeconds: 0",
		Fix:     "Give the queue a visibility timeout; 30 is AWS's default.",
		check:   checkVisibility,
	},
	{
		ID: "SQS002", Severity: findings.Error, Title: "grace period shorter than the drain",
		Why: "Kubernetes kills a pod when its grace period is over, preStop hook included. A consumer that is killed in its " +
			"long poll strands the message that was just assigned to it until the visibility timeout ends; each time counts as a receive " +
			"(https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination).",
		Example: "terminationGracePeriodSeconds: 10",
		Fix:     "Make it longer than the long poll of 20 s and what it takes to store what it brings, and to hand the rest back.",
		check:   checkGracePeriod,
	},
	{
		ID: "SQS003", Severity: findings.Error, Title: "dead-letter queue that is missing or cannot work",
		Why: "Without one, a message that no consumer can handle comes back until it expires, and keeps pods busy. The policy " +
			"is a text of JSON that nothing checks before AWS refuses it, source and target share region, account and kind, and " +
			"the target must keep messages at least as long, since they keep their age " +
			"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html). " +
			"A consumer that hands messages back when it is scaled down uses up receives: a low maxReceiveCount buries good messages.",
		Example: "redrivePolicy: '{\"deadLetterTargetArn\": \"arn:aws:sqs:eu-west-1:111122223333:q-dql\", \"maxReceiveCount\": \"5\"}'",
		Fix:     "Name a declared queue in an ARN, with a maxReceiveCount of 5 or more.",
		check:   checkRedrive,
	},
	{
		ID: "SQS004", Severity: findings.Error, Title: "setting that SQS refuses",
		Why: "SQS refuses values outside of its ranges, and the managed resource never becomes ready " +
			"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html).",
		Example: "delaySeconds: 901",
		Fix:     "Keep to the range that the message names; all are seconds.",
		check:   checkRanges,
	},
	{
		ID: "SQS005", Severity: findings.Error, Title: "settings that the program refuses or never reads",
		Why: "Producer and consumer check their variables at start and end at once when one is missing or out of its range: " +
			"the pods crash in a loop. A misspelt variable is worse, the default takes its place. This is the programs' own check.",
		Example: "env:\n  - name: MAX_MSG_PER_BATCH # MAX_MSGS_PER_BATCH\n    value: \"10\"",
		Fix:     "Correct the variable; apps/consumer/config and apps/producer/config list them.",
		check:   checkSettings,
	},
	{
		ID: "SQS006", Severity: findings.Error, Title: "container that starts slowly, dies hard or changes by itself",
		Why: "Packages that are installed at start make every new pod wait for a registry that others run. A shell that is " +
			"the first process keeps SIGTERM to itself, so that the program is killed in mid work " +
			"(https://docs.docker.com/reference/dockerfile/#shell-form-entrypoint-example). A tag can be moved: what runs differs " +
			"between two pods of one Deployment, and no revert brings the old one back " +
			"(https://kubernetes.io/docs/concepts/containers/images/#image-names).",
		Example: "image: python:latest\ncommand: [sh, -c, pip install boto3 && python consumer.py]",
		Fix:     "Build it into the image, write exec before the program, and name the image by digest.",
		check:   checkContainers,
	},
	{
		ID: "SQS007", Severity: findings.Error, Title: "queue or bucket that the cluster does not declare",
		Why: "Where the cluster declares its queues and buckets, a program that names another one gets QueueDoesNotExist or " +
			"NoSuchBucket from AWS, at its first call: the pods start, and nothing is sent or stored " +
			"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html).",
		Example: "- name: RELIABLE_QUEUE_NAME\n  value: reliabel-q",
		Fix:     "Name a queue or bucket that the cluster declares.",
		check:   checkNames,
	},
}

// consumerPods are pods of this project's consumer, with the queue that they
// take from if the cluster declares it.
type consumerPods struct {
	model.Workload
	consumer.Config
	source *queue
}

func (r *Run) consumers() []consumerPods {
	queues := queuesOf(r.Cluster)
	var all []consumerPods
	for _, w := range r.Cluster.Workloads() {
		settings, known := r.consumerSettings(w)
		if !known {
			continue
		}
		pods := consumerPods{Workload: w, Config: settings}
		i := slices.IndexFunc(queues, func(q queue) bool {
			return q.name == settings.Queue && (q.region == "" || q.region == settings.Region)
		})
		if i >= 0 {
			pods.source = &queues[i]
		}
		all = append(all, pods)
	}
	return all
}

func checkVisibility(r *Run) {
	for _, pods := range r.consumers() {
		q := pods.source
		if q == nil || q.visibility == nil {
			continue
		}
		timeout := time.Duration(*q.visibility) * time.Second
		if consumer.Heartbeat(timeout) == 0 {
			r.report(q.at("visibilityTimeoutSeconds"), "set it, 30 for example", "queue %s hides a message for %s: while %s works on it, every other pod receives it too", q.name, timeout, pods.Key())
		}
	}
}

// defaultGrace is what Kubernetes gives a pod that does not say.
const defaultGrace = 30 * time.Second

func checkGracePeriod(r *Run) {
	for _, pods := range r.consumers() {
		grace := defaultGrace
		if seconds := pods.Template.Spec.TerminationGracePeriodSeconds; seconds != nil {
			grace = time.Duration(*seconds) * time.Second
		}
		left := grace - preStop(pods.Workload)
		if left >= consumer.Drain {
			continue
		}
		r.report(on(pods.Object, pods.Field("terminationGracePeriodSeconds")...), fmt.Sprintf("make it at least %.0f", (grace-left+consumer.Drain).Seconds()),
			"%s has %s to end after SIGTERM, but needs up to %s: a long poll of %s, storing what it brings, and handing back the rest", pods.Key(), left, consumer.Drain, consumer.LongPoll)
	}
}

// preStop is how long the program's preStop hook sleeps, which is time before
// SIGTERM. What a command takes is not known.
func preStop(w model.Workload) time.Duration {
	lifecycle := w.Template.Spec.Containers[0].Lifecycle
	if lifecycle == nil || lifecycle.PreStop == nil || lifecycle.PreStop.Sleep == nil {
		return 0
	}
	return time.Duration(lifecycle.PreStop.Sleep.Seconds) * time.Second
}

func checkRanges(r *Run) {
	for _, q := range queuesOf(r.Cluster) {
		for _, setting := range []struct {
			name      string
			value     *int64
			low, high int64
		}{
			{"delaySeconds", q.delay, 0, 900},
			{"visibilityTimeoutSeconds", q.visibility, 0, 43_200},
			{"messageRetentionSeconds", q.retention, 60, 1_209_600},
			{"receiveWaitTimeSeconds", q.wait, 0, 20},
		} {
			if setting.value != nil && (*setting.value < setting.low || *setting.value > setting.high) {
				r.report(q.at(setting.name), fmt.Sprintf("from %d to %d", setting.low, setting.high), "%s of queue %s is %d: SQS takes %d to %d", setting.name, q.name, *setting.value, setting.low, setting.high)
			}
		}
	}
}
