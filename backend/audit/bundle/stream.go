package bundle

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"usher/backend/audit/tree"
)

// Source is a content of known size. It can be written several times.
type Source struct {
	Size  int64
	Write func(w io.Writer) error
}

// Bytes returns the source of a content in memory.
func Bytes(b []byte) Source {
	return Source{int64(len(b)), func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}}
}

// Next returns the next value of a sequence; false is its end.
type Next[T any] func() (T, bool, error)

// Leaf is the number of an event, from 0 on, and the hash of its bytes.
type Leaf struct {
	Index int64
	Hash  tree.Hash
}

// AppendLeaf appends a line of index.txt.
func AppendLeaf(b []byte, l Leaf) []byte {
	b = strconv.AppendInt(b, l.Index, 10)
	return AppendHash(append(b, ' '), l.Hash)
}

// AppendHash appends a line of proof.txt.
func AppendHash(b []byte, h tree.Hash) []byte {
	return append(hex.AppendEncode(b, h[:]), '\n')
}

func hashText(hashes []tree.Hash) (b []byte) {
	for _, h := range hashes {
		b = AppendHash(b, h)
	}
	return b
}

// errMalformed: a line of index.txt or proof.txt has another form.
var errMalformed = errors.New("malformed line")

// Leaves reads the lines of index.txt. The numbers rise, or it returns an error.
func Leaves(r io.Reader) Next[Leaf] {
	next, last := fixed(r), int64(-1)
	return func() (Leaf, bool, error) {
		line, ok, err := next()
		if !ok || err != nil {
			return Leaf{}, false, err
		}
		number, encoded, _ := strings.Cut(line, " ")
		n, err := strconv.ParseInt(number, 10, 64)
		h, ok := parseHash(encoded)
		if err != nil || !ok || n <= last || number != strconv.FormatInt(n, 10) {
			return Leaf{}, false, errMalformed
		}
		last = n
		return Leaf{n, h}, true, nil
	}
}

// hashes reads the lines of proof.txt.
func hashes(r io.Reader) Next[tree.Hash] {
	next := fixed(r)
	return func() (tree.Hash, bool, error) {
		line, ok, err := next()
		if !ok || err != nil {
			return tree.Hash{}, false, err
		}
		h, ok := parseHash(line)
		if !ok {
			return h, false, errMalformed
		}
		return h, true, nil
	}
}

// fixed reads short lines without their ends.
func fixed(r io.Reader) Next[string] {
	lines := bufio.NewReaderSize(r, 64<<10)
	return func() (string, bool, error) {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == nil:
			return string(line[:len(line)-1]), true, nil
		case errors.Is(err, io.EOF) && len(line) == 0:
			return "", false, nil
		case errors.Is(err, io.EOF), errors.Is(err, bufio.ErrBufferFull):
			return "", false, errMalformed
		}
		return "", false, fmt.Errorf("reading the export: %w", err)
	}
}

func parseHash(encoded string) (h tree.Hash, ok bool) {
	if len(encoded) != 2*len(h) || strings.ToLower(encoded) != encoded {
		return h, false
	}
	_, err := hex.Decode(h[:], []byte(encoded))
	return h, err == nil
}

// parseHashes parses a proof.
func parseHashes(raw []byte) (all []tree.Hash, ok bool) {
	next := hashes(strings.NewReader(string(raw)))
	for {
		h, more, err := next()
		if err != nil {
			return nil, false
		}
		if !more {
			return all, true
		}
		all = append(all, h)
	}
}

// peeked is a sequence with its next value.
type peeked[T any] struct {
	next Next[T]
	head T
	more bool
}

func peek[T any](next Next[T]) (*peeked[T], error) {
	p := &peeked[T]{next: next}
	return p, p.advance()
}

func (p *peeked[T]) advance() (err error) {
	p.head, p.more, err = p.next()
	return err
}
