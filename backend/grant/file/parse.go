package file

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"

	"usher/backend/grant"
	"usher/backend/safetext"
)

// Bounds of a grants file and of the report about an invalid one.
const (
	MaxBytes    = 32 << 20
	MaxGrants   = 100_000
	MaxProblems = 20 // further problems are not reported
)

// ParseError is one problem in a grants file, with its position and the fix.
// Problem and Fix are safe to print.
type ParseError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Problem string `json:"problem"`
	Fix     string `json:"fix"`
}

// Error returns the position, the problem and the fix on one line.
func (e *ParseError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", safetext.Line(e.File), e.Line, e.Column, e.Problem, e.Fix)
}

// ParseErrors are the problems in a file, in its order, at most MaxProblems.
type ParseErrors []*ParseError

// Error returns one line for each problem.
func (all ParseErrors) Error() string {
	var b strings.Builder
	for i, e := range all {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap lets errors.As find each problem.
func (all ParseErrors) Unwrap() []error {
	errs := make([]error, len(all))
	for i, e := range all {
		errs[i] = e
	}
	return errs
}

// Parse parses a grants file. It returns either all grants, in the order of the
// file and in canonical form, or ParseErrors and no grant. name is the file name
// in the errors.
func Parse(name string, data []byte) ([]grant.Grant, error) {
	p := &parser{name: name, first: map[grant.Grant]int{}}
	if root := p.document(data); root != nil {
		p.file(root)
	}
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	return p.grants, nil
}

type parser struct {
	name     string
	grants   []grant.Grant
	first    map[grant.Grant]int // line of each grant; the key has no reason
	problems ParseErrors
}

func (p *parser) wrong(line, column int, problem, fix string) {
	if len(p.problems) < MaxProblems {
		p.problems = append(p.problems, &ParseError{p.name, line, column, problem, fix})
	}
}

func (p *parser) wrongAt(n ast.Node, problem, fix string) {
	line, column := position(n)
	p.wrong(line, column, problem, fix)
}

// position returns the beginning of a node. The token of a block mapping is its
// first colon, so position uses its first key.
func position(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	pos := n.GetToken().Position
	return pos.Line, pos.Column
}

// characters refuses characters that are invisible or change the order of the
// text. They must be written as escapes.
func (p *parser) characters(data []byte) bool {
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			p.wrong(line, column, fmt.Sprintf("byte %#x is not UTF-8", data[i]), "save the file as UTF-8")
			return false
		case r == '\n' || r == '\t' || r == '\r' && i+1 < len(data) && data[i+1] == '\n':
		case !unicode.IsPrint(r):
			p.wrong(line, column, fmt.Sprintf("the character %U is not printable", r), fmt.Sprintf(`write it in double quotes as "\u%04x", or remove it`, r))
			return false
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
		i += n
	}
	return true
}

const shape = "write grants: and below it one line for each, such as - {group: finance-team, bucket: company-reports, prefix: quarterly/}"

// file reads the top of the document: a mapping with the single key grants.
func (p *parser) file(root ast.Node) {
	top, ok := root.(*ast.MappingNode)
	if !ok {
		p.wrongAt(root, "this is not a grants file", shape)
		return
	}
	var list ast.Node
	for _, v := range top.Values {
		if text(v.Key) != "grants" {
			p.wrongAt(v.Key, "unknown field "+quote(source(v.Key)), "the only field at the top is grants")
			continue
		}
		list = v.Value
	}
	if list == nil {
		if len(p.problems) == 0 {
			p.wrongAt(root, "there is no field grants", shape)
		}
		return
	}
	seq, ok := list.(*ast.SequenceNode)
	if !ok {
		p.wrongAt(list, "grants is "+kind(list)+", not a list", shape+"; for no grants at all write grants: []")
		return
	}
	if len(seq.Values) > MaxGrants {
		p.wrongAt(seq.Values[MaxGrants], fmt.Sprintf("there are more than %d grants", MaxGrants), "grant prefixes instead of single objects, and use fewer grants")
		return
	}
	for _, n := range seq.Values {
		p.grant(n)
	}
}

// grant reads one entry of the list.
func (p *parser) grant(n ast.Node) {
	entry, ok := n.(*ast.MappingNode)
	if !ok {
		p.wrongAt(n, "this is "+kind(n)+", not a grant", "write - {group: NAME, bucket: NAME, prefix: FOLDER/}")
		return
	}
	before := len(p.problems)
	var g grant.Grant
	given := map[string]ast.Node{}
	for _, v := range entry.Values {
		p.field(&g, given, v)
	}
	for _, name := range []string{"group", "bucket"} {
		if given[name] == nil {
			p.wrongAt(entry, name+" is missing", "add "+name+": NAME")
		}
	}
	switch {
	case given["prefix"] != nil && given["object"] != nil:
		p.wrongAt(given["object"], "the grant has both a prefix and an object", "keep one of the two, or write two grants")
	case given["prefix"] == nil && given["object"] == nil:
		p.wrongAt(entry, "the grant has neither a prefix nor an object", `add prefix: FOLDER/ or object: KEY, or prefix: "" for the whole bucket`)
	}
	if len(p.problems) > before {
		return
	}
	for _, problem := range g.Problems() {
		n := given[problem.Field]
		p.wrongAt(n, problem.Field+" "+quote(source(n))+" "+problem.Text, problem.Fix)
	}
	if len(p.problems) > before {
		return
	}
	g = g.Canonical()
	line, _ := position(entry)
	bare := g
	bare.Reason = ""
	if other, ok := p.first[bare]; ok {
		p.wrongAt(entry, fmt.Sprintf("the same grant is on line %d", other), "remove one of the two")
		return
	}
	p.first[bare] = line
	p.grants = append(p.grants, g)
}

// field reads one field of a grant into g and stores its node in given.
func (p *parser) field(g *grant.Grant, given map[string]ast.Node, v *ast.MappingValueNode) {
	name := text(v.Key)
	switch name {
	case "group", "bucket", "prefix", "object", "effect", "not_before", "expires", "reason":
	default:
		p.wrongAt(v.Key, "unknown field "+quote(source(v.Key)), "the fields are group, bucket, prefix or object, effect, not_before, expires and reason")
		return
	}
	given[name] = v.Value
	s, ok := v.Value.(*ast.StringNode)
	if !ok {
		fix := "write text, in double quotes if YAML reads it as another type"
		if _, null := v.Value.(*ast.NullNode); null && name == "prefix" {
			fix = `write prefix: "" for the whole bucket`
		}
		p.wrongAt(v.Value, name+" is "+kind(v.Value)+", not text", fix)
		return
	}
	switch name {
	case "group":
		g.Group = s.Value
	case "bucket":
		g.Bucket = s.Value
	case "prefix":
		g.Prefix = s.Value
	case "object":
		if g.Object = s.Value; s.Value == "" {
			p.wrongAt(s, "object is empty", `write the object's key, or prefix: "" for the whole bucket`)
		}
	case "effect":
		if g.Effect = grant.Effect(s.Value); s.Value == "" {
			p.wrongAt(s, "effect is empty", "write allow or deny; without effect, the grant allows")
		}
	case "not_before":
		g.NotBefore = p.instant(name, s)
	case "expires":
		g.Expires = p.instant(name, s)
	case "reason":
		g.Reason = s.Value
	}
}

// instant reads a time. It refuses the zero time, which means no bound.
func (p *parser) instant(name string, s *ast.StringNode) time.Time {
	t, err := time.Parse(time.RFC3339, s.Value)
	if err != nil || t.UTC().Year() < 1970 {
		p.wrongAt(s, name+" "+quote(s.Value)+" is not a time in or after 1970", "write date, time and zone, such as 2026-12-31T00:00:00Z")
	}
	return t
}

// text returns the value of a plain text, or "".
func text(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return ""
}

// source returns the text of a scalar for a message.
func source(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.GetToken().Value
}

// quote returns text from the file for a message: escaped, quoted and cut after
// 60 characters.
func quote(s string) string {
	line := []rune(safetext.Line(s))
	if len(line) > 60 {
		line = append(line[:60], '…')
	}
	return `"` + string(line) + `"`
}

func kind(n ast.Node) string {
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.NullNode:
		return "empty"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	}
	return "of another type"
}
