package function

import "k8s.io/apimachinery/pkg/runtime/schema"

// queue is an SQS queue. Its policies are fields of the queue, not managed
// resources of their own, so that no moment passes without them.
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
