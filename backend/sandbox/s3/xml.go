package s3

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// xmlDoc writes S3's XML. encoding/xml cannot write it: keys may contain
// characters that are invalid in XML 1.0. S3 writes a control character as a
// numeric reference, which strict parsers refuse. Clients therefore request
// encoding-type=url.
type xmlDoc struct{ bytes.Buffer }

func (x *xmlDoc) start(name, ns string) {
	x.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<" + name)
	if ns != "" {
		x.WriteString(` xmlns="` + ns + `"`)
	}
	x.WriteByte('>')
}

func (x *xmlDoc) open(name string) { x.WriteByte('<'); x.WriteString(name); x.WriteByte('>') }
func (x *xmlDoc) end(name string)  { x.WriteString("</"); x.WriteString(name); x.WriteByte('>') }

func (x *xmlDoc) el(name, value string) {
	x.open(name)
	x.text(value)
	x.end(name)
}

func (x *xmlDoc) num(name string, v int64) { x.el(name, strconv.FormatInt(v, 10)) }
func (x *xmlDoc) bool(name string, v bool) { x.el(name, strconv.FormatBool(v)) }
func (x *xmlDoc) time(name string, t time.Time) {
	x.el(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
}
func (x *xmlDoc) optional(name, value string) {
	if value != "" {
		x.el(name, value)
	}
}

func (x *xmlDoc) text(s string) {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			x.WriteRune(utf8.RuneError)
		case r == '&':
			x.WriteString("&amp;")
		case r == '<':
			x.WriteString("&lt;")
		case r == '>':
			x.WriteString("&gt;")
		case r == '"':
			x.WriteString("&quot;")
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&x.Buffer, "&#x%x;", r)
		default:
			x.WriteString(s[:n])
		}
		s = s[n:]
	}
}
