package linear_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	tea "charm.land/bubbletea/v2"

	"usher/tui/linear"
)

// program is a model with a given scene. A message of type change replaces it.
type program struct{ scene linear.Scene }

type change func(*linear.Scene)

func (p *program) Init() tea.Cmd       { return nil }
func (p *program) View() tea.View      { return tea.NewView("never printed") }
func (p *program) Scene() linear.Scene { return p.scene }
func (p *program) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	if c, ok := msg.(change); ok {
		c(&p.scene)
	}
	if k, ok := msg.(tea.KeyPressMsg); ok && p.scene.Field.Label != "" {
		p.scene.Field.Value += k.Text
	}
	return p, nil
}

// listener is a front whose lines are read.
type listener struct {
	t     *testing.T
	front *linear.Front
	mu    sync.Mutex
	heard strings.Builder
}

func (l *listener) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heard.Write(b)
}

// new returns the lines since the last call.
func (l *listener) new() string {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.heard.Reset()
	return strings.ReplaceAll(l.heard.String(), "\r\n", "\n")
}

// send passes a message to the front and runs its commands. Timers take no time.
func (l *listener) send(msg tea.Msg) {
	_, cmd := l.front.Update(msg)
	l.run(cmd)
}

func (l *listener) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			l.run(c)
		}
	default:
		l.send(msg)
	}
}

func (l *listener) want(lines ...string) {
	l.t.Helper()
	want := ""
	for _, s := range lines {
		want += s + "\n"
	}
	if got := l.new(); got != want {
		l.t.Errorf("printed:\n%swanted:\n%s", got, want)
	}
}

func key(s string) tea.KeyPressMsg {
	if r := []rune(s); len(r) == 1 {
		return tea.KeyPressMsg{Code: r[0], Text: s}
	}
	return tea.KeyPressMsg{Code: map[string]rune{"down": tea.KeyDown, "enter": tea.KeyEnter}[s]}
}

// row returns a scene of a folder with the cursor on row n of three.
func row(n int) linear.Scene {
	names := []string{"a.csv", "b.csv", "c.csv"}
	return linear.Scene{Words: linear.Words{
		Title: "Folder logs", Info: linear.Infos("3 rows", "by name"), Keys: "enter open, ? help",
		Row: linear.Row{ID: names[n-1], Text: linear.Position("file", n, 3, names[n-1], "12 kB")},
	}}
}

// listen begins with a scene. The first announcements are dropped.
func listen(t *testing.T, s linear.Scene) *listener {
	l := &listener{t: t}
	l.front = linear.New(&program{s}, linear.NewOutput(l))
	l.run(l.front.Init())
	l.send(nil)
	l.new()
	return l
}

