package attest

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

// Media types and annotations that cosign expects of an image with signatures.
const (
	signedPayload       = types.MediaType("application/vnd.dev.cosign.simplesigning.v1+json")
	signatureAnnotation = "dev.cosignproject.cosign/signature"
)

// Tag returns the tag for the SBOM ("sbom") or the signature ("sig") of the image with a
// digest.
func Tag(of v1.Hash, what string) string {
	return of.Algorithm + "-" + of.Hex + "." + what
}

// Key reads a private key in PEM, as `cosign generate-key-pair` or OpenSSL writes it.
// password decrypts an encrypted one.
func Key(pem []byte, password string) (signature.Signer, error) {
	key, err := cryptoutils.UnmarshalPEMToPrivateKey(pem, cryptoutils.StaticPasswordFunc([]byte(password)))
	if err != nil {
		return nil, fmt.Errorf("the private key: %w", err)
	}
	return signature.LoadSigner(key, crypto.SHA256)
}

// Sign returns an image that holds a signature of another image, which repository and
// digest name.
func Sign(repository string, digest v1.Hash, by signature.Signer) (v1.Image, error) {
	named, err := name.NewDigest(repository + "@" + digest.String())
	if err != nil {
		return nil, err
	}
	signed, err := payload.Cosign{Image: named}.MarshalJSON()
	if err != nil {
		return nil, err
	}
	made, err := by.SignMessage(bytes.NewReader(signed))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", named, err)
	}
	holder := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	return mutate.Append(holder, mutate.Addendum{
		Layer:       static.NewLayer(signed, signedPayload),
		Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(made)},
	})
}
