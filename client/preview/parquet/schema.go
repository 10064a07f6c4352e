package parquet

import (
	"fmt"
	"strings"
)

// Physical types.
const (
	boolean = iota
	int32s
	int64s
	int96s
	floats
	doubles
	byteArray
	fixed
)

// Repetition types.
const (
	required = iota
	optional
	repeated
)

// logical is the meaning of a physical type.
type logical uint8

const (
	plain logical = iota
	text
	decimal
	date
	timeOfDay
	timestamp
	unsigned
	uuid
	float16
	interval
)

// element is a node of the schema.
type element struct {
	physical, length int
	repetition       int
	name             string
	children         int
	hasType          bool
	logical          logical
	scale, precision int
	unit             string // ms, us, ns
	utc              bool
	bits             int
}

// leaf is the position of a column's values in its rows.
type leaf struct {
	element
	maxDefinition int
	maxRepetition int
	inList        int // the least definition level of an element of the innermost list
}

// element decodes SchemaElement.
func (t *thrift) element() element {
	e := element{bits: 64}
	t.structure(func(id int, kind byte) {
		switch {
		case id == 1 && kind == tI32:
			e.physical, e.hasType = int(t.int()), true
		case id == 2 && kind == tI32:
			e.length = int(t.int())
		case id == 3 && kind == tI32:
			e.repetition = int(t.int())
		case id == 4 && kind == tBinary:
			b := t.binary()
			e.name = string(b[:min(len(b), 200)])
		case id == 5 && kind == tI32:
			e.children = int(t.int())
		case id == 6 && kind == tI32:
			e.converted(int(t.int()))
		case id == 7 && kind == tI32:
			e.scale = int(t.int())
		case id == 8 && kind == tI32:
			e.precision = int(t.int())
		case id == 10 && kind == tStruct:
			t.structure(func(id int, kind byte) { t.logical(&e, id, kind) })
		default:
			t.skip(kind)
		}
	})
	return e
}

// annotated is the text, decimal or date of an id that ConvertedType and the union
// LogicalType have in common; plain for others.
func annotated(id int) logical {
	switch id {
	case 4:
		return text
	case 5:
		return decimal
	case 6:
		return date
	}
	return plain
}

// units are the units of times, in the order of LogicalType.
func units() []string { return []string{"ms", "us", "ns"} }

// converted takes a ConvertedType.
func (e *element) converted(n int) {
	switch n {
	case 0, 19:
		e.logical = text
	case 4, 5, 6:
		e.logical = annotated(n)
	case 7, 8:
		e.logical, e.unit, e.utc = timeOfDay, units()[n-7], true
	case 9, 10:
		e.logical, e.unit, e.utc = timestamp, units()[n-9], true
	case 11, 12, 13, 14:
		e.logical, e.bits = unsigned, 8<<(n-11)
	case 15, 16, 17, 18:
		e.bits = 8 << (n - 15)
	case 21:
		e.logical = interval
	}
}

// logical decodes a field of the union LogicalType.
func (t *thrift) logical(e *element, id int, kind byte) {
	if kind != tStruct {
		t.skip(kind)
		return
	}
	switch id {
	case 1, 12:
		e.logical = text
	case 4, 5, 6:
		e.logical = annotated(id)
	case 7:
		e.logical = timeOfDay
	case 8:
		e.logical = timestamp
	case 14:
		e.logical = uuid
	case 15:
		e.logical = float16
	}
	t.structure(func(field int, kind byte) {
		switch {
		case id == 5 && kind == tI32 && field == 1:
			e.scale = int(t.int())
		case id == 5 && kind == tI32 && field == 2:
			e.precision = int(t.int())
		case (id == 7 || id == 8) && field == 1:
			e.utc = flag(kind)
			t.skip(kind)
		case (id == 7 || id == 8) && field == 2 && kind == tStruct:
			t.structure(func(unit int, kind byte) {
				if all := units(); unit >= 1 && unit <= len(all) {
					e.unit = all[unit-1]
				}
				t.skip(kind)
			})
		case id == 10 && field == 1 && kind == tByte:
			e.bits = int(int8(t.byte()))
		case id == 10 && field == 2:
			if !flag(kind) {
				e.logical = unsigned
			}
			t.skip(kind)
		default:
			t.skip(kind)
		}
	})
}

// walk collects the leaves of a schema.
type walk struct {
	schema  []element
	columns []Column
	most    int
	many    bool
	bad     bool
}

// children takes n nodes below a path.
func (w *walk) children(n int, path []string, up leaf, depth int) {
	if depth > mostNesting || n < 0 {
		w.bad = true
	}
	for ; n > 0 && !w.bad && !w.many; n-- {
		if len(w.schema) == 0 {
			w.bad = true
			return
		}
		e := w.schema[0]
		w.schema = w.schema[1:]
		at := leaf{e, up.maxDefinition, up.maxRepetition, up.inList}
		if e.repetition != required {
			at.maxDefinition++
		}
		if e.repetition == repeated {
			at.maxRepetition++
			at.inList = at.maxDefinition
		}
		below := append(path[:len(path):len(path)], e.name)
		if e.children != 0 || !e.hasType {
			w.children(e.children, below, at, depth+1)
			continue
		}
		if len(w.columns) == w.most {
			w.many = true
			return
		}
		w.columns = append(w.columns, Column{Path: below, Type: e.typeName(), Repetition: repetitionName(e.repetition), Number: e.number(), leaf: at})
	}
}

func repetitionName(n int) string {
	switch n {
	case required:
		return "required"
	case optional:
		return "optional"
	case repeated:
		return "repeated"
	}
	return "unknown"
}

func (e element) number() bool {
	switch e.logical {
	case plain:
		return e.physical >= int32s && e.physical <= doubles && e.physical != int96s
	case decimal, unsigned, float16:
		return true
	}
	return false
}

// precisionText returns the unit and the zone of a time.
func (e element) precisionText() string {
	var parts []string
	if e.unit != "" {
		parts = append(parts, e.unit)
	}
	if e.utc {
		parts = append(parts, "UTC")
	}
	return strings.Join(parts, ", ")
}

func (e element) typeName() string {
	switch e.logical {
	case text:
		return "string"
	case decimal:
		return fmt.Sprintf("decimal(%d, %d)", e.precision, e.scale)
	case date:
		return "date"
	case timeOfDay:
		return "time(" + e.precisionText() + ")"
	case timestamp:
		return "timestamp(" + e.precisionText() + ")"
	case unsigned:
		return fmt.Sprintf("uint%d", e.bits)
	case uuid:
		return "uuid"
	case float16:
		return "float16"
	case interval:
		return "interval"
	}
	names := []string{"bool", "int32", "int64", "int96", "float", "double", "bytes"}
	switch {
	case (e.physical == int32s || e.physical == int64s) && e.bits < 32 && e.bits > 0:
		return fmt.Sprintf("int%d", e.bits)
	case e.physical >= 0 && e.physical < len(names):
		return names[e.physical]
	case e.physical == fixed:
		return fmt.Sprintf("bytes(%d)", e.length)
	}
	return "unknown"
}
