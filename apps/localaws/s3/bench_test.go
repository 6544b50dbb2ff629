package s3

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

const (
	testRegion = "eu-west-1"
	testBucket = "events"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is a service with a bucket, a stopped clock and the SDK's client without retries.
type bench struct {
	*testing.T
	clock   *clock.Fake
	faults  *fault.Faults
	service *Service
	s3      *s3.Client
	base    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchWith(t, Options{})
}

func newBenchWith(t *testing.T, options Options) *bench {
	t.Helper()
	b := &bench{T: t, clock: clock.NewFake(start), faults: &fault.Faults{}}
	options.Region, options.Buckets, options.Clock, options.Faults = testRegion, []string{testBucket}, b.clock, b.faults
	service, err := New(options)
	b.ok(err)
	b.service = service
	listener := httptest.NewServer(service)
	t.Cleanup(listener.Close)
	b.base = listener.URL
	b.s3 = s3.NewFromConfig(aws.Config{
		Region: testRegion, BaseEndpoint: &listener.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, func(o *s3.Options) { o.UsePathStyle = true })
	return b
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) status(err error, want int) {
	b.Helper()
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != want {
		b.Errorf("error %v, want status %d", err, want)
	}
}

func (b *bench) put(key, body string, onlyNew bool) error {
	in := &s3.PutObjectInput{Bucket: aws.String(testBucket), Key: &key, Body: bytes.NewReader([]byte(body))}
	if onlyNew {
		in.IfNoneMatch = aws.String("*")
	}
	_, err := b.s3.PutObject(b.Context(), in)
	return err
}
