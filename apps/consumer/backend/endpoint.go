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

// endpoint is where one bucket is. The SDK evaluates the rules that say so twice for
// each call, though none reads a key.
type endpoint struct {
	rules  s3.EndpointResolverV2
	bucket string

	once  sync.Once
	known smithyendpoints.Endpoint
	err   error
}

// remember has the SDK's rules evaluated once for the bucket.
func remember(bucket string) func(*s3.Options) {
	return func(o *s3.Options) { o.EndpointResolverV2 = &endpoint{rules: o.EndpointResolverV2, bucket: bucket} }
}

// ResolveEndpoint implements s3.EndpointResolverV2.
func (e *endpoint) ResolveEndpoint(ctx context.Context, p s3.EndpointParameters) (smithyendpoints.Endpoint, error) {
	if aws.ToString(p.Bucket) != e.bucket {
		return e.rules.ResolveEndpoint(ctx, p)
	}
	e.once.Do(func() {
		// On a stack of its own: the rules take 10 KB of it, and below a call of the SDK
		// they would have every storer's stack double to 64 KB.
		var rules sync.WaitGroup
		rules.Go(func() { e.known, e.err = e.rules.ResolveEndpoint(ctx, p) })
		rules.Wait()
	})
	return own(e.known), e.err
}

// own is a copy that shares nothing to which the SDK writes.
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
