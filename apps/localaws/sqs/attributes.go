package sqs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

// numeric are the attributes with a number as value, with AWS's limits:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
var numeric = map[string]struct {
	low, high int
	field     func(*settings) *int
}{
	"DelaySeconds":                  {0, maxDelay, func(s *settings) *int { return &s.delay }},
	"VisibilityTimeout":             {0, maxVisibility, func(s *settings) *int { return &s.visibility }},
	"MessageRetentionPeriod":        {60, maxRetention, func(s *settings) *int { return &s.retention }},
	"ReceiveMessageWaitTimeSeconds": {0, maxWait, func(s *settings) *int { return &s.wait }},
	"MaximumMessageSize":            {1024, maxSize, func(s *settings) *int { return &s.maxSize }},
}

// documents are the attributes that are stored as text.
var documents = map[string]func(*settings) *string{
	"Policy":             func(s *settings) *string { return &s.policy },
	"RedriveAllowPolicy": func(s *settings) *string { return &s.redriveAllow },
}

// unserved are attributes of AWS that this server does not have.
var unserved = []string{
	"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit",
}

// apply returns a queue's settings with the attributes set, all or none.
func (s *Service) apply(current settings, queue string, attributes map[string]string) (settings, *protocol.Error) {
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if err := s.set(&current, queue, name, attributes[name]); err != nil {
			return settings{}, err
		}
	}
	return current, nil
}

func (s *Service) set(to *settings, queue, name, value string) *protocol.Error {
	if bounds, ok := numeric[name]; ok {
		n, err := strconv.Atoi(value)
		if err != nil || n < bounds.low || n > bounds.high {
			return invalidAttribute("invalid value %q for the parameter %s: must be between %d and %d", value, name, bounds.low, bounds.high)
		}
		*bounds.field(to) = n
		return nil
	}
	if field, ok := documents[name]; ok {
		*field(to) = value
		_, badPolicy := s.parsePolicy(queue, to.policy)
		_, badAllow := parseRedriveAllow(to.redriveAllow)
		return first(badPolicy, badAllow)
	}
	switch {
	case name == "RedrivePolicy":
		policy, err := s.parseRedrive(queue, value)
		if err == nil {
			to.redrive = policy
		}
		return err
	case name == "SqsManagedSseEnabled":
		if value != "true" && value != "false" {
			return invalidAttribute("invalid value %q for the parameter %s: true or false", value, name)
		}
		to.sse = value
		return nil
	case slices.Contains(unserved, name):
		return &protocol.Error{Code: "UnsupportedOperation", Message: "the local AWS server does not have the attribute " + name}
	}
	return unknownAttribute(name)
}

// parseRedrive parses a redrive policy; an empty text is none. As on AWS maxReceiveCount
// may be a number or a string.
func (s *Service) parseRedrive(queue, text string) (redrive, *protocol.Error) {
	if text == "" {
		return redrive{}, nil
	}
	var policy struct {
		DeadLetterTargetArn string      `json:"deadLetterTargetArn"`
		MaxReceiveCount     json.Number `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return redrive{}, invalidParameter("value %s for parameter RedrivePolicy is invalid: %v", text, err)
	}
	n, err := strconv.Atoi(policy.MaxReceiveCount.String())
	if err != nil || n < 1 || n > maxReceives {
		return redrive{}, invalidParameter(
			"value %s for parameter RedrivePolicy is invalid: maxReceiveCount must be between 1 and %d",
			text,
			maxReceives,
		)
	}
	target, ours := strings.CutPrefix(policy.DeadLetterTargetArn, s.arn(""))
	dead := s.queues[target]
	if dead == nil || !ours || target == queue {
		return redrive{}, invalidParameter(
			"value %s for parameter RedrivePolicy is invalid: dead letter target does not exist, or is the queue itself",
			text,
		)
	}
	if allowed, err := parseRedriveAllow(dead.settings.redriveAllow); err != nil || !allowed.allows(s.arn(queue)) {
		return redrive{}, invalidParameter(
			"value %s for parameter RedrivePolicy is invalid: the RedriveAllowPolicy of %s does not allow it",
			text,
			target,
		)
	}
	return redrive{target, n}, nil
}

const maxReceives = 1000

// attributes returns every attribute of a queue.
func (s *Service) attributes(q *queue, c counts) map[string]string {
	all := map[string]string{
		"QueueArn":                              s.arn(q.name),
		"ApproximateNumberOfMessages":           strconv.Itoa(c.visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(c.inFlight),
		"ApproximateNumberOfMessagesDelayed":    strconv.Itoa(c.delayed),
		"CreatedTimestamp":                      strconv.FormatInt(q.created.Unix(), 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(q.modified.Unix(), 10),
		"SqsManagedSseEnabled":                  q.settings.sse,
	}
	for name, n := range numeric {
		all[name] = strconv.Itoa(*n.field(&q.settings))
	}
	for name, field := range documents {
		if text := *field(&q.settings); text != "" {
			all[name] = text
		}
	}
	if r := q.settings.redrive; r.target != "" {
		all["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, s.arn(r.target), r.max)
	}
	return all
}

// isAttribute reports whether an attribute has this name, even if the queue lacks it.
func isAttribute(name string, has map[string]string) bool {
	_, ok := has[name]
	return ok || name == "RedrivePolicy" || documents[name] != nil || slices.Contains(unserved, name)
}

func (s *Service) arn(queue string) string {
	return "arn:aws:sqs:" + s.region + ":" + s.account + ":" + queue
}

func unknownAttribute(name string) *protocol.Error {
	return &protocol.Error{Code: "InvalidAttributeName", Message: "unknown attribute " + name}
}

func invalidAttribute(format string, args ...any) *protocol.Error {
	return &protocol.Error{Code: "InvalidAttributeValue", Message: fmt.Sprintf(format, args...)}
}
