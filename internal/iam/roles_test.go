package iam_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/mystique-unicorn/sales-events/internal/iam"
)

const (
	cluster = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
	sqs     = "arn:aws:sqs:eu-west-1:111122223333:"
)

// call is an action on an ARN.
type call struct{ action, resource string }

// composedRoles are the roles that the platform composes for the examples of
// WorkloadRole, with every call that their pods' code makes.
var composedRoles = []struct {
	golden, issuer            string
	namespace, serviceAccount string
	calls                     []call
}{
	{"producer.yaml", cluster, "sales-events-producer-ns", "producer", []call{
		{"sqs:GetQueueUrl", sqs + "staging-reliable-q"},
		{"sqs:SendMessage", sqs + "staging-reliable-q"},
	}},
	{"consumer.yaml", cluster, "sales-events-consumer-ns", "consumer", []call{
		{"sqs:GetQueueUrl", sqs + "staging-reliable-q"},
		{"sqs:GetQueueAttributes", sqs + "staging-reliable-q"},
		{"sqs:ReceiveMessage", sqs + "staging-reliable-q"},
		{"sqs:ChangeMessageVisibility", sqs + "staging-reliable-q"},
		{"sqs:DeleteMessage", sqs + "staging-reliable-q"},
		{"sqs:GetQueueUrl", sqs + "staging-reliable-q-dlq"},
		{"sqs:SendMessage", sqs + "staging-reliable-q-dlq"},
		{"s3:PutObject", "arn:aws:s3:::staging-111122223333-sales-events/sales-events/event_type=sale_event/dt=2026_01_31/0f8fad5b.json"},
	}},
	{"keda.yaml", "oidc.example.com/clusters/production", "keda", "keda-operator", []call{
		{"sqs:GetQueueAttributes", "arn:aws:sqs:eu-central-1:111122223333:production-reliable-q"},
	}},
}

// Each role allows the calls of its workload, none of their neighbours, and has no
// wildcard that AWS does not require.
func TestComposedRoles(t *testing.T) {
	for _, r := range composedRoles {
		t.Run(r.golden, func(t *testing.T) {
			role, granted := readRole(t, r.golden)
			subject := iam.Subject{Issuer: "https://" + r.issuer, Account: "111122223333", Namespace: r.namespace, ServiceAccount: r.serviceAccount}
			if decision, defects := role.Trusts(subject); !decision.Allowed() || len(defects) > 0 {
				t.Errorf("its own pods: %s: %v", decision.Reason, defects)
			}
			for _, other := range []iam.Subject{
				{Issuer: subject.Issuer, Account: subject.Account, Namespace: "default", ServiceAccount: r.serviceAccount},
				{Issuer: subject.Issuer, Account: subject.Account, Namespace: r.namespace, ServiceAccount: "default"},
				{Issuer: subject.Issuer + "0", Account: subject.Account, Namespace: r.namespace, ServiceAccount: r.serviceAccount},
			} {
				if decision, _ := role.Trusts(other); decision.Allowed() {
					t.Errorf("trusts %+v", other)
				}
			}
			checkCalls(t, granted, r.calls)
			checkWildcards(t, granted)
		})
	}
}

func checkCalls(t *testing.T, granted *iam.Policy, calls []call) {
	t.Helper()
	for _, c := range calls {
		if decision := evaluate(granted, c); !decision.Allowed() {
			t.Errorf("%s on %s: %s", c.action, c.resource, decision.Reason)
		}
	}
	denied := neighbours(calls)
	if len(denied) < 50 {
		t.Errorf("only %d neighbouring calls to deny", len(denied))
	}
	for _, c := range denied {
		if evaluate(granted, c).Allowed() {
			t.Errorf("allows %s on %s", c.action, c.resource)
		}
	}
}

func evaluate(granted *iam.Policy, c call) iam.Decision {
	return iam.Policies{Identity: []*iam.Policy{granted}}.Evaluate(iam.Request{
		Principal:       iam.Principal{Kind: iam.AWS, ID: "arn:aws:iam::111122223333:role/workload"},
		Action:          c.action,
		Resource:        c.resource,
		ResourceAccount: "111122223333",
	})
}

