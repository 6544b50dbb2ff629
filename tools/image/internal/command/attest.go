package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/mystique-unicorn/sales-events/tools/image/internal/attest"
	"github.com/mystique-unicorn/sales-events/tools/internal/build/image"
)

// The environment variables for a key and its password, if no flag names the key.
const (
	keyVariable      = "IMAGE_SIGN_KEY"
	passwordVariable = "COSIGN_PASSWORD"
)

// signer reads the key, if there is one, before the build, which takes minutes.
func (o options) signer(getenv func(string) string) (signature.Signer, error) {
	key := []byte(getenv(keyVariable))
	if o.signKey != "" {
		var err error
		if key, err = os.ReadFile(o.signKey); err != nil {
			return nil, fmt.Errorf("--sign-key: %w", err)
		}
	}
	if len(key) == 0 {
		return nil, nil
	}
	if o.tarball != "" {
		return nil, errors.New("a docker tarball holds no signature: sign what goes to a registry or a layout")
	}
	signer, err := attest.Key(key, getenv(passwordVariable))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(o.signKey, keyVariable), err)
	}
	return signer, nil
}

// attest makes the SBOMs and signatures of the images.
func (o options) attest(images []built, signer signature.Signer) ([]built, error) {
	var about []built
	add := func(of built, digest v1.Hash, what string, img v1.Image) {
		about = append(about, built{image.Artifact{Image: img}, of.name, attest.Tag(digest, what)})
	}
	for _, i := range images {
		if o.sbom && o.tarball == "" {
			programs, err := imagesOf(i.Artifact)
			if err != nil {
				return nil, err
			}
			for _, program := range programs {
				digest, err := program.Digest()
				if err != nil {
					return nil, err
				}
				bill, err := attest.SBOM(program)
				if err != nil {
					return nil, fmt.Errorf("the SBOM of %s: %w", i.name, err)
				}
				add(i, digest, "sbom", bill)
			}
		}
		if signer != nil {
			digest, err := i.Digest()
			if err != nil {
				return nil, err
			}
			signatures, err := attest.Sign(i.name, digest, signer)
			if err != nil {
				return nil, err
			}
			add(i, digest, "sig", signatures)
		}
	}
	return about, nil
}

// imagesOf returns the image, or the images of all platforms.
func imagesOf(a image.Artifact) ([]v1.Image, error) {
	if a.Index == nil {
		return []v1.Image{a.Image}, nil
	}
	manifest, err := a.Index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var images []v1.Image
	for _, descriptor := range manifest.Manifests {
		img, err := a.Index.Image(descriptor.Digest)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, nil
}
