package preview

import (
	"bytes"
	"context"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// language is the lexical form of a language: enough for colors. A scan of it takes
// time in proportion to the text, whatever the text is.
type language struct {
	name     string
	ends     []string // of file names
	line     []string // begin a comment to the end of the line
	block    [2]string
	quotes   string // begin and end a string in a line
	raw      string // begin and end a string over lines
	words    string // keywords
	anyCase  bool
	markup   bool // words stand in < and >
	keyed    bool // name = value or name: value
	variable byte // begins a name: $
}

// languages returns the known languages.
func languages() []language {
	const c = "break case catch class const continue default do else enum extends final finally for goto if implements import in instanceof interface new package private protected public return static struct super switch this throw try typedef union using var void volatile while true false null "
	return []language{
		{name: "Go", ends: []string{".go", ".mod"}, line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"'`, raw: "`", words: "break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var true false nil iota require module"},
		{name: "Python", ends: []string{".py", ".pyi"}, line: []string{"#"}, quotes: `"'`, words: "and as assert async await break class continue def del elif else except finally for from global if import in is lambda match nonlocal not or pass raise return try while with yield True False None self"},
		{name: "JavaScript", ends: []string{".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx"}, line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"'`, raw: "`", words: c + "async await function let of typeof delete export from type readonly undefined yield"},
		{name: "C", ends: []string{".c", ".h", ".cc", ".cpp", ".hpp", ".cxx"}, line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"'`, words: c + "auto bool char double extern float inline int long namespace nullptr register short signed sizeof template unsigned virtual"},
		{name: "Java", ends: []string{".java", ".kt", ".kts", ".scala", ".cs", ".groovy", ".swift", ".dart"}, line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"'`, words: c + "abstract boolean byte char double float fun int is let long object override short synchronized throws transient val when func guard"},
		{name: "Rust", ends: []string{".rs"}, line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"`, words: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type unsafe use where while"},
		{name: "shell", ends: []string{".sh", ".bash", ".zsh", ".ksh"}, line: []string{"#"}, quotes: `"'`, words: "case do done elif else esac export fi for function if in local readonly return set shift then trap unset until while exit", variable: '$'},
		{name: "SQL", ends: []string{".sql"}, line: []string{"--"}, block: [2]string{"/*", "*/"}, quotes: `"'`, anyCase: true, words: "add all alter and as asc between by case check create cross default delete desc distinct drop else end exists foreign from full group having if in index inner insert into is join key left like limit not null offset on or order outer primary references right select set table then union unique update using values view when where with"},
		{name: "YAML", ends: []string{".yaml", ".yml"}, line: []string{"#"}, quotes: `"'`, words: "true false null yes no", keyed: true},
		{name: "TOML", ends: []string{".toml", ".ini", ".cfg", ".conf", ".properties", ".env"}, line: []string{"#", ";"}, quotes: `"'`, words: "true false", keyed: true},
		{name: "HCL", ends: []string{".tf", ".tfvars", ".hcl"}, line: []string{"#", "//"}, block: [2]string{"/*", "*/"}, quotes: `"`, words: "resource data variable output module provider locals terraform for in if true false null", keyed: true},
		{name: "XML", ends: []string{".xml", ".html", ".htm", ".svg", ".xsd", ".xsl", ".plist"}, block: [2]string{"<!--", "-->"}, quotes: `"'`, markup: true},
		{name: "CSS", ends: []string{".css", ".scss", ".less"}, line: []string{"//"}, block: [2]string{"/*", "*/"}, quotes: `"'`, words: "important media import", keyed: true},
		{name: "Ruby", ends: []string{".rb", ".gemspec"}, line: []string{"#"}, quotes: `"'`, words: "alias and begin break case class def do else elsif end ensure false for if in module next nil not or raise redo require rescue retry return self super then true undef unless until when while yield", variable: '@'},
		{name: "Perl", ends: []string{".pl", ".pm"}, line: []string{"#"}, quotes: `"'`, words: "my our local sub if elsif else unless while until for foreach return use package last next die", variable: '$'},
		{name: "PHP", ends: []string{".php"}, line: []string{"//", "#"}, block: [2]string{"/*", "*/"}, quotes: `"'`, words: c + "echo function use namespace array foreach as", variable: '$'},
		{name: "Lua", ends: []string{".lua"}, line: []string{"--"}, quotes: `"'`, words: "and break do else elseif end false for function goto if in local nil not or repeat return then true until while"},
		{name: "R", ends: []string{".r"}, line: []string{"#"}, quotes: `"'`, words: "if else repeat while function for in next break TRUE FALSE NULL NA library"},
		{name: "Dockerfile", ends: []string{"dockerfile", ".dockerfile"}, line: []string{"#"}, quotes: `"'`, words: "FROM RUN CMD LABEL EXPOSE ENV ADD COPY ENTRYPOINT VOLUME USER WORKDIR ARG ONBUILD HEALTHCHECK SHELL AS", variable: '$'},
		{name: "Makefile", ends: []string{"makefile", ".mk"}, line: []string{"#"}, quotes: `"'`, words: "ifeq ifneq ifdef ifndef else endif include define endef export", variable: '$', keyed: true},
		{name: "diff", ends: []string{".diff", ".patch"}},
	}
}

// languageOf returns the language of a file name, or of a first line that names a
// shell; nil for none.
func languageOf(name string, data []byte) *language {
	all := languages()
	for i := range all {
		for _, end := range all[i].ends {
			if end[0] == '.' && path.Ext(name) == end || name == end {
				return &all[i]
			}
		}
	}
	line, _, _ := bytes.Cut(data[:min(len(data), 200)], []byte("\n"))
	if !bytes.HasPrefix(line, []byte("#!")) {
		return nil
	}
	for word, end := range map[string]string{"python": ".py", "sh": ".sh", "node": ".js", "ruby": ".rb", "perl": ".pl"} {
		if bytes.Contains(line, []byte(word)) {
			return languageOf(end, nil)
		}
	}
	return nil
}

// showSource returns the function that shows a source with colors.
func showSource(l *language) func(context.Context, *Doc, input) error {
	return func(ctx context.Context, d *Doc, in input) error {
		text, ok := d.decode(in)
		if !ok {
			return damaged("it is not text")
		}
		t := d.lines("source", text)
		s := scanner{language: l, words: strings.Fields(l.words)}
		slices.Sort(s.words)
		colored := 0
		for i := range t.Lines {
			if colored += len(t.Lines[i].Raw); colored > mostColored {
				d.note("Colors end after %d bytes.", mostColored)
				break
			}
			if i%1000 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			t.Lines[i].Spans = s.line(t.Lines[i].Raw)
		}
		d.add(t)
		return nil
	}
}

// scanner finds the spans of lines. A comment or string may continue over lines.
type scanner struct {
	*language
	words []string
	until string // the end of an open comment or string
	style Style  // of it
	spans []Span
}

func (s *scanner) emit(to int, style Style) {
	if n := len(s.spans); n > 0 && s.spans[n-1].Style == style {
		s.spans[n-1].To = to
		return
	}
	s.spans = append(s.spans, Span{to, style})
}

func (s *scanner) line(raw string) []Span {
	s.spans = nil
	if s.name == "diff" {
		return diffSpans(raw)
	}
	at := 0
	if s.keyed && s.until == "" {
		at = s.key(raw)
	}
	for at < len(raw) {
		if s.until != "" {
			n := strings.Index(raw[at:], s.until)
			if n < 0 {
				s.emit(len(raw), s.style)
				return s.spans
			}
			at += n + len(s.until)
			s.emit(at, s.style)
			s.until = ""
			continue
		}
		n, style := s.token(raw[at:])
		at += n
		s.emit(at, style)
	}
	return s.spans
}

// key finds the name at the beginning of a line of names and values.
func (s *scanner) key(raw string) int {
	n := strings.IndexAny(raw, ":=")
	start := strings.TrimLeft(raw, " \t-")
	if n <= 0 || start == "" || strings.ContainsAny(raw[:n], "#;\"'{}(") {
		return 0
	}
	s.emit(n, Keyword)
	return n
}

// token returns the length and the style of the first token of a text, and opens a
// comment or a string over lines.
func (s *scanner) token(t string) (int, Style) {
	for _, c := range s.language.line {
		if strings.HasPrefix(t, c) {
			return len(t), Comment
		}
	}
	r, size := utf8.DecodeRuneInString(t)
	switch {
	case s.block[0] != "" && strings.HasPrefix(t, s.block[0]):
		s.until, s.style = s.block[1], Comment
		return len(s.block[0]), Comment
	case s.raw != "" && strings.ContainsRune(s.raw, r):
		s.until, s.style = string(r), String
		return size, String
	case strings.ContainsRune(s.quotes, r):
		return quoted(t), String
	case s.markup && r == '<':
		n := 1 + strings.IndexFunc(t[1:]+" ", func(r rune) bool { return !unicode.IsLetter(r) && !strings.ContainsRune("/!?:-", r) })
		return min(n, len(t)), Keyword
	case s.variable != 0 && t[0] == s.variable:
		return 1 + wordLen(t[1:]), Link
	case unicode.IsDigit(r):
		return wordLen(t), Number
	case isWord(r):
		n := wordLen(t)
		return n, s.word(t[:n], t[n:])
	}
	return size, Plain
}

func (s *scanner) word(w, rest string) Style {
	known := w
	if s.anyCase {
		known = strings.ToLower(w)
	}
	if _, ok := slices.BinarySearch(s.words, known); ok {
		return Keyword
	}
	if strings.HasPrefix(rest, "(") && !s.markup {
		return Strong
	}
	return Plain
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func wordLen(t string) int {
	for i, r := range t {
		if !isWord(r) && r != '.' || r == '.' && !unicode.IsDigit(rune(t[0])) {
			return i
		}
	}
	return len(t)
}

// quoted returns the length of a string in a line.
func quoted(t string) int {
	for i := 1; i < len(t); i++ {
		switch t[i] {
		case '\\':
			i++
		case t[0]:
			return i + 1
		}
	}
	return len(t)
}

func diffSpans(raw string) []Span {
	style := Plain
	switch {
	case strings.HasPrefix(raw, "+++"), strings.HasPrefix(raw, "---"), strings.HasPrefix(raw, "diff "):
		style = Strong
	case strings.HasPrefix(raw, "+"):
		style = Added
	case strings.HasPrefix(raw, "-"):
		style = Removed
	case strings.HasPrefix(raw, "@@"):
		style = Keyword
	}
	return []Span{{len(raw), style}}
}
