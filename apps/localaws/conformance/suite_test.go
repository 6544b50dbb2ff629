package conformance

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"github.com/mystique-unicorn/sales-events/apps/localaws"
	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

var (
	endpoint = flag.String("endpoint", "", "`URL` of the endpoint; aws for AWS itself; none for the local AWS in process")
	region   = flag.String("region", "eu-west-1", "AWS `region`")
	report   = flag.String("report", "", "`file` for the results as a table")
	costly   = flag.Bool("costly", false, "run also on AWS what costs money and an hour: clusters and NAT gateways")
)

// conformanceCase is a statement of an action's documentation, with its test.
type conformanceCase struct {
	action, says string
	run          func(c *check)
}

var allCases = slices.Concat(sqsCases, s3Cases, s3SettingCases, iamCases, ec2Cases, eksCases, cloudwatchCases, snsCases, logsCases)

func TestConformance(t *testing.T) {
	clientsOf := connect(t)
	var mu sync.Mutex
	cases := allCases
	results := make([]Result, len(cases))
	t.Run("cases", func(t *testing.T) {
		for i, test := range cases {
			t.Run(test.action+": "+test.says, func(t *testing.T) {
				t.Parallel()
				t.Cleanup(func() {
					mu.Lock()
					defer mu.Unlock()
					results[i] = Result{test.action, test.says, t.Failed(), t.Skipped()}
				})
				ctx, cancel := context.WithTimeout(t.Context(), limit())
				t.Cleanup(cancel)
				test.run(&check{T: t, ctx: ctx, clients: clientsOf()})
			})
		}
	})
	if *report != "" {
		writeReport(t, results)
	}
}

// docs/localaws.md lists every case.
func TestDocumented(t *testing.T) {
	document, err := os.ReadFile("../../../docs/localaws.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range allCases {
		if row := "| " + test.action + " | " + test.says + " |"; !strings.Contains(string(document), row) {
			t.Errorf("docs/localaws.md has no row %s", row)
		}
	}
}

// clients are the clients that a case uses.
type clients struct {
	sqs *sqs.Client
	s3  *s3.Client
	iam *iam.Client
	sts *sts.Client
	ec2 *ec2.Client
	eks *eks.Client
	sns *sns.Client

	cloudwatch *cloudwatch.Client
	logs       *cloudwatchlogs.Client
}

func newClients(c aws.Config, options ...func(*s3.Options)) func() clients {
	return func() clients {
		return clients{
			sqs.NewFromConfig(c), s3.NewFromConfig(c, options...), iam.NewFromConfig(c), sts.NewFromConfig(c), ec2.NewFromConfig(c), eks.NewFromConfig(c),
			sns.NewFromConfig(c), cloudwatch.NewFromConfig(c, queryProtocol), cloudwatchlogs.NewFromConfig(c),
		}
	}
}

// connect returns a function that creates clients of the endpoint. The local AWS verifies
// their signatures.
func connect(t *testing.T) func() clients {
	if *endpoint == "aws" {
		c, err := config.LoadDefaultConfig(t.Context(), config.WithRegion(*region))
		if err != nil {
			t.Fatal(err)
		}
		return newClients(c)
	}
	url := *endpoint
	if url == "" {
		server, err := localaws.New(localaws.Config{
			Region: *region, AccountID: "000000000000", Speed: 3000, Enforce: true, AssumeTLS: true, Keys: []localaws.Key{{ID: "local", Secret: "local", User: "conformance"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		listener := httptest.NewServer(server)
		t.Cleanup(listener.Close)
		url = listener.URL
	}
	c := aws.Config{
		Region: *region, BaseEndpoint: &url, HTTPClient: awshttp.New(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	return newClients(c, func(o *s3.Options) { o.UsePathStyle = true })
}

// limit is for a case, patience for what AWS does not promise at once.
func limit() time.Duration { return 2*patience() + time.Minute }

func patience() time.Duration {
	if *endpoint == "aws" {
		return 90 * time.Second // AWS promises the counts no earlier
	}
	return 5 * time.Second
}

func writeReport(t *testing.T, results []Result) {
	var rows strings.Builder
	passed := 0
	for _, r := range results {
		fmt.Fprintln(&rows, r)
		if !r.Failed && !r.Skipped {
			passed++
		}
	}
	text := fmt.Sprintf("| action | what it must do | passes |\n|---|---|---|\n%s\n%d of %d pass.\n", &rows, passed, len(results))
	if err := os.WriteFile(*report, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
}

// check is a running case.
type check struct {
	*testing.T
	clients

	ctx context.Context
}

func (c *check) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// code checks the error's code. It accepts several codes where AWS's SDK and its
// documentation differ, and each code with and without the prefix of the query protocol.
// Another case checks the prefix.
func (c *check) code(err error, want ...string) {
	c.Helper()
	got := strings.TrimPrefix(codeOf(err), queryPrefix)
	if !slices.Contains(want, got) {
		c.Errorf("error %v, want code %s", err, strings.Join(want, " or "))
	}
}

const queryPrefix = "AWS.SimpleQueueService."

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func equal[T comparable](c *check, what string, got, want T) {
	c.Helper()
	if got != want {
		c.Errorf("%s is %v, want %v", what, got, want)
	}
}

// eventually waits until get returns want.
func (c *check) eventually(want string, get func() string) {
	c.Helper()
	got := ""
	for deadline := time.Now().Add(patience()); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = get(); got == want {
			return
		}
	}
	c.Errorf("got %s, want %s", got, want)
}

// sortedPairs returns tags as sorted text.
func sortedPairs(tags map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		pairs = append(pairs, key+"="+tags[key])
	}
	return strings.Join(pairs, " ")
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }

func newName() string { return "conformance-" + uuid.NewString() }

// bucket creates a bucket and deletes it with its objects at the end of the case.
func (c *check) bucket() *string {
	c.Helper()
	name := aws.String(newName())
	in := &s3.CreateBucketInput{Bucket: name}
	if *region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(*region)}
	}
	_, err := c.s3.CreateBucket(c.ctx, in)
	c.ok(err)
	c.Cleanup(func() {
		ctx := context.WithoutCancel(c.ctx)
		if out, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name}); err == nil {
			for _, o := range out.Contents {
				_, _ = c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: o.Key})
			}
		}
		_, _ = c.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name})
	})
	return name
}

// queue creates a queue and deletes it at the end of the case.
func (c *check) queue(attributes map[string]string) *string {
	c.Helper()
	out, err := c.sqs.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: aws.String(newName()), Attributes: attributes})
	c.ok(err)
	c.Cleanup(func() {
		_, _ = c.sqs.DeleteQueue(context.WithoutCancel(c.ctx), &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl})
	})
	return out.QueueUrl
}
