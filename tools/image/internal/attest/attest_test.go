package attest

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/payload"
)

// imageOfThisTest returns an image with this test's own program.
func imageOfThisTest(t *testing.T) v1.Image {
	t.Helper()
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	var layer bytes.Buffer
	files := tar.NewWriter(&layer)
	if err := files.WriteHeader(&tar.Header{Name: "program", Mode: 0o755, Size: int64(len(program))}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(empty.Image, static.NewLayer(layer.Bytes(), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Config(img, v1.Config{Entrypoint: []string{"/program"}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// The bill lists the modules that a program links, with replacements, each once.
func TestBill(t *testing.T) {
	const sum = "h1:WxaRmntwa9NDFu11nOd7vADDHWeKeyoxpmcNFMYbaa4="
	bom := bill(&debug.BuildInfo{
		GoVersion: "go1.26.8", Path: "example.com/shop/cmd/producer", Main: debug.Module{Path: "example.com/shop", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "example.com/queue", Version: "v1.2.3", Sum: sum},
			{Path: "example.com/store", Version: "v0.1.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v0.2.0+incompatible", Sum: sum}},
		},
	})
	var listed []string
	for _, component := range *bom.Components {
		listed = append(listed, component.PackageURL)
		if component.Name != "std" && (component.Hashes == nil || len((*component.Hashes)[0].Value) != 64) {
			t.Errorf("%s has no checksum: %v", component.Name, component.Hashes)
		}
	}
	want := []string{"pkg:golang/std@1.26.8", "pkg:golang/example.com/queue@v1.2.3", "pkg:golang/example.com/fork@v0.2.0%2Bincompatible"}
	if !slices.Equal(listed, want) {
		t.Errorf("it lists %q, want %q", listed, want)
	}
	if main := bom.Metadata.Component; main.Name != "example.com/shop/cmd/producer" || main.Type != cdx.ComponentTypeApplication {
		t.Errorf("it is of %s, a %s", main.Name, main.Type)
	}
}

// The SBOM names its image, and is the same each time.
func TestSBOM(t *testing.T) {
	of := imageOfThisTest(t)
	holder, err := SBOM(of)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := holder.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if digest, _ := of.Digest(); manifest.Subject == nil || manifest.Subject.Digest != digest {
		t.Errorf("its subject is %v, want %s", manifest.Subject, digest)
	}
	layers, err := holder.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(content, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if of := (*bom.Components)[0]; of.Name != "std" || !strings.HasPrefix(runtime.Version(), "go"+of.Version) {
		t.Errorf("it is built with %s %s, want %s", of.Name, of.Version, runtime.Version())
	}
	if refs := (*bom.Dependencies)[0]; len(*refs.Dependencies) != len(*bom.Components) {
		t.Errorf("%d dependencies of %d components", len(*refs.Dependencies), len(*bom.Components))
	}
	again, err := SBOM(of)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := holder.Digest()
	if second, _ := again.Digest(); first != second {
		t.Errorf("made twice it is %s and %s", first, second)
	}
}

// A signature verifies with its key and its digest only.
func TestSign(t *testing.T) {
	const password = "correct horse"
	private, public := newKey(t, password)
	signer, err := Key(private, password)
	if err != nil {
		t.Fatal(err)
	}
	digest, other := v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("a", 64)}, v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("b", 64)}
	signatures, err := Sign("ghcr.io/acme/producer", digest, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(signatures, digest, public); err != nil {
		t.Error(err)
	}
	if verify(signatures, other, public) == nil {
		t.Error("it is taken for one of another digest")
	}
	_, stranger := newKey(t, password)
	if verify(signatures, digest, stranger) == nil {
		t.Error("it is taken for one by another key")
	}
	if _, err := Key(private, "wrong"); err == nil {
		t.Error("the key opens with any password")
	}
	if got := Tag(digest, "sig"); got != "sha256-"+digest.Hex+".sig" {
		t.Errorf("cosign does not look for it at %s", got)
	}
}

func newKey(t *testing.T, password string) (private []byte, public signature.Verifier) {
	t.Helper()
	private, publicPEM, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), cryptoutils.StaticPasswordFunc([]byte(password)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := cryptoutils.UnmarshalPEMToPublicKey(publicPEM)
	if err != nil {
		t.Fatal(err)
	}
	public, err = signature.LoadVerifier(key, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// verify checks, as cosign does, that one of the signatures is of the digest and by the key.
// The error has the reason for each signature.
func verify(signatures v1.Image, digest v1.Hash, by signature.Verifier) error {
	manifest, err := signatures.Manifest()
	if err != nil {
		return err
	}
	var why []string
	for _, descriptor := range manifest.Layers {
		if err := verifyOne(signatures, descriptor, digest, by); err == nil {
			return nil
		} else {
			why = append(why, err.Error())
		}
	}
	return fmt.Errorf("no signature of %s: %s", digest, strings.Join(why, "; "))
}

func verifyOne(signatures v1.Image, descriptor v1.Descriptor, digest v1.Hash, by signature.Verifier) error {
	made, err := base64.StdEncoding.DecodeString(descriptor.Annotations[signatureAnnotation])
	if err != nil {
		return err
	}
	layer, err := signatures.LayerByDigest(descriptor.Digest)
	if err != nil {
		return err
	}
	stream, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer stream.Close()
	var signed bytes.Buffer
	if _, err := signed.ReadFrom(stream); err != nil {
		return err
	}
	if err := by.VerifySignature(bytes.NewReader(made), bytes.NewReader(signed.Bytes())); err != nil {
		return err
	}
	var of payload.Cosign
	if err := of.UnmarshalJSON(signed.Bytes()); err != nil {
		return err
	}
	if of.Image.DigestStr() != digest.String() {
		return fmt.Errorf("it is of %s", of.Image.DigestStr())
	}
	return nil
}
