package localaws_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	roles "github.com/mystique-unicorn/sales-events/apps/localaws/iam"
	"github.com/mystique-unicorn/sales-events/apps/localaws/internal/servicetest"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// enforced is a server with the role "worker", which the user "ci" may assume.
type enforced struct {
	*testing.T
	server *localaws.Server
	config aws.Config
}

func newEnforced(t *testing.T, options ...localaws.Option) *enforced {
	t.Helper()
	server, err := localaws.New(localaws.Config{
		Region: "eu-west-1", AccountID: "000000000000", Buckets: []string{"events"}, Queues: []localaws.Queue{{Name: "q"}, {Name: "other"}},
		Enforce: true, Keys: []localaws.Key{{ID: "AKIAROOT", Secret: "root"}, {ID: "AKIACI", Secret: "ci", User: "ci"}},
		IAM: roles.Config{Roles: []roles.DeclaredRole{{
			Name:  "worker",
			Trust: []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::000000000000:user/ci"}}]}`),
			Policies: map[string]json.RawMessage{"p": []byte(`{"Version":"2012-10-17","Statement":[
				{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:eu-west-1:000000000000:q"},
				{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::events/mine/*"}]}`)},
		}}},
	}, options...)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return &enforced{t, server, aws.Config{
		Region: "eu-west-1", BaseEndpoint: &listener.URL, HTTPClient: awshttp.New(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIACI", "ci", ""),
	}}
}

func (e *enforced) with(provider aws.CredentialsProvider) aws.Config {
	c := e.config.Copy()
	c.Credentials = provider
	return c
}

func (e *enforced) queue(name string) *string {
	return aws.String(*e.config.BaseEndpoint + "/000000000000/" + name)
}

// calls makes one call in each protocol and returns the errors by service.
func (e *enforced) calls(c aws.Config) map[string]error {
	_, onSQS := sqs.NewFromConfig(c).GetQueueAttributes(e.Context(), &sqs.GetQueueAttributesInput{QueueUrl: e.queue("q")})
	_, onS3 := s3.NewFromConfig(c, pathStyle).ListObjectsV2(e.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("events")})
	_, onIAM := iam.NewFromConfig(c).GetRole(e.Context(), &iam.GetRoleInput{RoleName: aws.String("worker")})
	_, onSTS := sts.NewFromConfig(c).GetCallerIdentity(e.Context(), &sts.GetCallerIdentityInput{})
	_, onEC2 := ec2.NewFromConfig(c).DescribeVpcs(e.Context(), &ec2.DescribeVpcsInput{})
	_, onEKS := eks.NewFromConfig(c).ListClusters(e.Context(), &eks.ListClustersInput{})
	return map[string]error{"sqs": onSQS, "s3": onS3, "iam": onIAM, "sts": onSTS, "ec2": onEC2, "eks": onEKS}
}

func pathStyle(o *s3.Options) { o.UsePathStyle = true }

// Each service refuses wrong credentials with its own error code.
func TestCredentialsAreChecked(t *testing.T) {
	e := newEnforced(t)
	session := e.worker()
	cut := session
	cut.SessionToken = strings.ToUpper(cut.SessionToken)
	static := func(c aws.Credentials) aws.CredentialsProvider {
		return credentials.StaticCredentialsProvider{Value: c}
	}
	for name, test := range map[string]struct {
		provider aws.CredentialsProvider
		codes    string // expected of sqs, s3, iam, sts, ec2 and eks; "-" is any error
	}{
		"root user":     {credentials.NewStaticCredentialsProvider("AKIAROOT", "root", ""), "     "},
		"user":          {credentials.NewStaticCredentialsProvider("AKIACI", "ci", ""), "     "},
		"unknown key":   {credentials.NewStaticCredentialsProvider("AKIANOBODY", "ci", ""), "InvalidClientTokenId InvalidAccessKeyId InvalidClientTokenId InvalidClientTokenId AuthFailure UnrecognizedClientException"},
		"wrong secret":  {credentials.NewStaticCredentialsProvider("AKIACI", "root", ""), "SignatureDoesNotMatch SignatureDoesNotMatch SignatureDoesNotMatch SignatureDoesNotMatch AuthFailure InvalidSignatureException"},
		"wrong token":   {static(cut), "InvalidClientTokenId InvalidToken InvalidClientTokenId InvalidClientTokenId AuthFailure UnrecognizedClientException"},
		"not signed":    {aws.AnonymousCredentials{}, "AccessDenied AccessDenied MissingAuthenticationToken MissingAuthenticationToken - -"},
		"a role's":      {static(session), "AccessDenied AccessDenied AccessDenied  UnauthorizedOperation AccessDeniedException"},
		"a key's token": {static(aws.Credentials{AccessKeyID: "AKIACI", SecretAccessKey: "ci", SessionToken: session.SessionToken}), "InvalidClientTokenId InvalidToken InvalidClientTokenId InvalidClientTokenId AuthFailure UnrecognizedClientException"},
	} {
		t.Run(name, func(t *testing.T) {
			got := e.calls(e.with(test.provider))
			for i, service := range []string{"sqs", "s3", "iam", "sts", "ec2", "eks"} {
				want := strings.Split(test.codes, " ")[i]
				if want == "" && got[service] == nil || want == "-" && got[service] != nil {
					continue
				}
				servicetest.Code(t, got[service], want)
			}
		})
	}
}

