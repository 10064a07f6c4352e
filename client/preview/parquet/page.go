package parquet

import (
	"errors"
	"io"
	"math/bits"
)

// Types of pages.
const (
	dataPage       = 0
	dictionaryPage = 2
	dataPageV2     = 3
)

// header is a PageHeader.
type header struct {
	kind                     int
	unpacked, packed         int64
	values                   int64
	encoding                 int
	definitions, repetitions int64 // bytes of the levels, version 2
	nulls                    int64 // version 2
	raw                      bool  // the values are not compressed, version 2
	size                     int64 // of the header
}

// readHeader decodes the header of a page. Statistics make its length vary.
func readHeader(r io.ReaderAt, at, end int64) (header, error) {
	for n := int64(128); ; n *= 8 {
		n = min(n, end-at)
		if n <= 0 {
			return header{}, Error("a page ends too early")
		}
		buf := make([]byte, n)
		if err := readFull(r, buf, at); err != nil {
			return header{}, err
		}
		t := &thrift{b: buf}
		h := t.header()
		switch {
		case t.bad || t.short && (n == end-at || n > 64<<10):
			return header{}, Error("the header of a page is damaged")
		case !t.short:
			h.size = int64(t.at)
			if h.packed < 0 || h.unpacked < 0 || h.packed > end-at-h.size {
				return header{}, Error("a page is larger than its column")
			}
			return h, nil
		}
	}
}

func (t *thrift) header() header {
	h := header{kind: -1}
	t.structure(func(id int, kind byte) {
		switch {
		case id == 1 && kind == tI32:
			h.kind = int(t.int())
		case id == 2 && kind == tI32:
			h.unpacked = t.int()
		case id == 3 && kind == tI32:
			h.packed = t.int()
		case (id == 5 || id == 7 || id == 8) && kind == tStruct:
			t.structure(func(field int, kind byte) { t.pageHeader(&h, id, field, kind) })
		default:
			t.skip(kind)
		}
	})
	return h
}

// pageHeader decodes a field of DataPageHeader (5), DictionaryPageHeader (7) or
// DataPageHeaderV2 (8).
func (t *thrift) pageHeader(h *header, of, id int, kind byte) {
	switch {
	case id == 1 && kind == tI32:
		h.values = t.int()
	case of == 8 && id == 2 && kind == tI32:
		h.nulls = t.int()
	case of != 8 && id == 2 && kind == tI32, of == 8 && id == 4 && kind == tI32:
		h.encoding = int(t.int())
	case of == 8 && id == 5 && kind == tI32:
		h.definitions = t.int()
	case of == 8 && id == 6 && kind == tI32:
		h.repetitions = t.int()
	case of == 8 && id == 7:
		h.raw = !flag(kind)
		t.skip(kind)
	default:
		t.skip(kind)
	}
}

// mostRead is the number of values that are read of a column. A run of levels may
// name any number of values.
const mostRead = 100_000

// first returns the first rows of a column as texts.
func (c *Column) first(r io.ReaderAt, most int, limits Limits) ([]string, error) {
	if c.chunk == nil {
		return nil, Error("its values are not in this file")
	}
	reading := &columnReader{Column: c, r: r, most: most, limits: limits, rows: make([]string, 0, min(most, 1000))}
	defer reading.close()
	err := reading.pages()
	return reading.finish(), err
}

// columnReader reads the first pages of a column.
type columnReader struct {
	*Column
	r      io.ReaderAt
	most   int
	limits Limits
	dict   *dictionary
	ends   []func() // of decoders
	rows   []string
	list   listCell
	read   int // values of all pages
}

func (c *columnReader) close() {
	for _, end := range c.ends {
		end()
	}
}

// pages reads pages until there are enough rows.
func (c *columnReader) pages() error {
	const mostPages = 200
	at, end := c.chunk.start, c.chunk.end
	for n := 0; at < end && len(c.rows) < c.most && n < mostPages; n++ {
		h, err := readHeader(c.r, at, end)
		if err != nil {
			return err
		}
		section := io.NewSectionReader(c.r, at+h.size, h.packed)
		switch h.kind {
		case dictionaryPage:
			err = c.readDictionary(h, section)
		case dataPage:
			err = c.dataPage(h, section)
		case dataPageV2:
			err = c.dataPageV2(h, section)
		}
		if err != nil {
			return err
		}
		at += h.size + h.packed
	}
	return nil
}

func (c *columnReader) open(r io.Reader, codec int, unpacked int64) (*stream, error) {
	s, end, err := newStream(r, codec, int(min(unpacked, int64(c.limits.Page))))
	c.ends = append(c.ends, end)
	return s, err
}

