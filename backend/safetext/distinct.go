package safetext

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nfd follows a text that is in Unicode's NFD, as macOS stores file names: it looks
// the same as its NFC.
const nfd = `\{NFD}`

// Distinct returns String with further characters escaped so that two
// different texts do not look the same: a space at an end, letters of another script
// within a word ("p\u{430}yroll"), letters that all look Latin, imitations of ASCII
// signs, and combining marks apart from their letters. A text wholly in NFD ends with
// \{NFD}. It has no inverse: a command line uses String.
//
// SPEC: UTS #39 "Unicode Security Mechanisms", 4 and 5. The table of confusables is
// reduced to Cyrillic, Greek, Armenian and Cherokee letters beside Latin ones.
func (t Text) Distinct() string {
	s := t.Raw()
	if simple(s) {
		return s
	}
	var b strings.Builder
	for _, span := range t.DistinctSpans() {
		b.WriteString(span.Text)
	}
	return b.String()
}

// Escapes returns the byte ranges of the escapes in a text of String or Distinct.
func Escapes(escaped string) [][]int {
	if !strings.Contains(escaped, `\`) {
		return nil
	}
	return escapes.FindAllStringIndex(escaped, -1)
}

// escapes matches whole escapes. In a text with one, every other backslash is doubled.
var escapes = regexp.MustCompile(`\\u\{[0-9a-f]*\}|\\x[0-9a-fA-F]{2}|\\\{NFD\}|\\\\`)

// simple reports whether s is plain and has no space at an end.
func simple(s string) bool {
	return plain(s) && !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ")
}

// DistinctSpans returns Distinct in pieces, as Spans does for String.
func (t Text) DistinctSpans() []Span {
	s := t.Raw()
	if simple(s) {
		return t.Spans()
	}
	also, form := similar(s)
	spans := splitAlso(s, also)
	if form {
		if strings.Contains(s, `\`) {
			spans, _ = pieces(s, true, also)
		}
		spans = append(spans, Span{Text: nfd, Escaped: true})
	}
	return spans
}

// Remarks returns one short sentence for each kind of character that only Distinct
// escapes. They hold no untrusted text.
func (t Text) Remarks() []string {
	s := t.Raw()
	also, form := similar(s)
	var out []string
	add := func(remark string) {
		if !slices.Contains(out, remark) {
			out = append(out, remark)
		}
	}
	for i, r := range s {
		switch {
		case !also[i]:
		case r == ' ':
			add("A space is at an end of the name.")
		case unicode.Is(unicode.M, r):
			add(fmt.Sprintf("U+%04X is a mark that is stored apart from its letter.", r))
		default:
			add(fmt.Sprintf("U+%04X is %s.", r, kindOf(r)))
		}
	}
	if form {
		add("Accents are stored apart from their letters (Unicode NFD).")
	}
	return out
}

// kindOf names a character that imitates another one.
func kindOf(r rune) string {
	for _, script := range scripts {
		if unicode.Is(script.table, r) {
			return "a " + script.name + " letter"
		}
	}
	if unicode.IsLetter(r) {
		return "a letter that looks like another one"
	}
	return "a sign that looks like another one"
}

// scripts have letters that look like Latin ones. The first is Latin.
var scripts = []struct {
	name  string
	table *unicode.RangeTable
	alike string // its letters that look Latin; empty: all
	latin string // the Latin letters that look like one of them; empty: all
}{
	{name: "Latin", table: unicode.Latin},
	{name: "Cyrillic", table: unicode.Cyrillic, alike: "аеокрсухіјѕһԁԛԝүӏАВЕКМНОРСТУХІЈЅҺԌԚԜӀ", latin: "aeokpcyxijshdqwlABEKMHOPCTYXIJSGQW"},
	{name: "Greek", table: unicode.Greek, alike: "ονρυικαΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", latin: "ovpuikaABEZHIKMNOPTYX"},
	{name: "Armenian", table: unicode.Armenian, alike: "օոսցհզՕՍԼ", latin: "onughqOUL"},
	{name: "Cherokee", table: unicode.Cherokee},
	{name: "Coptic", table: unicode.Coptic},
	{name: "Lisu", table: unicode.Lisu},
}

// scriptOf returns the index of a letter's script, -1 for another script. The unit
// of kΩ belongs to none.
func scriptOf(r rune) int {
	if r == 'Ω' {
		return -1
	}
	for i, s := range scripts {
		if unicode.Is(s.table, r) {
			return i
		}
	}
	return -1
}

// alike reports whether a letter of script n looks Latin.
func alike(r rune, n int) bool {
	return n > 0 && (scripts[n].alike == "" || strings.ContainsRune(scripts[n].alike, r))
}

// imitations are characters that look like one ASCII character or a few: hyphens,
// slashes, dots, colons, ligatures, Roman numerals, mathematical letters.
var imitations = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x01c0, 0x01c3, 1}, {0x02d0, 0x02d0, 1}, {0x02d7, 0x02d7, 1}, {0x2010, 0x2011, 1}, {0x2024, 0x2026, 1}, {0x2044, 0x2044, 1},
		{0x2160, 0x217f, 1}, {0x2212, 0x2212, 1}, {0x2215, 0x2216, 1}, {0x2223, 0x2223, 1}, {0x2236, 0x2236, 1},
		{0x29f8, 0x29f9, 1}, {0xa789, 0xa789, 1}, {0xfb00, 0xfb06, 1}, {0xfe63, 0xfe63, 1}, {0xff01, 0xff5e, 1},
	},
	R32: []unicode.Range32{{0x1d400, 0x1d7ff, 1}},
}

// similar returns the byte positions of the characters that make s look like another
// text. Form reports whether s is in NFD and not in NFC.
func similar(s string) (also map[int]bool, form bool) {
	also = map[int]bool{}
	for i := 0; i < len(s) && s[i] == ' '; i++ {
		also[i] = true
	}
	for i := len(s); i > 0 && s[i-1] == ' '; i-- {
		also[i-1] = true
	}
	own := ownScript(s)
	ext := strings.LastIndexByte(s, '.')
	word := -1
	end := func(to int) {
		if word >= 0 {
			w := letters{text: s[word:to], at: word, extension: ext >= 0 && word > ext, own: own}
			w.mark(also)
		}
		word = -1
	}
	for i, r := range s {
		switch {
		case unicode.Is(imitations, r):
			also[i] = true
			end(i)
		case !unicode.IsLetter(r) && !unicode.Is(unicode.M, r):
			end(i)
		case word < 0:
			word = i
		}
	}
	end(len(s))
	return also, decomposed(s, also)
}

// ownScript returns the first script but Latin with a letter in s that does not look
// Latin, -1 for none.
func ownScript(s string) int {
	own := -1
	for _, r := range s {
		if n := scriptOf(r); n > 0 && !alike(r, n) && (own < 0 || n < own) {
			own = n
		}
	}
	return own
}

// letters is a word of a text.
type letters struct {
	text      string
	at        int  // position in the text
	extension bool // it is the extension of a file name
	own       int  // ownScript of the text
}

// mark adds the letters that look like those of another script. The reader expects
// the text's own script in its words, and Latin in an extension.
func (w letters) mark(also map[int]bool) {
	latin, proper, foreign := 0, 0, 0
	for _, r := range w.text {
		switch n := scriptOf(r); {
		case n == 0:
			latin++
		case n > 0 && !alike(r, n):
			proper++
		case n > 0:
			foreign++
		}
	}
	for i, r := range w.text {
		n := scriptOf(r)
		switch {
		case n == 0: // Latin is expected in an extension without other letters
			also[w.at+i] = also[w.at+i] || latin <= proper || w.ambiguous() && (!w.extension || proper+foreign > 0)
		case !alike(r, n):
		case latin > 0 && latin > proper, n != w.own, proper == 0 && w.extension:
			also[w.at+i] = true
		}
		if !also[w.at+i] {
			delete(also, w.at+i)
		}
	}
}

// ambiguous reports whether the Latin letters of a word look like letters of the
// text's own script.
func (w letters) ambiguous() bool {
	if w.own < 0 {
		return false
	}
	like := scripts[w.own].latin
	for _, r := range w.text {
		if like != "" && scriptOf(r) == 0 && !strings.ContainsRune(like, r) {
			return false
		}
	}
	return true
}

// decomposed reports whether s is wholly in NFD and not in NFC. If s is in neither,
// decomposed adds the characters that NFC would change.
func decomposed(s string, also map[int]bool) bool {
	if norm.NFC.IsNormalString(s) {
		return false
	}
	if utf8.ValidString(s) && norm.NFD.IsNormalString(s) && norm.NFD.String(norm.NFC.String(s)) == s {
		return true
	}
	for at := 0; at < len(s); {
		n := norm.NFC.NextBoundaryInString(s[at:], true)
		if n <= 0 {
			n = len(s) - at
		}
		part := s[at : at+n]
		if !norm.NFC.IsNormalString(part) {
			_, first := utf8.DecodeRuneInString(part)
			for i := range part {
				if i > 0 || first == len(part) {
					also[at+i] = true
				}
			}
		}
		at += n
	}
	return false
}
