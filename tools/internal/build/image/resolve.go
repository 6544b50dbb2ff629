package image

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Resolve returns the digest that the registry has for ref, which has a tag: the digest
// of the index if the image is for several platforms. It uses the credentials of `docker
// login`.
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
