//go:build e2e

package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/sigstore/pkg/cryptoutils"

	"github.com/mystique-unicorn/sales-events/tools/image/internal/command"
)

// TestCrossplaneVerifies checks what docs/aws.md says about Crossplane and signatures, with
// Crossplane's own code. It accepts a signature that cosign made with a key if Rekor,
// Sigstore's log, has it too. It refuses a signature of tools/image, which is in no log.
func TestCrossplaneVerifies(t *testing.T) {
	images := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer images.Close()
	dir := t.TempDir()
	private, public := newPair(t)
	_, stranger := newPair(t)
	rekor := newLog(t)
	write(t, dir, map[string][]byte{"key.pem": private, "cosign.pub": public, "stranger.pub": stranger, "rekor.pub": rekor.public, "ctfe.pub": rekor.public, "fulcio.crt.pem": rootOf(t)})

	var stdout, stderr bytes.Buffer
	host := strings.TrimPrefix(images.URL, "http://")
	if code := command.Execute([]string{"--registry", host, "--sign-key", filepath.Join(dir, "key.pem"), "."}, &stdout, &stderr); code != 0 {
		t.Fatal(stderr.String())
	}
	signed := strings.TrimSpace(stdout.String())
	if got := verdict(t, signed, dir, "cosign.pub"); !strings.Contains(got, "rekor client not provided for online verification") {
		t.Errorf("for a signature in no log, Crossplane says: %s", got)
	}
	rekor.record(t, signed, public)
	for key, want := range map[string]string{"cosign.pub": "verified", "stranger.pub": "refused: "} {
		if got := verdict(t, signed, dir, key); !strings.HasPrefix(got, want) {
			t.Errorf("with the key %s, Crossplane says: %s", key, got)
		}
	}
	stdout.Reset()
	if code := command.Execute([]string{"--registry", host, "--tag", "unsigned", "--version", "unsigned", "."}, &stdout, &stderr); code != 0 {
		t.Fatal(stderr.String())
	}
	if got := verdict(t, strings.TrimSpace(stdout.String()), dir, "cosign.pub"); !strings.Contains(got, "no signatures found") {
		t.Errorf("for an unsigned image, Crossplane says: %s", got)
	}
}

// verdict returns Crossplane's verdict on an image.
func verdict(t *testing.T, image, dir, key string) string {
	t.Helper()
	program, err := filepath.Abs("testdata/crossplane/verify.go")
	if err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs("testdata/crossplane/imageconfig.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "run", program, image, config, filepath.Join(dir, key), dir)
	run.Dir = filepath.Join("..", "engines", "crossplane")
	var stderr bytes.Buffer
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func newPair(t *testing.T) (private, public []byte) {
	t.Helper()
	private, public, err := cryptoutils.GeneratePEMEncodedECDSAKeyPair(elliptic.P256(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

// rekorLog is a log in place of Rekor's, with a key of its own.
type rekorLog struct {
	key    *ecdsa.PrivateKey
	public []byte
	id     string
}

func newLog(t *testing.T) rekorLog {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	id := sha256.Sum256(der)
	return rekorLog{key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), hex.EncodeToString(id[:])}
}

// entry is what Rekor signs, with its fields in the order of its canonical form.
type entry struct {
	Body           []byte `json:"body"`
	IntegratedTime int64  `json:"integratedTime"`
	LogID          string `json:"logID"`
	LogIndex       int64  `json:"logIndex"`
}

// record adds the signature of an image to the log, and writes the proof beside the
// signature, as `cosign sign` does without --tlog-upload=false.
func (l rekorLog) record(t *testing.T, signed string, key []byte) {
	t.Helper()
	digest, err := name.NewDigest(signed)
	if err != nil {
		t.Fatal(err)
	}
	beside := digest.Context().Tag(strings.Replace(digest.DigestStr(), ":", "-", 1) + ".sig")
	holder, err := remote.Image(beside)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := holder.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	descriptor := manifest.Layers[0]
	body := encode(t, map[string]any{"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": map[string]any{
		"data":      map[string]any{"hash": map[string]any{"algorithm": "sha256", "value": descriptor.Digest.Hex}},
		"signature": map[string]any{"content": descriptor.Annotations["dev.cosignproject.cosign/signature"], "publicKey": map[string]any{"content": key}},
	}})
	payload := entry{Body: body, IntegratedTime: time.Now().Unix(), LogID: l.id, LogIndex: 7}
	hash := sha256.Sum256(encode(t, payload))
	timestamp, err := l.key.Sign(rand.Reader, hash[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	annotations := descriptor.Annotations
	annotations["dev.sigstore.cosign/bundle"] = string(encode(t, map[string]any{"SignedEntryTimestamp": timestamp, "Payload": payload}))
	put(t, beside, holder, annotations)
}

// put writes the image of a signature again, with other annotations.
func put(t *testing.T, to name.Tag, holder v1.Image, annotations map[string]string) {
	t.Helper()
	layers, err := holder.Layers()
	if err != nil {
		t.Fatal(err)
	}
	anew := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if anew, err = mutate.Append(anew, mutate.Addendum{Layer: layers[0], Annotations: annotations}); err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, anew); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// rootOf returns a certificate in place of that of Fulcio, Sigstore's authority. No signature of
// this test depends on it.
func rootOf(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
