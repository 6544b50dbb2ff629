// Package sns serves the part of Amazon SNS that this system uses: topics and
// subscriptions. It is simulated: both are stored and returned, but nothing is published,
// no message is sent, and a subscription is never confirmed. docs/localaws.md has every
// action.
package sns

import (
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
	"github.com/mystique-unicorn/sales-events/internal/iam"
)

// Options are the dependencies and settings of a Service.
type Options struct {
	// Region and AccountID are part of ARNs.
	Region, AccountID string
	Guard             access.Guard
	Clock             clock.Clock
	Faults            *fault.Faults
}

// Service answers requests. It is safe for concurrent use.
type Service struct {
	query.Handler[*Service]

	prefix  string // of ARNs
	account string
	guard   access.Guard

	mu            sync.Mutex
	topics        map[string]*topic        // by ARN
	subscriptions map[string]*subscription // by ARN
}

type topic struct {
	attributes map[string]string
	policy     *iam.Policy
	tags       map[string]string
}

type subscription struct {
	arn, topic, protocol, endpoint string
	attributes                     map[string]string
}

// Namespace is the XML namespace of the service's answers.
const Namespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// New returns a service without topics.
func New(options Options) *Service {
	s := &Service{
		prefix: "arn:aws:sns:" + options.Region + ":" + options.AccountID + ":", account: options.AccountID, guard: options.Guard,
		topics: map[string]*topic{}, subscriptions: map[string]*subscription{},
	}
	s.Handler = query.Handler[*Service]{
		Service: s, Prefix: "sns", Namespace: Namespace, Denied: "AuthorizationError", Actions: actions,
		Clock: options.Clock, Faults: options.Faults,
	}
	return s
}

var actions = map[string]query.Action[*Service]{
	"CreateTopic":         query.With(createTopic),
	"GetTopicAttributes":  query.With(getTopicAttributes),
	"SetTopicAttributes":  query.With(setTopicAttributes),
	"DeleteTopic":         query.With(deleteTopic),
	"ListTagsForResource": query.With(listTags),
	"TagResource":         query.With(tagResource),
	"UntagResource":       query.With(untagResource),

	"Subscribe":                 query.With(subscribe),
	"GetSubscriptionAttributes": query.With(getSubscriptionAttributes),
	"SetSubscriptionAttributes": query.With(setSubscriptionAttributes),
	"ListSubscriptionsByTopic":  query.With(listSubscriptionsByTopic),
	"Unsubscribe":               query.With(unsubscribe),
}

const (
	maxTopics        = 100_000
	maxSubscriptions = 100_000
	maxTags          = 50
)

type tag = query.Tag

// pair is an entry of a map, in a request and in an answer.
type pair struct {
	Key   string `query:"key" xml:"key"`
	Value string `query:"value" xml:"value"`
}

// pairs is a map, in a request and in an answer.
type pairs struct {
	Entry []pair `query:"entry" xml:"entry"`
}

func pairsOf(values map[string]string) pairs {
	var all pairs
	for _, key := range slices.Sorted(maps.Keys(values)) {
		all.Entry = append(all.Entry, pair{key, values[key]})
	}
	return all
}

func invalid(format string, args ...any) *protocol.Error {
	return query.Errorf("InvalidParameter", http.StatusBadRequest, "Invalid parameter: "+format, args...)
}

// allow asks the guard about the action of a call on a topic, with the topic's policy.
func (s *Service) allow(c *query.Call, arn string, more ...string) error {
	s.mu.Lock()
	check := access.Check{Action: "sns:" + c.Action, Resource: arn}
	if t := s.topics[arn]; t != nil {
		check.Policy = t.policy
	}
	s.mu.Unlock()
	checks := []access.Check{check}
	for _, action := range more {
		check.Action = action
		checks = append(checks, check)
	}
	return s.guard.Allow(c, checks...)
}

