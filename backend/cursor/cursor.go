// Package cursor seals the position at which a listing or a search continues.
// The client sends a cursor back, and can neither read nor change it.
//
// The package leaves the meaning of the position to backend's handlers.
package cursor

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"usher/backend/object"
)

// Life is the lifetime of a cursor.
const Life = 15 * time.Minute

// ErrRefused is the error of Open for a forged or expired cursor, or a cursor of
// another query.
var ErrRefused = errors.New("the cursor is not valid for this server and query")

// Cursor is the position at which a listing or a search continues. Verb, Sub,
// Bucket, Prefix and Hash name its query.
type Cursor struct {
	Verb    string    `json:"v"`
	Sub     string    `json:"u"`
	Bucket  string    `json:"b,omitempty"`
	Prefix  string    `json:"p,omitempty"`
	Hash    string    `json:"f,omitempty"` // the rest of the query (filter, recursive, start), by Hash
	Token   string    `json:"t,omitempty"` // a position in the log
	Event   string    `json:"e,omitempty"` // event of the first page
	Expires time.Time `json:"x"`

	// The position of a listing. Root is the id of the current granted root, and
	// Resume the position in it. After is the last name of a page that came from
	// grants alone. Before names the grants of the rows so far.
	Root   string        `json:"r,omitempty"`
	Resume object.Resume `json:"s,omitzero"`
	After  string        `json:"a,omitempty"`
	Before string        `json:"g,omitempty"`
}

// Sealer seals cursors with AES-256-GCM under a random nonce. It seals with the
// first key, and opens with any.
type Sealer struct {
	ciphers []cipher.AEAD
	markers []*marker
	rand    io.Reader
}

// NewSealer needs one key of 32 bytes, or two during a rotation.
func NewSealer(random io.Reader, keys ...[]byte) (*Sealer, error) {
	if random == nil || len(keys) < 1 || len(keys) > 2 {
		return nil, fmt.Errorf("cursor sealer: one or two keys and a source of randomness are needed")
	}
	s := &Sealer{rand: random}
	for _, k := range keys {
		if len(k) != 32 {
			return nil, fmt.Errorf("cursor sealer: a key has %d bytes, not 32", len(k))
		}
		block, err := aes.NewCipher(k)
		if err != nil {
			return nil, fmt.Errorf("cursor sealer: %w", err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil, fmt.Errorf("cursor sealer: %w", err)
		}
		s.ciphers, s.markers = append(s.ciphers, gcm), append(s.markers, newMarker(k))
	}
	return s, nil
}

// additional binds a sealed text to this use and format.
var additional = []byte("usher cursor 1")

// Seal returns the encrypted text for the client.
func (s *Sealer) Seal(c Cursor) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sealing a cursor: %w", err)
	}
	nonce := make([]byte, s.ciphers[0].NonceSize())
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return "", fmt.Errorf("sealing a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.ciphers[0].Seal(nonce, nonce, plain, additional)), nil
}

// Open returns a cursor if it was sealed for this verb, person, bucket,
// prefix and hash and has not expired.
func (s *Sealer) Open(text string, want Cursor, now time.Time) (Cursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return Cursor{}, ErrRefused
	}
	for _, gcm := range s.ciphers {
		if len(raw) < gcm.NonceSize() {
			return Cursor{}, ErrRefused
		}
		plain, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], additional)
		if err != nil {
			continue
		}
		var c Cursor
		if err := json.Unmarshal(plain, &c); err != nil {
			return Cursor{}, ErrRefused
		}
		if c.Verb != want.Verb || c.Sub != want.Sub || c.Bucket != want.Bucket || c.Prefix != want.Prefix ||
			c.Hash != want.Hash || now.After(c.Expires) {
			return Cursor{}, ErrRefused
		}
		return c, nil
	}
	return Cursor{}, ErrRefused
}

// Hash returns the hash of a query's parts for the field Hash.
func Hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
