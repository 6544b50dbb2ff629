package config

import "time"

// What the consumer asks of its queue and of the pod that it runs in.
const (
	// LongPoll is how long a receive waits for messages: the longest that SQS
	// allows.
	LongPoll = 20 * time.Second
	// Finish is how long a call goes on after SIGTERM that had begun: a long poll,
	// which is over by then, or one that stores a message. What the last polls bring
	// is stored within it too. ProcessDelay is cut short.
	Finish = LongPoll + 2*time.Second
	// Drain is how long the consumer takes from SIGTERM to its end, whatever AWS
	// answers. What is left of it after Finish is for handing messages back and
	// for deleting what is stored.
	Drain = LongPoll + 5*time.Second
)

// MaxConcurrency is the most that CONCURRENCY can be: the connections to AWS that are
// kept open are as many.
const MaxConcurrency = 1000

// InHand is how many messages a consumer holds at most: a batch, or with a
// Concurrency above 1 twice as many as are stored at the same time, so that none of
// those waits for a receive or a delete.
func (c Config) InHand() int {
	if c.Concurrency <= 1 {
		return c.BatchSize
	}
	return max(c.BatchSize, 2*c.Concurrency)
}

// FirstVisibility bounds how long a receive hides messages, so that those whose receive
// is lost, or whose consumer is killed, come back soon. The consumer extends that to the
// queue's own timeout where its work takes longer than a third of this.
const FirstVisibility = 9 * time.Second

// Heartbeat is how long the consumer waits before it extends the visibility timeout of
// the batch that it works on, given the timeout that is running; 0 is never, because a
// queue without timeout hides nothing.
func Heartbeat(visibility time.Duration) time.Duration { return max(visibility, 0) / 3 }

// QueueActions are the IAM actions that the consumer calls on its queue. SQS authorizes
// a batch call as the single one.
func QueueActions() []string {
	return []string{
		"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage",
	}
}

// DeadLetterActions are those that it calls on its dead-letter queue.
func DeadLetterActions() []string { return []string{"sqs:GetQueueUrl", "sqs:SendMessage"} }

// BucketActions are those that it calls on the objects of its bucket.
func BucketActions() []string { return []string{"s3:PutObject"} }
