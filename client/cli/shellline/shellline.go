// Package shellline reads the words of an unfinished command line in the quoting of
// a shell, and writes completions in that quoting. Nothing is expanded or run.
//
// The package is pure.
package shellline

import (
	"strings"
	"unicode/utf8"
)

// Line is an unfinished command line, up to the cursor.
type Line struct {
	Words   []string // before the word at the cursor, decoded
	Current Word
	// Redirects reports that the word at the cursor is the file of a redirection.
	Redirects bool
}

// Word is the word at the cursor.
type Word struct {
	Value string // decoded
	// Kept is the decoded beginning that the shell keeps: a completion replaces the
	// text after it.
	Kept  string
	Quote byte // the open quote: ', " or 0
}

// Bash reads a line of bash. breaks are the characters of COMP_WORDBREAKS: readline
// replaces the text after the last of them that is not quoted, or after an open
// quote.
//
// SPEC: bash manual, "Quoting" and "Programmable Completion".
func Bash(line, breaks string) Line {
	var l Line
	var w reader
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case w.quote == '\'' && c != '\'':
			w.add(c)
		case w.quote == 0 && strings.HasPrefix(line[i:], backquote):
			w.add('`')
			i += len(backquote) - 1
		case c == '\\' && w.quote == 0, c == '\\' && w.quote == '"' && i+1 < len(line) && strings.IndexByte("$`\"\\\n", line[i+1]) >= 0:
			w.begun = true
			if i++; i < len(line) {
				w.add(line[i])
			}
		case w.quote != 0 && c == w.quote:
			w.close()
		case w.quote == 0 && (c == '\'' || c == '"'):
			w.open(c)
		case w.quote != 0:
			w.add(c)
		case c == ' ' || c == '\t' || c == '\n':
			l.end(&w)
		case c == '|' || c == ';' || c == '&' || c == '(':
			l, w = Line{}, reader{}
		case c == '<' || c == '>':
			l.end(&w)
			l.Redirects = true
		default:
			w.add(c)
			if strings.IndexByte(breaks, c) >= 0 {
				w.kept = w.value.Len()
			}
		}
		i++
	}
	l.Current = w.word()
	return l
}

// reader collects one word.
type reader struct {
	value strings.Builder
	kept  int
	outer int // kept outside of the open quote
	quote byte
	begun bool // a quote or a character was read
}

func (w *reader) add(c byte) {
	w.begun = true
	w.value.WriteByte(c)
}

func (w *reader) open(quote byte) {
	w.begun, w.quote = true, quote
	w.outer, w.kept = w.kept, w.value.Len()
}

func (w *reader) close() { w.quote, w.kept = 0, w.outer }

func (w *reader) word() Word {
	out := Word{Value: w.value.String(), Quote: w.quote}
	out.Kept = out.Value[:w.kept]
	return out
}

func (l *Line) end(w *reader) {
	if w.begun {
		if !l.Redirects {
			l.Words = append(l.Words, w.value.String())
		}
		l.Redirects = false
	}
	*w = reader{}
}

// Fish decodes the word at the cursor of fish.
//
// SPEC: fish manual, "Quotes" and "Escaping Characters".
func Fish(raw string) Word {
	var w reader
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		quoted := w.quote != 0
		switch {
		case c == '\\' && i+1 < len(raw) && (!quoted || raw[i+1] == w.quote || raw[i+1] == '\\' || w.quote == '"' && raw[i+1] == '$'):
			i++
			w.add(raw[i])
		case c == '\\' && !quoted: // at the end
		case quoted && c == w.quote:
			w.close()
		case !quoted && (c == '\'' || c == '"'):
			w.open(c)
		default:
			w.add(c)
		}
	}
	return w.word()
}

// Zsh decodes the text before the cursor of zsh, without the open quote.
//
// SPEC: zsh manual, "Completion Widgets", PREFIX and compstate[quote].
func Zsh(prefix, quote string) Word {
	switch quote {
	case "'":
		return Word{Value: strings.ReplaceAll(prefix, `'\''`, "'"), Quote: '\''}
	case `"`:
		line := Bash(`"`+prefix, "")
		return Word{Value: line.Current.Value, Quote: '"'}
	}
	return Word{Value: Bash(prefix, "").Current.Value}
}

// special are the ASCII characters with a meaning in bash, beside letters, digits
// and the characters of most paths.
const special = " \t\"'$!#&()*;<>?[\\]^{|}~,"

// backquote is a backquote in a form that keeps completing: bash takes an escaped one
// in front of the cursor for the begin of a command.
const backquote = `$'\140'`

// Insert returns the text of bash for a completed word, which begins with w.Value.
// A word that contains a control character has none.
func (w Word) Insert(full string) (string, bool) {
	rest, ok := strings.CutPrefix(full, w.Kept)
	if !ok || !utf8.ValidString(full) || strings.ContainsFunc(full, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", false
	}
	var b strings.Builder
	for i := range len(rest) {
		c := rest[i]
		switch {
		case c == '`' && w.Quote != 0:
			b.WriteString(string(w.Quote) + backquote + string(w.Quote))
		case c == '`':
			b.WriteString(backquote)
		case w.Quote == '\'' && c == '\'':
			b.WriteString(`'\''`)
		case w.Quote == '"' && c == '!': // no escape of it exists inside these quotes
			b.WriteString(`"'!'"`)
		case w.Quote == '"' && strings.IndexByte("$\"\\", c) >= 0, w.Quote == 0 && strings.IndexByte(special, c) >= 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	text := b.String()
	if w.Quote != 0 && strings.HasSuffix(text, string(w.Quote)) {
		text += string(w.Quote) // readline closes the quote unless the text ends in one
	}
	return text, true
}
