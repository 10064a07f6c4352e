package preview

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Tree is the values of a JSON document, each before its members.
type Tree struct{ Nodes []Node }

// Name implements View.
func (*Tree) Name() string { return "tree" }

// Node is a value.
type Node struct {
	Key   string // raw; "" in an array
	Named bool   // Key is a name, also the empty one
	Text  string // of a string or literal, raw
	Kind  NodeKind
	Depth int
	Count int // members
	End   int // index after the last member
}

// NodeKind is the kind of a value.
type NodeKind uint8

const (
	Literal NodeKind = iota // a number, true, false, null
	Quoted                  // a string
	Object
	Array
	Records // the lines of NDJSON
	Broken  // a line that is not JSON
)

// showJSON shows a JSON document.
func showJSON(ctx context.Context, d *Doc, in input) error {
	text, ok := d.decode(in)
	if !ok {
		return damaged("it is not text")
	}
	b := treeBuilder{ctx: ctx}
	err := b.value(text, 0)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(b.nodes) == 0:
		return damaged("it is not JSON from its first byte on")
	case errors.Is(err, errTooDeep), errors.Is(err, errTooMany):
		d.note("%s", err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF) && in.complete:
		d.note("The document ends too early.")
	case errors.Is(err, io.ErrUnexpectedEOF):
	case err != nil && len(b.nodes) == 1 && b.nodes[0].Kind == Literal:
		return damaged("it is not JSON from its first byte on")
	case err != nil:
		d.note("The document is not JSON from byte %d on.", b.at)
	}
	d.add(&Tree{Nodes: b.nodes})
	return nil
}

// showLines shows NDJSON: a document on each line.
func showLines(ctx context.Context, d *Doc, in input) error {
	text, ok := d.decode(in)
	if !ok {
		return damaged("it is not text")
	}
	if !in.complete { // the last line is incomplete
		text = text[:strings.LastIndexByte(text, '\n')+1]
		if text == "" {
			return damaged("its first line is longer than the part that was read")
		}
	}
	b := treeBuilder{ctx: ctx, nodes: []Node{{Kind: Records}}}
	whole := 0
	for text != "" && ctx.Err() == nil {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		if strings.TrimSpace(line) == "" {
			continue
		}
		from := len(b.nodes)
		err := b.value(line, 1)
		if errors.Is(err, errTooMany) {
			d.note("%s", err.Error())
			break
		}
		if err != nil {
			b.nodes = append(b.nodes[:from], Node{Kind: Broken, Text: cut(line, mostScalar), Depth: 1, End: from + 1})
			d.note("Some lines are not JSON.")
		} else {
			whole++
		}
		b.nodes[0].Count++
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if whole == 0 {
		return damaged("no line of it is JSON")
	}
	b.nodes[0].End = len(b.nodes)
	d.add(&Tree{Nodes: b.nodes})
	return nil
}

var (
	errTooDeep = damaged("The document has more than 100 levels. Deeper values are not shown.")
	errTooMany = damaged("The document has more than 60,000 values. Further ones are not shown.")
)

// treeBuilder collects the values of documents.
type treeBuilder struct {
	ctx   context.Context
	nodes []Node
	open  []int // the containers around the next value
	at    int64 // bytes that were read of the document
}

// value adds a document at a depth. After an error all containers are closed.
func (b *treeBuilder) value(text string, depth int) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	b.open = b.open[:0]
	defer func() {
		b.at = dec.InputOffset()
		for _, i := range b.open {
			b.nodes[i].End = len(b.nodes)
		}
	}()
	var name *string
	for {
		tok, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case b.ctx.Err() != nil:
			return b.ctx.Err()
		}
		if s, ok := tok.(string); ok && name == nil && b.inObject() {
			s = cut(s, mostScalar)
			name = &s
			continue
		}
		if err := b.token(tok, depth, name); err != nil {
			return err
		}
		name = nil
		if len(b.open) == 0 {
			break
		}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return damaged("more than one value")
	}
	return nil
}

func (b *treeBuilder) inObject() bool {
	return len(b.open) > 0 && b.nodes[b.open[len(b.open)-1]].Kind == Object
}

// token adds a value, or closes a container.
func (b *treeBuilder) token(tok json.Token, depth int, name *string) error {
	if c, ok := tok.(json.Delim); ok && (c == '}' || c == ']') {
		last := len(b.open) - 1
		b.nodes[b.open[last]].End = len(b.nodes)
		b.open = b.open[:last]
		return nil
	}
	if len(b.nodes) >= mostNodes {
		return errTooMany
	}
	n := Node{Depth: depth + len(b.open), End: len(b.nodes) + 1}
	if name != nil {
		n.Key, n.Named = *name, true
	}
	if len(b.open) > 0 {
		b.nodes[b.open[len(b.open)-1]].Count++
	}
	switch v := tok.(type) {
	case json.Delim:
		n.Kind = Array
		if v == '{' {
			n.Kind = Object
		}
		if len(b.open) >= mostDepth {
			return errTooDeep
		}
		b.open = append(b.open, len(b.nodes))
	case string:
		n.Kind, n.Text = Quoted, cut(v, mostScalar)
	case json.Number:
		n.Text = cut(v.String(), mostScalar)
	case bool:
		n.Text = "false"
		if v {
			n.Text = "true"
		}
	case nil:
		n.Text = "null"
	}
	b.nodes = append(b.nodes, n)
	return nil
}
