package protocol

import (
	"crypto/sha256"
	"slices"
)

// Tokens records what calls with a client token created, so that a retried call does not
// create it again. The zero value has no records.
type Tokens struct {
	made  map[tokenKey]made
	order []tokenKey
}

type tokenKey struct{ action, token string }

type made struct {
	body [sha256.Size]byte
	id   string
}

// maxTokens is the number of tokens that are kept; AWS keeps them for hours.
const maxTokens = 1000

// Made returns the id that an earlier call with the token created, empty for none.
// differs reports whether that call had another body, which AWS rejects.
func (t *Tokens) Made(action, token, body string) (id string, differs bool) {
	m, found := t.made[tokenKey{action, token}]
	if token == "" || !found {
		return "", false
	}
	return m.id, m.body != sha256.Sum256([]byte(body))
}

// Remember records what a call created. Without a token it does nothing.
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
