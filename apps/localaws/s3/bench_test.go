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
	"github.com/aws/smithy-go"

	"github.com/mystique-unicorn/sales-events/apps/localaws/clock"
	"github.com/mystique-unicorn/sales-events/apps/localaws/fault"
)

const (
	testRegion = "eu-west-1"
	testBucket = "events"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is a service with a bucket, a clock that stands still, and the SDK's
// client, which does not retry.
type bench struct {
	*testing.T
	clock  *clock.Fake
	faults *fault.Faults
	s3     *s3.Client
	base   string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return newBenchWith(t, Options{})
}

func newBenchWith(t *testing.T, options Options) *bench {
	t.Helper()
	b := &bench{T: t, clock: clock.NewFake(start), faults: &fault.Faults{}}
	options.Buckets, options.Clock, options.Faults = []string{testBucket}, b.clock, b.faults
	service, err := New(options)
	b.ok(err)
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

// fails wants an error of type E, as the SDK makes it of a modelled error.
func fails[E error](b *bench, err error) {
	b.Helper()
	var want E
	if !errors.As(err, &want) {
		b.Errorf("error %v, want %T", err, want)
	}
}

// code wants an error that the API's model does not have, or only a code.
func (b *bench) code(err error, want string) {
	b.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != want {
		b.Errorf("error %v, want code %s", err, want)
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
