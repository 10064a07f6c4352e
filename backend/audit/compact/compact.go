// Package compact compresses the texts of a log. Most of the bytes of an event are
// in other events too: a Dictionary has these parts, and a compressed text refers to
// them.
//
// A compressed text is a block of the LZ4 format whose preset dictionary comes before
// the text. A reader in another language needs twenty lines (docs/audit.md has one in
// Python).
// SPEC: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
//
// The choice of the members and the storage of dictionaries are left to the store.
package compact

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds in bytes. The offset of a match has 16 bits.
const (
	MaxDictionary = 48 << 10
	MaxText       = 16 << 10 // of a compressed text, after its expansion
)

// ErrMalformed reports bytes that Compress returns for no text.
var ErrMalformed = errors.New("malformed compressed text")

// Properties of the format.
const (
	minMatch  = 4
	lastBytes = 5  // a block ends with as many literal bytes
	lastMatch = 12 // no match begins in the last bytes
)

// Parameters of the search for matches.
const (
	probe      = 6 // bytes that the hash of a position covers
	hashBits   = 15
	recentBits = 8
	maxChain   = 4 // candidates of one position
)

// Dictionary has parts of texts. It is safe for concurrent use.
type Dictionary struct {
	text  []byte
	index *index // nil for expansion alone
}

// index finds the positions of bytes in a dictionary.
type index struct {
	first [1 << hashBits]uint16 // position + 1 of the last one with a hash
	next  []uint16              // position + 1 of the one before it, by position
}

// Open returns a dictionary for expansion. It returns ErrMalformed for a text above
// MaxDictionary.
func Open(text []byte) (*Dictionary, error) {
	if len(text) > MaxDictionary {
		return nil, fmt.Errorf("opening a dictionary of %d bytes: %w", len(text), ErrMalformed)
	}
	return &Dictionary{text: text}, nil
}

// New returns a dictionary for compression and expansion.
func New(text []byte) (*Dictionary, error) {
	d, err := Open(text)
	if err != nil {
		return nil, err
	}
	d.index = &index{next: make([]uint16, len(text))}
	for i := 0; i+probe <= len(text); i++ {
		h := hash(load(text, i), hashBits)
		d.index.next[i] = d.index.first[h]
		d.index.first[h] = uint16(i + 1)
	}
	return d, nil
}

// load returns eight bytes from position i on, fewer at the end of the text.
func load(text []byte, i int) uint64 {
	if i+8 <= len(text) {
		return binary.LittleEndian.Uint64(text[i:])
	}
	var last [8]byte
	copy(last[:], text[i:])
	return binary.LittleEndian.Uint64(last[:])
}

// hash returns the hash of the first probe bytes of v.
func hash(v uint64, bits int) uint64 {
	return (v << (64 - 8*probe) * 0x9e3779b97f4a7c15) >> (64 - bits)
}

// match is a part of a text that occurs before it.
type match struct{ offset, length int }

// Compress appends the compressed form of text to to. It returns false for a text
// above MaxText, and for one that does not become shorter.
func (d *Dictionary) Compress(to, text []byte) ([]byte, bool) {
	if len(text) > MaxText {
		return to, false
	}
	begin, literals := len(to), 0      // start of the literals that are not written yet
	var recent [1 << recentBits]uint16 // position + 1 in the text, by hash
	for i := 0; i+lastMatch < len(text); {
		v := load(text, i)
		m := d.longest(text, i, v)
		h := hash(v, recentBits)
		if at := int(recent[h]) - 1; at >= 0 {
			if n := common(text[at:], text[i:len(text)-lastBytes]); n > m.length && n >= minMatch {
				m = match{i - at, n}
			}
		}
		recent[h] = uint16(i + 1)
		if m.length < minMatch {
			i++
			continue
		}
		to = appendSequence(to, text[literals:i], m)
		i += m.length
		literals = i
	}
	to = appendSequence(to, text[literals:], match{})
	return to, len(to)-begin < len(text)
}

// longest returns the longest match in the dictionary of the text at position i, whose
// first bytes are v. A match ends before the last bytes of the text.
func (d *Dictionary) longest(text []byte, i int, v uint64) (best match) {
	rest := text[i : len(text)-lastBytes]
	at := d.index.first[hash(v, hashBits)]
	for range maxChain {
		if at == 0 {
			break
		}
		if n := common(d.text[at-1:], rest); n > best.length {
			best = match{len(d.text) - int(at-1) + i, n}
		}
		at = d.index.next[at-1]
	}
	return best
}

// common returns the length of the longest common prefix.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// appendSequence appends literal bytes and a match. Without a match it is the last
// sequence.
func appendSequence(to, literals []byte, m match) []byte {
	high, low := min(len(literals), 15), 0
	if m.length > 0 {
		low = min(m.length-minMatch, 15)
	}
	to = append(to, byte(high<<4|low))
	to = append(appendLength(to, len(literals)), literals...)
	if m.length == 0 {
		return to
	}
	return appendLength(append(to, byte(m.offset), byte(m.offset>>8)), m.length-minMatch)
}

// appendLength appends the rest of a length above 14.
func appendLength(to []byte, n int) []byte {
	if n < 15 {
		return to
	}
	for n -= 15; n >= 255; n -= 255 {
		to = append(to, 255)
	}
	return append(to, byte(n))
}

// Expand appends the text of a compressed form to to. It returns ErrMalformed for
// other bytes, and for a text above MaxText.
func (d *Dictionary) Expand(to, packed []byte) ([]byte, error) {
	begin, limit := len(to), len(to)+MaxText
	for {
		if len(packed) == 0 {
			return to[:begin], ErrMalformed
		}
		token := packed[0]
		n, rest, ok := length(int(token>>4), packed[1:])
		if !ok || n > len(rest) || n > limit-len(to) {
			return to[:begin], ErrMalformed
		}
		to = append(to, rest[:n]...)
		if packed = rest[n:]; len(packed) == 0 {
			return to, nil
		}
		if len(packed) < 2 {
			return to[:begin], ErrMalformed
		}
		offset := int(packed[0]) | int(packed[1])<<8
		if n, packed, ok = length(int(token&15), packed[2:]); !ok {
			return to[:begin], ErrMalformed
		}
		n += minMatch
		if n > limit-len(to) || offset == 0 || offset > len(to)-begin+len(d.text) {
			return to[:begin], ErrMalformed
		}
		to = d.copy(to, begin, offset, n)
	}
}

// copy appends n bytes from offset bytes before the end of the text that begins at
// begin. The dictionary is before the text.
func (d *Dictionary) copy(to []byte, begin, offset, n int) []byte {
	if before := offset - (len(to) - begin); before > 0 {
		from := d.text[len(d.text)-before:]
		from = from[:min(n, len(from))]
		to = append(to, from...)
		n -= len(from)
	}
	for n > 0 { // the source grows while it is copied
		from := to[len(to)-offset:]
		from = from[:min(n, len(from))]
		to = append(to, from...)
		n -= len(from)
	}
	return to
}

// length returns a length with its further bytes, and the bytes behind them.
func length(n int, packed []byte) (int, []byte, bool) {
	if n < 15 {
		return n, packed, true
	}
	for i, b := range packed {
		n += int(b)
		if n > MaxText {
			return 0, nil, false
		}
		if b != 255 {
			return n, packed[i+1:], true
		}
	}
	return 0, nil, false
}

// Expands reports whether packed is a compressed form of text.
func (d *Dictionary) Expands(packed, text []byte) bool {
	all, err := d.Expand(make([]byte, 0, len(text)), packed)
	return err == nil && bytes.Equal(all, text)
}
