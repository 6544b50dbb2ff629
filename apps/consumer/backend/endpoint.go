package backend

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/auth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// endpoint caches the endpoint of one bucket. The SDK evaluates its endpoint rules twice
// for each call, although none of them reads the key.
type endpoint struct {
	rules  s3.EndpointResolverV2
	bucket string

	once  sync.Once
	known smithyendpoints.Endpoint
	err   error
}

// remember makes the SDK evaluate its endpoint rules once for the bucket.
func remember(bucket string) func(*s3.Options) {
	return func(o *s3.Options) { o.EndpointResolverV2 = &endpoint{rules: o.EndpointResolverV2, bucket: bucket} }
}

// ResolveEndpoint implements s3.EndpointResolverV2.
func (e *endpoint) ResolveEndpoint(ctx context.Context, p s3.EndpointParameters) (smithyendpoints.Endpoint, error) {
	if aws.ToString(p.Bucket) != e.bucket {
		return e.rules.ResolveEndpoint(ctx, p)
	}
	e.once.Do(func() {
		// In a goroutine of its own: the rules take 10 KB of stack. Below a call of the
		// SDK they would double the stack of every storer to 64 KB.
		var rules sync.WaitGroup
		rules.Go(func() { e.known, e.err = e.rules.ResolveEndpoint(ctx, p) })
		rules.Wait()
	})
	return own(e.known), e.err
}

// own returns a copy that shares nothing that the SDK writes to.
func own(known smithyendpoints.Endpoint) smithyendpoints.Endpoint {
	known.Properties = clone(known.Properties)
	if options, ok := auth.GetAuthOptions(&known.Properties); ok {
		copies := make([]*auth.Option, len(options))
		for i, o := range options {
			copies[i] = &auth.Option{
				SchemeID: o.SchemeID, IdentityProperties: clone(o.IdentityProperties), SignerProperties: clone(o.SignerProperties),
			}
		}
		auth.SetAuthOptions(&known.Properties, copies)
	}
	return known
}

func clone(p smithy.Properties) (copied smithy.Properties) {
	copied.SetAll(&p)
	return copied
}
