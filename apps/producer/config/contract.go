package config

// QueueActions returns the IAM actions that the producer needs on its queue. SQS
// authorizes a batch call by the action of the single call.
func QueueActions() []string { return []string{"sqs:GetQueueUrl", "sqs:SendMessage"} }
