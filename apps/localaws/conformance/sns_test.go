package conformance

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
)

// topic creates a topic and deletes it at the end of the case.
func (c *check) topic(in *sns.CreateTopicInput) *string {
	c.Helper()
	if in.Name == nil {
		in.Name = aws.String(newName())
	}
	out, err := c.sns.CreateTopic(c.ctx, in)
	c.ok(err)
	c.Cleanup(func() {
		_, _ = c.sns.DeleteTopic(context.WithoutCancel(c.ctx), &sns.DeleteTopicInput{TopicArn: out.TopicArn})
	})
	return out.TopicArn
}

func (c *check) topicAttribute(arn *string, name string) string {
	c.Helper()
	out, err := c.sns.GetTopicAttributes(c.ctx, &sns.GetTopicAttributesInput{TopicArn: arn})
	c.ok(err)
	return out.Attributes[name]
}

func (c *check) topicTags(arn *string) string {
	c.Helper()
	out, err := c.sns.ListTagsForResource(c.ctx, &sns.ListTagsForResourceInput{ResourceArn: arn})
	c.ok(err)
	tags := map[string]string{}
	for _, t := range out.Tags {
		tags[*t.Key] = *t.Value
	}
	return sortedPairs(tags)
}

// address never gets mail: its domain is reserved for documentation. So a mail
// subscription stays unconfirmed.
const address = "conformance@example.com"

