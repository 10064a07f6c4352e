package session

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
)

// Secret is a token, a challenge session or a TOTP secret. Every fmt verb,
// slog and encoding/json show at most a fingerprint; Reveal alone gives the
// text, and a search for it is the list of places to review.
type Secret struct{ raw *string } // a pointer, so that no fmt verb can reach the text

// NewSecret takes the text to be kept quiet. The empty text is the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{&s}
}

// Reveal gives the text: for the wire, the token file, or the one screen that
// has to show it.
func (s Secret) Reveal() string {
	if s.raw == nil {
		return ""
	}
	return *s.raw
}

// IsZero says whether there is no text.
func (s Secret) IsZero() bool { return s.raw == nil }

// Equal compares the texts.
func (s Secret) Equal(t Secret) bool { return s.Reveal() == t.Reveal() }

// String is a fingerprint: 8 hex digits of SHA-256, enough to tell two tokens
// apart in a log and of no use to anyone else. Only texts too long to be
// guessed get one; a short text (a typed code) shows nothing at all.
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

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON writes the fingerprint: the token file is written on purpose
// elsewhere, everything else would be an accident.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