// neighbours returns calls that a careless policy would also allow: all actions of the
// services on other queues, buckets and prefixes, and all other actions on the same ones.
func neighbours(calls []call) []call {
	actions := []string{
		"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
		"sqs:SetQueueAttributes", "sqs:PurgeQueue", "sqs:DeleteQueue", "sqs:CreateQueue", "sqs:AddPermission", "sqs:ListQueues",
		"s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:PutObjectAcl", "s3:ListBucket", "s3:PutBucketPolicy", "s3:DeleteBucket",
	}
	var all []call
	for _, action := range actions {
		for _, resource := range resources(action) {
			if c := (call{action, resource}); !slices.Contains(calls, c) {
				all = append(all, c)
			}
		}
	}
	return append(all,
		call{"iam:PassRole", "*"}, call{"iam:CreateRole", "*"}, call{"sts:AssumeRole", "arn:aws:iam::111122223333:role/admin"},
		call{"kms:Decrypt", "*"}, call{"eks:DescribeCluster", "*"})
}

func resources(action string) []string {
	if strings.HasPrefix(action, "sqs:") {
		return []string{
			sqs + "staging-reliable-q", sqs + "staging-reliable-q-dlq", sqs + "staging-reliable-q2", sqs + "staging-other", sqs + "production-reliable-q",
			"arn:aws:sqs:eu-west-1:444455556666:staging-reliable-q", "arn:aws:sqs:eu-central-1:111122223333:production-reliable-q",
			"arn:aws:sqs:us-east-1:111122223333:staging-reliable-q",
		}
	}
	const bucket = "arn:aws:s3:::staging-111122223333-sales-events"
	return []string{
		bucket, bucket + "/other/a.json", bucket + "/sales-events2/a.json", bucket + "/sales-events", bucket + "-2/sales-events/a.json",
		"arn:aws:s3:::production-111122223333-sales-events/sales-events/a.json",
	}
}

// checkWildcards allows no wildcard except for the keys below a prefix, which are
// unknown.
func checkWildcards(t *testing.T, granted *iam.Policy) {
	t.Helper()
	for _, grant := range granted.Grants() {
		for _, action := range grant.Actions {
			if strings.Contains(action.Text, "*") {
				t.Errorf("allows the action %s", action.Text)
			}
		}
		for _, resource := range grant.Resources {
			keys := strings.HasPrefix(resource.Text, "arn:aws:s3:::") && strings.Count(resource.Text, "*") == 1 && strings.HasSuffix(resource.Text, "/*")
			if strings.Contains(resource.Text, "*") && !keys {
				t.Errorf("allows something on %s", resource.Text)
			}
		}
	}
}

// readRole reads what crossplane/function composes for an example: the trust policy, and
// the role's own policy.
func readRole(t *testing.T, golden string) (trust, granted *iam.Policy) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "crossplane", "testdata", "golden", "workloadroles", golden))
	if err != nil {
		t.Fatal(err)
	}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(&object.Object); err != nil {
			break
		}
		switch object.GetKind() {
		case "Role":
			trust = parsePolicy(t, iam.TrustPolicy, object, "assumeRolePolicy")
		case "RolePolicy":
			granted = parsePolicy(t, iam.IdentityPolicy, object, "policy")
		}
	}
	if trust == nil || granted == nil {
		t.Fatalf("%s holds no Role or no RolePolicy", golden)
	}
	return trust, granted
}

func parsePolicy(t *testing.T, kind iam.Kind, object *unstructured.Unstructured, field string) *iam.Policy {
	t.Helper()
	document, found, err := unstructured.NestedString(object.Object, "spec", "forProvider", field)
	if err != nil || !found {
		t.Fatalf("%s: no %s: %v", object.GetName(), field, err)
	}
	return parseDocument(t, fmt.Sprintf("%s %s", object.GetKind(), object.GetName()), kind, document)
}
