package function

import "k8s.io/apimachinery/pkg/runtime/schema"

// managed is the desired state of a managed resource: its kind, and the fields of
// spec.forProvider that we set.
type managed interface {
	kind() schema.GroupVersionKind
}

func iam(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "iam.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// role is an IAM role; its name is the external name.
type role struct {
	Path                string            `json:"path"`
	Description         string            `json:"description"`
	AssumeRolePolicy    string            `json:"assumeRolePolicy"`
	PermissionsBoundary string            `json:"permissionsBoundary"`
	Tags                map[string]string `json:"tags"`
}

func (role) kind() schema.GroupVersionKind { return iam("Role") }

// rolePolicy is a policy within a role; its name is the external name.
type rolePolicy struct {
	Role   string `json:"role"`
	Policy string `json:"policy"`
}

func (rolePolicy) kind() schema.GroupVersionKind { return iam("RolePolicy") }

// rolePolicyAttachment attaches a managed policy of AWS to a role.
type rolePolicyAttachment struct {
	Role      string `json:"role"`
	PolicyARN string `json:"policyArn"`
}

func (rolePolicyAttachment) kind() schema.GroupVersionKind { return iam("RolePolicyAttachment") }

// openIDConnectProvider makes IAM trust the tokens of a cluster.
type openIDConnectProvider struct {
	URL          string            `json:"url"`
	ClientIDList []string          `json:"clientIdList"`
	Tags         map[string]string `json:"tags"`
}

func (openIDConnectProvider) kind() schema.GroupVersionKind { return iam("OpenIDConnectProvider") }

func s3(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "s3.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// bucket is an S3 bucket; its name is the external name. The managed resources
// below configure it and name it, too.
type bucket struct {
	Region       string            `json:"region"`
	ForceDestroy bool              `json:"forceDestroy"`
	Tags         map[string]string `json:"tags"`
}

func (bucket) kind() schema.GroupVersionKind { return s3("Bucket") }

// ofBucket is the bucket that a managed resource configures.
type ofBucket struct {
	Region string `json:"region"`
	Bucket string `json:"bucket"`
}

type bucketVersioning struct {
	ofBucket

	VersioningConfiguration versioningConfiguration `json:"versioningConfiguration"`
}

type versioningConfiguration struct {
	Status string `json:"status"` // Enabled, or Suspended
}

func (bucketVersioning) kind() schema.GroupVersionKind { return s3("BucketVersioning") }

type bucketEncryption struct {
	ofBucket

	Rule []encryptionRule `json:"rule"`
}

type encryptionRule struct {
	ApplyServerSideEncryptionByDefault encryptionDefault `json:"applyServerSideEncryptionByDefault"`
}

type encryptionDefault struct {
	SSEAlgorithm string `json:"sseAlgorithm"`
}

func (bucketEncryption) kind() schema.GroupVersionKind {
	return s3("BucketServerSideEncryptionConfiguration")
}

type bucketPublicAccessBlock struct {
	ofBucket

	BlockPublicACLs       bool `json:"blockPublicAcls"`
	BlockPublicPolicy     bool `json:"blockPublicPolicy"`
	IgnorePublicACLs      bool `json:"ignorePublicAcls"`
	RestrictPublicBuckets bool `json:"restrictPublicBuckets"`
}

func (bucketPublicAccessBlock) kind() schema.GroupVersionKind { return s3("BucketPublicAccessBlock") }

type bucketOwnership struct {
	ofBucket

	Rule ownershipRule `json:"rule"`
}

type ownershipRule struct {
	ObjectOwnership string `json:"objectOwnership"`
}

func (bucketOwnership) kind() schema.GroupVersionKind { return s3("BucketOwnershipControls") }

type bucketPolicy struct {
	ofBucket

	Policy string `json:"policy"`
}

func (bucketPolicy) kind() schema.GroupVersionKind { return s3("BucketPolicy") }

type bucketLifecycle struct {
	ofBucket

	Rule []lifecycleRule `json:"rule"`
}

// lifecycleRule has lists of one where the provider has them.
type lifecycleRule struct {
	ID                             string                  `json:"id"`
	Status                         string                  `json:"status"`
	Filter                         []lifecycleFilter       `json:"filter"`
	Expiration                     []expiration            `json:"expiration,omitempty"`
	NoncurrentVersionExpiration    []noncurrentExpiration  `json:"noncurrentVersionExpiration,omitempty"`
	AbortIncompleteMultipartUpload []abortIncompleteUpload `json:"abortIncompleteMultipartUpload,omitempty"`
}

type lifecycleFilter struct {
	Prefix string `json:"prefix"`
}

type expiration struct {
	Days int64 `json:"days"`
}

type noncurrentExpiration struct {
	NoncurrentDays int64 `json:"noncurrentDays"`
}

type abortIncompleteUpload struct {
	DaysAfterInitiation int64 `json:"daysAfterInitiation"`
}

func (bucketLifecycle) kind() schema.GroupVersionKind { return s3("BucketLifecycleConfiguration") }

// queue is an SQS queue. Its policies are fields of the queue instead of managed
// resources, so that the queue never exists without them.
type queue struct {
	Region                   string            `json:"region"`
	Name                     string            `json:"name"`
	DelaySeconds             int64             `json:"delaySeconds"`
	VisibilityTimeoutSeconds int64             `json:"visibilityTimeoutSeconds,omitempty"`
	MessageRetentionSeconds  int64             `json:"messageRetentionSeconds"`
	SQSManagedSSEEnabled     bool              `json:"sqsManagedSseEnabled"`
	Policy                   string            `json:"policy"`
	RedrivePolicy            string            `json:"redrivePolicy,omitempty"`
	RedriveAllowPolicy       string            `json:"redriveAllowPolicy,omitempty"`
	Tags                     map[string]string `json:"tags"`
}

func (queue) kind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "sqs.aws.m.upbound.io", Version: "v1beta1", Kind: "Queue"}
}

