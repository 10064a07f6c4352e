package file

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	yamlparser "github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"usher/backend/safetext"
)

// maxNesting bounds the nesting of a file. A grants file needs three levels. The
// parser is recursive, so a file with a million brackets must not reach it.
const maxNesting = 16

// document parses the YAML and returns the one document in it, or nil and at
// least one problem.
func (p *parser) document(data []byte) (root ast.Node) {
	if len(data) > MaxBytes {
		p.wrong(1, 1, fmt.Sprintf("the file has more than %d MiB", MaxBytes>>20), "grant prefixes instead of single objects, and use fewer grants")
		return nil
	}
	if !p.characters(data) {
		return nil
	}
	defer func() {
		// A panic of the YAML package must not end the program.
		if fault := recover(); fault != nil {
			root = nil
			p.wrong(1, 1, "the file is not readable YAML", "follow the example in the manual")
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if !p.tokens(tokens) {
		return nil
	}
	f, err := yamlparser.Parse(tokens, 0)
	if err != nil {
		p.syntax(err)
		return nil
	}
	var docs []*ast.DocumentNode
	for _, doc := range f.Docs {
		if doc.Body != nil {
			docs = append(docs, doc)
		}
	}
	switch {
	case len(docs) == 0:
		p.wrong(1, 1, "the file is empty", shape+"; for no grants at all write grants: []")
		return nil
	case len(docs) > 1:
		p.wrongAt(docs[1].Body, "a second document begins here", "put all grants into one list")
		return nil
	}
	return docs[0].Body
}

// tokens refuses nesting deeper than maxNesting. It also refuses YAML features
// that a grants file does not need and that are easily misread.
func (p *parser) tokens(tokens token.Tokens) bool {
	depth, dashes, line := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType, token.MappingKeyType:
			p.wrong(line, t.Position.Column, "anchors, aliases, tags, merges, directives and ? are not supported", "write each grant out")
			return false
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			dashes++
		}
		if depth+dashes > maxNesting {
			p.wrong(line, t.Position.Column, "lists and mappings are nested too deep", shape)
			return false
		}
	}
	return true
}

// syntax converts an error of the YAML package. Its text may quote the file, so
// it is escaped.
func (p *parser) syntax(err error) {
	line, column, message := 1, 1, "cannot be read"
	var y yaml.Error
	if errors.As(err, &y) {
		message = y.GetMessage()
		if t := y.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	message = cut(safetext.Line(message), 200)
	if strings.HasPrefix(message, "mapping key ") {
		p.wrong(line, column, message, "remove one of the two")
		return
	}
	p.wrong(line, column, "this is not YAML: "+message, "check the indentation, the quotes and the brackets on this line and the previous one")
}

// cut returns the first n characters, with an ellipsis if there are more.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