// find returns a topic, if the caller may do its action to it. The lock is held
// afterwards.
func (s *Service) find(c *query.Call, arn string) (*topic, error) {
	err := s.allow(c, arn)
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	t := s.topics[arn]
	if t == nil {
		return nil, query.Errorf("NotFound", http.StatusNotFound, "Topic does not exist")
	}
	return t, nil
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

type createIn struct {
	Name       string
	Attributes pairs
	Tags       []tag
}

func createTopic(s *Service, c *query.Call, in *createIn) (protocol.Elements, error) {
	if !topicName.MatchString(in.Name) {
		return nil, invalid("Topic Name")
	}
	arn, more := s.prefix+in.Name, []string(nil)
	if len(in.Tags) > 0 {
		more = append(more, "sns:TagResource")
	}
	if err := s.allow(c, arn, more...); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.newTopic(arn)
	for _, a := range in.Attributes.Entry {
		if err := s.set(arn, t, a.Key, a.Value); err != nil {
			return nil, err
		}
	}
	if err := t.tag(in.Tags); err != nil {
		return nil, err
	}
	switch old := s.topics[arn]; {
	case old != nil && (len(in.Tags) > 0 && !maps.Equal(old.tags, t.tags) ||
		len(in.Attributes.Entry) > 0 && !maps.Equal(old.attributes, t.attributes)):
		return nil, invalid("Attributes Reason: Topic already exists with different attributes or tags")
	case old == nil && len(s.topics) >= maxTopics:
		return nil, query.Errorf("TopicLimitExceeded", http.StatusForbidden, "an account has at most %d topics", maxTopics)
	case old == nil:
		s.topics[arn] = t
	}
	return protocol.Elements{"TopicArn": arn}, nil
}

func (s *Service) newTopic(arn string) *topic {
	policy := `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID",` +
		`"Effect":"Allow","Principal":{"AWS":"*"},` +
		`"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic",` +
		`"SNS:Subscribe","SNS:ListSubscriptionsByTopic","SNS:Publish"],"Resource":"` + arn + `",` +
		`"Condition":{"StringEquals":{"AWS:SourceOwner":"` + s.account + `"}}}]}`
	t := &topic{attributes: map[string]string{"DisplayName": ""}, tags: map[string]string{}}
	if err := s.set(arn, t, "Policy", policy); err != nil {
		t.attributes["Policy"] = policy // kept as text alone, so it decides nothing
	}
	return t
}

// settable are the attributes of a topic:
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
var settable = []string{
	"DeliveryPolicy", "DisplayName", "KmsMasterKeyId", "Policy", "SignatureVersion", "TracingConfig",
	"ApplicationSuccessFeedbackRoleArn", "ApplicationSuccessFeedbackSampleRate", "ApplicationFailureFeedbackRoleArn",
	"FirehoseSuccessFeedbackRoleArn", "FirehoseSuccessFeedbackSampleRate", "FirehoseFailureFeedbackRoleArn",
	"HTTPSuccessFeedbackRoleArn", "HTTPSuccessFeedbackSampleRate", "HTTPFailureFeedbackRoleArn",
	"LambdaSuccessFeedbackRoleArn", "LambdaSuccessFeedbackSampleRate", "LambdaFailureFeedbackRoleArn",
	"SQSSuccessFeedbackRoleArn", "SQSSuccessFeedbackSampleRate", "SQSFailureFeedbackRoleArn",
}

func (s *Service) set(arn string, t *topic, name, value string) *protocol.Error {
	if !slices.Contains(settable, name) {
		return invalid("AttributeName")
	}
	if name == "Policy" {
		parsed, err := iam.Parse(arn, iam.ResourcePolicy, []byte(value))
		if err != nil {
			return invalid("Policy Error: %v", err)
		}
		t.policy = parsed
	}
	t.attributes[name] = value
	return nil
}

type topicIn struct {
	TopicArn, AttributeName, AttributeValue, NextToken string
}

func getTopicAttributes(s *Service, c *query.Call, in *topicIn) (protocol.Elements, error) {
	t, err := s.find(c, in.TopicArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	all := maps.Clone(t.attributes)
	all["TopicArn"], all["Owner"] = in.TopicArn, s.account
	all["SubscriptionsPending"] = itoa(len(s.of(in.TopicArn)))
	all["SubscriptionsConfirmed"], all["SubscriptionsDeleted"] = "0", "0"
	all["EffectiveDeliveryPolicy"] = `{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,` +
		`"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false}}`
	return protocol.Elements{"Attributes": pairsOf(all)}, nil
}

func setTopicAttributes(s *Service, c *query.Call, in *topicIn) (protocol.Elements, error) {
	t, err := s.find(c, in.TopicArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := s.set(in.TopicArn, t, in.AttributeName, in.AttributeValue); err != nil {
		return nil, err
	}
	return nil, nil
}

// deleteTopic also succeeds if the topic does not exist. It deletes the topic's
// subscriptions as well.
func deleteTopic(s *Service, c *query.Call, in *topicIn) (protocol.Elements, error) {
	if err := s.allow(c, in.TopicArn); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.of(in.TopicArn) {
		delete(s.subscriptions, sub.arn)
	}
	delete(s.topics, in.TopicArn)
	return nil, nil
}

type resourceIn struct {
	ResourceArn string
	Tags        []tag
	TagKeys     []string
}

// tag adds tags, all or none.
func (t *topic) tag(added []tag) error {
	next := maps.Clone(t.tags)
	for _, a := range added {
		if a.Key == "" || len(a.Key) > 128 || len(a.Value) > 256 {
			return invalid("the tag %q", a.Key)
		}
		next[a.Key] = a.Value
	}
	if len(next) > maxTags {
		return query.Errorf("TagLimitExceeded", http.StatusBadRequest, "Could not complete request: tag quota of per resource exceeded")
	}
	t.tags = next
	return nil
}

// resource is like find, with the error of the actions on tags.
func (s *Service) resource(c *query.Call, arn string) (*topic, error) {
	t, err := s.find(c, arn)
	var missing *protocol.Error
	if errors.As(err, &missing) {
		return nil, query.Errorf("ResourceNotFound", http.StatusNotFound, "Resource does not exist")
	}
	return t, err
}

func listTags(s *Service, c *query.Call, in *resourceIn) (protocol.Elements, error) {
	t, err := s.resource(c, in.ResourceArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return protocol.Elements{"Tags": query.List(query.Tags(t.tags))}, nil
}

func tagResource(s *Service, c *query.Call, in *resourceIn) (protocol.Elements, error) {
	t, err := s.resource(c, in.ResourceArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return protocol.Elements{}, t.tag(in.Tags)
}

func untagResource(s *Service, c *query.Call, in *resourceIn) (protocol.Elements, error) {
	t, err := s.resource(c, in.ResourceArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	for _, key := range in.TagKeys {
		delete(t.tags, key)
	}
	return protocol.Elements{}, nil
}

// topicOf returns the ARN of a subscription's topic.
func topicOf(subscription string) string {
	return subscription[:max(0, strings.LastIndex(subscription, ":"))]
}
