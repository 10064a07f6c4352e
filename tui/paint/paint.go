// Package paint writes the frames of a Bubble Tea program to the terminal.
//
// Bubble Tea keeps the input, the signals, the commands, and the modes of the
// terminal: raw input, the alternate screen, the title, the mouse. It draws only at the
// ticks of a clock, and its frames have more bytes than necessary. So it gets an empty
// frame, and this package draws the real one: at once after a quiet time, and at most
// every Interval. It writes the cells that changed (row.go), with as few attributes as
// possible (pen.go), and scrolls rows that moved (scroll.go).
//
// All output of Bubble Tea passes Write, which reads the state of the screen from it:
// whether the alternate screen is in use, and when it was erased. Only for the first
// frame the painter itself enters the alternate screen, as Bubble Tea waits for a tick.
package paint

import (
	"bytes"
	"io"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

// Interval is the least time between two frames. A frame after a longer pause is drawn
// at once.
const Interval = 8 * time.Millisecond

// resizing is the longest time that a frame waits for Bubble Tea to erase the screen
// after a change of its size.
const resizing = 100 * time.Millisecond

// phase is the state of the terminal's screen.
type phase int

const (
	untouched phase = iota // the main screen, before the first frame
	ahead                  // the alternate screen: the painter entered it, Bubble Tea did not yet
	entered                // the alternate screen, which Bubble Tea entered too
	left                   // the main screen; only Bubble Tea enters the other one again
)

// Painter draws the frames of one program. See New.
type Painter struct {
	out    io.Writer
	scroll bool
	wake   chan struct{}
	stop   chan struct{}
	once   sync.Once

	mu      sync.Mutex // also of the order of the writes
	phase   phase
	held    time.Time // no frame before, unless the screen is erased
	rest    time.Time // no frame before, since the last one
	erase   bool      // the content of the screen is unknown
	pending bool      // view is not drawn yet
	view    tea.View
	w, h    int
	sync    bool
	mode    string // a sequence before the next frame
	profile colorprofile.Profile
	colors  bool         // profile is the terminal's
	shown   tea.Position // of the last text cursor
	visible bool         // the text cursor is
	shape   int          // of the text cursor (DECSCUSR), 0: the terminal's
	pen     pen
	old     []printed // the rows on the screen
}

// New returns a painter that writes to out. With scroll it uses scrolling regions.
func New(out io.Writer, scroll bool) *Painter {
	p := &Painter{out: out, scroll: scroll, wake: make(chan struct{}, 1), stop: make(chan struct{}), profile: colorprofile.TrueColor}
	go p.run()
	return p
}

// Program returns the Bubble Tea program of a model. The painter is its output.
func (p *Painter) Program(m tea.Model, options ...tea.ProgramOption) *tea.Program {
	return tea.NewProgram(model{m, p}, append(options, tea.WithOutput(p.output()))...)
}

// Close ends the drawing. Call it after the end of the program.
func (p *Painter) Close() {
	p.once.Do(func() { close(p.stop) })
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == ahead { // Bubble Tea leaves only what it entered
		_, _ = p.out.Write([]byte(ansi.ResetModeAltScreenSaveCursor + ansi.SetModeTextCursorEnable))
	}
	p.phase = left
}

// model shows the views of a model through the painter, and an empty one to Bubble Tea.
type model struct {
	tea.Model
	p *Painter
}

func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.p.observe(msg)
	next, cmd := m.Model.Update(msg)
	return model{next, m.p}, cmd
}

func (m model) View() tea.View {
	v := m.Model.View()
	m.p.show(v)
	v.Content, v.Cursor = " ", nil // an empty text would erase the screen at each change
	return v
}

