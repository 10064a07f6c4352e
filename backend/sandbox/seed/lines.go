package seed

import (
	"io"
	"sync"
)

const (
	lineBlock = 64 << 10 // bytes
	maxLine   = 256      // bytes of any line, with its line feed
)

// lines is text of rows. Each block is computed from the seed alone and ends with
// the end of a row, so the rows of a block do not depend on earlier rows.
type lines struct {
	size int64
	seed uint64
	kind *lineKind
}

// lineKind is the form of the rows. row appends row n, and pads its last free
// field with extra bytes. With the same random and extra 0, it appends the same
// row of less than maxLine bytes.
type lineKind struct {
	head string
	row  func(b []byte, r random, n int64, extra int) []byte
}

// newLines returns about size bytes: a last block too short for a row is
// extended.
func newLines(kind *lineKind, seed uint64, size int64) lines {
	size = max(size, int64(len(kind.head))+2*maxLine)
	if rest := size % lineBlock; rest > 0 && rest < 2*maxLine {
		size += 2 * maxLine
	}
	return lines{size, seed, kind}
}

func (l lines) Size() int64 { return l.size }

var lineBuffers = sync.Pool{New: func() any { b := make([]byte, 0, lineBlock); return &b }}

func (l lines) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= l.size {
		return 0, io.EOF
	}
	buf := lineBuffers.Get().(*[]byte)
	defer lineBuffers.Put(buf)
	for n < len(p) && off < l.size {
		*buf = l.block((*buf)[:0], off/lineBlock)
		m := copy(p[n:], (*buf)[off%lineBlock:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (l lines) block(b []byte, i int64) []byte {
	length := int(min(lineBlock, l.size-i*lineBlock))
	if i == 0 {
		b = append(b, l.kind.head...)
	}
	r := random(mix(l.seed + uint64(i)))
	for n := i * 1024; ; n++ { // a block has fewer than 1,024 rows
		r.next()
		start := len(b)
		b = l.kind.row(b, r, n, 0)
		rest := length - len(b)
		if rest >= maxLine {
			continue
		}
		return l.kind.row(b[:start], r, n, rest)
	}
}

// pad appends n bytes of harmless prose.
func pad(b []byte, n int) []byte {
	const prose = " checked against the general ledger and the bank statement; no difference found; see the working paper of the same number;"
	for n > 0 {
		m := min(n, len(prose))
		b = append(b, prose[:m]...)
		n -= m
	}
	return b
}
