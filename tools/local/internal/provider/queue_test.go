package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/crossplane/crossplane-runtime/v2/pkg/meta"
	xpv2 "github.com/crossplane/crossplane/apis/v2/core/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
)

const sqsAPI = "sqs.aws.m.upbound.io/v1beta1"

// sales and sales-dlq name each other, as an EventQueue composes them.
const (
	salesQueue = `
apiVersion: sqs.aws.m.upbound.io/v1beta1
kind: Queue
metadata: {name: sales, namespace: test}
spec:
  forProvider:
    name: local-sales
    region: eu-west-1
    delaySeconds: 2
    visibilityTimeoutSeconds: 30
    messageRetentionSeconds: 172800
    sqsManagedSseEnabled: false
    policy: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}'
    redrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:local-sales-dlq","maxReceiveCount":10}'
    tags: {cluster: local}
  providerConfigRef: {kind: ClusterProviderConfig, name: default}
`
	deadLetterQueue = `
apiVersion: sqs.aws.m.upbound.io/v1beta1
kind: Queue
metadata: {name: sales-dlq, namespace: test}
spec:
  forProvider:
    name: local-sales-dlq
    region: eu-west-1
    redriveAllowPolicy: '{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:eu-west-1:000000000000:local-sales"]}'
  providerConfigRef: {kind: ClusterProviderConfig, name: default}
`
)

// newQueues has both, ready.
func newQueues(t *testing.T) (*bench, *managedResource) {
	t.Helper()
	b := newBench(t, salesQueue, deadLetterQueue)
	b.settle(sqsAPI, "Queue", "sales-dlq")
	return b, b.settle(sqsAPI, "Queue", "sales")
}

func TestQueueIsCreatedAsWished(t *testing.T) {
	b, m := newQueues(t)
	b.condition(m, xpv2.TypeReady, "True", xpv2.ReasonAvailable)
	b.condition(m, xpv2.TypeSynced, "True", xpv2.ReasonReconcileSuccess)
	b.valid(m)
	url := b.endpoint + "/000000000000/local-sales"
	if got := meta.GetExternalName(m); got != url {
		t.Errorf("the external name is %q, want %q", got, url)
	}
	if got := fmt.Sprint(m.GetFinalizers()); got != "[finalizer.managedresource.crossplane.io]" {
		t.Errorf("finalizers %s", got)
	}
	for field, want := range map[string]any{
		"url": url, "id": url, "name": "local-sales", "arn": "arn:aws:sqs:eu-west-1:000000000000:local-sales", "region": "eu-west-1",
		"delaySeconds": int64(2), "visibilityTimeoutSeconds": int64(30), "messageRetentionSeconds": int64(172800), "sqsManagedSseEnabled": false,
		"policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`, "tags": map[string]any{"cluster": "local"}, "maxMessageSize": int64(1048576),
	} {
		if got := m.observed(field); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("status.atProvider.%s is %v, want %v", field, got, want)
		}
	}
	is := b.queue(m)
	for attribute, want := range map[string]string{
		"DelaySeconds": "2", "MessageRetentionPeriod": "172800", "SqsManagedSseEnabled": "false", "Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sqs:*","Resource":"*"}]}`,
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:local-sales-dlq","maxReceiveCount":10}`,
	} {
		if is[attribute] != want {
			t.Errorf("%s is %q, want %q", attribute, is[attribute], want)
		}
	}
}

// A queue is refused until its dead-letter queue is there; nobody has to do
// anything then.
func TestQueueWaitsForItsDeadLetterQueue(t *testing.T) {
	b := newBench(t, salesQueue, deadLetterQueue)
	m := b.settle(sqsAPI, "Queue", "sales")
	b.condition(m, xpv2.TypeReady, "False", xpv2.ReasonCreating)
	said := b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError)
	for _, want := range []string{"create queue local-sales: ", "dead letter target does not exist"} {
		if !strings.Contains(said, want) {
			t.Errorf("the condition does not say %q: %s", want, said)
		}
	}
	if strings.Contains(said, "RequestID") {
		t.Errorf("the condition changes with each request: %s", said)
	}
	b.settle(sqsAPI, "Queue", "sales-dlq")
	m = b.settle(sqsAPI, "Queue", "sales")
	b.condition(m, xpv2.TypeReady, "True", xpv2.ReasonAvailable)
	b.condition(m, xpv2.TypeSynced, "True", xpv2.ReasonReconcileSuccess)
}

