package sqs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
)

// The cases are AWS's documentation of queues, their attributes and tags.
func TestQueueSemantics(t *testing.T) {
	runDocumented(t, []documented{
		{"API_CreateQueue", "the defaults", Queue{}, func(b *bench) {
			b.ok(b.create("new", nil))
			got := b.attributes("new", "All")
			for name, want := range map[string]string{
				"DelaySeconds": "0", "VisibilityTimeout": "30", "MessageRetentionPeriod": "345600", "MaximumMessageSize": "1048576",
				"ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "QueueArn": "arn:aws:sqs:eu-west-1:000000000000:new",
				"CreatedTimestamp": strconv.FormatInt(start.Unix(), 10), "LastModifiedTimestamp": strconv.FormatInt(start.Unix(), 10),
				"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0", "ApproximateNumberOfMessagesDelayed": "0",
			} {
				if got[name] != want {
					b.Errorf("%s is %q, want %q", name, got[name], want)
				}
			}
			if len(got) != 12 {
				b.Errorf("%d attributes: %v", len(got), got)
			}
		}},
		{"API_CreateQueue", "the same again gives the URL, other values an error", Queue{DelaySeconds: aws.Int(2)}, func(b *bench) {
			for _, same := range []map[string]string{nil, {"DelaySeconds": "2"}, {"VisibilityTimeout": "30"}} {
				out, err := b.sqs.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q"), Attributes: same})
				b.ok(err)
				if *out.QueueUrl != *b.url("q") {
					b.Errorf("URL %s", *out.QueueUrl)
				}
			}
			servicetest.Fails[*types.QueueNameExists](b, b.create("q", map[string]string{"DelaySeconds": "3"}))
			if got := b.attributes("q", "DelaySeconds")["DelaySeconds"]; got != "2" {
				b.Errorf("DelaySeconds became %s", got)
			}
		}},
		{"API_CreateQueue", "a name is 1 to 80 letters, digits, hyphens and underscores", Queue{}, func(b *bench) {
			for _, name := range []string{"", "a b", "q.fifo", strings.Repeat("x", 81)} {
				servicetest.Code(b, b.create(name, nil), "InvalidParameterValue")
			}
			b.ok(b.create(strings.Repeat("x", 80), nil))
		}},
		{"API_CreateQueue", "attributes out of their bounds, unknown and unserved ones are refused", Queue{}, func(b *bench) {
			for name, bounds := range numeric {
				for _, value := range []string{strconv.Itoa(bounds.low - 1), strconv.Itoa(bounds.high + 1), "x", ""} {
					servicetest.Fails[*types.InvalidAttributeValue](b, b.create("new", map[string]string{name: value}))
				}
				for _, n := range []int{bounds.low, bounds.high} {
					b.ok(b.create(fmt.Sprint(name, n), map[string]string{name: strconv.Itoa(n)}))
				}
			}
			servicetest.Fails[*types.InvalidAttributeName](b, b.create("new", map[string]string{"Nonsense": "1"}))
			servicetest.Fails[*types.UnsupportedOperation](b, b.create("new", map[string]string{"FifoQueue": "true"}))
			servicetest.Fails[*types.UnsupportedOperation](b, b.create("new", map[string]string{"KmsMasterKeyId": "alias/aws/sqs"}))
			servicetest.Fails[*types.InvalidAttributeValue](b, b.create("new", map[string]string{"Policy": "{"}))
			servicetest.Fails[*types.InvalidAttributeValue](b, b.create("new", map[string]string{"Policy": `{"Version":"2012-10-17"}`}))
			servicetest.Fails[*types.InvalidAttributeValue](b, b.create("new", map[string]string{"SqsManagedSseEnabled": "yes"}))
			servicetest.Fails[*types.QueueDoesNotExist](b, b.exists("new"))
		}},
		{"API_SetQueueAttributes", "all or none", Queue{}, func(b *bench) {
			servicetest.Fails[*types.InvalidAttributeValue](b, b.set(map[string]string{"DelaySeconds": "5", "VisibilityTimeout": "x"}))
			if got := b.attributes("q", "DelaySeconds")["DelaySeconds"]; got != "0" {
				b.Errorf("DelaySeconds became %s", got)
			}
			b.advance(1)
			b.ok(b.set(map[string]string{"DelaySeconds": "5", "Policy": openPolicy}))
			a := b.attributes("q", "All")
			if a["DelaySeconds"] != "5" || a["Policy"] != openPolicy || a["LastModifiedTimestamp"] != strconv.FormatInt(start.Unix()+1, 10) {
				b.Errorf("attributes %v", a)
			}
			b.ok(b.set(map[string]string{"Policy": ""}))
			if policy, ok := b.attributes("q", "All")["Policy"]; ok {
				b.Errorf("policy %q after it was removed", policy)
			}
		}},
		{"API_SetQueueAttributes", "Attributes are required", Queue{}, func(b *bench) {
			b.advance(1)
			servicetest.Code(b, b.set(map[string]string{}), "MissingParameter")
			b.raw("SetQueueAttributes", `{"QueueUrl":"`+*b.url("q")+`"}`, 400)
			if got := b.attributes("q", "LastModifiedTimestamp")["LastModifiedTimestamp"]; got != strconv.FormatInt(start.Unix(), 10) {
				b.Errorf("modified at %s", got)
			}
		}},
		{"API_SetQueueAttributes", "what is only kept is given back as it was set", Queue{}, func(b *bench) {
			kept := map[string]string{
				"Policy":               openPolicy,
				"RedriveAllowPolicy":   `{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-west-1:000000000000:other"]}`,
				"SqsManagedSseEnabled": "false",
			}
			b.ok(b.set(kept))
			a := b.attributes("q", "All")
			for name, want := range kept {
				if a[name] != want {
					b.Errorf("%s is %q, want %q", name, a[name], want)
				}
			}
		}},
		{"API_SetQueueAttributes", "RedriveAllowPolicy says whose dead-letter queue a queue may be", Queue{}, func(b *bench) {
			target := map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:q","maxReceiveCount":3}`}
			for policy, allowed := range map[string]bool{
				`{"redrivePermission":"allowAll"}`: true,
				`{"redrivePermission":"denyAll"}`:  false,
				`{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-west-1:000000000000:source"]}`: true,
				`{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-west-1:000000000000:other"]}`:  false,
			} {
				b.ok(b.set(map[string]string{"RedriveAllowPolicy": policy}))
				err := b.create("source", target)
				if (err == nil) != allowed {
					b.Errorf("%s: error %v, want allowed %t", policy, err, allowed)
				}
			}
			for _, wrong := range []string{`[]`, `{"redrivePermission":"some"}`, `{"redrivePermission":"byQueue"}`, `{"redrivePermission":"denyAll","sourceQueueArns":["x"]}`} {
				servicetest.Fails[*types.InvalidAttributeValue](b, b.set(map[string]string{"RedriveAllowPolicy": wrong}))
			}
		}},
		{"sqs-visibility-timeout", "a new timeout of a queue holds for later receives, not for what is in flight", Queue{}, func(b *bench) {
			b.send("m")
			b.one("q")
			b.ok(b.set(map[string]string{"VisibilityTimeout": "90"}))
			b.advance(30)
			b.one("q")
			b.advance(60)
			b.none("q")
			b.advance(30)
			b.one("q")
		}},
		{"sqs-dead-letter-queues", "a queue that is there already may get one that is made later", Queue{VisibilityTimeout: aws.Int(0)}, func(b *bench) {
			policy := map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:later","maxReceiveCount":1}`}
			b.send("m")
			servicetest.Code(b, b.set(policy), "InvalidParameterValue")
			servicetest.Code(b, b.create("source", policy), "InvalidParameterValue")
			b.ok(b.create("later", nil))
			b.ok(b.set(policy))
			b.ok(b.create("source", policy))
			b.one("q")
			b.none("q")
			b.one("later")
		}},
		{"API_SetQueueAttributes", "RedrivePolicy names a queue that exists and 1 to 1000 receives; empty removes it", Queue{}, func(b *bench) {
			policy := func(arn, count string) map[string]string {
				return map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"` + arn + `","maxReceiveCount":` + count + `}`}
			}
			arn := "arn:aws:sqs:eu-west-1:000000000000:"
			for _, bad := range []map[string]string{
				policy(arn+"nope", "1"), policy("arn:aws:sqs:eu-west-1:111111111111:dlq", "1"), policy("dlq", "1"), policy(arn+"q", "1"),
				policy(arn+"dlq", "0"), policy(arn+"dlq", "1001"), policy(arn+"dlq", `"x"`),
				{"RedrivePolicy": "{"},
			} {
				servicetest.Code(b, b.set(bad), "InvalidParameterValue")
			}
			for _, count := range []string{"10", `"10"`} {
				b.ok(b.set(policy(arn+"dlq", count)))
				if got, want := b.attributes("q", "RedrivePolicy"), policy(arn+"dlq", "10"); got["RedrivePolicy"] != want["RedrivePolicy"] {
					b.Errorf("got %v, want %v", got, want)
				}
			}
			b.ok(b.set(map[string]string{"RedrivePolicy": ""}))
			if got := b.attributes("q", "RedrivePolicy"); len(got) != 0 {
				b.Errorf("got %v after it was removed", got)
			}
		}},
		{"API_GetQueueAttributes", "those that are named, none without names, no unknown one", Queue{}, func(b *bench) {
			if got := b.attributes("q"); len(got) != 0 {
				b.Errorf("without names: %v", got)
			}
			if got := b.attributes("q", "QueueArn", "RedrivePolicy", "KmsMasterKeyId"); len(got) != 1 {
				b.Errorf("got %v, want QueueArn alone", got)
			}
			_, err := b.sqs.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: b.url("q"), AttributeNames: []types.QueueAttributeName{"Nonsense"}})
			servicetest.Fails[*types.InvalidAttributeName](b, err)
		}},
		{"API_GetQueueUrl", "by name and owner, with an error that SDKs know by type and by its old code", Queue{}, func(b *bench) {
			out, err := b.sqs.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("q"), QueueOwnerAWSAccountId: aws.String(testAccount)})
			b.ok(err)
			if *out.QueueUrl != *b.url("q") {
				b.Errorf("URL %s", *out.QueueUrl)
			}
			err = b.exists("nope")
			servicetest.Fails[*types.QueueDoesNotExist](b, err)
			servicetest.Code(b, err, "AWS.SimpleQueueService.NonExistentQueue")
			_, err = b.sqs.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String("q"), QueueOwnerAWSAccountId: aws.String("111111111111")})
			servicetest.Fails[*types.QueueDoesNotExist](b, err)
		}},
		{"sqs-queue-message-identifiers", "a queue URL is of an account", Queue{}, func(b *bench) {
			for url, ok := range map[string]bool{
				b.base + "/000000000000/q": true, "http://elsewhere:1/000000000000/q": true, b.base + "/111111111111/q": false, b.base + "/000000000000/Q": false,
			} {
				_, err := b.sqs.GetQueueAttributes(b.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url})
				if ok {
					b.ok(err)
				} else {
					servicetest.Fails[*types.QueueDoesNotExist](b, err)
				}
			}
			b.raw("SendMessage", `{"MessageBody":"m"}`, 400)
			b.raw("SendMessage", `{"QueueUrl":"q","MessageBody":"m"}`, 404)
		}},
		{"API_DeleteQueue", "the queue is gone with its messages; its name is free after 60 s", Queue{}, func(b *bench) {
			b.send("m")
			handle := b.one("q").ReceiptHandle
			_, err := b.sqs.DeleteQueue(b.Context(), &sqs.DeleteQueueInput{QueueUrl: b.url("q")})
			b.ok(err)
			servicetest.Fails[*types.QueueDoesNotExist](b, b.exists("q"))
			servicetest.Fails[*types.QueueDeletedRecently](b, b.create("q", nil))
			b.advance(60)
			b.ok(b.create("q", nil))
			b.counts("q", "0 0 0")
			servicetest.Fails[*types.ReceiptHandleIsInvalid](b, b.delete(handle))
		}},
		{"API_DeleteQueue", "without its dead-letter queue, a queue keeps its messages", Queue{VisibilityTimeout: aws.Int(0), Redrive: &Redrive{"dlq", 1}}, func(b *bench) {
			b.send("m")
			_, err := b.sqs.DeleteQueue(b.Context(), &sqs.DeleteQueueInput{QueueUrl: b.url("dlq")})
			b.ok(err)
			b.one("q")
			b.one("q")
		}},
		{"API_ListQueues", "by prefix, in pages when MaxResults is set", Queue{}, func(b *bench) {
			for i := range 5 {
				b.ok(b.create(fmt.Sprintf("list-%d", i), nil))
			}
			var found []string
			pages := sqs.NewListQueuesPaginator(b.sqs, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("list-"), MaxResults: aws.Int32(2)})
			for n := 0; pages.HasMorePages(); n++ {
				page, err := pages.NextPage(b.Context())
				b.ok(err)
				if want := []int{2, 2, 1}[n]; len(page.QueueUrls) != want {
					b.Errorf("page %d has %d", n, len(page.QueueUrls))
				}
				found = append(found, page.QueueUrls...)
			}
			if want := []string{*b.url("list-0"), *b.url("list-1"), *b.url("list-2"), *b.url("list-3"), *b.url("list-4")}; !slices.Equal(found, want) {
				b.Errorf("found %v", found)
			}
			out, err := b.sqs.ListQueues(b.Context(), &sqs.ListQueuesInput{})
			b.ok(err)
			if len(out.QueueUrls) != 7 || out.NextToken != nil {
				b.Errorf("all: %v, next %v", out.QueueUrls, out.NextToken)
			}
			_, err = b.sqs.ListQueues(b.Context(), &sqs.ListQueuesInput{MaxResults: aws.Int32(1001)})
			servicetest.Code(b, err, "InvalidParameterValue")
		}},
		{"API_TagQueue", "tags are added, replaced, listed and removed; at most 50", Queue{}, func(b *bench) {
			tag := func(tags map[string]string) error {
				_, err := b.sqs.TagQueue(b.Context(), &sqs.TagQueueInput{QueueUrl: b.url("q"), Tags: tags})
				return err
			}
			list := func(queue string) map[string]string {
				out, err := b.sqs.ListQueueTags(b.Context(), &sqs.ListQueueTagsInput{QueueUrl: b.url(queue)})
				b.ok(err)
				return out.Tags
			}
			b.ok(tag(map[string]string{"a": "1", "b": "2"}))
			b.ok(tag(map[string]string{"b": "3"}))
			_, err := b.sqs.UntagQueue(b.Context(), &sqs.UntagQueueInput{QueueUrl: b.url("q"), TagKeys: []string{"a", "none"}})
			b.ok(err)
			if got := list("q"); len(got) != 1 || got["b"] != "3" {
				b.Errorf("tags %v", got)
			}
			many := map[string]string{}
			for i := range 50 {
				many[strconv.Itoa(i)] = ""
			}
			servicetest.Code(b, tag(many), "InvalidParameterValue")
			servicetest.Code(b, tag(map[string]string{strings.Repeat("x", 129): ""}), "InvalidParameterValue")
			if got := list("q"); len(got) != 1 {
				b.Errorf("%d tags after refused ones", len(got))
			}
			_, err = b.sqs.CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: aws.String("tagged"), Tags: map[string]string{"team": "stores"}})
			b.ok(err)
			if got := list("tagged"); got["team"] != "stores" {
				b.Errorf("tags of CreateQueue: %v", got)
			}
		}},
	})
}

func (b *bench) exists(queue string) error {
	_, err := b.sqs.GetQueueUrl(b.Context(), &sqs.GetQueueUrlInput{QueueName: &queue})
	return err
}

// sqs-json-faqs: a JSON error has the name of the shape. A header has the code of the
// query protocol.
func TestErrorsOnTheWire(t *testing.T) {
	b := newBench(t, Queue{})
	for body, want := range map[string]string{
		`{"QueueName":"nope"}`: "AWS.SimpleQueueService.NonExistentQueue;Sender",
		`{"QueueName":1}`:      "SerializationException;Sender",
		`[]`:                   "SerializationException;Sender",
		`{`:                    "SerializationException;Sender",
		``:                     "MissingParameter;Sender",
	} {
		header := b.raw("GetQueueUrl", body, 400)
		if got := header.Get("X-Amzn-Query-Error"); got != want {
			t.Errorf("%s: X-Amzn-Query-Error %q, want %q", body, got, want)
		}
		if got := header.Get("Content-Type"); got != "application/x-amz-json-1.0" {
			t.Errorf("%s: Content-Type %q", body, got)
		}
	}
	if got := b.raw("StartMessageMoveTask", `{}`, 400).Get("X-Amzn-Query-Error"); got != "AWS.SimpleQueueService.UnsupportedOperation;Sender" {
		t.Errorf("an action that is not served: %q", got)
	}
}

// openPolicy allows the account everything.
const openPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"sqs:*","Resource":"*"}]}`
