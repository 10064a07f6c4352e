// Package cursor seals the place at which a listing or a search goes on. A
// cursor travels through the client, which can neither read nor change it.
//
// The package leaves the meaning of the place to backend's handlers.
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

// Life is how long a cursor can be used.
const Life = 15 * time.Minute

// ErrRefused is returned for a text that is no cursor, or none for this question now.
var ErrRefused = errors.New("the cursor is not one of this server, or not for this question")

// Cursor is the place at which a listing or a search goes on, with the question
// that it belongs to: verb, person, bucket, prefix and hash.
type Cursor struct {
	Verb    string    `json:"v"`
	Sub     string    `json:"u"`
	Bucket  string    `json:"b,omitempty"`
	Prefix  string    `json:"p,omitempty"`
	Hash    string    `json:"f,omitempty"` // of the rest of the question (filter, recursive, start), by Hash
	Token   string    `json:"t,omitempty"` // a position in the log
	Event   string    `json:"e,omitempty"` // the first page's
	Expires time.Time `json:"x"`

	// Of a listing. Root is the id of the granted place that is being walked
	// and Resume the position in it; After is the last name of a page that
	// grants alone made; Before names the grants that decided on the rows so far.
	Root   string        `json:"r,omitempty"`
	Resume object.Resume `json:"s,omitzero"`
	After  string        `json:"a,omitempty"`
	Before string        `json:"g,omitempty"`
}

// Sealer seals cursors with AES-256-GCM under a random nonce. It opens with the
// keys of a rotation and seals with the first.
type Sealer struct {
	ciphers []cipher.AEAD
	rand    io.Reader
}

// NewSealer takes one key of 32 bytes, or two during a rotation.
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
		s.ciphers = append(s.ciphers, gcm)
	}
	return s, nil
}

// additional keeps a sealed text of another use or format from opening as one.
var additional = []byte("usher cursor 1")

// Seal makes the text that travels.
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

// Hash binds a cursor to the parts of a question.
func Hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
