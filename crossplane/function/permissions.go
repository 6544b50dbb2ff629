package function

// Target is what a permission is on, of the EventQueue or EventBucket that a
// grant names.
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
	Action string // of IAM, such as sqs:SendMessage
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
