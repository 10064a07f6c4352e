package seed

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"sync"

	"usher/backend/sandbox/s3"
)

// mix is the finalizer of SplitMix64. It computes a pseudo-random word from a
// counter alone, without the preceding words.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// seedOf derives a seed from a name.
func seedOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	return mix(h.Sum64())
}

// random is a small generator for names and numbers. It is a value type, so a copy
// generates the same sequence again.
type random uint64

func (r *random) next() uint64 {
	*r++
	return mix(uint64(*r))
}

func (r *random) n(n int) int { return int(r.next() % uint64(n)) }

func (r *random) pick(from []string) string { return from[r.n(len(from))] }

// words is content of 8-byte little-endian words, each computed from its index.
type words struct {
	size int64 // bytes
	word func(i uint64) uint64
	fill func(p []byte, i uint64) // optional: writes words from i on into whole groups of 32 bytes of p
}

// noise returns incompressible content.
func noise(seed uint64, size int64) s3.Content {
	return words{size: size, word: func(i uint64) uint64 { return mix(seed + i) }, fill: func(p []byte, i uint64) {
		for ; len(p) >= 32; p = p[32:] { // four at a time, for speed
			binary.LittleEndian.PutUint64(p, mix(seed+i))
			binary.LittleEndian.PutUint64(p[8:], mix(seed+i+1))
			binary.LittleEndian.PutUint64(p[16:], mix(seed+i+2))
			binary.LittleEndian.PutUint64(p[24:], mix(seed+i+3))
			i += 4
		}
	}}
}

func (w words) Size() int64 { return w.size }

func (w words) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= w.size {
		return 0, io.EOF
	}
	var err error
	if rest := w.size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	i, n := uint64(off)/8, 0
	if skip := int(off % 8); skip > 0 {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], w.word(i))
		n = copy(p, b[skip:])
		i++
	}
	if w.fill != nil {
		whole := (len(p) - n) &^ 31
		w.fill(p[n:n+whole], i)
		n, i = n+whole, i+uint64(whole/8)
	}
	for ; n+8 <= len(p); n += 8 {
		binary.LittleEndian.PutUint64(p[n:], w.word(i))
		i++
	}
	if n < len(p) {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], w.word(i))
		n += copy(p[n:], b[:])
	}
	return n, err
}

// text is content held in memory.
type text string

func (t text) Size() int64 { return int64(len(t)) }

func (t text) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(t)) {
		return 0, io.EOF
	}
	n := copy(p, t[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// concat is the concatenation of contents.
type concat []s3.Content

func (c concat) Size() (n int64) {
	for _, x := range c {
		n += x.Size()
	}
	return n
}

func (c concat) ReadAt(p []byte, off int64) (n int, err error) {
	for _, x := range c {
		if off >= x.Size() {
			off -= x.Size()
			continue
		}
		m, err := x.ReadAt(p[n:], off)
		n += m
		if n == len(p) {
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		off = 0
	}
	return n, io.EOF
}

// lazy is content of a known length. The first read computes the bytes.
type lazy struct {
	size  int64
	build func() (s3.Content, error)

	once    sync.Once
	content s3.Content
	err     error
}

func (l *lazy) Size() int64 { return l.size }

func (l *lazy) ReadAt(p []byte, off int64) (int, error) {
	l.once.Do(func() {
		l.content, l.err = l.build()
		if l.err == nil && l.content.Size() != l.size {
			l.err = errors.New("seed: content differs from its declared length")
		}
	})
	if l.err != nil {
		return 0, l.err
	}
	return l.content.ReadAt(p, off)
}