func TestQueueFollowsItsSpec(t *testing.T) {
	b, m := newQueues(t)
	b.edit(m, set("visibilityTimeoutSeconds", int64(45)))
	b.edit(m, set("tags", map[string]any{"team": "stores"}))
	m = b.settle(sqsAPI, "Queue", "sales")
	if got := b.queue(m)["VisibilityTimeout"]; got != "45" {
		t.Errorf("the queue's visibility timeout is %s", got)
	}
	if got := m.observed("visibilityTimeoutSeconds"); got != int64(45) {
		t.Errorf("the status says %v right after the change", got)
	}
	if got := fmt.Sprint(m.observed("tags")); got != "map[team:stores]" {
		t.Errorf("tags %s", got)
	}
	b.condition(m, xpv2.TypeSynced, "True", xpv2.ReasonReconcileSuccess)
}

func TestQueueDriftIsMended(t *testing.T) {
	b, m := newQueues(t)
	url := meta.GetExternalName(m)
	_, err := b.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "9", "Policy": ""}})
	b.ok(err)
	_, err = b.sqs.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: &url, Tags: map[string]string{"cluster": "other", "stray": ""}})
	b.ok(err)
	m = b.settle(sqsAPI, "Queue", "sales")
	if is := b.queue(m); is["DelaySeconds"] != "2" || is["Policy"] == "" {
		t.Errorf("still %v", is)
	}
	if got := fmt.Sprint(m.observed("tags")); got != "map[cluster:local]" {
		t.Errorf("tags %s", got)
	}
}

// The local AWS forgets everything when its pod restarts.
func TestLostQueueIsCreatedAgain(t *testing.T) {
	b, m := newQueues(t)
	url := meta.GetExternalName(m)
	_, err := b.sqs.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url})
	b.ok(err)
	m = b.settle(sqsAPI, "Queue", "sales")
	if said := b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError); !strings.Contains(said, "60 seconds") {
		t.Errorf("AWS keeps the name for a minute, but the condition says: %s", said)
	}
	b.clock.Advance(60e9)
	b.condition(b.settle(sqsAPI, "Queue", "sales"), xpv2.TypeReady, "True", xpv2.ReasonAvailable)
}

// A provider that dies between CreateQueue and noting the URL goes on.
func TestInterruptedCreationGoesOn(t *testing.T) {
	b := newBench(t, deadLetterQueue)
	_, err := b.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("local-sales-dlq")})
	b.ok(err)
	b.edit(b.get(sqsAPI, "Queue", "sales-dlq"), func(m *managedResource) {
		meta.SetExternalCreatePending(m, b.clock.Now())
		unstructured.RemoveNestedField(m.Object, "spec", "forProvider", "redriveAllowPolicy")
	})
	b.condition(b.settle(sqsAPI, "Queue", "sales-dlq"), xpv2.TypeReady, "True", xpv2.ReasonAvailable)
}

// An answer that is lost leaves a queue whose URL nobody noted.
func TestLostAnswerIsAskedForAgain(t *testing.T) {
	b := newBench(t, deadLetterQueue)
	b.faults.Add(localaws.Fault{Action: "CreateQueue", Times: 1, Code: "InternalError", Status: 500, Late: true})
	b.condition(b.settle(sqsAPI, "Queue", "sales-dlq"), xpv2.TypeReady, "True", xpv2.ReasonAvailable)
	if left := b.faults.Left("CreateQueue"); left != 0 {
		t.Errorf("%d answers were not lost", left)
	}
}

func TestDeletedQueueIsGone(t *testing.T) {
	b, m := newQueues(t)
	b.delete(m)
	if left := b.settle(sqsAPI, "Queue", "sales"); left != nil {
		t.Errorf("the object is still there, with finalizers %v", left.GetFinalizers())
	}
	if got := b.queueURLs(); len(got) != 1 || !strings.HasSuffix(got[0], "/local-sales-dlq") {
		t.Errorf("queues %v, want the other one alone", got)
	}
}

