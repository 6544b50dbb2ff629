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

// Sessions makes temporary credentials and recognizes its own. A session is sealed
// in its token, as AWS's are, so that a million of them need no memory. It is safe
// for concurrent use.
type Sessions struct {
	key    []byte
	sealer cipher.AEAD

	mu     sync.RWMutex
	opened map[string]*Session // by token, a few of them
}

// Credentials are temporary.
type Credentials struct {
	AccessKeyId, SecretAccessKey, SessionToken string
	Expiration                                 string
}

// Session is what credentials stand for.
type Session struct {
	Secret  string
	Caller  *access.Caller
	Expires time.Time

	accessKey string
}

// maxOpened bounds the sessions that are kept open.
const maxOpened = 1000

// NewSessions encrypts sessions with key. Without a key they end with the process.
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

// Issue makes the credentials of a session.
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

// Open finds the session of an access key and a token; false if they do not belong
// together, or are not of these Sessions. It may be over.
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
