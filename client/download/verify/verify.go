// Package verify compares downloaded bytes with the checksum of an object.
//
// Expect reads a checksum as the backend or S3 states it. Bytes that arrive in
// order go through a Stream. Ranges that arrive in any order are summed with
// Check.CRC, and compared by MatchesRanges without a second read.
//
// A new hash needs a case in newHash, a new CRC a newCRC and its place in CRCFor.
// Both sources must know the algorithm: checksum in backend/object, and
// headerChecksum in client/download/fetch.
//
// The package is pure. It leaves files, ranges and retries to its callers.
package verify

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"

	"usher/backend/api"
)

// Check is the expected checksum of a complete object. The zero value checks no
// bytes, so that the size alone counts. A CRC detects corruption; it is no proof
// against an attacker with write access to the bucket.
type Check struct {
	algorithm string
	crc       *CRC   // nil: a hash, which needs the bytes in order
	value     []byte // of the whole object, or of the concatenated values of the parts
	parts     int    // number of parts of a composite checksum; 0: of the whole object
	partSize  int64  // bytes; of a composite checksum
}

// Range is a range [Off, End) of written bytes, and its CRC.
type Range struct {
	Off, End int64
	CRC      uint64
}

// Within reports whether the range crosses no multiple of border; 0: no border.
func (r Range) Within(border int64) bool {
	return border == 0 || r.Off/border == (r.End-1)/border
}

// ErrUnusable is the error of a composite checksum without a known part size.
var ErrUnusable = errors.New("the parts' size is not known")

// readSize is the buffer of MatchesReader, in bytes.
const readSize = 256 << 10

// Expect returns the check of an object of size bytes. An unknown algorithm gives
// the zero Check; a malformed value is an error.
func Expect(c *api.Checksum, p *api.Parts, size int64) (Check, error) {
	if c == nil || c.Value == "" {
		return Check{}, nil
	}
	w := Check{algorithm: strings.ToLower(c.Algorithm), crc: CRCFor(c.Algorithm)}
	if w.crc == nil && newHash(w.algorithm) == nil {
		return Check{}, nil
	}
	text := c.Value
	// S3 writes a composite checksum as "<base64>-<parts>" (S3 user guide,
	// "Using part-level checksums for multipart uploads").
	if v, n, ok := strings.Cut(text, "-"); ok || c.Type == "COMPOSITE" {
		text = v
		switch count, err := strconv.Atoi(n); {
		case ok && (err != nil || count < 1):
			return Check{}, errors.New("the checksum is malformed")
		case ok:
			w.parts = count
		case p != nil:
			w.parts = p.Count
		default:
			return Check{}, ErrUnusable
		}
		if w.parts == 1 {
			w.partSize = max(size, 1)
		} else if p == nil || p.Count != w.parts || p.Size <= 0 || (size+p.Size-1)/p.Size != int64(p.Count) {
			return Check{}, ErrUnusable
		} else {
			w.partSize = p.Size
		}
	}
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(value) != w.width() {
		return Check{}, errors.New("the checksum is malformed")
	}
	w.value = value
	return w, nil
}

func (w Check) width() int {
	if w.crc != nil {
		return w.crc.bytes
	}
	return newHash(w.algorithm).Size()
}

// None reports whether the size alone is checked.
func (w Check) None() bool { return w.algorithm == "" }

// Label returns the name of the check for a result line: an algorithm, or "size".
func (w Check) Label() string {
	if w.algorithm == "" {
		return "size"
	}
	return w.algorithm
}

// CRC returns the sum for ranges while they stream. It is the object's own if that
// is a CRC, so that the end needs no second read.
func (w Check) CRC() *CRC {
	if w.crc != nil {
		return w.crc
	}
	return crc64NVMe
}

// Border returns the part size of a composite CRC, or 0. No range that is summed
// for this check may cross a multiple of it, because parts are summed separately.
func (w Check) Border() int64 {
	if w.crc == nil {
		return 0
	}
	return w.partSize
}

// Combines reports whether ranges summed with crc, of which none crosses a
// multiple of border, can be compared by MatchesRanges.
func (w Check) Combines(crc *CRC, border int64) bool {
	return w.crc != nil && w.crc == crc && (w.parts == 0 || border == w.partSize)
}

func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "sha256":
		return sha256.New()
	case "sha1":
		return sha1.New()
	case "md5":
		return md5.New()
	}
	return nil
}

// MatchesRanges compares the sums of ranges that together cover the object, in
// order. For a composite checksum, no range may cross the border of a part.
func (w Check) MatchesRanges(ranges []Range) bool {
	var sums []byte
	var sum uint64
	var start int64 // of the current part
	flush := func() { sums, sum = w.crc.appendSum(sums, sum), 0 }
	for _, r := range ranges {
		if w.partSize > 0 && r.Off > 0 && r.Off == start+w.partSize {
			flush()
			start = r.Off
		}
		sum = w.crc.Combine(sum, r.CRC, r.End-r.Off)
	}
	flush()
	return w.equal(sums)
}

// equal compares the one sum, or the sum over the sums of the parts.
func (w Check) equal(sums []byte) bool {
	if w.parts == 0 {
		return bytes.Equal(sums, w.value)
	}
	if w.crc != nil {
		return bytes.Equal(w.crc.appendSum(nil, w.crc.update(0, sums)), w.value)
	}
	h := newHash(w.algorithm)
	h.Write(sums)
	return bytes.Equal(h.Sum(nil), w.value)
}

// Stream sums bytes that arrive in order.
type Stream struct {
	w    Check
	h    hash.Hash // of the current part; nil for CRCs
	crc  uint64
	n    int64 // bytes in the current part
	sums []byte
}

// NewStream returns a stream for a check.
func NewStream(w Check) *Stream {
	o := &Stream{w: w}
	if w.crc == nil && w.algorithm != "" {
		o.h = newHash(w.algorithm)
	}
	return o
}

// Write never fails.
func (o *Stream) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := len(p)
		if o.w.partSize > 0 {
			if o.n == o.w.partSize {
				o.flush()
			}
			n = int(min(int64(n), o.w.partSize-o.n))
		}
		if o.h != nil {
			o.h.Write(p[:n])
		} else if o.w.crc != nil {
			o.crc = o.w.crc.update(o.crc, p[:n])
		}
		o.n += int64(n)
		p = p[n:]
	}
	return total, nil
}

func (o *Stream) flush() {
	if o.h != nil {
		o.sums = o.h.Sum(o.sums)
		o.h.Reset()
	} else if o.w.crc != nil {
		o.sums = o.w.crc.appendSum(o.sums, o.crc)
		o.crc = 0
	}
	o.n = 0
}

// Matches ends the stream and compares.
func (o *Stream) Matches() bool {
	if o.w.algorithm == "" {
		return true
	}
	o.flush()
	return o.w.equal(o.sums)
}

// MatchesReader compares the first size bytes of r, in one sequential read.
func (w Check) MatchesReader(r io.ReaderAt, size int64) (bool, error) {
	o := NewStream(w)
	if _, err := io.CopyBuffer(o, io.NewSectionReader(r, 0, size), make([]byte, readSize)); err != nil {
		return false, err
	}
	return o.Matches(), nil
}
