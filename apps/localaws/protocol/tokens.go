package protocol

import (
	"crypto/sha256"
	"slices"
)

// Tokens remember what calls with a client token made, so that a retry of the
// call makes nothing again. The zero value remembers nothing yet.
type Tokens struct {
	made  map[tokenKey]made
	order []tokenKey
}

type tokenKey struct{ action, token string }

type made struct {
	body [sha256.Size]byte
	id   string
}

// maxTokens is how many are remembered; AWS remembers them for hours.
const maxTokens = 1000

// Made returns the id of what an earlier call with the token made, empty for none.
// Differs reports whether that call had another body: AWS refuses that.
func (t *Tokens) Made(action, token, body string) (id string, differs bool) {
	m, found := t.made[tokenKey{action, token}]
	if token == "" || !found {
		return "", false
	}
	return m.id, m.body != sha256.Sum256([]byte(body))
}

// Remember keeps what a call made. Without a token it does nothing.
func (t *Tokens) Remember(action, token, body, id string) {
	if token == "" {
		return
	}
	if t.made == nil {
		t.made = map[tokenKey]made{}
	}
	key := tokenKey{action, token}
	if _, again := t.made[key]; !again {
		t.order = append(t.order, key)
	}
	t.made[key] = made{sha256.Sum256([]byte(body)), id}
	if len(t.order) > maxTokens {
		delete(t.made, t.order[0])
		t.order = slices.Delete(t.order, 0, 1)
	}
}
