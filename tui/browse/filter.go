package browse

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"usher/backend/safetext"
)

// word is one word of a filter. Upper and lower case, accents and compatible forms
// (NFKD) are equal. If the word has an upper-case letter, case counts, and if it has
// an accent, accents count.
type word struct {
	text string // folded
	by   folding
	glob bool // with * or ?: it matches the whole name
	// literal is a part of text without * and ?, the longest one.
	literal string
}

// folding is the form in which a filter compares texts.
type folding struct{ cased, accented bool }

// words splits a typed filter.
func words(s string) []word {
	var out []word
	for _, w := range strings.Fields(s) {
		by := foldingOf(w)
		text := by.fold(w)
		out = append(out, word{text: text, by: by, glob: strings.ContainsAny(w, "*?"), literal: literal(text)})
	}
	return out
}

// foldingOf returns the form for comparisons with a typed text.
func foldingOf(s string) folding {
	return folding{cased: strings.ContainsFunc(s, unicode.IsUpper), accented: !norm.NFKD.IsNormalString(s) || strings.ContainsFunc(s, isMark)}
}

func literal(pattern string) string {
	longest := ""
	for _, part := range strings.FieldsFunc(pattern, func(r rune) bool { return r == '*' || r == '?' }) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return longest
}

func isMark(r rune) bool { return unicode.Is(unicode.Mn, r) }

// fits reports whether a name matches every word, in its displayed form.
func fits(name string, words []word) bool {
	name = safetext.Line(name)
	text, by := "", folding{}
	for i, w := range words {
		if i == 0 || w.by != by {
			text, by = w.by.fold(name), w.by
		}
		if !w.in(text) {
			return false
		}
	}
	return true
}

// in reports whether a word matches a folded text.
func (w word) in(text string) bool {
	if w.glob {
		return strings.Contains(text, w.literal) && wild(text, w.text)
	}
	return strings.Contains(text, w.text)
}

// matches yields the rows of a page with plain names that match every word, of which
// there is at least one. It searches the names at once for the first word, and needs no
// memory for each name.
func (p *page) matches(words []word, yield func(i int)) {
	w, text := words[0], p.low
	if w.by.cased {
		text = p.names
	}
	for i := 0; i < len(p.rows); i++ {
		off := int(p.rows[i].off)
		at := strings.Index(text[off:], w.literal)
		if at < 0 {
			return
		}
		for at += off; i+1 < len(p.rows) && int(p.rows[i+1].off) <= at; {
			i++
		}
		r := &p.rows[i]
		// The names of a page of which a part was cut off are still there, without a row.
		if at <= int(r.off)+int(r.name) && p.fits(i, words) {
			yield(i)
		}
	}
}

// fits is fits for a plain name.
func (p *page) fits(i int, words []word) bool {
	for j, w := range words {
		if j == 0 && !w.glob {
			continue // matches has found it
		}
		text := p.lower(i)
		if w.by.cased {
			text = p.name(i)
		}
		if !w.in(text) {
			return false
		}
	}
	return true
}

// fold returns the form of a text that filters compare.
func (f folding) fold(s string) string {
	if ascii(s) {
		if f.cased {
			return s
		}
		return strings.ToLower(s)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(s) {
		if !f.accented && isMark(r) {
			continue
		}
		if !f.cased {
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wild reports whether a text matches a pattern, in which * is any text and ? is one
// character.
func wild(text, pattern string) bool {
	star, from := -1, 0 // the last *, and the start of the text after it
	p := 0
	for t := 0; t < len(text); {
		_, size := utf8.DecodeRuneInString(text[t:])
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			t += size
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			_, size := utf8.DecodeRuneInString(text[from:])
			from += size
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// find returns the byte range of a word in a displayed name; from is -1 if it is
// absent, and for a pattern.
func (w word) find(shown string) (from, to int) {
	if w.glob {
		return -1, -1
	}
	if ascii(shown) {
		from = strings.Index(w.by.fold(shown), w.text)
		return from, from + len(w.text)
	}
	// The folded text, and for each of its bytes the position in shown.
	var folded strings.Builder
	var at []int
	for i := 0; i < len(shown); {
		n := norm.NFC.NextBoundaryInString(shown[i:], true)
		if n <= 0 {
			n = len(shown) - i
		}
		part := w.by.fold(shown[i : i+n])
		for range len(part) {
			at = append(at, i)
		}
		folded.WriteString(part)
		i += n
	}
	at = append(at, len(shown))
	from = strings.Index(folded.String(), w.text)
	if from < 0 {
		return -1, -1
	}
	end := from + len(w.text)
	for end < len(at)-1 && at[end] == at[end-1] {
		end++ // the whole character
	}
	return at[from], at[end]
}
