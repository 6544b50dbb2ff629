package sqs

import (
	"encoding/base64"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
)

type action func(*Service, *call) (any, *protocol.Error)

var actions = map[string]action{
	"CreateQueue":        locked(createQueue),
	"DeleteQueue":        locked(deleteQueue),
	"GetQueueAttributes": locked(getQueueAttributes),
	"GetQueueUrl":        locked(getQueueURL),
	"ListQueueTags":      locked(listQueueTags),
	"ListQueues":         locked(listQueues),
	"PurgeQueue":         locked(purgeQueue),
	"SetQueueAttributes": locked(setQueueAttributes),
	"TagQueue":           locked(tagQueue),
	"UntagQueue":         locked(untagQueue),

	"ChangeMessageVisibility":      locked(changeMessageVisibility),
	"ChangeMessageVisibilityBatch": changeMessageVisibilityBatch,
	"DeleteMessage":                locked(deleteMessage),
	"DeleteMessageBatch":           deleteMessageBatch,
	"ReceiveMessage":               receiveMessage,
	"SendMessage":                  sendMessage,
	"SendMessageBatch":             sendMessageBatch,
}

// locked returns an action that holds the lock, for quick actions; the others lock
// themselves.
func locked(do action) action {
	return func(s *Service, c *call) (any, *protocol.Error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return do(s, c)
	}
}

// cooldown is how long a name stays taken after DeleteQueue, and how long another purge
// is refused after PurgeQueue.
const cooldown = time.Minute

const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
	maxResults  = 1000
)

var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

const queueNameRule = "1 to 80 letters, digits, hyphens and underscores"

// find resolves a queue URL and settles its queue. It looks only at the account and the
// name, since the server has different host names inside and outside of a cluster.
func (s *Service) find(url string) (*queue, *protocol.Error) {
	if url == "" {
		return nil, missing("QueueUrl")
	}
	parts := strings.Split(url, "/")
	if len(parts) < 2 {
		return nil, &protocol.Error{Code: "InvalidAddress", Message: "the address " + url + " is not valid for this endpoint"}
	}
	q := s.queues[parts[len(parts)-1]]
	if q == nil || parts[len(parts)-2] != s.account {
		return nil, noQueue(url)
	}
	q.settle(s.clock.Now())
	return q, nil
}

func noQueue(name string) *protocol.Error {
	return &protocol.Error{Code: "QueueDoesNotExist", Message: "the specified queue " + name + " does not exist"}
}

func (s *Service) url(c *call, name string) string {
	return "http://" + c.host + "/" + s.account + "/" + name
}

type queueURL struct{ QueueUrl string }

func createQueue(s *Service, c *call) (any, *protocol.Error) {
	if !queueName.MatchString(c.QueueName) {
		return nil, invalidParameter("queue name %q is invalid: %s", c.QueueName, queueNameRule)
	}
	now := s.clock.Now()
	q, exists := s.queues[c.QueueName]
	current := defaultSettings()
	if exists {
		current = q.settings
	}
	next, err := s.apply(current, c.QueueName, c.Attributes)
	switch {
	case err != nil:
		return nil, err
	case exists && next != current:
		return nil, &protocol.Error{
			Code:    "QueueNameExists",
			Message: "a queue already exists with the same name and a different value for an attribute",
		}
	case exists:
		return queueURL{s.url(c, c.QueueName)}, nil
	case now.Before(s.deleted[c.QueueName]):
		return nil, &protocol.Error{
			Code:    "QueueDeletedRecently",
			Message: "you must wait 60 seconds after deleting a queue before you can create another with the same name",
		}
	}
	q = newQueue(c.QueueName, next, now)
	q.policy, _ = s.parsePolicy(q.name, next.policy) // it was parsed before
	if err := q.tag(c.Tags); err != nil {
		return nil, err
	}
	s.queues[q.name] = q
	delete(s.deleted, q.name)
	return queueURL{s.url(c, q.name)}, nil
}

