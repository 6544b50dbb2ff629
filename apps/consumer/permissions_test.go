package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/mystique-unicorn/sales-events/apps/consumer/config"
	"github.com/mystique-unicorn/sales-events/apps/internal/awstest"
	"github.com/mystique-unicorn/sales-events/apps/internal/logtest"
	"github.com/mystique-unicorn/sales-events/apps/localaws"
	roles "github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/sts"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

const (
	onQueue  = "arn:aws:sqs:eu-west-1:000000000000:q"
	onDead   = "arn:aws:sqs:eu-west-1:000000000000:dlq"
	onEvents = "arn:aws:s3:::events/p/*"
	roleARN  = "arn:aws:iam::000000000000:role/sales-events/local-consumer"
	subject  = "system:serviceaccount:sales-events-consumer-ns:consumer"
)

// granted lists the actions of the consumer's role, as a WorkloadRole grants them.
var granted = []struct{ action, on string }{
	{"sqs:GetQueueUrl", onQueue},
	{"sqs:GetQueueAttributes", onQueue},
	{"sqs:ReceiveMessage", onQueue},
	{"sqs:ChangeMessageVisibility", onQueue},
	{"sqs:DeleteMessage", onQueue},
	{"sqs:GetQueueUrl", onDead},
	{"sqs:SendMessage", onDead},
	{"s3:PutObject", onEvents},
}

// without returns the role's policy without one action.
func without(action string) string {
	var statements []map[string]string
	for _, g := range granted {
		if g.action != action {
			statements = append(statements, map[string]string{"Effect": "Allow", "Action": g.action, "Resource": g.on})
		}
	}
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	return string(text)
}

// enforced is a local AWS that enforces permissions, with its administrator.
type enforced struct {
	*testing.T
	server *localaws.Server
	sqs    *sqs.Client
	s3     *s3.Client
	iam    *iam.Client
	queue  string
	hangUp func()
}

