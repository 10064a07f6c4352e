package linear

import (
	"io"
	"strconv"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// Output prints lines in the order in which they were added. Update adds lines, and
// commands write them.
type Output struct {
	to      io.Writer
	writing sync.Mutex // held from taking lines to their end on the terminal
	mu      sync.Mutex
	lines   []string
}

// NewOutput returns an output to a terminal. Lines end in CR LF: the terminal is in raw
// mode.
func NewOutput(to io.Writer) *Output { return &Output{to: to} }

func (o *Output) add(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, clean(line))
}

// clean removes escape sequences and all control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, ansi.Strip(s))
}

// flush writes the added lines. It is a tea.Cmd.
func (o *Output) flush() tea.Msg {
	o.Flush()
	return nil
}

// Flush writes the added lines. A terminal that is gone ends the program elsewhere.
func (o *Output) Flush() {
	o.writing.Lock()
	defer o.writing.Unlock()
	o.mu.Lock()
	lines := o.lines
	o.lines = nil
	o.mu.Unlock()
	if len(lines) > 0 {
		_, _ = io.WriteString(o.to, strings.Join(lines, "\r\n")+"\r\n")
	}
}

// End writes a last line, after the terminal is restored.
func (o *Output) End(line string) {
	o.Flush()
	o.writing.Lock()
	defer o.writing.Unlock()
	_, _ = io.WriteString(o.to, clean(line)+"\n")
}

// sentences joins texts into sentences.
func sentences(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p)
		if !strings.ContainsAny(p[len(p)-1:], ".?!:") {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func percent(n int) string { return strconv.Itoa(n) + " %" }
