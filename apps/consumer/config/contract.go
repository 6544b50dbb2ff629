package config

import "time"

// What the consumer requires of its queue and of its pod.
const (
	// LongPoll is how long a receive waits for messages, the maximum that SQS allows.
	LongPoll = 20 * time.Second
	// Finish is how long calls that had begun may go on after SIGTERM. A long poll has
	// ended by then; messages are still stored, those of the last polls included.
	// ProcessDelay is cut short.
	Finish = LongPoll + 2*time.Second
	// Drain is the longest time from SIGTERM to the consumer's end, even if AWS does not
	// answer. The time after Finish is for returning messages to the queue, and for
	// deleting those that are stored.
	Drain = LongPoll + 5*time.Second
)

// MaxConcurrency is the maximum of CONCURRENCY. The client keeps as many idle connections
// to AWS.
const MaxConcurrency = 1000

// InHand returns the most messages that a consumer holds at a time: one batch or, with a
// Concurrency above 1, twice as many messages as it stores at the same time, so that no
// storer waits for a receive or a delete.
func (c Config) InHand() int {
	if c.Concurrency <= 1 {
		return c.BatchSize
	}
	return max(c.BatchSize, 2*c.Concurrency)
}

// FirstVisibility is the longest visibility timeout of a receive. It is short so that
// messages come back soon if the receive's answer is lost or the consumer is killed. If
// its work takes longer than a third of it, the consumer extends it to the queue's own
// timeout.
const FirstVisibility = 9 * time.Second

// Heartbeat returns how long the consumer waits before it extends the visibility timeout
// of the batch that it handles, given the current timeout. 0 means never, because a queue
// with a timeout of 0 hides nothing.
func Heartbeat(visibility time.Duration) time.Duration { return max(visibility, 0) / 3 }

// QueueActions returns the IAM actions that the consumer needs on its queue. SQS
// authorizes a batch call by the action of the single call.
func QueueActions() []string {
	return []string{
		"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage",
	}
}

// DeadLetterActions returns the IAM actions that it needs on its dead-letter queue.
func DeadLetterActions() []string { return []string{"sqs:GetQueueUrl", "sqs:SendMessage"} }

// BucketActions returns the IAM actions that it needs on the objects of its bucket.
func BucketActions() []string { return []string{"s3:PutObject"} }
