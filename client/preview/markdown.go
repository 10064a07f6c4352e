package preview

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extended "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// showMarkdown shows Markdown without its signs. HTML stays as it is written.
func showMarkdown(ctx context.Context, d *Doc, in input) error {
	whole, ok := d.decode(in)
	if !ok {
		return damaged("it is not text")
	}
	shown := cut(whole, mostMarkdown)
	if len(shown) < len(whole) {
		d.note("The page stops after %d bytes. The text has the rest.", mostMarkdown)
	}
	p := page{ctx: ctx, source: []byte(shown), out: &Text{Title: "page"}}
	parser := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList)).Parser()
	p.blocks(parser.Parse(text.NewReader(p.source)), indent{})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	d.add(p.out)
	d.add(d.lines("text", whole))
	return nil
}

// page collects the lines of a document.
type page struct {
	ctx    context.Context
	source []byte
	out    *Text
	depth  int
}

// indent is the beginning of the first line of a block, and of its other lines.
type indent struct{ first, rest string }

const mostIndent = 40 // bytes

func (i indent) add(first, rest string) indent {
	if len(i.rest) >= mostIndent {
		return i
	}
	return indent{i.first + first, i.rest + rest}
}

// blocks adds the children of a block.
func (p *page) blocks(parent ast.Node, in indent) {
	for n := parent.FirstChild(); n != nil && p.ctx.Err() == nil; n = n.NextSibling() {
		if n.PreviousSibling() != nil && (n.HasBlankPreviousLines() || n.Kind() == extended.KindTable) {
			p.put(&inline{}, indent{strings.TrimRight(in.rest, " "), ""})
		}
		p.block(n, in)
		in.first = in.rest
	}
}

// block adds a block.
func (p *page) block(n ast.Node, in indent) {
	switch n := n.(type) {
	case *ast.Heading:
		p.paragraph(n, in, Heading)
	case *ast.Paragraph, *ast.TextBlock:
		p.paragraph(n, in, Plain)
	case *ast.Blockquote:
		p.blocks(n, in.add("| ", "| "))
	case *ast.List:
		p.list(n, in)
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		p.raw(n, in.add("    ", "    "), Code)
	case *ast.HTMLBlock:
		p.raw(n, in, Quiet)
	case *ast.ThematicBreak:
		var b inline
		b.emit(strings.Repeat("-", 40), Quiet)
		p.put(&b, in)
	case *extended.Table:
		p.table(n, in)
	default:
		p.blocks(n, in)
	}
}

// put adds a line.
func (p *page) put(b *inline, in indent) {
	var l inline
	l.emit(in.first, Keyword)
	from := l.raw.Len()
	l.raw.WriteString(b.raw.String())
	for _, s := range b.spans {
		l.spans = append(l.spans, Span{from + s.To, s.Style})
	}
	p.out.Lines = append(p.out.Lines, Line{Number: len(p.out.Lines) + 1, Raw: l.raw.String(), Spans: l.spans})
}

// paragraph adds the text of a block, one line for each part up to a hard break.
func (p *page) paragraph(n ast.Node, in indent, style Style) {
	b := &inline{}
	b.full = func() {
		p.put(b, in)
		in.first = in.rest
		b.raw.Reset()
		b.spans = nil
	}
	p.inline(n, b, style)
	p.put(b, in)
}

// raw adds the lines of a block as they are.
func (p *page) raw(n ast.Node, in indent, style Style) {
	for i := range n.Lines().Len() {
		s := n.Lines().At(i)
		for line := strings.TrimRight(string(s.Value(p.source)), "\r\n"); ; {
			var b inline
			piece := cut(line, mostLine)
			b.emit(piece, style)
			p.put(&b, in)
			in.first = in.rest
			if line = line[len(piece):]; line == "" {
				break
			}
		}
	}
}

func (p *page) list(n *ast.List, in indent) {
	number := n.Start
	for item := n.FirstChild(); item != nil && p.ctx.Err() == nil; item = item.NextSibling() {
		if item.PreviousSibling() != nil && item.HasBlankPreviousLines() {
			p.put(&inline{}, indent{strings.TrimRight(in.rest, " "), ""})
		}
		mark := "- "
		if n.IsOrdered() {
			mark = strconv.Itoa(number) + ". "
			number++
		}
		inside := in.add(mark, strings.Repeat(" ", len(mark)))
		if item.FirstChild() == nil {
			p.put(&inline{}, inside)
		}
		p.blocks(item, inside)
		in.first = in.rest
	}
}