func TestManagementPolicies(t *testing.T) {
	policies := func(actions ...any) func(*managedResource) {
		return func(m *managedResource) {
			if err := unstructured.SetNestedSlice(m.Object, actions, "spec", "managementPolicies"); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("Observe creates nothing", func(t *testing.T) {
		b := newBench(t, deadLetterQueue)
		b.edit(b.get(sqsAPI, "Queue", "sales-dlq"), policies("Observe"))
		m := b.settle(sqsAPI, "Queue", "sales-dlq")
		if said := b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError); !strings.Contains(said, "does not exist") {
			t.Errorf("it says %s", said)
		}
		if got := b.queueURLs(); len(got) > 0 {
			t.Errorf("it created %v", got)
		}
	})
	t.Run("Observe changes nothing and keeps looking", func(t *testing.T) {
		b, m := newQueues(t)
		b.edit(m, policies("Observe"))
		b.edit(m, set("visibilityTimeoutSeconds", int64(45)))
		url := meta.GetExternalName(m)
		_, err := b.sqs.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &url, Attributes: map[string]string{"DelaySeconds": "9"}})
		b.ok(err)
		m = b.settle(sqsAPI, "Queue", "sales")
		if is := b.queue(m); is["VisibilityTimeout"] != "30" || is["DelaySeconds"] != "9" {
			t.Errorf("it changed the queue: %v", is)
		}
		if got := m.observed("delaySeconds"); got != int64(9) {
			t.Errorf("it observes a delay of %v", got)
		}
		b.delete(m)
		if left := b.settle(sqsAPI, "Queue", "sales"); left != nil || len(b.queueURLs()) != 2 {
			t.Errorf("left: object %v, queues %v", left, b.queueURLs())
		}
	})
}

func TestPausedIsLeftAlone(t *testing.T) {
	b, m := newQueues(t)
	pause := map[string]string{meta.AnnotationKeyReconciliationPaused: "true"}
	b.edit(m, func(m *managedResource) { meta.AddAnnotations(m, pause) })
	b.edit(m, set("visibilityTimeoutSeconds", int64(45)))
	m = b.settle(sqsAPI, "Queue", "sales")
	b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcilePaused)
	if got := b.queue(m)["VisibilityTimeout"]; got != "30" {
		t.Errorf("the visibility timeout became %s", got)
	}
	b.edit(m, func(m *managedResource) { meta.RemoveAnnotations(m, meta.AnnotationKeyReconciliationPaused) })
	if got := b.queue(b.settle(sqsAPI, "Queue", "sales"))["VisibilityTimeout"]; got != "45" {
		t.Errorf("after the pause the visibility timeout is %s", got)
	}
}

func TestAbsentAWSIsNamed(t *testing.T) {
	b := newBench(t, deadLetterQueue)
	b.externals.clients = newClients("http://127.0.0.1:1")
	m := b.settle(sqsAPI, "Queue", "sales-dlq")
	if said := b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError); !strings.Contains(said, "create queue local-sales-dlq: the local AWS does not answer") {
		t.Errorf("it says %s", said)
	}
	b.externals.clients = b.clients
	b.condition(b.settle(sqsAPI, "Queue", "sales-dlq"), xpv2.TypeReady, "True", xpv2.ReasonAvailable)
}

// What AWS refuses is said in its words, and the next attempt that works clears
// it.
func TestRefusedChangeIsNamed(t *testing.T) {
	b, m := newQueues(t)
	b.edit(m, set("visibilityTimeoutSeconds", int64(43201)))
	m = b.settle(sqsAPI, "Queue", "sales")
	if said := b.condition(m, xpv2.TypeSynced, "False", xpv2.ReasonReconcileError); !strings.Contains(said, "change queue local-sales: InvalidAttributeValue: ") {
		t.Errorf("it says %s", said)
	}
	b.edit(m, set("visibilityTimeoutSeconds", int64(60)))
	b.condition(b.settle(sqsAPI, "Queue", "sales"), xpv2.TypeSynced, "True", xpv2.ReasonReconcileSuccess)
}
