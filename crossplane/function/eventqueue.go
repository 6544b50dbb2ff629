package function

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/crossplane/function-sdk-go/resource"

	"github.com/mystique-unicorn/sales-events/crossplane/names"
)

// eventQueue is the spec of an EventQueue: see its definition.
type eventQueue struct {
	placement

	DelaySeconds               int64 `json:"delaySeconds"`
	VisibilityTimeoutSeconds   int64 `json:"visibilityTimeoutSeconds"`
	MessageRetentionSeconds    int64 `json:"messageRetentionSeconds"`
	DeadLetterRetentionSeconds int64 `json:"deadLetterRetentionSeconds"`
	MaxReceiveCount            int64 `json:"maxReceiveCount"`
	DeletionProtection         bool  `json:"deletionProtection"`

	Alarms queueAlarms `json:"alarms"`
}

type queueAlarms struct {
	Enabled              bool     `json:"enabled"`
	DeadLetters          int64    `json:"deadLetters"`
	OldestMessageSeconds int64    `json:"oldestMessageSeconds"`
	Emails               []string `json:"emails"`
}

// composeEventQueue composes a dead-letter queue, and after it the queue, because SQS
// rejects a queue whose dead-letter queue does not exist. It also composes the alarms of
// both.
func composeEventQueue(c *composition) error {
	var spec eventQueue
	if err := c.spec(&spec); err != nil {
		return err
	}
	name, err := names.ForQueue(spec.ClusterName, c.xr.GetName())
	if err != nil {
		return named(err)
	}
	if err := c.add("dead-letter-queue", name.DeadLetters, "", spec.ProviderConfigName, deadLetterQueue(spec, name)); err != nil {
		return err
	}
	// The provider watches a new queue for 25 seconds before it is ready. So the second
	// one does not wait for the first.
	if c.afterCreation("dead-letter-queue", "queue") {
		if err := c.add("queue", name.Source, "", spec.ProviderConfigName, sourceQueue(spec, name)); err != nil {
			return err
		}
	}
	if spec.Alarms.Enabled {
		if err := addAlarms(c, spec, name); err != nil {
			return err
		}
		c.report("alarmTopicARN", "topic", "status.atProvider.arn")
	}
	if spec.DeletionProtection {
		c.protect("its queue holds events that are stored nowhere else; set spec.deletionProtection to false first")
	}
	c.report("queueURL", "queue", "status.atProvider.url")
	c.report("queueARN", "queue", "status.atProvider.arn")
	c.report("deadLetterQueueURL", "dead-letter-queue", "status.atProvider.url")
	c.report("deadLetterQueueARN", "dead-letter-queue", "status.atProvider.arn")
	return nil
}

// addAlarms composes alarms for what would otherwise stay unnoticed: messages that no
// consumer could store, and a queue that nobody reads, from which SQS finally drops
// messages.
func addAlarms(c *composition, spec eventQueue, name names.QueueNames) error {
	if err := c.add("topic", name.Topic, name.Topic, spec.ProviderConfigName, alarmTopic(spec, name)); err != nil {
		return err
	}
	for _, email := range spec.Alarms.Emails {
		hash := sha256.Sum256([]byte(email))
		id := "subscription-" + hex.EncodeToString(hash[:4])
		err := c.add(resource.Name(id), name.Topic+"-"+hex.EncodeToString(hash[:4]), "", spec.ProviderConfigName,
			topicSubscription{Region: spec.Region, TopicARNRef: to(name.Topic), Protocol: "email", Endpoint: email})
		if err != nil {
			return err
		}
	}
	deadLetters := queueAlarm(spec, name, name.DeadLetters, "ApproximateNumberOfMessagesVisible", spec.Alarms.DeadLetters,
		"Messages that no consumer could store are in "+name.DeadLetters+". Each has its reason in an attribute.")
	age := queueAlarm(spec, name, name.Source, "ApproximateAgeOfOldestMessage", spec.Alarms.OldestMessageSeconds,
		fmt.Sprintf("The consumers of %s do not keep up, or do not run. SQS drops a message after %d seconds.",
			name.Source, spec.MessageRetentionSeconds))
	if err := c.add("dead-letter-alarm", name.DeadLetterAlarm, name.DeadLetterAlarm, spec.ProviderConfigName, deadLetters); err != nil {
		return err
	}
	return c.add("age-alarm", name.AgeAlarm, name.AgeAlarm, spec.ProviderConfigName, age)
}

// alarmTopic lets only the alarms of the queue's cluster publish.
func alarmTopic(spec eventQueue, name names.QueueNames) topic {
	return topic{Region: spec.Region, Tags: spec.tags(), Policy: document(statement{
		Sid:       "Alarms",
		Effect:    "Allow",
		Principal: map[string]string{"Service": "cloudwatch.amazonaws.com"},
		Action:    []string{"sns:Publish"},
		Resource:  []string{spec.topicARN(name.Topic)},
		Condition: condition{
			"StringEquals": {"aws:SourceAccount": spec.AccountID},
			"ArnLike":      {"aws:SourceArn": fmt.Sprintf("arn:aws:cloudwatch:%s:%s:alarm:%s-*", spec.Region, spec.AccountID, spec.ClusterName)},
		},
	})}
}

// queueAlarm returns an alarm that is raised, and cleared, after three minutes in a row.
func queueAlarm(spec eventQueue, name names.QueueNames, queue, metric string, above int64, description string) metricAlarm {
	return metricAlarm{
		Region: spec.Region, AlarmDescription: description,
		Namespace: "AWS/SQS", MetricName: metric, Dimensions: map[string]string{"QueueName": queue},
		Statistic: "Maximum", Period: 60, EvaluationPeriods: 3, ComparisonOperator: "GreaterThanThreshold", Threshold: above,
		// SQS reports no metrics of a queue that nobody used for six hours.
		TreatMissingData: "notBreaching",
		AlarmActions:     []string{spec.topicARN(name.Topic)}, OKActions: []string{spec.topicARN(name.Topic)},
		Tags: spec.tags(),
	}
}

func sourceQueue(spec eventQueue, name names.QueueNames) queue {
	return queue{
		Region:                   spec.Region,
		Name:                     name.Source,
		DelaySeconds:             spec.DelaySeconds,
		VisibilityTimeoutSeconds: spec.VisibilityTimeoutSeconds,
		MessageRetentionSeconds:  spec.MessageRetentionSeconds,
		SQSManagedSSEEnabled:     true,
		Policy:                   document(denyPlainText("sqs:*", spec.queueARN(name.Source))),
		RedrivePolicy: jsonOf(redrive{
			DeadLetterTargetARN: spec.queueARN(name.DeadLetters),
			MaxReceiveCount:     spec.MaxReceiveCount,
		}),
		Tags: spec.tags(),
	}
}

func deadLetterQueue(spec eventQueue, name names.QueueNames) queue {
	return queue{
		Region:                  spec.Region,
		Name:                    name.DeadLetters,
		MessageRetentionSeconds: spec.DeadLetterRetentionSeconds,
		SQSManagedSSEEnabled:    true,
		Policy:                  document(denyPlainText("sqs:*", spec.queueARN(name.DeadLetters))),
		RedriveAllowPolicy: jsonOf(redriveAllow{
			RedrivePermission: "byQueue",
			SourceQueueARNs:   []string{spec.queueARN(name.Source)},
		}),
		Tags: spec.tags(),
	}
}
