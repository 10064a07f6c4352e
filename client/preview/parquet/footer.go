package parquet

import "strings"

// chunk is a column of the first row group with rows.
type chunk struct {
	codec      int
	start, end int64 // bytes of the file
	values     int64
}

// group is a row group.
type group struct {
	rows   int64
	chunks []chunkMeta
}

type chunkMeta struct {
	codec                       int
	encodings                   []int
	values, compressed          int64
	dataPage, dictionary        int64
	external, encrypted, absent bool
}

// parseFooter decodes FileMetaData.
func parseFooter(footer []byte, limits Limits) (*File, error) {
	t := &thrift{b: footer}
	f := &File{limits: limits}
	var schema []element
	var first *group
	var sums []int64
	many := false
	t.structure(func(id int, kind byte) {
		switch {
		case id == 2 && kind == tList:
			t.list(func(byte) {
				if len(schema) > 4*limits.Columns {
					many, t.bad = true, true
					return
				}
				schema = append(schema, t.element())
			})
		case id == 3 && kind == tI64:
			f.Rows = t.int()
		case id == 4 && kind == tList:
			t.list(func(byte) {
				g := t.group(limits.Columns)
				f.Groups++
				for i, c := range g.chunks {
					if i == len(sums) {
						sums = append(sums, 0)
					}
					sums[i] += c.compressed
				}
				if first == nil && g.rows > 0 {
					first = &g
				}
			})
		default:
			t.skip(kind)
		}
	})
	switch {
	case many:
		return nil, Error("it has too many columns for a preview")
	case t.failed() || len(schema) == 0:
		return nil, Error("its footer is damaged")
	case f.Rows < 0:
		return nil, Error("it has a negative number of rows")
	}
	w := walk{schema: schema[1:], most: limits.Columns}
	w.children(schema[0].children, nil, leaf{}, 0)
	switch {
	case w.many:
		return nil, Error("it has too many columns for a preview")
	case w.bad:
		return nil, Error("its schema is damaged")
	}
	f.Columns = w.columns
	for i := range f.Columns {
		if i < len(sums) {
			f.Columns[i].Bytes = max(0, sums[i])
		}
		if first != nil && i < len(first.chunks) {
			f.Columns[i].take(first.chunks[i])
		}
	}
	return f, nil
}

// take sets the chunk of a column.
func (c *Column) take(m chunkMeta) {
	if m.absent {
		return
	}
	c.Compression = codecName(m.codec)
	var names []string
	for _, e := range m.encodings {
		names = append(names, encodingName(e))
	}
	c.Encodings = strings.Join(names, ", ")
	if m.external || m.encrypted {
		return
	}
	start := m.dataPage
	if m.dictionary > 0 && m.dictionary < start {
		start = m.dictionary
	}
	if start < int64(len(magic)) || m.compressed < 0 || start+m.compressed < start {
		return
	}
	c.chunk = &chunk{codec: m.codec, start: start, end: start + m.compressed, values: m.values}
}

// group decodes RowGroup, with at most most columns.
func (t *thrift) group(most int) group {
	var g group
	t.structure(func(id int, kind byte) {
		switch {
		case id == 1 && kind == tList:
			t.list(func(byte) {
				c := t.columnChunk()
				if len(g.chunks) < most {
					g.chunks = append(g.chunks, c)
				}
			})
		case id == 3 && kind == tI64:
			g.rows = t.int()
		default:
			t.skip(kind)
		}
	})
	return g
}

// columnChunk decodes ColumnChunk.
func (t *thrift) columnChunk() chunkMeta {
	c := chunkMeta{absent: true}
	t.structure(func(id int, kind byte) {
		switch {
		case id == 1 && kind == tBinary:
			c.external = len(t.binary()) > 0
		case id == 3 && kind == tStruct:
			c.absent = false
			t.structure(func(id int, kind byte) { t.columnMeta(&c, id, kind) })
		case id == 8 && kind == tStruct:
			c.encrypted = true
			t.skip(kind)
		default:
			t.skip(kind)
		}
	})
	return c
}

// columnMeta decodes a field of ColumnMetaData.
func (t *thrift) columnMeta(c *chunkMeta, id int, kind byte) {
	switch {
	case id == 2 && kind == tList:
		t.list(func(byte) {
			e := int(t.int())
			if len(c.encodings) < 8 {
				c.encodings = append(c.encodings, e)
			}
		})
	case id == 4 && kind == tI32:
		c.codec = int(t.int())
	case id == 5 && kind == tI64:
		c.values = t.int()
	case id == 7 && kind == tI64:
		c.compressed = t.int()
	case id == 9 && kind == tI64:
		c.dataPage = t.int()
	case id == 11 && kind == tI64:
		c.dictionary = t.int()
	default:
		t.skip(kind)
	}
}

func codecName(n int) string {
	names := []string{"none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"}
	if n < 0 || n >= len(names) {
		return "unknown"
	}
	return names[n]
}

func encodingName(n int) string {
	names := []string{"plain", "", "dictionary", "rle", "bit-packed", "delta", "delta-length", "delta-strings", "dictionary", "split"}
	if n < 0 || n >= len(names) || names[n] == "" {
		return "unknown"
	}
	return names[n]
}
