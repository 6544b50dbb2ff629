package provider

import (
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/internal/awshttp"
)

// clients talk to the local AWS, which verifies no credentials. They do not
// retry: the reconciler does, and says meanwhile what is wrong.
type clients struct {
	sqs *sqs.Client
	s3  *s3.Client
}

func newClients(endpoint string) clients {
	config := aws.Config{
		// Every request names a region; the local AWS has one, whatever it is.
		Region:                     "us-east-1",
		BaseEndpoint:               &endpoint,
		Credentials:                credentials.NewStaticCredentialsProvider("local", "local", ""),
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		HTTPClient:                 awshttp.New(),
	}
	return clients{
		sqs: sqs.NewFromConfig(config),
		s3:  s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true }),
	}
}

// explain says what AWS answered, without the numbers of the request: a
// condition would change with each attempt.
func explain(doing, name string, err error) error {
	var answered smithy.APIError
	if errors.As(err, &answered) {
		return fmt.Errorf("%s %s: %s: %s", doing, name, answered.ErrorCode(), answered.ErrorMessage())
	}
	var unreached *smithy.OperationError
	if errors.As(err, &unreached) {
		err = unreached.Unwrap()
	}
	return fmt.Errorf("%s %s: the local AWS does not answer: is its pod running? %w", doing, name, err)
}

// isCode tells whether AWS answered with one of these error codes.
func isCode(err error, codes ...string) bool {
	var answered smithy.APIError
	return errors.As(err, &answered) && slices.Contains(codes, answered.ErrorCode())
}
