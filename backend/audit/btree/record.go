package btree

// Kind is the storage class of a value.
type Kind uint8

// The storage classes of SQLite.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
)

// Value is one column of a row. Bytes belong to the row's payload.
type Value struct {
	Kind    Kind
	Integer int64
	Bytes   []byte // of a Text or a Blob; the eight bytes of a Real
}

// Columns parses the first columns of a payload into to. It returns ErrMalformed if
// there are fewer.
func Columns(payload []byte, to []Value) error {
	size, n := Varint(payload)
	if n == 0 || size < int64(n) || size > int64(len(payload)) {
		return ErrMalformed
	}
	header, body := payload[n:size], payload[size:]
	for i := range to {
		kind, n := Varint(header)
		if n == 0 {
			return ErrMalformed
		}
		header = header[n:]
		width, ok := widthOf(kind)
		if !ok || width > len(body) {
			return ErrMalformed
		}
		to[i] = valueOf(kind, body[:width])
		body = body[width:]
	}
	return nil
}

// Entry parses an entry of an index: one value, and two integers, the key of its row.
// It returns ErrMalformed for any other one.
func Entry(payload []byte) (v Value, first, second int64, err error) {
	size, n := Varint(payload)
	if n == 0 || size < int64(n) || size > int64(len(payload)) {
		return v, 0, 0, ErrMalformed
	}
	header, body := payload[n:size], payload[size:]
	var all [3]Value
	for i := range all {
		kind, n := Varint(header)
		width, ok := widthOf(kind)
		if n == 0 || !ok || width > len(body) {
			return v, 0, 0, ErrMalformed
		}
		all[i], header, body = valueOf(kind, body[:width]), header[n:], body[width:]
	}
	if all[1].Kind != Integer || all[2].Kind != Integer || len(header)+len(body) > 0 {
		return v, 0, 0, ErrMalformed
	}
	return all[0], all[1].Integer, all[2].Integer, nil
}

// widthOf returns the number of bytes of a value of a serial type.
func widthOf(kind int64) (int, bool) {
	switch {
	case kind >= 12:
		return int((kind - 12) / 2), kind < 2*maxPayload+12
	case kind < 0 || kind > 9:
		return 0, false
	}
	return int([...]uint8{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[kind]), true
}

func valueOf(kind int64, bytes []byte) Value {
	switch {
	case kind >= 12 && kind%2 == 0:
		return Value{Kind: Blob, Bytes: bytes}
	case kind >= 12:
		return Value{Kind: Text, Bytes: bytes}
	case kind == 0:
		return Value{}
	case kind == 7:
		return Value{Kind: Real, Bytes: bytes}
	case kind >= 8:
		return Value{Kind: Integer, Integer: kind - 8}
	}
	v := int64(int8(bytes[0]))
	for _, b := range bytes[1:] {
		v = v<<8 | int64(b)
	}
	return Value{Kind: Integer, Integer: v}
}

// Varint returns the integer at the start of b and its number of bytes, or 0 if b
// ends before.
func Varint(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int64(b[0]), 1
	}
	if len(b) > 1 && b[1] < 0x80 {
		return int64(b[0]&0x7f)<<7 | int64(b[1]), 2
	}
	var u uint64
	for i := range min(len(b), 8) {
		u = u<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return int64(u), i + 1
		}
	}
	if len(b) < 9 {
		return 0, 0
	}
	return int64(u<<8 | uint64(b[8])), 9
}
