package awstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Issuer issues tokens as an API server does for its pods.
type Issuer struct {
	// URL is the tokens' iss, Keys the file of the issuer's public keys.
	URL, Keys string

	signer jose.Signer
}

// NewIssuer returns an issuer with a new key.
func NewIssuer(t testing.TB) *Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: string(jose.ES256), Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := &Issuer{URL: "https://issuer.example/id/1", Keys: filepath.Join(t.TempDir(), "jwks.json"), signer: signer}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{private.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(i.Keys, set, 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// Token returns a token for a subject, such as system:serviceaccount:ns:name.
func (i *Issuer) Token(t testing.TB, subject, audience string, expires time.Time) string {
	t.Helper()
	token, err := jwt.Signed(i.signer).Claims(jwt.Claims{
		Issuer: i.URL, Subject: subject, Audience: jwt.Audience{audience},
		Expiry:   jwt.NewNumericDate(expires),
		IssuedAt: jwt.NewNumericDate(expires.Add(-time.Hour)), NotBefore: jwt.NewNumericDate(expires.Add(-time.Hour)),
	}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TokenFile returns the path of a file with a token that is valid for an hour, as a pod
// has it.
func (i *Issuer) TokenFile(t testing.TB, subject string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(i.Token(t, subject, "sts.amazonaws.com", time.Now().Add(time.Hour))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
