package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"usher/client/cells"
)

// typedAhead is the largest number of messages that the start page keeps for the program.
const typedAhead = 1000

// StartPage is the page before the first page. It is drawn at once, so a slow server
// does not leave the terminal empty.
type StartPage struct {
	Server string // the name on the screen
	// Load connects and returns the program. Show replaces the sentence about a wait.
	// Without a screen (Terminal.Lines) show is nil.
	Load func(ctx context.Context, show func(sentence string)) (*Model, error)
}

// Start shows the start page, loads the program, and runs it like Run. Load has returned
// when Start returns. Keys on the start page are for the program; Ctrl-C ends it.
func Start(ctx context.Context, page StartPage, t Terminal) error {
	if t.Lines {
		p, err := page.Load(ctx, nil)
		if err != nil {
			return err
		}
		return Run(ctx, p, t)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := &startPage{server: page.Server}
	painter, program := painted(ctx, cancel, m, t)
	defer painter.Close()
	m.load = func() {
		m.result.program, m.result.err = page.Load(ctx, func(sentence string) { program.Send(waitMsg(sentence)) })
	}
	_, err := program.Run()
	cancel(nil)
	if m.done != nil {
		<-m.done
	}
	switch cause := ended(ctx, err); {
	case cause != nil:
		return cause
	case m.failed:
		return m.result.err
	}
	return nil
}

// loaded is the result of Load.
type loaded struct {
	program *Model
	err     error
}

// waitMsg is the sentence about a wait.
type waitMsg string

// startPage is the model of a StartPage. The program replaces it.
type startPage struct {
	server  string
	load    func()        // sets result
	done    chan struct{} // closed after load; nil before it
	result  loaded
	failed  bool // the program ended because of result.err
	wait    string
	w, h    int
	earlier []tea.Msg // for the program
}

// Init does nothing: the load begins when the page can be drawn.
func (s *startPage) Init() tea.Cmd { return nil }

// begin begins the load once, and returns the command that waits for it.
func (s *startPage) begin() tea.Cmd {
	if s.done != nil {
		return nil
	}
	s.done = make(chan struct{})
	go func() {
		defer close(s.done)
		s.load()
	}()
	return func() tea.Msg {
		<-s.done
		return s.result
	}
}

// Update keeps the messages for the program, and returns it when it is loaded.
func (s *startPage) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case waitMsg:
		s.wait = string(msg)
		return s, nil
	case loaded:
		if msg.err != nil {
			s.failed = true
			return s, tea.Quit
		}
		return s.handOver(msg.program)
	case tea.WindowSizeMsg:
		s.w, s.h, cmd = msg.Width, msg.Height, s.begin()
	case tea.KeyPressMsg:
		if msg.String() == "ctrl+c" {
			return s, tea.Quit
		}
	}
	if len(s.earlier) < typedAhead {
		s.earlier = append(s.earlier, msg)
	}
	return s, cmd
}

// handOver starts the program with the messages before it.
func (s *startPage) handOver(p *Model) (tea.Model, tea.Cmd) {
	model, commands := tea.Model(p), []tea.Cmd{p.Init()}
	for _, msg := range s.earlier {
		next, cmd := model.Update(msg)
		model, commands = next, append(commands, cmd)
	}
	return model, tea.Batch(commands...)
}

// View needs no theme: the colors of the terminal may still be unknown.
func (s *startPage) View() tea.View {
	lines := make([]string, max(s.h, 2))
	lines[0] = " " + ansi.NewStyle().Bold().Styled("usher") + "  Connecting to " + s.server
	lines[1] = " " + s.wait
	lines[len(lines)-1] += " ctrl+c ends usher"
	for i, line := range lines {
		lines[i] = cells.Truncate(line, s.w, "")
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen, v.WindowTitle = true, "usher"
	return v
}
