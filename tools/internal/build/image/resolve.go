package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Resolve is the digest that the registry has for ref, which names a tag: that of the
// index where the image is for several platforms. It asks with the credentials that
// `docker login` kept.
func Resolve(ctx context.Context, ref string) (string, error) {
	tag, err := parseReference(ref, false)
	if err != nil {
		return "", err
	}
	found, err := remote.Get(tag, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithTransport(encrypted{remote.DefaultTransport}))
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	return found.Digest.String(), nil
}