func TestFront(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(*listener)
	}{
		{"a move is one line", func(l *listener) {
			l.send(change(func(s *linear.Scene) { *s = row(2) }))
			l.want("file 2 of 3: b.csv, 12 kB")
		}},
		{"another page has its title, its row and its keys", func(l *listener) {
			l.send(key("enter"))
			l.send(change(func(s *linear.Scene) { s.Title, s.Keys, s.Row = "Transfers", "x remove", linear.Row{} }))
			l.want("file 1 of 3: a.csv, 12 kB", "Transfers. 3 rows, by name.", "Keys: x remove.")
			l.send(change(func(s *linear.Scene) { *s = row(1) }))
			l.want("Folder logs. 3 rows, by name.", "file 1 of 3: a.csv, 12 kB")
		}},
		{"a key without an effect repeats the row", func(l *listener) {
			l.send(key("down"))
			l.want("file 1 of 3: a.csv, 12 kB")
		}},
		{"numbers that grow are silent", func(l *listener) {
			l.send(change(func(s *linear.Scene) { s.Info, s.Row.Text = linear.Infos("4 rows", "by name"), "file 1 of 4" }))
			l.want()
		}},
		{"a slow page has its rows announced once they are there", func(l *listener) {
			l.send(change(func(s *linear.Scene) { s.Title, s.Info, s.Row = "Folder slow", nil, linear.Row{} }))
			l.want("Folder slow.")
			l.send(change(func(s *linear.Scene) {
				s.Info, s.Row = linear.Infos("200 rows and more"), linear.Row{ID: "a.csv", Text: "file 1 of 200: a.csv"}
			}))
			l.want("200 rows and more", "file 1 of 200: a.csv")
			l.send(change(func(s *linear.Scene) { s.Info = linear.Infos("400 rows and more") }))
			l.want()
		}},
		{"a field ends with its text", func(l *listener) {
			l.send(change(func(s *linear.Scene) { s.Field.Label = "Filter" }))
			l.want("Filter, text field.")
			l.send(key("x"))
			l.want()
			_, _ = l.front.Update(key("y")) // and the end before the quiet time
			_, _ = l.front.Update(key("enter"))
			l.send(change(func(s *linear.Scene) { s.Field = linear.Field{} }))
			l.want("Filter: xy")
		}},
		{"a hidden text is not printed", func(l *listener) {
			l.send(change(func(s *linear.Scene) { s.Field = linear.Field{Label: "Password", Hidden: true} }))
			l.send(key("x"))
			l.send(change(func(s *linear.Scene) { s.Field = linear.Field{} }))
			l.want("Password, text field, letters are not shown.")
		}},
		{"choices are announced each time", func(l *listener) {
			for range 2 {
				l.send(change(func(s *linear.Scene) { s.Title, s.Keys, s.Choice = "Quit", "enter quit", true }))
				l.send(change(func(s *linear.Scene) { *s = row(1) }))
			}
			if got := strings.Count(l.new(), "Keys: enter quit."); got != 2 {
				l.t.Errorf("the choices were announced %d times", got)
			}
		}},
		{"sentences and conditions", func(l *listener) {
			l.send(change(func(s *linear.Scene) { s.Say, s.Alerts, s.State = "Saved.", []string{"No connection."}, "Listing" }))
			l.want("No connection.", "Listing", "Saved.")
			l.send(change(func(*linear.Scene) {}))
			l.want()
		}},
		{"new lines of a text, and of a window", func(l *listener) {
			l.send(change(func(s *linear.Scene) {
				s.Text, s.Lines = []string{"one"}, linear.Lines{From: 0, Text: []string{"}", "}"}}
			}))
			l.want("one", "}", "}")
			l.send(change(func(s *linear.Scene) {
				s.Text, s.Lines = []string{"one", "two"}, linear.Lines{From: 1, Text: []string{"}", "}"}}
			}))
			l.want("two", "}")
		}},
		{"downloads have few lines", func(l *listener) {
			at := func(n int) {
				l.send(change(func(s *linear.Scene) { s.Progress = linear.Progress{Active: true, Percent: n, Text: "2 downloads"} }))
			}
			for n := range 100 {
				at(n)
			}
			l.want("Downloading: 2 downloads.", "25 %, 2 downloads.", "50 %, 2 downloads.", "75 %, 2 downloads.")
			l.send(change(func(s *linear.Scene) { s.Progress.Held = "waiting for the network" }))
			l.want("Downloads: waiting for the network.")
		}},
		{"no control character", func(l *listener) {
			l.send(change(func(s *linear.Scene) { s.Say = "a\x1b[31mb\x07c\u009b1m\nd\x1b" }))
			l.want("abc1m d")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.play(listen(t, row(1))) })
		})
	}
}

// Lines keep their order although commands run at once.
func TestOutputOrder(t *testing.T) {
	var l listener
	p := &program{row(1)}
	front := linear.New(p, linear.NewOutput(&l))
	front.Update(nil) // announces the page
	var all sync.WaitGroup
	want := ""
	for i := range 500 {
		_, cmd := front.Update(change(func(s *linear.Scene) { s.Say = strconv.Itoa(i) }))
		want += strconv.Itoa(i) + "\n"
		all.Go(func() {
			if batch, ok := cmd().(tea.BatchMsg); ok {
				for _, c := range batch {
					if c != nil {
						c()
					}
				}
			}
		})
	}
	all.Wait()
	if got := strings.ReplaceAll(l.heard.String(), "\r\n", "\n"); !strings.HasSuffix(got, want) {
		t.Errorf("the lines are out of order:\n%s", got)
	}
}
