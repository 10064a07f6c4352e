package download

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

// want is what a finished object is checked against. The zero value checks
// the size alone. A CRC shows corruption; it is no proof against somebody who
// can write the bucket.
type want struct {
	algorithm string
	kind      *crcKind // nil: a hash that needs the bytes in order
	value     []byte   // of the whole object, or of the parts' values one after another
	parts     int      // of a composite checksum; 0: of the whole object
	partSize  int64
}

// errUnusable says that a checksum is there but cannot be checked with what
// is known: a composite one whose part size is missing.
var errUnusable = errors.New("the parts' size is not known")

// wantOf reads the backend's word, or S3's. An algorithm that is not known
// checks nothing; a value that is malformed is an error.
func wantOf(c *api.Checksum, p *api.Parts, size int64) (want, error) {
	if c == nil || c.Value == "" {
		return want{}, nil
	}
	w := want{algorithm: strings.ToLower(c.Algorithm), kind: crcFor(c.Algorithm)}
	if w.kind == nil && newHash(w.algorithm) == nil {
		return want{}, nil
	}
	text := c.Value
	// S3 writes a composite checksum as "<base64>-<parts>" (S3 user guide,
	// "Using part-level checksums for multipart uploads").
	if v, n, ok := strings.Cut(text, "-"); ok || c.Type == "COMPOSITE" {
		text = v
		switch count, err := strconv.Atoi(n); {
		case ok && (err != nil || count < 1):
			return want{}, errors.New("the checksum is malformed")
		case ok:
			w.parts = count
		case p != nil:
			w.parts = p.Count
		default:
			return want{}, errUnusable
		}
		if w.parts == 1 {
			w.partSize = max(size, 1)
		} else if p == nil || p.Count != w.parts || p.Size <= 0 || (size+p.Size-1)/p.Size != int64(p.Count) {
			return want{}, errUnusable
		} else {
			w.partSize = p.Size
		}
	}
	value, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(value) != w.width() {
		return want{}, errors.New("the checksum is malformed")
	}
	w.value = value
	return w, nil
}

func (w want) width() int {
	if w.kind != nil {
		return w.kind.bytes
	}
	return newHash(w.algorithm).Size()
}

// label is what the result line says.
func (w want) label() string {
	if w.algorithm == "" {
		return "size"
	}
	return w.algorithm
}

// crc is the kind that ranges are summed with while they stream: the object's
// own where it is a CRC, so that the end costs nothing.
func (w want) crc() *crcKind {
	if w.kind != nil {
		return w.kind
	}
	return crc64nvmeKind
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

// matchesRanges checks the sums of ranges that together cover the object, in
// order; for a composite checksum none crosses a part's boundary.
func (w want) matchesRanges(ranges []piece) bool {
	var sums []byte
	var sum uint64
	var start int64 // of the current part
	flush := func() { sums, sum = w.kind.appendSum(sums, sum), 0 }
	for _, r := range ranges {
		if w.partSize > 0 && r.off > 0 && r.off == start+w.partSize {
			flush()
			start = r.off
		}
		sum = w.kind.combine(sum, r.crc, r.end-r.off)
	}
	flush()
	return w.equal(sums)
}

// equal compares either the one sum, or the sum over the parts' sums.
func (w want) equal(sums []byte) bool {
	if w.parts == 0 {
		return bytes.Equal(sums, w.value)
	}
	if w.kind != nil {
		return bytes.Equal(w.kind.appendSum(nil, w.kind.update(0, sums)), w.value)
	}
	h := newHash(w.algorithm)
	h.Write(sums)
	return bytes.Equal(h.Sum(nil), w.value)
}

// ordered sums bytes that come in order, for hashes and for streams.
type ordered struct {
	w    want
	h    hash.Hash // of the current part; nil for CRCs
	crc  uint64
	n    int64 // bytes in the current part
	sums []byte
}

func newOrdered(w want) *ordered {
	o := &ordered{w: w}
	if w.kind == nil && w.algorithm != "" {
		o.h = newHash(w.algorithm)
	}
	return o
}

// Write never fails.
func (o *ordered) Write(p []byte) (int, error) {
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
		} else if o.w.kind != nil {
			o.crc = o.w.kind.update(o.crc, p[:n])
		}
		o.n += int64(n)
		p = p[n:]
	}
	return total, nil
}

func (o *ordered) flush() {
	if o.h != nil {
		o.sums = o.h.Sum(o.sums)
		o.h.Reset()
	} else if o.w.kind != nil {
		o.sums = o.w.kind.appendSum(o.sums, o.crc)
		o.crc = 0
	}
	o.n = 0
}

// matches ends the stream and compares.
func (o *ordered) matches() bool {
	if o.w.algorithm == "" {
		return true
	}
	o.flush()
	return o.w.equal(o.sums)
}

// matchesReader checks size bytes of r in one ordered read.
func (w want) matchesReader(r io.ReaderAt, size int64) (bool, error) {
	o := newOrdered(w)
	if _, err := io.CopyBuffer(o, io.NewSectionReader(r, 0, size), make([]byte, bufferSize)); err != nil {
		return false, err
	}
	return o.matches(), nil
}
