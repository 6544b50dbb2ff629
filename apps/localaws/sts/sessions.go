package sts

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/mystique-unicorn/sales-events/apps/localaws/access"
)

// Sessions issues temporary credentials and recognizes its own. A session is encrypted in
// its token, as on AWS, so that a million sessions need no memory. It is safe for
// concurrent use.
type Sessions struct {
	key    []byte
	sealer cipher.AEAD

	mu     sync.RWMutex
	opened map[string]*Session // decrypted sessions by token, a few
}

// Credentials are temporary credentials.
type Credentials struct {
	AccessKeyId, SecretAccessKey, SessionToken string
	Expiration                                 string
}

// Session is the session of temporary credentials.
type Session struct {
	Secret  string
	Caller  *access.Caller
	Expires time.Time

	accessKey string
}

// maxOpened limits the number of cached sessions.
const maxOpened = 1000

// NewSessions returns Sessions that encrypt with key. If the key is empty, credentials
// are valid only until the process ends.
func NewSessions(key string) (*Sessions, error) {
	sum := sha256.Sum256([]byte(key))
	if key == "" {
		_, _ = rand.Read(sum[:]) // it never fails
	}
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return &Sessions{key: sum[:], sealer: sealer, opened: map[string]*Session{}}, nil
}

// sealed is the content of a token.
type sealed struct {
	Caller  *access.Caller
	Expires time.Time
}

// Issue returns credentials for a session.
func (s *Sessions) Issue(caller *access.Caller, expires time.Time) Credentials {
	accessKey := "ASIA" + rand.Text()[:16]
	content, err := json.Marshal(sealed{caller, expires})
	if err != nil {
		panic(fmt.Sprintf("sts: a session of %s: %v", caller.ARN, err)) // strings and a time
	}
	token := s.sealer.Seal(nil, nil, content, []byte(accessKey))
	return Credentials{accessKey, s.secret(accessKey), base64.StdEncoding.EncodeToString(token), expires.UTC().Format(time.RFC3339)}
}

// secret derives the secret key from the access key.
func (s *Sessions) secret(accessKey string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(accessKey))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))[:40]
}

// Open returns the session of an access key and a token; false if they do not belong
// together, or if other Sessions issued them. The session may have expired.
func (s *Sessions) Open(accessKey, token string) (*Session, bool) {
	s.mu.RLock()
	session := s.opened[token]
	s.mu.RUnlock()
	if session != nil {
		return session, session.accessKey == accessKey
	}
	data, err := base64.StdEncoding.DecodeString(token)
	if err != nil {
		return nil, false
	}
	content, err := s.sealer.Open(nil, nil, data, []byte(accessKey))
	var in sealed
	if err != nil || json.Unmarshal(content, &in) != nil || in.Caller == nil {
		return nil, false
	}
	session = &Session{Secret: s.secret(accessKey), Caller: in.Caller, Expires: in.Expires, accessKey: accessKey}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.opened) >= maxOpened {
		clear(s.opened)
	}
	s.opened[token] = session
	return session, true
}