var snsCases = []conformanceCase{
	{"CreateTopic", "a repeated creation returns the ARN; another value of an attribute or a tag is refused", func(c *check) {
		in := &sns.CreateTopicInput{
			Attributes: map[string]string{"DisplayName": "a test"}, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}},
		}
		arn := c.topic(in)
		equal(c, "ARN", strings.HasSuffix(*arn, ":"+*in.Name), true)
		for _, same := range []*sns.CreateTopicInput{in, {Name: in.Name}} {
			again, err := c.sns.CreateTopic(c.ctx, same)
			c.ok(err)
			equal(c, "ARN again", *again.TopicArn, *arn)
		}
		_, err := c.sns.CreateTopic(c.ctx, &sns.CreateTopicInput{Name: in.Name, Attributes: map[string]string{"DisplayName": "another"}})
		c.code(err, "InvalidParameter")
		_, err = c.sns.CreateTopic(c.ctx, &sns.CreateTopicInput{Name: in.Name, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("2")}}})
		c.code(err, "InvalidParameter")
		equal(c, "display name", c.topicAttribute(arn, "DisplayName"), "a test")
	}},
	{"CreateTopic", "a name has 1 to 256 letters, digits, hyphens and underscores", func(c *check) {
		for _, name := range []string{"", "a b", "a.b", strings.Repeat("a", 257)} {
			_, err := c.sns.CreateTopic(c.ctx, &sns.CreateTopicInput{Name: &name})
			c.code(err, "InvalidParameter")
		}
	}},
	{"SetTopicAttributes", "GetTopicAttributes returns the new value; an unknown attribute and an invalid policy are refused", func(c *check) {
		arn := c.topic(&sns.CreateTopicInput{})
		equal(c, "ARN", c.topicAttribute(arn, "TopicArn"), *arn)
		equal(c, "confirmed subscriptions", c.topicAttribute(arn, "SubscriptionsConfirmed"), "0")
		set := func(name, value string) error {
			_, err := c.sns.SetTopicAttributes(c.ctx, &sns.SetTopicAttributesInput{TopicArn: arn, AttributeName: &name, AttributeValue: &value})
			return err
		}
		c.ok(set("DisplayName", "another"))
		c.eventually("another", func() string { return c.topicAttribute(arn, "DisplayName") })
		c.code(set("Nothing", "x"), "InvalidParameter")
		c.code(set("Policy", "{}"), "InvalidParameter")
		equal(c, "owner's policy", strings.Contains(c.topicAttribute(arn, "Policy"), *arn), true)
	}},
	{"DeleteTopic", "deletes a topic; a repeated deletion succeeds", func(c *check) {
		arn := c.topic(&sns.CreateTopicInput{})
		for range 2 {
			_, err := c.sns.DeleteTopic(c.ctx, &sns.DeleteTopicInput{TopicArn: arn})
			c.ok(err)
		}
		_, err := c.sns.GetTopicAttributes(c.ctx, &sns.GetTopicAttributesInput{TopicArn: arn})
		c.code(err, "NotFound")
	}},
	{"Subscribe", "a subscription by mail waits for its confirmation; an endpoint is subscribed once", func(c *check) {
		arn := c.topic(&sns.CreateTopicInput{})
		in := &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("email"), Endpoint: aws.String(address)}
		first, err := c.sns.Subscribe(c.ctx, in)
		c.ok(err)
		equal(c, "ARN", *first.SubscriptionArn, "pending confirmation")
		in.ReturnSubscriptionArn = true
		again, err := c.sns.Subscribe(c.ctx, in)
		c.ok(err)
		equal(c, "ARN of the topic", strings.HasPrefix(*again.SubscriptionArn, *arn+":"), true)
		c.eventually("email "+address+" PendingConfirmation", func() string {
			out, err := c.sns.ListSubscriptionsByTopic(c.ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: arn})
			c.ok(err)
			var found []string
			for _, s := range out.Subscriptions {
				found = append(found, *s.Protocol+" "+*s.Endpoint+" "+*s.SubscriptionArn)
			}
			return strings.Join(found, ", ")
		})
	}},
	{"Subscribe", "refuses an unknown protocol, and a topic that does not exist", func(c *check) {
		arn := c.topic(&sns.CreateTopicInput{})
		_, err := c.sns.Subscribe(c.ctx, &sns.SubscribeInput{TopicArn: arn, Protocol: aws.String("pigeon"), Endpoint: aws.String(address)})
		c.code(err, "InvalidParameter")
		_, err = c.sns.Subscribe(c.ctx, &sns.SubscribeInput{TopicArn: aws.String(*arn + "-none"), Protocol: aws.String("email"), Endpoint: aws.String(address)})
		c.code(err, "NotFound")
	}},
	{"SetSubscriptionAttributes", "GetSubscriptionAttributes returns the new value; an unknown attribute is refused", func(c *check) {
		made, err := c.sns.Subscribe(c.ctx, &sns.SubscribeInput{
			TopicArn: c.topic(&sns.CreateTopicInput{}), Protocol: aws.String("email"), Endpoint: aws.String(address), ReturnSubscriptionArn: true,
		})
		c.ok(err)
		attribute := func(name string) string {
			out, err := c.sns.GetSubscriptionAttributes(c.ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: made.SubscriptionArn})
			c.ok(err)
			return out.Attributes[name]
		}
		equal(c, "endpoint", attribute("Endpoint"), address)
		equal(c, "pending", attribute("PendingConfirmation"), "true")
		set := func(name, value string) error {
			_, err := c.sns.SetSubscriptionAttributes(c.ctx, &sns.SetSubscriptionAttributesInput{
				SubscriptionArn: made.SubscriptionArn, AttributeName: &name, AttributeValue: &value,
			})
			return err
		}
		c.ok(set("FilterPolicy", `{"kind":["a"]}`))
		c.eventually(`{"kind":["a"]}`, func() string { return attribute("FilterPolicy") })
		c.code(set("Nothing", "x"), "InvalidParameter")
	}},
	{"TagResource", "tags of a topic are added, replaced, listed and removed", func(c *check) {
		arn := c.topic(&sns.CreateTopicInput{Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}}})
		_, err := c.sns.TagResource(c.ctx, &sns.TagResourceInput{
			ResourceArn: arn, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("2")}, {Key: aws.String("b"), Value: aws.String("3")}},
		})
		c.ok(err)
		c.eventually("a=2 b=3", func() string { return c.topicTags(arn) })
		_, err = c.sns.UntagResource(c.ctx, &sns.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a", "none"}})
		c.ok(err)
		c.eventually("b=3", func() string { return c.topicTags(arn) })
		_, err = c.sns.ListTagsForResource(c.ctx, &sns.ListTagsForResourceInput{ResourceArn: aws.String(*arn + "-none")})
		c.code(err, "ResourceNotFound")
	}},
}