func (c *columnReader) plain(s *stream) *plainValues {
	return &plainValues{s: s, physical: c.leaf.physical, length: c.leaf.length, most: c.limits.Cell}
}

func (c *columnReader) readDictionary(h header, section io.Reader) error {
	s, err := c.open(section, c.chunk.codec, h.unpacked)
	if err != nil {
		return err
	}
	c.dict = &dictionary{source: c.plain(s), most: int(min(max(h.values, 0), mostPacked))}
	return nil
}

// dataPage reads a page of version 1: its levels are in the compressed data.
func (c *columnReader) dataPage(h header, section io.Reader) error {
	s, err := c.open(section, c.chunk.codec, h.unpacked)
	if err != nil {
		return err
	}
	var levels [2]*hybrid
	for i, most := range []int{c.leaf.maxRepetition, c.leaf.maxDefinition} {
		if most == 0 {
			continue
		}
		size, err := s.take(4)
		if err != nil {
			return err
		}
		data, err := s.take(int64(size[0]) | int64(size[1])<<8 | int64(size[2])<<16 | int64(size[3])<<24)
		if err != nil {
			return err
		}
		levels[i] = levelsOf(data, most)
	}
	return c.page(h, s, levels[0], levels[1])
}

// dataPageV2 reads a page of version 2: its levels precede the compressed data.
func (c *columnReader) dataPageV2(h header, section io.Reader) error {
	if h.repetitions < 0 || h.definitions < 0 || h.repetitions+h.definitions > min(h.packed, int64(c.limits.Page)) {
		return Error("the levels of a page are damaged")
	}
	var levels [2]*hybrid
	for i, l := range []struct {
		size int64
		most int
	}{{h.repetitions, c.leaf.maxRepetition}, {h.definitions, c.leaf.maxDefinition}} {
		data := make([]byte, l.size)
		if _, err := io.ReadFull(section, data); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				return Error("a page ends too early")
			}
			return err
		}
		if l.most > 0 {
			levels[i] = levelsOf(data, l.most)
		}
	}
	codec := c.chunk.codec
	if h.raw {
		codec = codecNone
	}
	s, err := c.open(section, codec, max(0, h.unpacked-h.repetitions-h.definitions))
	if err != nil {
		return err
	}
	return c.page(h, s, levels[0], levels[1])
}

// levelsOf returns the levels of a page. After its end, each is an error.
func levelsOf(data []byte, most int) *hybrid {
	at := 0
	return &hybrid{width: bits.Len(uint(most)), read: func() (byte, error) {
		if at == len(data) {
			return 0, Error("the levels of a page end too early")
		}
		at++
		return data[at-1], nil
	}}
}

// page reads the values of a page.
func (c *columnReader) page(h header, s *stream, repetitions, definitions *hybrid) error {
	var v values
	for range h.values {
		if c.read++; c.read > mostRead {
			return Error("its lists are too long for a preview")
		}
		var rep, def uint32
		var err error
		if repetitions != nil {
			if rep, err = repetitions.next(); err != nil {
				return err
			}
		}
		if definitions != nil {
			if def, err = definitions.next(); err != nil {
				return err
			}
		}
		if rep == 0 {
			if c.begin(); len(c.rows) >= c.most {
				return nil
			}
		}
		if int(def) < c.leaf.maxDefinition {
			c.absent(int(def))
			continue
		}
		if v == nil { // a page of nulls has no values
			if v, err = c.values(h, s); err != nil {
				return err
			}
		}
		next, err := v.next()
		if err != nil {
			return err
		}
		c.present(next)
	}
	return nil
}

// values returns the reader of an encoding.
func (c *columnReader) values(h header, s *stream) (values, error) {
	switch h.encoding {
	case encPlain:
		return c.plain(s), nil
	case encPlainDictionary, encDictionary:
		if c.dict == nil {
			return nil, Error("a page has no dictionary")
		}
		width, err := s.ReadByte()
		if err != nil {
			return nil, err
		}
		if width > 32 {
			return nil, Error("a page has indices of unknown form")
		}
		return &indexed{hybrid{read: s.ReadByte, width: int(width)}, c.dict}, nil
	case encRLE:
		if _, err := s.take(4); err != nil {
			return nil, err
		}
		return &runs{hybrid{read: s.ReadByte, width: 1}}, nil
	case encDelta:
		return newDelta(s)
	case encDeltaLength, encDeltaStrings:
		return newDeltaStrings(s, h.encoding == encDeltaStrings, 64*c.most)
	case encSplit:
		return newSplit(s, h.values-h.nulls, c.leaf.physical, c.leaf.length)
	}
	return nil, Error("the encoding of a page is not known")
}