func getQueueURL(s *Service, c *call) (any, *protocol.Error) {
	owner := c.QueueOwnerAWSAccountId
	if c.QueueName == "" {
		return nil, missing("QueueName")
	}
	if s.queues[c.QueueName] == nil || owner != "" && owner != s.account {
		return nil, noQueue(c.QueueName)
	}
	return queueURL{s.url(c, c.QueueName)}, nil
}

// listQueues returns pages only if MaxResults is set, as AWS does. The token is the last
// name of the previous page.
func listQueues(s *Service, c *call) (any, *protocol.Error) {
	if err := within("MaxResults", c.MaxResults, 1, maxResults); err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(c.NextToken)
	if err != nil {
		return nil, invalidParameter("invalid or expired next token")
	}
	var out struct {
		QueueUrls []string `json:",omitempty"`
		NextToken string   `json:",omitempty"`
	}
	last := ""
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if !strings.HasPrefix(name, c.QueueNamePrefix) || name <= string(after) {
			continue
		}
		if len(out.QueueUrls) == or(c.MaxResults, maxResults) {
			if c.MaxResults != nil {
				out.NextToken = base64.RawURLEncoding.EncodeToString([]byte(last))
			}
			break
		}
		out.QueueUrls, last = append(out.QueueUrls, s.url(c, name)), name
	}
	return out, nil
}

func deleteQueue(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	delete(s.queues, q.name)
	s.deleted[q.name] = s.clock.Now().Add(cooldown)
	for _, w := range q.waiting {
		w.wake()
	}
	return nil, nil
}

func purgeQueue(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	if !q.purged.IsZero() && now.Before(q.purged.Add(cooldown)) {
		return nil, &protocol.Error{
			Code:    "PurgeQueueInProgress",
			Message: "only one PurgeQueue operation on " + q.name + " is allowed every 60 seconds",
		}
	}
	q.purged = now
	q.clear()
	return nil, nil
}

type queueAttributes struct {
	Attributes map[string]string `json:",omitempty"`
	counts     counts
}

func getQueueAttributes(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := queueAttributes{Attributes: map[string]string{}, counts: q.approximate(c.hit, s.clock.Now())}
	if len(c.AttributeNames) == 0 {
		return out, nil
	}
	all := s.attributes(q, out.counts)
	for _, name := range c.AttributeNames {
		value, ok := all[name]
		switch {
		case name == "All":
			maps.Copy(out.Attributes, all)
		case ok:
			out.Attributes[name] = value
		case !isAttribute(name, all):
			return nil, unknownAttribute(name)
		}
	}
	return out, nil
}

func setQueueAttributes(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	if len(c.Attributes) == 0 {
		return nil, missing("Attributes")
	}
	next, err := s.apply(q.settings, q.name, c.Attributes)
	if err != nil {
		return nil, err
	}
	q.settings, q.modified = next, s.clock.Now()
	q.policy, _ = s.parsePolicy(q.name, next.policy) // it was parsed before
	return nil, nil
}

func listQueueTags(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct {
		Tags map[string]string `json:",omitempty"`
	}{maps.Clone(q.tags)}, nil
}

func tagQueue(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	return nil, q.tag(c.Tags)
}

func untagQueue(s *Service, c *call) (any, *protocol.Error) {
	q, err := s.find(c.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, key := range c.TagKeys {
		delete(q.tags, key)
	}
	return nil, nil
}

// tag adds tags, all or none.
func (q *queue) tag(tags map[string]string) *protocol.Error {
	next := maps.Clone(q.tags)
	for key, value := range tags {
		if key == "" || len(key) > maxTagKey || len(value) > maxTagValue {
			return invalidParameter("tag %q is invalid: a key of 1 to %d and a value of at most %d characters", key, maxTagKey, maxTagValue)
		}
		next[key] = value
	}
	if len(next) > maxTags {
		return invalidParameter("too many tags for queue %s: at most %d", q.name, maxTags)
	}
	q.tags = next
	return nil
}
