package image

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Push pushes the artifact to ref, a registry, name and tag, with the credentials of
// `docker login`. It uses plain http only for this machine's own registries or, if
// insecure is set, for any, and then without credentials.
func Push(ctx context.Context, ref string, a Artifact, insecure bool) error {
	tag, err := parseReference(ref, insecure)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx)}
	if !insecure {
		options = append(options, remote.WithAuthFromKeychain(authn.DefaultKeychain), remote.WithTransport(encrypted{remote.DefaultTransport}))
	}
	if a.Index != nil {
		return remote.WriteIndex(tag, a.Index, options...)
	}
	return remote.Write(tag, a.Image, options...)
}

// parseReference parses a reference to push to; insecure means plain http.
func parseReference(ref string, insecure bool) (name.Reference, error) {
	options := []name.Option{name.StrictValidation}
	if insecure {
		options = append(options, name.Insecure)
	}
	tag, err := name.NewTag(ref, options...)
	if err != nil {
		return nil, fmt.Errorf("image reference %q: %w", ref, err)
	}
	return tag, nil
}

// encrypted rejects plain http to other machines. The library falls back to it for
// private addresses that do not answer https, and would send credentials.
type encrypted struct{ http.RoundTripper }

// RoundTrip sends the request if it is encrypted or stays on this machine.
func (t encrypted) RoundTrip(request *http.Request) (*http.Response, error) {
	if host := request.URL.Hostname(); request.URL.Scheme == "http" && !loopback(host) {
		return nil, fmt.Errorf("%s is not this machine: plain http to it must be asked for as insecure", host)
	}
	return t.RoundTripper.RoundTrip(request)
}

func loopback(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || net.ParseIP(host).IsLoopback()
}
