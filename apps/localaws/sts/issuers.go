package sts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is an issuer of identity tokens, with the place of its keys. AWS finds them
// through the issuer's discovery document.
type Issuer struct {
	// URL is the tokens' iss.
	URL string `json:"url"`
	// Keys is where its JSON Web Key Set is: a URL or a file.
	Keys string `json:"keys"`
	// CA is a file with the certificate authorities for the URL; empty means the
	// system's. Token is a file with a bearer token for it.
	CA    string `json:"ca,omitempty"`
	Token string `json:"token,omitempty"`
}

// Problems checks issuers, as the field "issuers" of a configuration.
func Problems(issuers []Issuer) (found []error) {
	seen := map[string]int{}
	for i, issuer := range issuers {
		if !strings.HasPrefix(issuer.URL, scheme) {
			found = append(found, fmt.Errorf("issuers[%d].url: %q: must begin with %s", i, issuer.URL, scheme))
		}
		if issuer.Keys == "" {
			found = append(found, fmt.Errorf("issuers[%d].keys: is missing: a URL or a file of a JSON Web Key Set", i))
		}
		if j, twice := seen[issuer.URL]; twice {
			found = append(found, fmt.Errorf("issuers[%d].url: %s is issuers[%d] too", i, issuer.URL, j))
		}
		seen[issuer.URL] = i
	}
	return found
}

const (
	scheme = "https://"
	// fresh is the shortest time between two fetches of the keys, even if a key is
	// missing.
	fresh   = 10 * time.Second
	maxKeys = 1 << 20
)

// keys are the cached keys of an issuer.
type keys struct {
	issuer Issuer
	now    func() time.Time

	mu   sync.Mutex
	set  jose.JSONWebKeySet
	read time.Time
}

// find returns the keys with an ID. If there is none, it fetches the keys again.
func (k *keys) find(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := k.set.Key(id)
	if len(found) > 0 || !k.read.IsZero() && k.now().Sub(k.read) < fresh {
		return found, nil
	}
	set, err := k.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("keys of %s: %w", k.issuer.URL, err)
	}
	k.set, k.read = set, k.now()
	return k.set.Key(id), nil
}

func (k *keys) load(ctx context.Context) (set jose.JSONWebKeySet, err error) {
	var data []byte
	if strings.HasPrefix(k.issuer.Keys, "http://") || strings.HasPrefix(k.issuer.Keys, scheme) {
		data, err = k.fetch(ctx)
	} else {
		data, err = os.ReadFile(k.issuer.Keys)
	}
	if err != nil {
		return set, err
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return set, fmt.Errorf("%s: %w", k.issuer.Keys, err)
	}
	return set, nil
}

func (k *keys) fetch(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.issuer.Keys, nil)
	if err != nil {
		return nil, err
	}
	if k.issuer.Token != "" {
		token, err := os.ReadFile(k.issuer.Token)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	transport, err := k.transport()
	if err != nil {
		return nil, err
	}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", k.issuer.Keys, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxKeys))
}

func (k *keys) transport() (*http.Transport, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if k.issuer.CA == "" {
		return transport, nil
	}
	pem, err := os.ReadFile(k.issuer.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: no certificate in it", k.issuer.CA)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}
