// Package aws makes the clients of the workloads. Where they run is decided by
// the SDK's own environment variables, such as AWS_ENDPOINT_URL, and by no
// code path here.
package aws

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	// A scratch image has no certificate authorities.
	_ "golang.org/x/crypto/x509roots/fallback"
)

// callTimeout bounds one attempt of a call, so that a peer that vanished
// cannot hold up a shutdown. It leaves room for a long poll of 20 s.
const callTimeout = 30 * time.Second

// Load reads the SDK's configuration. Its retries carry a workload over
// throttling and a restart of the other side.
func Load(ctx context.Context, region string) (aws.Config, error) {
	c, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithRetryMode(aws.RetryModeStandard),
		config.WithRetryMaxAttempts(6),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(callTimeout)),
	)
	if err != nil {
		return aws.Config{}, fmt.Errorf("load the AWS configuration: %w", err)
	}
	return c, nil
}

// S3 makes the client of the bucket.
func S3(c aws.Config) *s3.Client {
	return s3.NewFromConfig(c, func(o *s3.Options) {
		// Valid on AWS too, and needs no name in DNS for each bucket.
		o.UsePathStyle = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	})
}

// QueueURL finds a queue by name, and waits for one that it cannot find yet:
// the queue or the right to see it may still be in the making. Its only error
// is that of ctx.
func QueueURL(ctx context.Context, client *sqs.Client, name string) (string, error) {
	for {
		out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name)})
		if err == nil {
			return *out.QueueUrl, nil
		}
		if ctx.Err() == nil {
			slog.WarnContext(ctx, "queue not found yet", "queue", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("find the queue %s: %w", name, ctx.Err())
		case <-time.After(2 * time.Second):
		}
	}
}