// table adds a table with aligned columns.
func (p *page) table(n *extended.Table, in indent) {
	const mostRows, mostCells = 500, 50
	var rows [][]*inline
	var widths []int
	for row := n.FirstChild(); row != nil && len(rows) < mostRows; row = row.NextSibling() {
		style := Plain
		if len(rows) == 0 {
			style = Strong
		}
		var cells []*inline
		for cell := row.FirstChild(); cell != nil && len(cells) < mostCells; cell = cell.NextSibling() {
			b := &inline{}
			p.inline(cell, b, style)
			if len(cells) == len(widths) {
				widths = append(widths, 0)
			}
			widths[len(cells)] = min(max(widths[len(cells)], b.width()), 60)
			cells = append(cells, b)
		}
		rows = append(rows, cells)
	}
	for _, cells := range rows {
		var line inline
		for i, c := range cells {
			line.join(c)
			if i < len(cells)-1 {
				line.emit(strings.Repeat(" ", max(0, widths[i]-c.width())+2), Plain)
			}
		}
		p.put(&line, in)
		in.first = in.rest
	}
}

// inline adds the text of a node.
func (p *page) inline(parent ast.Node, b *inline, style Style) {
	if p.depth++; p.depth > mostDepth {
		p.depth--
		return
	}
	for n := parent.FirstChild(); n != nil && p.ctx.Err() == nil; n = n.NextSibling() {
		switch n := n.(type) {
		case *ast.Text:
			p.text(n, b, style)
		case *ast.String:
			b.emit(string(n.Value), style)
		case *ast.CodeSpan:
			p.inline(n, b, Code)
		case *ast.Emphasis:
			inner := Emphasis
			if n.Level > 1 {
				inner = Strong
			}
			p.inline(n, b, inner)
		case *extended.Strikethrough:
			p.inline(n, b, Quiet)
		case *extended.TaskCheckBox:
			b.emit(map[bool]string{true: "[x] ", false: "[ ] "}[n.IsChecked], Keyword)
		case *ast.Link:
			p.link(n, b, string(n.Destination))
		case *ast.Image:
			p.link(n, b, string(n.Destination))
		case *ast.AutoLink:
			b.emit(string(n.URL(p.source)), Link)
		case *ast.RawHTML:
			for i := range n.Segments.Len() {
				s := n.Segments.At(i)
				b.emit(string(s.Value(p.source)), Quiet)
			}
		default:
			p.inline(n, b, style)
		}
	}
	p.depth--
}

// text adds a text with its entities and escaped signs, and its break.
func (p *page) text(n *ast.Text, b *inline, style Style) {
	raw := n.Segment.Value(p.source)
	if _, code := n.Parent().(*ast.CodeSpan); !code && !n.IsRaw() {
		raw = util.UnescapePunctuations(util.ResolveEntityNames(util.ResolveNumericReferences(raw)))
	}
	b.emit(strings.TrimSuffix(string(raw), "\n"), style)
	switch {
	case n.HardLineBreak() && b.full != nil:
		b.full()
	case n.SoftLineBreak(), n.HardLineBreak(), strings.HasSuffix(string(raw), "\n"):
		b.emit(" ", style)
	}
}

// link adds the text of a link, and its address if it is another one.
func (p *page) link(n ast.Node, b *inline, address string) {
	from := b.raw.Len()
	p.inline(n, b, Link)
	shown := b.raw.String()
	if from < len(shown) {
		if shown[from:] == address {
			return
		}
		address = " (" + address + ")"
	}
	b.emit(address, Link)
}

// inline builds a line with spans.
type inline struct {
	raw   strings.Builder
	spans []Span
	full  func() // begins another line after mostLine bytes, if it is set
}

func (b *inline) emit(s string, style Style) {
	for s != "" {
		part := s
		if b.full != nil {
			part = cut(s, mostLine)
		}
		b.raw.WriteString(part)
		b.spans = append(b.spans, Span{b.raw.Len(), style})
		s = s[len(part):]
		if b.full != nil && b.raw.Len() >= mostLine {
			b.full()
		}
	}
}

// join appends another line.
func (b *inline) join(other *inline) {
	from := b.raw.Len()
	b.raw.WriteString(other.raw.String())
	for _, s := range other.spans {
		b.spans = append(b.spans, Span{from + s.To, s.Style})
	}
}

func (b *inline) width() int { return utf8.RuneCountInString(b.raw.String()) }