// worker returns a session of the role.
func (e *enforced) worker() aws.Credentials {
	e.Helper()
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(e.config), "arn:aws:iam::000000000000:role/worker")
	session, err := provider.Retrieve(e.Context())
	if err != nil {
		e.Fatal(err)
	}
	return session
}

// The worker may do what its policy allows on the resources that it names, and nothing
// else. The table of calls shows both.
func TestPoliciesDecide(t *testing.T) {
	e := newEnforced(t)
	c := e.with(credentials.StaticCredentialsProvider{Value: e.worker()})
	send := func(queue string) error {
		_, err := sqs.NewFromConfig(c).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: e.queue(queue), MessageBody: aws.String("b")})
		return err
	}
	put := func(key string) error {
		_, err := s3.NewFromConfig(c, pathStyle).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("events"), Key: &key, Body: strings.NewReader("b")})
		return err
	}
	for name, err := range map[string]error{"send": send("q"), "put": put("mine/a b+c")} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{"send": send("other"), "put": put("yours/a")} {
		servicetest.Code(t, err, "AccessDenied")
		var api smithy.APIError
		want := "User: arn:aws:sts::000000000000:assumed-role/worker/"
		if errors.As(err, &api) && (!strings.HasPrefix(api.ErrorMessage(), want) || !strings.HasSuffix(api.ErrorMessage(), "action")) {
			t.Errorf("%s: %s", name, api.ErrorMessage())
		}
	}
	w := httptest.NewRecorder()
	e.server.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/calls", nil))
	var out struct {
		Enforced bool
		Calls    []struct {
			Caller, Action, Resource string
			Allowed, Denied          int
		}
		Unused []struct {
			Role    string
			Actions []string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	role := "arn:aws:iam::000000000000:role/worker"
	want := fmt.Sprint([]string{
		"{" + role + " s3:PutObject arn:aws:s3:::events/* 1 1}", "{" + role + " sqs:SendMessage arn:aws:sqs:eu-west-1:000000000000:other 0 1}",
		"{" + role + " sqs:SendMessage arn:aws:sqs:eu-west-1:000000000000:q 1 0}", "{arn:aws:iam::000000000000:user/ci sts:AssumeRole " + role + " 1 0}",
	})
	if got := fmt.Sprint(out.Calls); !out.Enforced || got != want || len(out.Unused) != 0 {
		t.Errorf("calls %s, want %s; unused %v", got, want, out.Unused)
	}
}

// A session expires.
func TestExpiredSession(t *testing.T) {
	clock := localaws.NewFakeClock(time.Now())
	e := newEnforced(t, localaws.WithClock(clock))
	c := e.with(credentials.StaticCredentialsProvider{Value: e.worker()})
	clock.Advance(time.Hour)
	codes := map[string]string{"ec2": "RequestExpired", "eks": "ExpiredTokenException"}
	for service, err := range e.calls(c) {
		servicetest.Code(t, err, cmp.Or(codes[service], "ExpiredToken"))
	}
}

// A presigned URL allows its holder what its signer may do, until it expires.
func TestPresignedURL(t *testing.T) {
	e := newEnforced(t)
	client := s3.NewFromConfig(e.config, pathStyle)
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("events"), Key: aws.String("k"), Body: strings.NewReader("content")}); err != nil {
		t.Fatal(err)
	}
	presign := func(c aws.Config) string {
		signed, err := s3.NewPresignClient(s3.NewFromConfig(c, pathStyle)).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("events"), Key: aws.String("k")})
		if err != nil {
			t.Fatal(err)
		}
		return signed.URL
	}
	url := presign(e.config)
	unsigned, _, _ := strings.Cut(url, "?")
	for _, test := range []struct {
		url    string
		status int
		want   string
	}{
		{url, 200, "content"},
		{strings.Replace(url, "/k?", "/l?", 1), 403, "SignatureDoesNotMatch"},
		{presign(e.with(credentials.StaticCredentialsProvider{Value: e.worker()})), 403, "AccessDenied"},
		{unsigned, 403, "AccessDenied"},
	} {
		answer, err := http.Get(test.url)
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != test.status || !strings.Contains(body.String(), test.want) {
			t.Errorf("%s: %d %s, want %d %s", test.url, answer.StatusCode, &body, test.status, test.want)
		}
	}
}

// Errors of the configuration name the field.
func TestEnforceConfigProblems(t *testing.T) {
	_, err := localaws.ParseConfig("f.yaml", []byte(`
region: eu-west-1
accountId: "000000000000"
enforce: true
issuers: [{url: "http://a"}]
iam:
  roles:
    - name: r
      trust: {Version: "2012-10-17", Statement: []}
`))
	for _, want := range []string{"f.yaml: keys:", "f.yaml: issuers[0].url", "issuers[0].keys", "iam.roles[0]: MalformedPolicyDocument"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s in it", err, want)
		}
	}
}
