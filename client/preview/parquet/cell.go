package parquet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	missing   = "…"    // a value that was not read
	null      = "null" // a value that is absent
	mostItems = 50     // of a list
	mostDigit = 64     // bytes of a decimal
)

// listCell is the row that is read of a repeated column.
type listCell struct {
	open  bool
	items []string
	more  bool
}

// begin ends the row before.
func (c *columnReader) begin() {
	if !c.list.open {
		c.list.open = c.leaf.maxRepetition > 0
		return
	}
	c.endList()
	c.list.open = true
}

func (c *columnReader) endList() {
	s := "[" + strings.Join(c.list.items, ", ")
	if c.list.more {
		s += ", " + missing
	}
	c.rows = append(c.rows, c.short(s+"]"))
	c.list = listCell{items: c.list.items[:0]}
}

// finish returns the rows. The list of the last row may be incomplete.
func (c *columnReader) finish() []string {
	if c.list.open && len(c.rows) < c.most {
		c.endList()
	}
	return c.rows
}

func (c *columnReader) short(s string) string {
	if len(s) <= c.limits.Cell {
		return s
	}
	n := c.limits.Cell
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + missing
}

// absent adds a value that is null, or the end of an empty list.
func (c *columnReader) absent(def int) {
	switch {
	case c.leaf.maxRepetition == 0:
		c.rows = append(c.rows, null)
	case def >= c.leaf.inList:
		c.item(null)
	}
}

func (c *columnReader) present(v value) {
	s := missing
	if v.some || v.bytes != nil {
		s = c.short(c.leaf.text(v))
	}
	if c.leaf.maxRepetition == 0 {
		c.rows = append(c.rows, s)
		return
	}
	c.item(s)
}

func (c *columnReader) item(s string) {
	if len(c.list.items) == mostItems {
		c.list.more = true
		return
	}
	c.list.items = append(c.list.items, s)
}

// text returns a value as text, raw.
func (e element) text(v value) string {
	switch e.physical {
	case boolean:
		return strconv.FormatBool(v.bits == 1)
	case int32s:
		return e.integer(int64(int32(uint32(v.bits))), uint64(uint32(v.bits)))
	case int64s:
		return e.integer(int64(v.bits), v.bits)
	case floats:
		return strconv.FormatFloat(float(v, floats), 'g', -1, 32)
	case doubles:
		return strconv.FormatFloat(float(v, doubles), 'g', -1, 64)
	case int96s:
		return int96(v.bytes)
	}
	switch {
	case e.logical == text:
		return string(v.bytes)
	case e.logical == decimal && len(v.bytes) <= mostDigit:
		n := new(big.Int).SetBytes(v.bytes)
		if len(v.bytes) > 0 && v.bytes[0] >= 0x80 { // two's complement
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(v.bytes))))
		}
		return point(n.String(), e.scale)
	case e.logical == uuid && len(v.bytes) == 16:
		b := v.bytes
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	case e.logical == float16 && len(v.bytes) == 2:
		return strconv.FormatFloat(half(binary.LittleEndian.Uint16(v.bytes)), 'g', -1, 32)
	case e.physical == byteArray && utf8.Valid(v.bytes):
		return string(v.bytes)
	}
	return "0x" + hex.EncodeToString(v.bytes[:min(len(v.bytes), 500)])
}

// integer formats an integer of a logical type.
func (e element) integer(n int64, u uint64) string {
	switch e.logical {
	case unsigned:
		return strconv.FormatUint(u, 10)
	case decimal:
		return point(strconv.FormatInt(n, 10), e.scale)
	case date:
		if n > -4_000_000 && n < 4_000_000 {
			return time.Unix(n*86400, 0).UTC().Format("2006-01-02")
		}
	case timeOfDay:
		return e.instant(n, "15:04:05")
	case timestamp:
		return e.instant(n, "2006-01-02 15:04:05")
	}
	return strconv.FormatInt(n, 10)
}

// instant formats a time in the unit of its type.
func (e element) instant(n int64, layout string) string {
	zone := ""
	if e.utc && e.logical == timestamp {
		zone = "Z"
	}
	var t time.Time
	switch e.unit {
	case "ms":
		t, layout = time.UnixMilli(n), layout+".000"
	case "us":
		t, layout = time.UnixMicro(n), layout+".000000"
	default:
		t, layout = time.Unix(0, n), layout+".000000000"
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return strconv.FormatInt(n, 10)
	}
	return t.Format(layout) + zone
}

// int96 is nanoseconds of a day and a Julian day, as old writers store timestamps.
func int96(b []byte) string {
	if len(b) != 12 {
		return missing
	}
	const epoch = 2440588 // Julian day of 1970-01-01
	day, nanos := int64(binary.LittleEndian.Uint32(b[8:]))-epoch, int64(binary.LittleEndian.Uint64(b))
	if day < -1_000_000 || day > 3_000_000 || nanos < 0 || nanos > 24*int64(time.Hour) {
		return "0x" + hex.EncodeToString(b)
	}
	return time.Unix(day*86400, nanos).UTC().Format("2006-01-02 15:04:05.000000000")
}

// point puts a decimal point before the last scale digits.
func point(digits string, scale int) string {
	if scale <= 0 || scale > 100 {
		return digits
	}
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// half converts a float of 16 bits (IEEE 754).
func half(b uint16) float64 {
	sign, exp, frac := 1.0, int(b>>10&31), float64(b&1023)
	if b&0x8000 != 0 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(frac+1024, exp-25)
}
