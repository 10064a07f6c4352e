package parquet

import (
	"encoding/binary"
	"math"
)

// Encodings of values.
const (
	encPlain           = 0
	encPlainDictionary = 2
	encRLE             = 3
	encDelta           = 5
	encDeltaLength     = 6
	encDeltaStrings    = 7
	encDictionary      = 8
	encSplit           = 9
)

const mostPacked = 1 << 20 // values of a page in a delta encoding

// value is one value: a number in bits, or bytes.
type value struct {
	bits  uint64
	bytes []byte
	some  bool // false: it is beyond the part that was read
}

// values returns the values of a page one by one.
type values interface{ next() (value, error) }

// plainValues reads PLAIN.
type plainValues struct {
	s        *stream
	physical int
	length   int // of fixed
	most     int // bytes of a value that are kept
	bools    byte
	left     int // bools in bools
	buf      [12]byte
}

func (p *plainValues) next() (value, error) {
	v := value{some: true}
	size := 0
	switch p.physical {
	case boolean:
		if p.left == 0 {
			b, err := p.s.ReadByte()
			if err != nil {
				return v, err
			}
			p.bools, p.left = b, 8
		}
		v.bits = uint64(p.bools & 1)
		p.bools, p.left = p.bools>>1, p.left-1
		return v, nil
	case int32s, floats:
		size = 4
	case int64s, doubles:
		size = 8
	case int96s:
		b, err := p.s.take(12)
		v.bytes = b
		return v, err
	case fixed:
		b, err := p.s.take(int64(p.length))
		v.bytes = b
		return v, err
	case byteArray:
		if err := p.s.full(p.buf[:4]); err != nil {
			return v, err
		}
		b, err := p.s.take(int64(binary.LittleEndian.Uint32(p.buf[:4])))
		v.bytes = b
		return v, err
	default:
		return v, Error("its type is not known")
	}
	clear(p.buf[:])
	err := p.s.full(p.buf[:size])
	v.bits = binary.LittleEndian.Uint64(p.buf[:8])
	return v, err
}

// hybrid reads numbers in runs and in bit-packed groups.
type hybrid struct {
	read  func() (byte, error)
	width int
	run   uint64 // values left of the run or of the groups
	value uint32
	group [8]uint32
	at    int // in group; 8: none left
	packs bool
}

func (h *hybrid) next() (uint32, error) {
	if h.run == 0 {
		if err := h.header(); err != nil {
			return 0, err
		}
	}
	h.run--
	if !h.packs {
		return h.value, nil
	}
	if h.at == 8 {
		if err := h.unpack(); err != nil {
			return 0, err
		}
	}
	h.at++
	return h.group[h.at-1], nil
}

func (h *hybrid) header() error {
	n, err := uvarint(h.read)
	if err != nil {
		return err
	}
	h.packs = n&1 == 1
	h.run, h.at = n>>1, 8
	if h.run == 0 {
		return Error("a page has an empty run")
	}
	if h.packs {
		h.run = min(h.run, 1<<40) * 8
		return nil
	}
	h.value = 0
	for i := range (h.width + 7) / 8 {
		b, err := h.read()
		if err != nil {
			return err
		}
		h.value |= uint32(b) << (8 * i)
	}
	return nil
}

// unpack reads a group of eight values.
func (h *hybrid) unpack() error {
	var bits uint64
	have := 0
	for i := range h.group {
		for have < h.width {
			b, err := h.read()
			if err != nil {
				return err
			}
			bits |= uint64(b) << have
			have += 8
		}
		h.group[i] = uint32(bits & (1<<h.width - 1))
		bits >>= h.width
		have -= h.width
	}
	h.at = 0
	return nil
}

func uvarint(read func() (byte, error)) (uint64, error) {
	var v uint64
	for i := range binary.MaxVarintLen64 {
		b, err := read()
		if err != nil {
			return 0, err
		}
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return v, nil
		}
	}
	return 0, Error("a page has a number without an end")
}

// indexed reads indices into a dictionary.
type indexed struct {
	h    hybrid
	dict *dictionary
}

func (x *indexed) next() (value, error) {
	i, err := x.h.next()
	if err != nil {
		return value{}, err
	}
	return x.dict.value(int(i))
}

// dictionary reads its values when they are needed.
type dictionary struct {
	source values
	known  []value
	most   int
	ended  bool
}

// value returns value i. One beyond the part that was read is not there.
func (d *dictionary) value(i int) (value, error) {
	for len(d.known) <= i && !d.ended {
		v, err := d.source.next()
		if err != nil || len(d.known) >= d.most {
			d.ended = true
			if _, content := err.(Error); err != nil && !content {
				return value{}, err
			}
			break
		}
		d.known = append(d.known, v)
	}
	if i >= len(d.known) {
		return value{}, nil
	}
	return d.known[i], nil
}

// runs are booleans in RLE.
type runs struct{ h hybrid }

func (r *runs) next() (value, error) {
	v, err := r.h.next()
	return value{bits: uint64(v), some: true}, err
}

// delta reads DELTA_BINARY_PACKED.
type delta struct {
	s         *stream
	block     int
	minis     int
	left      int // values
	last      int64
	started   bool
	minDelta  int64
	widths    []byte
	mini      []byte // packed deltas of the miniblock
	width, at int    // bits
	rest      int    // deltas left in the miniblock
}

