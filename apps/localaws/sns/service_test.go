package sns

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

const arn = "arn:aws:sns:eu-west-1:000000000000:local-alarms"

func TestTopicAndSubscription(t *testing.T) {
	s := New(Options{Region: "eu-west-1", AccountID: "000000000000", Guard: access.Anyone{}, Clock: clock.System{}, Faults: &fault.Faults{}})
	create := "Action=CreateTopic&Version=2010-03-31&Name=local-alarms&Tags.member.1.Key=cluster&Tags.member.1.Value=local"
	policy := url.QueryEscape(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":"sns:Publish","Resource":"*"}]}`)
	servicetest.Run(t, s, []servicetest.Step{
		{Body: create, Status: 200, Want: []string{"<TopicArn>" + arn + "</TopicArn>"}},
		{Body: create, Status: 200, Want: []string{"<TopicArn>" + arn + "</TopicArn>"}},
		{Body: create + "x", Status: 400, Want: []string{"InvalidParameter", "different attributes or tags"}},
		{Body: "Action=CreateTopic&Name=a.b", Status: 400, Want: []string{"InvalidParameter"}},
		{Body: "Action=GetTopicAttributes&TopicArn=" + arn, Status: 200, Want: []string{"<key>Owner</key><value>000000000000</value>", "__default_policy_ID", "<key>SubscriptionsPending</key><value>0</value>"}},
		{Body: "Action=SetTopicAttributes&TopicArn=" + arn + "&AttributeName=Policy&AttributeValue={}", Status: 400, Want: []string{"InvalidParameter"}},
		{Body: "Action=SetTopicAttributes&TopicArn=" + arn + "&AttributeName=Policy&AttributeValue=" + policy, Status: 200},
		{Body: "Action=SetTopicAttributes&TopicArn=" + arn + "&AttributeName=Colour&AttributeValue=red", Status: 400, Want: []string{"AttributeName"}},
		{Body: "Action=GetTopicAttributes&TopicArn=" + arn, Status: 200, Want: []string{"cloudwatch.amazonaws.com"}},
		{Body: "Action=GetTopicAttributes&TopicArn=" + arn + "x", Status: 404, Want: []string{"<Code>NotFound</Code>"}},
		{Body: "Action=Subscribe&TopicArn=" + arn + "&Protocol=pigeon&Endpoint=a", Status: 400, Want: []string{"InvalidParameter"}},
		{Body: "Action=Subscribe&TopicArn=" + arn + "&Protocol=email&Endpoint=a@example.com", Status: 200, Want: []string{"pending confirmation"}},
		{Body: "Action=ListSubscriptionsByTopic&TopicArn=" + arn, Status: 200, Want: []string{"<Endpoint>a@example.com</Endpoint>", "<SubscriptionArn>PendingConfirmation</SubscriptionArn>"}},
		{Body: "Action=GetTopicAttributes&TopicArn=" + arn, Status: 200, Want: []string{"<key>SubscriptionsPending</key><value>1</value>"}},
		{Body: "Action=ListTagsForResource&ResourceArn=" + arn, Status: 200, Want: []string{"<Key>cluster</Key><Value>local</Value>"}},
		{Body: "Action=UntagResource&ResourceArn=" + arn + "&TagKeys.member.1=cluster", Status: 200},
		{Body: "Action=TagResource&ResourceArn=" + arn + "&Tags.member.1.Key=k&Tags.member.1.Value=v", Status: 200},
		{Body: "Action=ListTagsForResource&ResourceArn=" + arn, Status: 200, Want: []string{"<Tags><member><Key>k</Key><Value>v</Value></member></Tags>"}},
		{Body: "Action=ListTagsForResource&ResourceArn=" + arn + "x", Status: 404, Want: []string{"ResourceNotFound"}},
	})

	// The provider requests the ARN of a subscription before it is confirmed.
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=Subscribe&TopicArn="+arn+"&Protocol=email&Endpoint=a@example.com&ReturnSubscriptionArn=true"))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(access.NewContext(r.Context(), access.Call{Caller: &access.Caller{}})))
	found := regexp.MustCompile(`<SubscriptionArn>(.*)</SubscriptionArn>`).FindStringSubmatch(w.Body.String())
	if found == nil || !strings.HasPrefix(found[1], arn+":") {
		t.Fatalf("Subscribe: %s", w.Body)
	}
	servicetest.Run(t, s, []servicetest.Step{
		{Body: "Action=GetSubscriptionAttributes&SubscriptionArn=" + found[1], Status: 200, Want: []string{"<key>PendingConfirmation</key><value>true</value>", "<key>TopicArn</key><value>" + arn + "</value>"}},
		{Body: "Action=SetSubscriptionAttributes&SubscriptionArn=" + found[1] + "&AttributeName=RawMessageDelivery&AttributeValue=true", Status: 200},
		{Body: "Action=GetSubscriptionAttributes&SubscriptionArn=" + found[1], Status: 200, Want: []string{"<key>RawMessageDelivery</key><value>true</value>"}},
		{Body: "Action=Unsubscribe&SubscriptionArn=" + found[1], Status: 200},
		{Body: "Action=GetSubscriptionAttributes&SubscriptionArn=" + found[1], Status: 404, Want: []string{"<Code>NotFound</Code>"}},
		{Body: "Action=GetSubscriptionAttributes&SubscriptionArn=x", Status: 404},
		{Body: "Action=DeleteTopic&TopicArn=" + arn, Status: 200},
		{Body: "Action=DeleteTopic&TopicArn=" + arn, Status: 200},
		{Body: "Action=Publish&TopicArn=" + arn, Status: 400, Want: []string{"InvalidAction"}},
	})
}