// observe reads the properties of the terminal from the messages about it.
func (p *Painter) observe(msg tea.Msg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		p.w, p.h = msg.Width, msg.Height
		p.held, p.erase = time.Now().Add(resizing), true
	case tea.ColorProfileMsg:
		p.profile, p.colors = msg.Profile, true
	case tea.ModeReportMsg:
		switch msg.Mode {
		case ansi.ModeSynchronizedOutput:
			p.sync = p.sync || msg.Value == ansi.ModeReset
		case ansi.ModeUnicodeCore: // Bubble Tea sets it too, but later, and resets it
			if msg.Value == ansi.ModeReset || msg.Value == ansi.ModeSet || msg.Value == ansi.ModePermanentlySet {
				p.mode, p.erase = ansi.SetModeUnicodeCore, true
			}
		}
	}
}

// show makes a view the next frame, and draws it if a frame is due. A frame on the
// goroutine of Bubble Tea's loop is earlier than one that another goroutine draws.
func (p *Painter) show(v tea.View) {
	p.mu.Lock()
	p.view, p.pending = v, true
	p.mu.Unlock()
	if p.frame() > 0 {
		p.signal()
	}
}

func (p *Painter) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// run draws the frames that were not due when their views were shown.
func (p *Painter) run() {
	for {
		select {
		case <-p.stop:
			return
		case <-p.wake:
		}
		for d := p.frame(); d > 0; d = p.frame() {
			if !p.sleep(min(d, Interval)) {
				return
			}
		}
	}
}

// sleep returns false after Close.
func (p *Painter) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.stop:
		return false
	case <-t.C:
		return true
	}
}

// frame draws the pending view, or returns the time until it is due. A frame without
// bytes does not delay the next one.
func (p *Painter) frame() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.pending || p.w <= 0 || p.h <= 0 {
		return 0
	}
	if p.phase == untouched && p.colors && p.view.AltScreen {
		p.mode = ansi.SetModeAltScreenSaveCursor + ansi.ResetModeTextCursorEnable + p.mode
		p.phase, p.erase, p.held = ahead, true, time.Time{}
	}
	if p.phase != ahead && p.phase != entered {
		return 0
	}
	if d := max(time.Until(p.held), time.Until(p.rest)); d > 0 {
		return d
	}
	p.pending = false
	if out := p.draw(p.view); len(out) > 0 {
		_, _ = p.out.Write(out) // Bubble Tea notices a lost terminal
		p.rest = time.Now().Add(Interval)
	}
	return 0
}

// Write writes the output of Bubble Tea.
func (p *Painter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	enter := bytes.LastIndex(b, []byte(ansi.SetModeAltScreenSaveCursor))
	leave := bytes.LastIndex(b, []byte(ansi.ResetModeAltScreenSaveCursor))
	if leave > enter && p.shape != 0 {
		_, _ = p.out.Write([]byte(ansi.SetCursorStyle(0)))
		p.shape = 0
	}
	joins := p.phase == ahead && enter >= 0
	n, err := len(b), error(nil)
	if joins { // the first frame stays
		rest := bytes.ReplaceAll(b, []byte(ansi.SetModeAltScreenSaveCursor), nil)
		_, err = p.out.Write(bytes.ReplaceAll(rest, []byte(ansi.EraseEntireScreen), nil))
	} else {
		n, err = p.out.Write(b)
	}
	switch {
	case leave > enter:
		p.phase = left
	case enter >= 0:
		p.phase, p.erase, p.visible = entered, !joins, false // Bubble Tea hides the cursor
	}
	erased := !joins && bytes.Contains(b, []byte(ansi.EraseEntireScreen))
	if erased {
		p.blank()
		p.erase, p.held = false, time.Time{}
	}
	if erased || enter >= 0 {
		p.pending = true
		p.signal()
	}
	return n, err
}

// blank records that the screen is empty.
func (p *Painter) blank() {
	p.old = make([]printed, p.h)
	for y := range p.old {
		p.old[y] = empty(p.w)
	}
}

func empty(w int) printed { return printed{closed: true, cells: uv.NewLine(w)} }
