package event

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
)

// SessionName names a session in events without revealing its id, which is a
// secret of its token.
func SessionName(id string) string {
	sum := sha256.Sum256([]byte("session\x00" + id))
	return "s-" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:10]))
}

// SessionBytes returns the hash in a SessionName, and false for any other text.
func SessionBytes(name string) ([]byte, bool) {
	text, ok := strings.CutPrefix(name, "s-")
	if !ok || len(text) != 16 || strings.ToLower(text) != text {
		return nil, false
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(text))
	return raw, err == nil && len(raw) == 10
}
