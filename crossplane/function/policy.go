package function

import (
	"encoding/json"
	"fmt"
)

// policy is an IAM policy document, with the elements that this package writes:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Sid       string    `json:"Sid,omitempty"`
	Effect    string    `json:"Effect"`
	Principal any       `json:"Principal,omitempty"` // "*", or a map from a kind of principal to its name
	Action    []string  `json:"Action"`
	Resource  []string  `json:"Resource,omitempty"`
	Condition condition `json:"Condition,omitempty"`
}

// condition maps an operator, and then a condition key, to a value.
type condition map[string]map[string]string

// document returns a policy as JSON. The provider compares policies by meaning, so the
// order matters only to this repository's tests.
func document(statements ...statement) string {
	return jsonOf(policy{Version: "2012-10-17", Statement: statements})
}

// denyPlainText denies every request without TLS.
func denyPlainText(action string, resources ...string) statement {
	return statement{
		Sid:       "OnlyTLS",
		Effect:    "Deny",
		Principal: "*",
		Action:    []string{action},
		Resource:  resources,
		Condition: condition{"Bool": {"aws:SecureTransport": "false"}},
	}
}

// jsonOf returns the JSON of one of this package's types, which cannot fail.
func jsonOf(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("JSON of %T: %v", value, err))
	}
	return string(data)
}

// Target is the part of a granted EventQueue or EventBucket that a permission is
// on.
type Target string

// The targets of permissions.
const (
	Queue           Target = "queue"
	DeadLetterQueue Target = "dead-letter queue"
	Objects         Target = "objects under the prefix"
)

// Permission is one action that an access of a grant allows on one target, and
// why a workload needs it.
type Permission struct {
	Action string // IAM action, such as sqs:SendMessage
	On     Target
	Why    string
}

// Permissions returns what an access of a WorkloadRole's grant allows: Send,
// Consume and ReadDepth on an EventQueue, Write on an EventBucket. It returns
// nothing for any other access.
func Permissions(access string) []Permission {
	return permissions[access]
}

var permissions = map[string][]Permission{
	"Send": {
		{"sqs:GetQueueUrl", Queue, "finds the queue by its name at start"},
		{"sqs:SendMessage", Queue, "sends events, one by one or in batches"},
	},
	"Consume": {
		{"sqs:GetQueueUrl", Queue, "finds the queue by its name at start"},
		{"sqs:GetQueueAttributes", Queue, "reads the visibility timeout that it must keep within"},
		{"sqs:ReceiveMessage", Queue, "receives events"},
		{"sqs:ChangeMessageVisibility", Queue, "keeps an event that it works on, and hands back what it did not start"},
		{"sqs:DeleteMessage", Queue, "deletes an event that is stored"},
		{"sqs:GetQueueUrl", DeadLetterQueue, "finds the dead-letter queue by its name at start"},
		{"sqs:SendMessage", DeadLetterQueue, "puts away a message that no attempt can store"},
	},
	"ReadDepth": {
		{"sqs:GetQueueAttributes", Queue, "reads how many messages there are"},
	},
	"Write": {
		{"s3:PutObject", Objects, "stores events"},
	},
}
