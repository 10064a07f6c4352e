package parquet

import "encoding/binary"

// Types of Thrift's compact protocol.
// SPEC: github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
const (
	tStop   = 0
	tTrue   = 1
	tFalse  = 2
	tByte   = 3
	tI16    = 4
	tI32    = 5
	tI64    = 6
	tDouble = 7
	tBinary = 8
	tList   = 9
	tSet    = 10
	tMap    = 11
	tStruct = 12
	tUUID   = 13
)

const mostNesting = 32 // structs in structs

// thrift decodes a message. After the first error all methods return zero values.
type thrift struct {
	b     []byte
	at    int
	depth int
	short bool // the message ended
	bad   bool
}

func (t *thrift) failed() bool { return t.short || t.bad }

func (t *thrift) byte() byte {
	if t.failed() || t.at >= len(t.b) {
		t.short = true
		return 0
	}
	t.at++
	return t.b[t.at-1]
}

func (t *thrift) uvarint() uint64 {
	if t.failed() {
		return 0
	}
	v, n := binary.Uvarint(t.b[t.at:])
	switch {
	case n == 0:
		t.short = true
	case n < 0:
		t.bad = true
	default:
		t.at += n
	}
	return v
}

func (t *thrift) int() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (t *thrift) binary() []byte {
	n := t.uvarint()
	if t.failed() {
		return nil
	}
	if n > uint64(len(t.b)-t.at) {
		t.short = true
		return nil
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

// structure calls f with each field of a struct. f consumes the value.
func (t *thrift) structure(f func(id int, kind byte)) {
	if t.depth++; t.depth > mostNesting {
		t.bad = true
	}
	id := 0
	for !t.failed() {
		h := t.byte()
		if h&15 == tStop {
			break
		}
		if delta := int(h >> 4); delta > 0 {
			id += delta
		} else {
			id = int(t.int())
		}
		f(id, h&15)
	}
	t.depth--
}

// list calls f for each element of a list. f consumes the element.
func (t *thrift) list(f func(kind byte)) {
	h := t.byte()
	n := uint64(h >> 4)
	if n == 15 {
		n = t.uvarint()
	}
	for ; n > 0 && !t.failed(); n-- {
		if at := t.at; true {
			f(h & 15)
			if t.at == at { // an element without bytes could repeat for ever
				t.bad = true
			}
		}
	}
}

// skip consumes a value of a field.
func (t *thrift) skip(kind byte) {
	switch kind {
	case tTrue, tFalse:
	default:
		t.skipElement(kind)
	}
}

// skipElement consumes a value of a list, where a bool has a byte.
func (t *thrift) skipElement(kind byte) {
	switch kind {
	case tTrue, tFalse, tByte:
		t.byte()
	case tI16, tI32, tI64:
		t.uvarint()
	case tDouble:
		t.bytes(8)
	case tUUID:
		t.bytes(16)
	case tBinary:
		t.binary()
	case tStruct:
		t.structure(func(_ int, k byte) { t.skip(k) })
	case tList, tSet:
		if t.depth++; t.depth > mostNesting {
			t.bad = true
		}
		t.list(t.skipElement)
		t.depth--
	case tMap:
		n := t.uvarint()
		if n == 0 {
			return
		}
		kinds := t.byte()
		for ; n > 0 && !t.failed(); n-- {
			t.skipElement(kinds >> 4)
			t.skipElement(kinds & 15)
		}
	default:
		t.bad = true
	}
}

func (t *thrift) bytes(n int) {
	if n > len(t.b)-t.at {
		t.short = true
		return
	}
	t.at += n
}

// flag returns the value of a bool field.
func flag(kind byte) bool { return kind == tTrue }
