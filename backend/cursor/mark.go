package cursor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strings"
	"sync"
	"time"
)

// markBytes is the length of a mark's MAC. A wrong mark costs a request and makes
// a size of one record wrong, so 64 bits are enough.
// SPEC: NIST SP 800-107, 5.3.3: at least 32 bits.
const markBytes = 8

// marker makes marks with one key. Safe for concurrent use.
type marker struct{ pool sync.Pool }

func newMarker(key []byte) *marker {
	k := hmac.New(sha256.New, key)
	k.Write([]byte("usher mark 1")) // separates the key from that of the cursors
	own := k.Sum(nil)
	return &marker{pool: sync.Pool{New: func() any { return hmac.New(sha256.New, own) }}}
}

// append appends the MAC of an object's size.
func (m *marker) append(to []byte, size []byte, parts ...string) []byte {
	h, _ := m.pool.Get().(hash.Hash)
	defer m.pool.Put(h)
	h.Reset()
	var n [binary.MaxVarintLen64]byte
	h.Write(size)
	for _, p := range parts {
		h.Write(n[:binary.PutUvarint(n[:], uint64(len(p)))])
		h.Write([]byte(p))
	}
	var sum [sha256.Size]byte
	return append(to, h.Sum(sum[:0])[:markBytes]...)
}

// Marks makes and opens marks. A mark is the size of a listed object with a MAC,
// in about 16 characters. A client returns it with its request for a release, so
// the record has the size without a call of S3, on any instance.
type Marks interface {
	// Mark returns the mark of an object.
	Mark(bucket, key, etag string, size int64) string
	// Size returns the size in a mark of this object, and false for any other mark.
	Size(mark, bucket, key, etag string) (int64, bool)
}

// Marks returns the marks of the sealer's keys.
func (s *Sealer) Marks(time.Time) (Marks, error) { return s, nil }

// Mark implements Marks.
func (s *Sealer) Mark(bucket, key, etag string, size int64) string {
	var n [binary.MaxVarintLen64]byte
	raw := n[:binary.PutUvarint(n[:], uint64(size))]
	var out [binary.MaxVarintLen64 + markBytes]byte
	return base64.RawURLEncoding.EncodeToString(s.markers[0].append(append(out[:0], raw...), raw, bucket, key, etag))
}

// Size implements Marks.
func (s *Sealer) Size(mark, bucket, key, etag string) (int64, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(mark)
	if err != nil || len(raw) <= markBytes || strings.ContainsAny(mark, "\r\n") { // the decoder skips line ends
		return 0, false
	}
	digits, mac := raw[:len(raw)-markBytes], raw[len(raw)-markBytes:]
	size, used := binary.Uvarint(digits)
	if used != len(digits) || int64(size) < 0 {
		return 0, false
	}
	for _, m := range s.markers {
		if hmac.Equal(m.append(nil, digits, bucket, key, etag), mac) {
			return int64(size), true
		}
	}
	return 0, false
}
