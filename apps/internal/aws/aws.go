// Package aws makes the clients of the workloads. Where they run is decided by
// the SDK's own environment variables, such as AWS_ENDPOINT_URL, and by no
// code path here.
package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkhttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/internal/awshttp"

	// A scratch image has no certificate authorities.
	_ "golang.org/x/crypto/x509roots/fallback"
)

const (
	// CallTimeout bounds one attempt of a call, so that a peer that vanished
	// cannot hold up a shutdown. It leaves room for a long poll of 20 s.
	CallTimeout = 30 * time.Second
	// MaxAttempts is how often a call is tried that does not say otherwise.
	MaxAttempts = 6
	// patience is how long a queue may be in the making, or AWS out of reach.
	// After that the pod's restarts say that something is wrong.
	patience = 5 * time.Minute
	// idleConnections to one service stay open: as many as a workload has calls on
	// their way at the same time, its CONCURRENCY. The SDK keeps 10, and every other
	// call would dial.
	idleConnections = 1000
	// buffers of a connection hold an event, or a batch of them in two turns. A consumer
	// has hundreds of connections.
	buffers = 2 << 10
)

// Load reads the SDK's configuration. Its retries carry a workload over
// throttling and a restart of the other side.
func Load(ctx context.Context, region string) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithRetryMode(aws.RetryModeStandard),
		config.WithRetryMaxAttempts(MaxAttempts),
		config.WithHTTPClient(sdkhttp.NewBuildableClient().WithTimeout(CallTimeout).WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost, t.MaxIdleConns = idleConnections, 2*idleConnections
			t.ReadBufferSize, t.WriteBufferSize = buffers, buffers
		})),
	)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	// Not earlier: a custom CA bundle needs the SDK's own client, and so does the timeout
	// of those that fetch credentials.
	if client, ok := c.HTTPClient.(*sdkhttp.BuildableClient); ok {
		c.HTTPClient = awshttp.Bound(client.WithTimeout(0), CallTimeout)
	}
	c.HTTPClient = awshttp.PlainBodies(c.HTTPClient)
	return c, nil
}

// S3 makes the client of the bucket.
func S3(c aws.Config, options ...func(*s3.Options)) *s3.Client {
	// Valid on AWS too, and needs no name in DNS for each bucket.
	options = append(options, func(o *s3.Options) { o.UsePathStyle = true })
	return s3.NewFromConfig(c, options...)
}

// QueueURL finds a queue by name, and waits some minutes for one that it cannot
// find yet: the queue or the right to see it may still be in the making. What
// waiting does not help, such as a wrong key, is an error at once, and so is the
// end of ctx.
func QueueURL(ctx context.Context, client *sqs.Client, name string) (string, error) {
	limit := time.After(patience)
	for {
		out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)})
		if err == nil {
			return *out.QueueUrl, nil
		}
		if ctx.Err() != nil {
			return "", fmt.Errorf("find the queue %s: %w", name, ctx.Err())
		}
		if !mayPass(err) {
			return "", fmt.Errorf("find the queue %s: %w", name, err)
		}
		slog.WarnContext(ctx, "queue not found yet", "queue", name, "error", err)
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("find the queue %s: %w", name, ctx.Err())
		case <-limit:
			return "", fmt.Errorf("find the queue %s: waited %s: %w", name, patience, err)
		case <-time.After(2 * time.Second):
		}
	}
}

// inTheMaking are the codes of what does not exist yet: the queue, or, since IAM
// is consistent only after a while, the role, its policy or its issuer.
var inTheMaking = []string{
	"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "AccessDenied", "AccessDeniedException", "InvalidIdentityToken",
}

// mayPass reports whether a call that failed may succeed later unchanged.
func mayPass(err error) bool {
	var answer smithy.APIError
	if errors.As(err, &answer) && slices.Contains(inTheMaking, answer.ErrorCode()) {
		return true
	}
	// A name that DNS does not know is worth no other try to the SDK, but that of
	// a Service comes with its Service.
	var unknown *net.DNSError
	return errors.As(err, &unknown) || retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}
