package sns

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws/protocol"
	"github.com/mystique-unicorn/sales-events/apps/localaws/query"
)

func itoa(n int) string { return strconv.Itoa(n) }

var protocols = []string{"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}

type subscribeIn struct {
	TopicArn, Protocol, Endpoint string
	Attributes                   pairs
	ReturnSubscriptionArn        bool
}

// subscribe subscribes an endpoint, but not a second time.
func subscribe(s *Service, c *query.Call, in *subscribeIn) (protocol.Elements, error) {
	_, err := s.find(c, in.TopicArn)
	defer s.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains(protocols, in.Protocol):
		return nil, invalid("Does not support this protocol string: %s", in.Protocol)
	case in.Endpoint == "":
		return nil, invalid("Endpoint")
	}
	sub := s.same(in)
	if sub == nil {
		if len(s.subscriptions) >= maxSubscriptions {
			return nil, query.Errorf(
				"SubscriptionLimitExceeded",
				http.StatusForbidden,
				"an account has at most %d subscriptions here",
				maxSubscriptions,
			)
		}
		sub = &subscription{
			arn: in.TopicArn + ":" + uuid.NewString(), topic: in.TopicArn, protocol: in.Protocol, endpoint: in.Endpoint,
			attributes: map[string]string{},
		}
		for _, a := range in.Attributes.Entry {
			if err := sub.set(a.Key, a.Value); err != nil {
				return nil, err
			}
		}
		s.subscriptions[sub.arn] = sub
	}
	if !in.ReturnSubscriptionArn {
		return protocol.Elements{"SubscriptionArn": "pending confirmation"}, nil
	}
	return protocol.Elements{"SubscriptionArn": sub.arn}, nil
}

func (s *Service) same(in *subscribeIn) *subscription {
	for _, sub := range s.of(in.TopicArn) {
		if sub.protocol == in.Protocol && sub.endpoint == in.Endpoint {
			return sub
		}
	}
	return nil
}

// of returns the subscriptions of a topic, in order.
func (s *Service) of(topic string) (found []*subscription) {
	for _, arn := range slices.Sorted(maps.Keys(s.subscriptions)) {
		if s.subscriptions[arn].topic == topic {
			found = append(found, s.subscriptions[arn])
		}
	}
	return found
}

// subscriptionAttributes are the attributes that can be set:
// https://docs.aws.amazon.com/sns/latest/api/API_SetSubscriptionAttributes.html
var subscriptionAttributes = []string{
	"DeliveryPolicy",
	"FilterPolicy",
	"FilterPolicyScope",
	"RawMessageDelivery",
	"RedrivePolicy",
	"SubscriptionRoleArn",
}

func (s *subscription) set(name, value string) *protocol.Error {
	if !slices.Contains(subscriptionAttributes, name) {
		return invalid("AttributeName")
	}
	s.attributes[name] = value
	return nil
}

type subscriptionIn struct{ SubscriptionArn, AttributeName, AttributeValue string }

// subscription returns a subscription, if the caller may do its action to its topic. The
// lock is held afterwards.
func (s *Service) subscription(c *query.Call, arn string) (*subscription, error) {
	err := s.allow(c, topicOf(arn))
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	sub := s.subscriptions[arn]
	if sub == nil {
		return nil, query.Errorf("NotFound", http.StatusNotFound, "Subscription does not exist")
	}
	return sub, nil
}

func getSubscriptionAttributes(s *Service, c *query.Call, in *subscriptionIn) (protocol.Elements, error) {
	sub, err := s.subscription(c, in.SubscriptionArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	all := map[string]string{
		"SubscriptionArn": sub.arn, "TopicArn": sub.topic, "Owner": s.account, "Protocol": sub.protocol, "Endpoint": sub.endpoint,
		"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false", "RawMessageDelivery": "false",
	}
	maps.Copy(all, sub.attributes)
	return protocol.Elements{"Attributes": pairsOf(all)}, nil
}

func setSubscriptionAttributes(s *Service, c *query.Call, in *subscriptionIn) (protocol.Elements, error) {
	sub, err := s.subscription(c, in.SubscriptionArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := sub.set(in.AttributeName, in.AttributeValue); err != nil {
		return nil, err
	}
	return nil, nil
}

func unsubscribe(s *Service, c *query.Call, in *subscriptionIn) (protocol.Elements, error) {
	sub, err := s.subscription(c, in.SubscriptionArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	delete(s.subscriptions, sub.arn)
	return nil, nil
}

type subscriptionOut struct{ TopicArn, Protocol, SubscriptionArn, Owner, Endpoint string }

// listSubscriptionsByTopic returns all subscriptions in one page: a topic has few.
func listSubscriptionsByTopic(s *Service, c *query.Call, in *topicIn) (protocol.Elements, error) {
	_, err := s.find(c, in.TopicArn)
	defer s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	found := []subscriptionOut{}
	for _, sub := range s.of(in.TopicArn) {
		found = append(found, subscriptionOut{sub.topic, sub.protocol, "PendingConfirmation", s.account, sub.endpoint})
	}
	return protocol.Elements{"Subscriptions": query.List(found)}, nil
}
