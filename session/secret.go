package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
)

// Secret is a token, a challenge session or a TOTP secret. Every fmt verb, slog
// and encoding/json show at most a fingerprint. Only Reveal returns the text,
// so the calls of Reveal are the list of places to review.
type Secret struct{ raw *string } // a pointer, so that no fmt verb can reach the text

// NewSecret returns the secret for a text. The empty text is the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal returns the text: for the wire, the token file, or the one screen that
// shows it.
func (s Secret) Reveal() string {
	if s.raw == nil {
		return ""
	}
	return *s.raw
}

// IsZero reports whether the text is empty.
func (s Secret) IsZero() bool { return s.raw == nil }

// Equal compares the texts.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

// String returns a fingerprint: 8 hex digits of SHA-256. It distinguishes two
// tokens in a log and is useless to an attacker. Only texts too long to be
// guessed have one; a short text (a typed code) is printed as "secret".
func (s Secret) String() string {
	raw := s.Reveal()
	switch {
	case raw == "":
		return "none"
	case len(raw) < 20:
		return "secret"
	}
	sum := sha256.Sum256([]byte(raw))
	return "secret " + hex.EncodeToString(sum[:4])
}

// GoString returns String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue returns String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON writes the fingerprint. The token file is written with Reveal;
// any other JSON with a secret is a mistake.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
