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

// Bounds of a grants file, and of what is said about a bad one.
const (
	MaxBytes    = 32 << 20
	MaxGrants   = 100_000
	MaxProblems = 20 // more are not listed
)

// ParseError is one thing wrong with a grants file, where it is, and how to
// put it right. Problem and Fix are safe to print.
type ParseError struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Problem string `json:"problem"`
	Fix     string `json:"fix"`
}

// Error is the place, the problem and the fix on one line.
func (e *ParseError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", safetext.Line(e.File), e.Line, e.Column, e.Problem, e.Fix)
}

// ParseErrors is all that is wrong with a file, in its order, at most
// MaxProblems.
type ParseErrors []*ParseError

// Error has a line for each problem.
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

// Unwrap gives the problems one by one to errors.As.
func (all ParseErrors) Unwrap() []error {
	errs := make([]error, len(all))
	for i, e := range all {
		errs[i] = e
	}
	return errs
}

// Parse reads a grants file. It either returns every grant in it, in its
// order and canonical form, or ParseErrors and no grant at all. The name is
// what the errors call the file.
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
	first    map[grant.Grant]int // a grant without its reason, to the line it stands on
	problems ParseErrors
}

func (p *parser) wrong(line, column int, problem, fix string) {
	if len(p.problems) < MaxProblems {
		p.problems = append(p.problems, &ParseError{p.name, line, column, problem, fix})
	}
}

func (p *parser) wrongAt(n ast.Node, problem, fix string) {
	line, column := place(n)
	p.wrong(line, column, problem, fix)
}

// place is where a node begins. A mapping's own token is its first colon, or
// its brace.
func place(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		n = m.Values[0].Key
	}
	pos := n.GetToken().Position
	return pos.Line, pos.Column
}

// characters refuses what a reader of the file would not see, or see
// elsewhere: such a character must be written as an escape.
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
			p.wrong(line, column, fmt.Sprintf("the character %U does not show", r), fmt.Sprintf(`write it in double quotes as "\u%04x", or remove it`, r))
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

// file walks the top of the document: one mapping with the one key grants.
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
		p.wrongAt(list, "grants is "+kind(list)+" and not a list", shape+"; for no grants at all write grants: []")
		return
	}
	if len(seq.Values) > MaxGrants {
		p.wrongAt(seq.Values[MaxGrants], fmt.Sprintf("there are more than %d grants", MaxGrants), "give to prefixes instead of to objects, and use fewer of them")
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
		p.wrongAt(n, "this is "+kind(n)+" and not a grant", "write - {group: NAME, bucket: NAME, prefix: FOLDER/}")
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
		p.wrongAt(given["object"], "a grant has prefix or object, and this one has both", "keep one of the two, or write two grants")
	case given["prefix"] == nil && given["object"] == nil:
		p.wrongAt(entry, "the grant names neither a prefix nor an object", `add prefix: FOLDER/ or object: KEY, or prefix: "" for the whole bucket`)
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
	line, _ := place(entry)
	bare := g
	bare.Reason = ""
	if other, ok := p.first[bare]; ok {
		p.wrongAt(entry, fmt.Sprintf("the same grant stands on line %d", other), "remove one of the two")
		return
	}
	p.first[bare] = line
	p.grants = append(p.grants, g)
}

// field reads one field of a grant into g and notes its node in given.
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
		fix := "write a text, in double quotes if it looks like something else"
		if _, null := v.Value.(*ast.NullNode); null && name == "prefix" {
			fix = `write prefix: "" if the whole bucket is meant`
		}
		p.wrongAt(v.Value, name+" is "+kind(v.Value)+" and not a text", fix)
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
			p.wrongAt(s, "effect is empty", "write allow or deny, or leave it out for allow")
		}
	case "not_before":
		g.NotBefore = p.instant(name, s)
	case "expires":
		g.Expires = p.instant(name, s)
	case "reason":
		g.Reason = s.Value
	}
}

// instant reads a time. It refuses the zero instant, which would stand for no
// bound at all.
func (p *parser) instant(name string, s *ast.StringNode) time.Time {
	t, err := time.Parse(time.RFC3339, s.Value)
	if err != nil || t.UTC().Year() < 1970 {
		p.wrongAt(s, name+" "+quote(s.Value)+" is not an instant from 1970 on", "write date, time and zone, such as 2026-12-31T00:00:00Z")
	}
	return t
}

// text is a key's value if it is plain text.
func text(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return ""
}

// source is what a scalar says, for a message.
func source(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return s.Value
	}
	return n.GetToken().Value
}

// quote makes a text of the file fit for a message: escaped, and cut after 60
// characters.
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
		return "a text"
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
	return "something else"
}
