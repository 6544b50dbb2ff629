package function

import "github.com/mystique-unicorn/sales-events/crossplane/names"

// eventQueue is the spec of an EventQueue: see its definition.
type eventQueue struct {
	placement

	DelaySeconds               int64 `json:"delaySeconds"`
	VisibilityTimeoutSeconds   int64 `json:"visibilityTimeoutSeconds"`
	MessageRetentionSeconds    int64 `json:"messageRetentionSeconds"`
	DeadLetterRetentionSeconds int64 `json:"deadLetterRetentionSeconds"`
	MaxReceiveCount            int64 `json:"maxReceiveCount"`
	DeletionProtection         bool  `json:"deletionProtection"`
}

// composeEventQueue composes a dead-letter queue and then its queue: SQS refuses
// a queue whose dead-letter queue is not there.
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
	if c.after("dead-letter-queue", "queue") {
		if err := c.add("queue", name.Source, "", spec.ProviderConfigName, sourceQueue(spec, name)); err != nil {
			return err
		}
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
