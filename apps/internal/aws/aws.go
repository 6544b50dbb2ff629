// Package aws makes the workloads' AWS clients. Only the SDK's own environment variables,
// such as AWS_ENDPOINT_URL, decide which endpoint they call; no code here does.
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
	// CallTimeout limits one attempt of a call, so that a peer that vanished cannot delay
	// a shutdown. It is longer than a long poll of 20 s.
	CallTimeout = 30 * time.Second
	// MaxAttempts is the number of attempts of a call, unless the call sets another.
	MaxAttempts = 6
	// patience is how long a queue may not exist yet, or AWS may be unreachable. After
	// that the process exits, and the pod's restarts show that something is wrong.
	patience = 5 * time.Minute
	// idleConnections to one service stay open: as many as a workload may have calls in
	// flight, the maximum of CONCURRENCY. The SDK keeps 10, so most calls would dial.
	idleConnections = 1000
	// buffers is the size of a connection's buffers, in bytes. It holds one event; a
	// batch takes two turns. It is small because a consumer has hundreds of connections.
	buffers = 2 << 10
)

// Load reads the SDK's configuration. Its retries last through throttling and a restart
// of the server.
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
	// Only now, because a custom CA bundle, and the timeout of clients that fetch
	// credentials, need the SDK's own client.
	if client, ok := c.HTTPClient.(*sdkhttp.BuildableClient); ok {
		c.HTTPClient = awshttp.Bound(client.WithTimeout(0), CallTimeout)
	}
	c.HTTPClient = awshttp.PlainBodies(c.HTTPClient)
	return c, nil
}

// S3 returns a client for the bucket.
func S3(c aws.Config, options ...func(*s3.Options)) *s3.Client {
	// AWS accepts this form, too, and it needs no DNS name for each bucket.
	options = append(options, func(o *s3.Options) { o.UsePathStyle = true })
	return s3.NewFromConfig(c, options...)
}

// QueueURL finds a queue by name. It waits some minutes for a queue that it cannot find
// yet: the queue, or the permission to see it, may not exist yet. An error that waiting
// does not cure, such as a wrong key, is returned at once, and so is the end of ctx.
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

// inTheMaking are the error codes for something that may not exist yet: the queue or,
// because IAM is eventually consistent, the role, its policy or its issuer.
var inTheMaking = []string{
	"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "AccessDenied", "AccessDeniedException", "InvalidIdentityToken",
}

// mayPass reports whether a failed call may succeed later without a change.
func mayPass(err error) bool {
	var answer smithy.APIError
	if errors.As(err, &answer) && slices.Contains(inTheMaking, answer.ErrorCode()) {
		return true
	}
	// The SDK does not retry a name that DNS does not know, but a Service's name is
	// unknown only until the Service exists.
	var unknown *net.DNSError
	return errors.As(err, &unknown) || retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}
