package backend

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

const cursorLife = 15 * time.Minute

var errCursor = errors.New("the cursor is not one of ours, or not for this")

// cursor is where a listing or a query goes on. It travels sealed: a person
// can neither read S3's token nor move a page to another prefix.
type cursor struct {
	Verb    string    `json:"v"`
	Sub     string    `json:"u"`
	Bucket  string    `json:"b,omitempty"`
	Prefix  string    `json:"p,omitempty"`
	Hash    string    `json:"f,omitempty"` // of what else was asked (filter, recursive, start)
	Token   string    `json:"t,omitempty"` // a position in the log
	Event   string    `json:"e,omitempty"` // the first page's
	Expires time.Time `json:"x"`

	// Of a listing. Root is the id of the granted place that is being walked
	// and Resume the position in it; After is the last name of a page that
	// grants alone made; Before is listing.before.
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

// cursorAAD keeps a sealed text of another use or format from opening as one.
var cursorAAD = []byte("usher cursor 1")

func (s *Sealer) seal(c cursor) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sealing a cursor: %w", err)
	}
	nonce := make([]byte, s.ciphers[0].NonceSize())
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return "", fmt.Errorf("sealing a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.ciphers[0].Seal(nonce, nonce, plain, cursorAAD)), nil
}

// open takes a cursor back if it was sealed for this verb, person, bucket,
// prefix and hash and has not expired.
func (s *Sealer) open(text string, want cursor, now time.Time) (cursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // the decoder skips line ends
		return cursor{}, errCursor
	}
	for _, gcm := range s.ciphers {
		if len(raw) < gcm.NonceSize() {
			return cursor{}, errCursor
		}
		plain, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], cursorAAD)
		if err != nil {
			continue
		}
		var c cursor
		if err := json.Unmarshal(plain, &c); err != nil {
			return cursor{}, errCursor
		}
		if c.Verb != want.Verb || c.Sub != want.Sub || c.Bucket != want.Bucket || c.Prefix != want.Prefix ||
			c.Hash != want.Hash || now.After(c.Expires) {
			return cursor{}, errCursor
		}
		return c, nil
	}
	return cursor{}, errCursor
}

// hashOf binds a cursor to the parts of a question.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(p), p)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
