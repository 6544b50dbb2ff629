package rules

import "github.com/mystique-unicorn/sales-events/tools/internal/rules/findings"

var kedaRules = []Rule{
	{
		ID: "KEDA001", Severity: findings.Error, Title: "scaled workload that sets replicas",
		Why: "Flux writes spec.replicas at every interval and the HorizontalPodAutoscaler writes it every 15 seconds: the " +
			"pods go up and down for ever (https://github.com/kedacore/keda/issues/5572).",
		Example: "kind: Deployment\nspec:\n  replicas: 1",
		Fix:     "Remove spec.replicas; minReplicaCount of the ScaledObject says how many there are at least.",
		check:   checkReplicas,
	},
	{
		ID: "KEDA002", Severity: findings.Error, Title: "scale target that is not there, or has two masters",
		Why: "KEDA waits for ever for a target that does not exist, and two autoscalers on one target undo each other's work " +
			"(https://github.com/kedacore/keda/issues/3083).",
		Example: "scaleTargetRef:\n  name: consumr",
		Fix:     "Name a workload of the ScaledObject's namespace, with apiVersion and kind unless it is a Deployment, once.",
		check:   checkTargets,
	},
	{
		ID: "KEDA003", Severity: findings.Error, Title: "trigger metadata that KEDA ignores or cannot read",
		Why: "KEDA reads the keys that it knows and says nothing of others (https://github.com/kedacore/keda/issues/6721): " +
			"a misspelt queueLength scales on the default of 5. A value is a string, even of a number.",
		Example: "metadata:\n  queueLenght: \"50\"",
		Fix:     "Write a key of the scaler, its value in quotes: https://keda.sh/docs/latest/scalers/",
		check:   checkTriggerKeys,
	},
	{
		ID: "KEDA004", Severity: findings.Error, Title: "AWS trigger without identity",
		Why: "An AWS trigger authenticates through the TriggerAuthentication that it names or, when the trigger says so, as " +
			"the operator. Without either, or with a reference that resolves to nothing, KEDA logs an error and does not scale.",
		Example: "authenticationRef:\n  name: consumer-queu",
		Fix:     "Name a TriggerAuthentication of the same namespace, or a ClusterTriggerAuthentication with its kind.",
		check:   checkAuthentication,
	},
	{
		ID: "KEDA005", Severity: findings.Error, Title: "pod identity that contradicts itself",
		Why: "KEDA's podIdentity takes a roleArn or an identityOwner, not both; an externalID only beside a roleArn; and " +
			"identityOwner workload needs the annotation with the role on the ServiceAccount of the scaled pods. The provider " +
			"aws-eks and the trigger's own identityOwner are deprecated.",
		Example: "podIdentity:\n  provider: aws\n  roleArn: arn:aws:iam::111122223333:role/keda\n  identityOwner: workload",
		Fix:     "Say whose identity it is, once: https://keda.sh/docs/latest/authentication-providers/aws/",
		check:   checkPodIdentity,
	},
	{
		ID: "KEDA006", Severity: findings.Error, Title: "regions that differ or are missing",
		Why: "awsRegion picks the endpoint and the signature, the host of queueURL says where the queue is, and the pods go " +
			"where AWS_REGION says. When they differ, KEDA counts the messages of a queue that nobody consumes, or of none.",
		Example: "queueURL: https://sqs.eu-west-1.amazonaws.com/111122223333/q\nawsRegion: eu-central-1",
		Fix:     "Take the region from one fact of the cluster everywhere.",
		check:   checkRegions,
	},
	{
		ID: "KEDA007", Severity: findings.Error, Title: "queue that the cluster does not declare",
		Why: "A queueURL with a misspelt name or another account's number gives an error that KEDA only logs; the number of " +
			"pods freezes. An account number out of documentation belongs to nobody here.",
		Example: "queueURL: https://sqs.eu-west-1.amazonaws.com/111122223333/reliabel-q",
		Fix:     "Name a queue that the cluster declares, and the account that owns it.",
		check:   checkQueueNames,
	},
	{
		ID: "KEDA008", Severity: findings.Error, Title: "queueLength that feeds on itself",
		Why: "KEDA asks for (visible + in flight) / queueLength pods. When queueLength is lower than what one pod has in " +
			"flight, a batch or twice its CONCURRENCY, busy pods alone ask for more pods, without a message waiting.",
		Example: "queueLength: \"50\" # a pod with CONCURRENCY=64 has up to 128 messages in hand",
		Fix:     "Make queueLength at least what a pod has in hand, or set scaleOnInFlight: \"false\".",
		check:   checkQueueLength,
	},
	{
		ID: "KEDA009", Severity: findings.Warning, Title: "interval without effect",
		Why: "With minReplicaCount above zero the HorizontalPodAutoscaler asks for the metric itself: pollingInterval and " +
			"cooldownPeriod do nothing. With a minimum of zero, the cooldown takes the last pods away past every scaleDown policy.",
		Example: "minReplicaCount: 1\npollingInterval: 10",
		Fix:     "Remove it, or make the cooldown at least as long as the scale-down window.",
		check:   checkIntervals,
	},
	{
		ID: "KEDA010", Severity: findings.Error, Title: "ScaledObject that KEDA refuses",
		Why: "KEDA's webhook refuses bounds that contradict each other, names too long for the HPA, formulas and fallbacks that " +
			"cannot work, but it fails open: without it the ScaledObject just does not scale.",
		Example: "minReplicaCount: 10\nmaxReplicaCount: 5",
		Fix:     "Correct what KEDA names; set maxReplicaCount, whose default is 100.",
		check:   checkBounds,
	},
	{
		ID: "KEDA011", Severity: findings.Warning, Title: "no fallback",
		Why: "While the queue cannot be read the number of pods stays what it was: in a quiet hour that is the minimum, and " +
			"a backlog grows. With scaleOnInFlight false and a minimum of zero, pods at work do not count as work.",
		Example: "spec:\n  triggers:\n    - type: aws-sqs-queue",
		Fix:     "Set fallback with failureThreshold and replicas; keep scaleOnInFlight where work takes long.",
		check:   checkFallback,
	},
	{
		ID: "KEDA012", Severity: findings.Error, Title: "more pods than the queue or the nodes allow",
		Why: "A standard queue hands out at most 120,000 messages that are not deleted yet; then it refuses every receive " +
			"(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-quotas.html). Pods for which the " +
			"node group has no room, by their requests or by pods per node, stay Pending while the backlog grows; judged where " +
			"the repository declares the EKS cluster and its node groups.",
		Example: "maxReplicaCount: 20000",
		Fix:     "Lower maxReplicaCount or CONCURRENCY, or let the node group grow.",
		check: func(r *Run) {
			checkInFlightLimit(r)
			r.checkCapacity()
		},
	},
	{
		ID: "KEDA013", Severity: findings.Error, Title: "KEDA version that is known to break, or not tested with the cluster's Kubernetes",
		Why: "2.17.0, 2.20.0 and 2.20.1 have regressions that upstream fixed in their next patch releases " +
			"(https://github.com/kedacore/keda/blob/main/CHANGELOG.md). Each minor version is tested with three of Kubernetes " +
			"(https://keda.sh/docs/latest/operate/cluster/); another one of the EKS cluster that the repository declares is a warning.",
		Example: "image: ghcr.io/kedacore/keda:2.20.1",
		Fix:     "Take the next patch release, or the Kubernetes that KEDA is tested with.",
		check:   checkKEDAVersion,
	},
	{
		ID: "KEDA014", Severity: findings.Error, Title: "variable that the scaled container does not have",
		Why: "A key with the suffix FromEnv names a variable of the scaled container; KEDA reads it from the workload, and " +
			"without it the trigger has no queue.",
		Example: "queueURLFromEnv: QUEUE_URI",
		Fix:     "Name a variable of the container that envSourceContainerName says, by default the first one.",
		check:   checkTriggerVariables,
	},
	{
		ID: "KEDA015", Severity: findings.Warning, Title: "delayed messages that nobody decided about",
		Why: "The queue delays its messages, and KEDA by default does not count delayed ones: a burst is seen only when the " +
			"delay ends.",
		Example: "delaySeconds: 900 # and no scaleOnDelayed",
		Fix:     "Say scaleOnDelayed: \"true\" or \"false\" in the trigger.",
		check:   checkDelayed,
	},
}
