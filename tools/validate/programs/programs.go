// Package programs tells validate's rules about this repository's programs: how each one
// reads its settings, and what it then does. The rules know no program, so this is where
// they meet the apps. Another repository registers its own programs.
package programs

import (
	consumer "github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	producer "github.com/mystique-unicorn/sales-events/apps/producer/config"
	"github.com/mystique-unicorn/sales-events/tools/internal/rules/rule"
)

// All returns the programs, with the names that the configuration uses.
func All() []rule.Program {
	return []rule.Program{
		{Name: "producer", Read: readProducer, Queues: []string{"RELIABLE_QUEUE_NAME"}, Metrics: "http"},
		{
			Name: "consumer", Read: readConsumer, Metrics: "http",
			Queues: []string{"RELIABLE_QUEUE_NAME", "DEAD_LETTER_QUEUE_NAME"}, Buckets: []string{"STORE_EVENTS_BKT"},
		},
		{Name: "localaws", ReadFile: func(name string, data []byte) error {
			_, err := localaws.ParseConfig(name, data)
			return err
		}},
	}
}

func readProducer(lookup func(string) (string, bool)) (rule.Settings, error) {
	c, err := producer.Parse(lookup)
	return rule.Settings{
		Region: c.Region,
		Uses:   []rule.Use{{Service: "sqs", Name: c.Queue, Actions: producer.QueueActions()}},
	}, err
}

func readConsumer(lookup func(string) (string, bool)) (rule.Settings, error) {
	c, err := consumer.Parse(lookup)
	return rule.Settings{
		Region: c.Region,
		Uses: []rule.Use{
			{Service: "sqs", Name: c.Queue, Actions: consumer.QueueActions()},
			{Service: "sqs", Name: c.DeadLetterQueue, Actions: consumer.DeadLetterActions()},
			{Service: "s3", Name: c.Bucket, Prefix: c.Prefix, Actions: consumer.BucketActions()},
		},
		Consumer: &rule.Consumer{
			Queue: c.Queue, DeadLetterQueue: c.DeadLetterQueue, InHand: c.InHand(), Batch: c.ProcessDelay,
			Drain: consumer.Drain, LongPoll: consumer.LongPoll, Heartbeat: consumer.Heartbeat,
		},
	}, err
}
