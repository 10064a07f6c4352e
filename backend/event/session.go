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
