package backend

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// counting is the SDK's rules, and how often they were asked.
type counting struct {
	s3.EndpointResolverV2
	asked int
}

func (c *counting) ResolveEndpoint(ctx context.Context, p s3.EndpointParameters) (smithyendpoints.Endpoint, error) {
	c.asked++
	return c.EndpointResolverV2.ResolveEndpoint(ctx, p)
}

// What is remembered is what the SDK answers for each key, on AWS and elsewhere.
func TestEndpointIsRemembered(t *testing.T) {
	for name, elsewhere := range map[string]*string{"AWS": nil, "another endpoint": aws.String("http://localhost:4566")} {
		t.Run(name, func(t *testing.T) {
			rules := &counting{EndpointResolverV2: s3.NewDefaultEndpointResolverV2()}
			remembered := &endpoint{EndpointResolverV2: rules}
			for _, put := range []struct {
				bucket, key string
				asked       int
			}{{"events", "a", 1}, {"events", "b/c.json", 1}, {"others", "a", 2}, {"events", "a", 3}} {
				p := s3.EndpointParameters{
					Bucket: &put.bucket, Key: &put.key, Region: aws.String("eu-west-1"), Endpoint: elsewhere, ForcePathStyle: aws.Bool(true),
				}.WithDefaults()
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
				if rules.asked != put.asked {
					t.Errorf("%s/%s: the rules were asked %d times, want %d", put.bucket, put.key, rules.asked, put.asked)
				}
			}
		})
	}
}

// An answer that is an error is not kept.
func TestEndpointThatIsNotFound(t *testing.T) {
	remembered := &endpoint{EndpointResolverV2: s3.NewDefaultEndpointResolverV2()}
	for range 2 {
		p := s3.EndpointParameters{Bucket: aws.String("events")}.WithDefaults() // no region
		if found, err := remembered.ResolveEndpoint(t.Context(), p); err == nil {
			t.Fatalf("found %v without a region", found.URI)
		}
	}
}

// BenchmarkPut is what the SDK takes to put an event, without a network.
func BenchmarkPut(b *testing.B) {
	options := s3.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://localhost:4566"), HTTPClient: stored{}, UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider("local", "local", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	}
	for name, client := range map[string]*s3.Client{"rules": s3.New(options), "remembered": s3.New(options, rememberEndpoint)} {
		b.Run(name, func(b *testing.B) {
			bucket := Bucket{Client: client, Name: "events"}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if taken, err := bucket.Put(b.Context(), "sales-events/"+strconv.Itoa(i)+".json", `{"request_id":"e"}`); taken || err != nil {
					b.Fatal(taken, err)
				}
			}
		})
	}
}

// stored answers each request with success.
type stored struct{}

func (stored) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
}
