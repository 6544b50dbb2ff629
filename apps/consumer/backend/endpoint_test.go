package backend

import (
	"context"
	"net/http"
	"reflect"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyendpoints "github.com/aws/smithy-go/endpoints"

	clients "github.com/mystique-unicorn/sales-events/apps/internal/aws"
)

// counting wraps the SDK's endpoint rules and counts their evaluations for each bucket.
type counting struct {
	s3.EndpointResolverV2
	asked map[string]int
}

func (c *counting) ResolveEndpoint(ctx context.Context, p s3.EndpointParameters) (smithyendpoints.Endpoint, error) {
	c.asked[*p.Bucket]++
	return c.EndpointResolverV2.ResolveEndpoint(ctx, p)
}

// The cached endpoint is the SDK's for each key, on AWS and elsewhere.
func TestEndpointIsRemembered(t *testing.T) {
	for name, elsewhere := range map[string]*string{"AWS": nil, "another endpoint": aws.String("http://localhost:4566")} {
		t.Run(name, func(t *testing.T) {
			rules := &counting{s3.NewDefaultEndpointResolverV2(), map[string]int{}}
			remembered := &endpoint{rules: rules, bucket: "events"}
			for _, put := range []struct{ bucket, key string }{{"events", "a"}, {"events", "b/c.json"}, {"others", "a"}, {"others", "b"}, {"events", "a"}} {
				p := s3.EndpointParameters{
					Bucket: &put.bucket, Key: &put.key, Region: aws.String("eu-west-1"), Endpoint: elsewhere, ForcePathStyle: aws.Bool(true),
				}
				got, err := remembered.ResolveEndpoint(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				want, err := s3.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), p)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s/%s: %+v, want %+v", put.bucket, put.key, got, want)
				}
			}
			if want := map[string]int{"events": 1, "others": 2}; !reflect.DeepEqual(rules.asked, want) {
				t.Errorf("the rules were evaluated %v times, want %v", rules.asked, want)
			}
		})
	}
}

// The SDK changes the endpoint that it gets. If two puts shared one, the race detector
// would report it.
func TestPutsShareNoEndpoint(t *testing.T) {
	client := clients.S3(aws.Config{
		Region: "eu-west-1", HTTPClient: stored{}, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}, remember("events"))
	bucket := Bucket{Client: client, Name: "events"}
	var puts sync.WaitGroup
	for range 8 {
		puts.Go(func() {
			for range 20 {
				if taken, err := bucket.Put(t.Context(), "a.json", "{}"); taken || err != nil {
					t.Error(taken, err)
				}
			}
		})
	}
	puts.Wait()
}

// stored answers every request with success.
type stored struct{}

func (stored) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}
