package session

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"usher/backend/api"
)

// Held is the password of a sign-in, for tests.
type Held struct{ held }

// NewHeld holds a password.
func NewHeld(password []byte) *Held {
	h := &Held{}
	h.keep(password)
	return h
}

// Take returns a copy.
func (h *Held) Take() []byte { return h.take() }

// Bytes returns the memory itself.
func (h *Held) Bytes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *h.bytes
}

// Claim returns a text of a token's payload.
func Claim(token, name string) (string, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", false
	}
	var all map[string]any
	if json.Unmarshal(payload, &all) != nil {
		return "", false
	}
	text, ok := all[name].(string)
	return text, ok
}

// MakeTokens returns the tokens of a sign-in of a way.
func MakeTokens(access, refresh, client string, way api.Way, at time.Time) (Tokens, error) {
	t, err := newTokens(access, refresh, "", client, at)
	t.Way = way
	return t, err
}
