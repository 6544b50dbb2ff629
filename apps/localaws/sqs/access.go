package sqs

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// permissions has the IAM action for each action: "Setting permissions for SendMessage …
// also sets them for the corresponding batch versions".
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
var permissions = func() map[string]string {
	all := map[string]string{}
	for name := range actions {
		all[name] = "sqs:" + strings.TrimSuffix(name, "Batch")
	}
	return all
}()

// allow asks the guard whether a call may do its action.
func (s *Service) allow(c *call) *protocol.Error {
	check := access.Check{Action: permissions[c.action], Resource: "*"}
	if c.action != "ListQueues" {
		name := c.queueName()
		check.Resource, check.Policy = s.arn(name), s.policy(name)
	}
	checks := []access.Check{check}
	if c.action == "CreateQueue" && len(c.Tags) > 0 {
		check.Action = "sqs:TagQueue"
		checks = append(checks, check)
	}
	return access.Refusal(s.guard.Allow(c.ctx, checks...), "AccessDeniedException")
}

// queueName returns the name of a call's queue, which need not exist.
func (c *call) queueName() string {
	if c.QueueUrl != "" {
		return c.QueueUrl[strings.LastIndex(c.QueueUrl, "/")+1:]
	}
	return c.QueueName
}

// policy returns the policy of a queue; nil if it has none, or does not exist.
func (s *Service) policy(name string) *iam.Policy {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		return q.policy
	}
	return nil
}

// parsePolicy parses a queue's policy; nil for an empty text.
func (s *Service) parsePolicy(queue, text string) (*iam.Policy, *protocol.Error) {
	if text == "" {
		return nil, nil
	}
	parsed, err := iam.Parse(s.arn(queue), iam.ResourcePolicy, []byte(text))
	if err != nil {
		return nil, invalidAttribute("invalid value for the parameter Policy: %v", err)
	}
	return parsed, nil
}

// redriveAllow says which queues may use a queue as their dead-letter queue:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
type redriveAllow struct {
	RedrivePermission string   `json:"redrivePermission"`
	SourceQueueArns   []string `json:"sourceQueueArns"`
}

const maxSources = 10

// parseRedriveAllow parses a RedriveAllowPolicy; an empty text allows all.
func parseRedriveAllow(text string) (redriveAllow, *protocol.Error) {
	policy := redriveAllow{RedrivePermission: "allowAll"}
	if text == "" {
		return policy, nil
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return policy, invalidAttribute("invalid value for the parameter RedriveAllowPolicy: %v", err)
	}
	byQueue := policy.RedrivePermission == "byQueue"
	switch {
	case !byQueue && policy.RedrivePermission != "allowAll" && policy.RedrivePermission != "denyAll":
		return policy, invalidAttribute(
			"invalid value for the parameter RedriveAllowPolicy: redrivePermission must be allowAll, denyAll or byQueue",
		)
	case byQueue != (len(policy.SourceQueueArns) > 0) || len(policy.SourceQueueArns) > maxSources:
		return policy, invalidAttribute(
			"invalid value for the parameter RedriveAllowPolicy: sourceQueueArns must have 1 to %d queues with byQueue, and none without",
			maxSources,
		)
	}
	return policy, nil
}

// allows reports whether a queue may move its messages to the queue with this policy.
func (p redriveAllow) allows(source string) bool {
	return p.RedrivePermission == "allowAll" || slices.Contains(p.SourceQueueArns, source)
}
