package seed

import (
	"encoding/binary"
	"math"
	"time"

	"usher/backend/sandbox/s3"
)

// parquet returns a table of readings: time, temperature and humidity, in one row
// group with one plain page per column.
// SPEC: https://parquet.apache.org/docs/file-format/ and parquet.thrift.
func parquet(seed uint64, start time.Time, rows int64) s3.Content {
	first := uint64(start.UnixMicro())
	columns := []struct {
		name string
		kind int64 // parquet.thrift, Type
		word func(i uint64) uint64
	}{
		{"time_us", 2, func(i uint64) uint64 { return first + i*250_000 }},
		{"temperature_c", 5, func(i uint64) uint64 { return math.Float64bits(float64(mix(seed+i)%400)/10 - 10) }},
		{"humidity_pct", 5, func(i uint64) uint64 { return math.Float64bits(float64(mix(seed^i)%1000) / 10) }},
	}
	file := concat{text("PAR1")}
	offset := int64(len("PAR1"))
	var schema, chunks [][]byte
	var root thrift
	root.binary(4, "schema")
	root.int(5, int64(len(columns)))
	schema = append(schema, root.end())
	for _, c := range columns {
		size := 8 * rows
		header := pageHeader(size, rows)
		file = append(file, text(header), words{size: size, word: c.word})
		var element thrift
		element.int(1, c.kind)
		element.int(3, 0) // REQUIRED
		element.binary(4, c.name)
		schema = append(schema, element.end())
		total := int64(len(header)) + size
		chunks = append(chunks, columnChunk(c.name, c.kind, offset, total, rows))
		offset += total
	}
	var group thrift
	group.structs(1, chunks)
	group.long(2, offset-4)
	group.long(3, rows)
	var meta thrift
	meta.int(1, 1)
	meta.structs(2, schema)
	meta.long(3, rows)
	meta.structs(4, [][]byte{group.end()})
	meta.binary(6, "usher sandbox")
	footer := meta.end()
	footer = binary.LittleEndian.AppendUint32(footer, uint32(len(footer)))
	return append(file, text(string(footer)+"PAR1"))
}

func pageHeader(size, rows int64) []byte {
	var data thrift
	data.int(1, rows)
	data.int(2, 0) // PLAIN
	data.int(3, 3) // RLE, unused in a required column
	data.int(4, 3)
	var h thrift
	h.int(1, 0) // DATA_PAGE
	h.int(2, size)
	h.int(3, size)
	h.field(5, 12)
	h.b = append(h.b, data.end()...)
	return h.end()
}

func columnChunk(name string, kind, offset, total, rows int64) []byte {
	var m thrift
	m.int(1, kind)
	m.field(2, 9)
	m.b = append(m.b, 1<<4|5, 0) // a list of one i32: PLAIN
	m.field(3, 9)
	m.b = append(m.b, 1<<4|8, byte(len(name)))
	m.b = append(m.b, name...)
	m.int(4, 0) // UNCOMPRESSED
	m.long(5, rows)
	m.long(6, total)
	m.long(7, total)
	m.long(9, offset)
	var c thrift
	c.long(2, offset)
	c.field(3, 12)
	c.b = append(c.b, m.end()...)
	return c.end()
}

// thrift writes one struct in Thrift's compact protocol.
// SPEC: github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
type thrift struct {
	b    []byte
	last byte
}

func (t *thrift) field(id, kind byte) {
	t.b = append(t.b, (id-t.last)<<4|kind)
	t.last = id
}

func (t *thrift) int(id byte, v int64)  { t.field(id, 5); t.b = binary.AppendVarint(t.b, v) }
func (t *thrift) long(id byte, v int64) { t.field(id, 6); t.b = binary.AppendVarint(t.b, v) }

func (t *thrift) binary(id byte, s string) {
	t.field(id, 8)
	t.b = append(binary.AppendUvarint(t.b, uint64(len(s))), s...)
}

// structs writes a list of fewer than 15 structs.
func (t *thrift) structs(id byte, list [][]byte) {
	t.field(id, 9)
	t.b = append(t.b, byte(len(list))<<4|12)
	for _, s := range list {
		t.b = append(t.b, s...)
	}
}

func (t *thrift) end() []byte { return append(t.b, 0) }
