package config

// QueueActions are the IAM actions that the producer calls on its queue. SQS
// authorizes the batch calls as the single ones.
func QueueActions() []string { return []string{"sqs:GetQueueUrl", "sqs:SendMessage"} }