func newDelta(s *stream) (*delta, error) {
	d := &delta{s: s}
	var head [3]uint64
	for i := range head {
		v, err := uvarint(s.ReadByte)
		if err != nil {
			return nil, err
		}
		head[i] = v
	}
	first, err := uvarint(s.ReadByte)
	if err != nil {
		return nil, err
	}
	if head[0] == 0 || head[0] > 1<<14 || head[1] == 0 || head[1] > 512 || head[0]%head[1] != 0 || head[2] > mostPacked {
		return nil, Error("a page has deltas of unknown form")
	}
	d.block, d.minis, d.left = int(head[0]), int(head[1]), int(head[2])
	d.last = int64(first>>1) ^ -int64(first&1)
	return d, nil
}

func (d *delta) next() (value, error) {
	n, err := d.number()
	return value{bits: uint64(n), some: true}, err
}

func (d *delta) number() (int64, error) {
	if d.left == 0 {
		return 0, Error("a page ends too early")
	}
	d.left--
	if !d.started {
		d.started = true
		return d.last, nil
	}
	if d.rest == 0 {
		if err := d.miniblock(); err != nil {
			return 0, err
		}
	}
	var v uint64
	for i := 0; i < d.width; {
		take := min(8-d.at%8, d.width-i)
		v |= uint64(d.mini[d.at/8]>>(d.at%8)&(1<<take-1)) << i
		d.at, i = d.at+take, i+take
	}
	d.rest--
	d.last += d.minDelta + int64(v)
	return d.last, nil
}

// miniblock reads the next miniblock, and the head of its block.
func (d *delta) miniblock() error {
	if len(d.widths) == 0 {
		m, err := uvarint(d.s.ReadByte)
		if err != nil {
			return err
		}
		d.minDelta = int64(m>>1) ^ -int64(m&1)
		if d.widths, err = d.s.take(int64(d.minis)); err != nil {
			return err
		}
	}
	d.width, d.at, d.rest = int(d.widths[0]), 0, d.block/d.minis
	d.widths = d.widths[1:]
	if d.width > 64 {
		return Error("a page has deltas of unknown form")
	}
	var err error
	d.mini, err = d.s.take(int64((d.rest*d.width + 7) / 8))
	return err
}

// numbers reads all values, and returns the first most of them.
func (d *delta) numbers(most int) ([]int64, error) {
	out := make([]int64, 0, min(most, d.left))
	for d.left > 0 {
		n, err := d.number()
		if err != nil {
			return nil, err
		}
		if len(out) < most {
			out = append(out, n)
		}
	}
	return out, nil
}

// strings reads DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY.
type deltaStrings struct {
	s               *stream
	prefix, lengths []int64
	last            []byte
	incremental     bool
}

func newDeltaStrings(s *stream, incremental bool, most int) (*deltaStrings, error) {
	d := &deltaStrings{s: s, incremental: incremental}
	lists := []*[]int64{&d.lengths}
	if incremental {
		lists = []*[]int64{&d.prefix, &d.lengths}
	}
	for _, l := range lists {
		n, err := newDelta(s)
		if err != nil {
			return nil, err
		}
		if *l, err = n.numbers(most); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *deltaStrings) next() (value, error) {
	if len(d.lengths) == 0 || d.incremental && len(d.prefix) == 0 {
		return value{}, Error("a page ends too early")
	}
	b, err := d.s.take(d.lengths[0])
	if err != nil {
		return value{}, err
	}
	d.lengths = d.lengths[1:]
	if d.incremental {
		n := d.prefix[0]
		if n < 0 || n > int64(len(d.last)) {
			return value{}, Error("a page has a wrong prefix")
		}
		b = append(d.last[:n:n], b...)
		d.last, d.prefix = b, d.prefix[1:]
	}
	return value{bytes: b, some: true}, nil
}

// split reads BYTE_STREAM_SPLIT: all first bytes, then all second bytes.
type split struct {
	data     []byte
	n, i     int
	width    int
	physical int
}

func newSplit(s *stream, count int64, physical, length int) (*split, error) {
	width := length
	switch physical {
	case int32s, floats:
		width = 4
	case int64s, doubles:
		width = 8
	}
	if width < 1 || count < 0 || count > int64(s.left)/int64(width) {
		return nil, Error("a page is too large for a preview of its encoding")
	}
	data, err := s.take(count * int64(width))
	return &split{data: data, n: int(count), width: width, physical: physical}, err
}

func (p *split) next() (value, error) {
	if p.i >= p.n {
		return value{}, Error("a page ends too early")
	}
	b := make([]byte, p.width, max(p.width, 8))
	for k := range b {
		b[k] = p.data[k*p.n+p.i]
	}
	p.i++
	if p.physical == fixed {
		return value{bytes: b, some: true}, nil
	}
	return value{bits: binary.LittleEndian.Uint64(b[:8]), some: true}, nil
}

func float(v value, physical int) float64 {
	if physical == floats {
		return float64(math.Float32frombits(uint32(v.bits)))
	}
	return math.Float64frombits(v.bits)
}