// redrive says where SQS moves a message that was received too often.
type redrive struct {
	DeadLetterTargetARN string `json:"deadLetterTargetArn"`
	MaxReceiveCount     int64  `json:"maxReceiveCount"`
}

// redriveAllow says which queues may use this one as dead-letter queue.
type redriveAllow struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueARNs   []string `json:"sourceQueueArns"`
}

// metricAlarm is an alarm of CloudWatch; its name is the external name.
type metricAlarm struct {
	Region             string            `json:"region"`
	AlarmDescription   string            `json:"alarmDescription"`
	Namespace          string            `json:"namespace"`
	MetricName         string            `json:"metricName"`
	Dimensions         map[string]string `json:"dimensions"`
	Statistic          string            `json:"statistic"`
	Period             int64             `json:"period"` // seconds
	EvaluationPeriods  int64             `json:"evaluationPeriods"`
	ComparisonOperator string            `json:"comparisonOperator"`
	Threshold          int64             `json:"threshold"`
	TreatMissingData   string            `json:"treatMissingData"`
	AlarmActions       []string          `json:"alarmActions"`
	OKActions          []string          `json:"okActions"`
	Tags               map[string]string `json:"tags"`
}

func (metricAlarm) kind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "cloudwatch.aws.m.upbound.io", Version: "v1beta1", Kind: "MetricAlarm"}
}

func sns(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "sns.aws.m.upbound.io", Version: "v1beta1", Kind: kind}
}

// topic is a topic of SNS; its name is the external name.
type topic struct {
	Region string            `json:"region"`
	Policy string            `json:"policy"`
	Tags   map[string]string `json:"tags"`
}

func (topic) kind() schema.GroupVersionKind { return sns("Topic") }

// topicSubscription forwards the messages of a topic.
type topicSubscription struct {
	Region      string     `json:"region"`
	TopicARNRef *reference `json:"topicArnRef"`
	Protocol    string     `json:"protocol"`
	Endpoint    string     `json:"endpoint"`
}

func (topicSubscription) kind() schema.GroupVersionKind { return sns("TopicSubscription") }

// logGroup is a log group of CloudWatch; its name is the external name.
type logGroup struct {
	Region          string            `json:"region"`
	RetentionInDays int64             `json:"retentionInDays"`
	Tags            map[string]string `json:"tags"`
}

func (logGroup) kind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "cloudwatchlogs.aws.m.upbound.io", Version: "v1beta1", Kind: "Group"}
}