func newEnforced(t *testing.T) *enforced {
	t.Helper()
	issuer := awstest.NewIssuer(t)
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
		"Principal":{"Federated":"arn:aws:iam::000000000000:oidc-provider/%[1]s"},
		"Condition":{"StringEquals":{"%[1]s:sub":"%[2]s","%[1]s:aud":"sts.amazonaws.com"}}}]}`, strings.TrimPrefix(issuer.URL, "https://"), subject)
	visibility := 1
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"},
		Queues:  []localaws.Queue{{Name: "q", VisibilityTimeout: &visibility}, {Name: "dlq"}},
		Enforce: true, Keys: []localaws.Key{{ID: "AKIAADMIN", Secret: "secret"}},
		IAM: roles.Config{
			Roles:     []roles.DeclaredRole{{Name: "local-consumer", Path: "/sales-events/", Trust: []byte(trust), Policies: map[string]json.RawMessage{"grants": []byte(without(""))}}},
			Providers: []roles.DeclaredIssuer{{URL: issuer.URL, Clients: []string{"sts.amazonaws.com"}}},
		},
		Issuers: []sts.Issuer{{URL: issuer.URL, Keys: issuer.Keys}},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	// The environment of a pod after EKS's webhook, without any key. The SDK's credential
	// provider uses only the endpoint of STS, not AWS_ENDPOINT_URL.
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": listener.URL, "AWS_ENDPOINT_URL_STS": listener.URL, "AWS_ROLE_ARN": roleARN, "AWS_WEB_IDENTITY_TOKEN_FILE": issuer.TokenFile(t, subject),
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
	} {
		t.Setenv(name, value)
	}
	admin := aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, HTTPClient: awshttp.New(),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAADMIN", "secret", ""),
	}
	return &enforced{
		T: t, server: server, sqs: sqs.NewFromConfig(admin), iam: iam.NewFromConfig(admin), queue: listener.URL + "/000000000000/q", hangUp: listener.CloseClientConnections,
		s3: s3.NewFromConfig(admin, func(o *s3.Options) { o.UsePathStyle = true }),
	}
}

// grant replaces the policy of the consumer's role.
func (e *enforced) grant(policy string) {
	e.Helper()
	if _, err := e.iam.PutRolePolicy(e.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("local-consumer"), PolicyName: aws.String("grants"), PolicyDocument: &policy,
	}); err != nil {
		e.Fatal(err)
	}
}

func (e *enforced) send(id string) {
	e.Helper()
	body := fmt.Sprintf(`{"request_id":%q,"store_id":7,"ts":"2026-11-23T00:30:00Z"}`, id)
	if _, err := e.sqs.SendMessage(e.Context(), &sqs.SendMessageInput{
		QueueUrl: &e.queue, MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{"event_type": {DataType: aws.String("String"), StringValue: aws.String("sale_event")}},
	}); err != nil {
		e.Fatal(err)
	}
}

// held returns the number of messages in the queue, in any state.
func (e *enforced) held() string {
	e.Helper()
	out, err := e.sqs.GetQueueAttributes(e.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &e.queue, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		e.Fatal(err)
	}
	visible, inFlight := out.Attributes["ApproximateNumberOfMessages"], out.Attributes["ApproximateNumberOfMessagesNotVisible"]
	if visible == "0" {
		return inFlight
	}
	return visible
}

func (e *enforced) stored() int {
	e.Helper()
	out, err := e.s3.ListObjectsV2(e.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("events")})
	if err != nil {
		e.Fatal(err)
	}
	return len(out.Contents)
}

// denied returns the refused actions of the consumer's role, and the number of refused
// calls.
func (e *enforced) denied() (actions map[string]bool, n int) {
	actions = map[string]bool{}
	table, _ := e.server.Calls()
	for _, row := range table {
		if row.Caller == roleARN && row.Denied > 0 {
			actions[row.Action+" on "+row.Resource] = true
			n += row.Denied
		}
	}
	return actions, n
}

func (e *enforced) eventually(what string, is func() bool) {
	e.Helper()
	if err := logtest.Eventually(func() error {
		if is() {
			return nil
		}
		return errors.New(what)
	}); err != nil {
		denied, _ := e.denied()
		e.Fatalf("it never happens that %v: the queue holds %s, %d objects are stored, denied: %v", err, e.held(), e.stored(), denied)
	}
}

// endPolls waits for the end of a consumer, and closes its polls until then: one poll may
// be about to begin.
func (e *enforced) endPolls(ended <-chan error) error {
	for {
		e.hangUp()
		select {
		case err := <-ended:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// The consumer's role loses one action while it works. Only that call is denied, and the
// message is kept. When the role gets the action back, the consumer works again without a
// restart. It has its credentials by web identity.
func TestActionTakenFromTheRole(t *testing.T) {
	for _, test := range []struct {
		action, on string
		more       int // objects that are stored without the action
	}{
		{"sqs:ReceiveMessage", onQueue, 0},
		{"s3:PutObject", "arn:aws:s3:::events/*", 0},
		{"sqs:DeleteMessage", onQueue, 1}, // stored, but not deleted
	} {
		t.Run(test.action, func(t *testing.T) {
			e := newEnforced(t)
			c := config.Config{Region: "eu-west-1", Queue: "q", DeadLetterQueue: "dlq", Bucket: "events", Prefix: "p", BatchSize: 1, Address: "127.0.0.1:0"}
			c.Backoff, c.BackoffMax = 50*time.Millisecond, 50*time.Millisecond
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- run(ctx, c, slog.New(slog.DiscardHandler)) }()
			e.send("r-1")
			e.eventually("the consumer works", func() bool { return e.stored() == 1 && e.held() == "0" })

			e.grant(without(test.action))
			e.hangUp() // ends the poll in progress, which AWS allowed before
			e.send("r-2")
			e.eventually("the call is denied", func() bool { _, n := e.denied(); return n > 0 })
			if denied, _ := e.denied(); len(denied) != 1 || !denied[test.action+" on "+test.on] {
				t.Errorf("denied: %v, want %s on %s alone", denied, test.action, test.on)
			}
			if held := e.held(); held != "1" || e.stored() != 1+test.more {
				t.Errorf("the queue holds %s and %d objects are stored, want 1 and %d", held, e.stored(), 1+test.more)
			}

			e.grant(without(""))
			e.eventually("it works again", func() bool { return e.stored() == 2 && e.held() == "0" })
			cancel()
			if err := e.endPolls(ended); err != nil {
				t.Error(err)
			}
		})
	}
}
