package tuitest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"usher/tui/format"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/pane"
)

// Storm presses random keys on one page of a program, among random pastes, clicks,
// resizes and suspensions. Run it in a synctest.Test. After each key it draws the page
// and its words. When the keys have left the page, esc and the keys of Open must show
// it again, and at intervals Probe must change the screen: a frozen program fails.
type Storm struct {
	New  func() linear.Program   // a fresh program
	Open []string                // keys from the first screen of a fresh program to the page
	At   func(linear.Scene) bool // the page is in front
	// Back reports that the program is at the place from which Open leads to the page.
	// esc goes there. nil: only a fresh program is there.
	Back  func(linear.Scene) bool
	Start pane.Target // where Back is, in the browser
	Probe []string    // keys, of which one changes the screen; nil: ?

	t     testing.TB
	rnd   *rand.Rand
	keys  []string
	model linear.Program
	mu    sync.Mutex
	sent  []letter
	w, h  int
	home  string // the words of Back in a fresh program
	opens int
	long  int      // one key in so many is drawn; 0: each
	tail  []string // the last keys, for a failure
}

// Storms runs a storm on each page in subtests: the pages by context, with the keys to
// each from the folder where a fresh program begins.
func Storms(t *testing.T, pages map[keys.Context][]string, fresh func() linear.Program) {
	t.Helper()
	for c, open := range pages {
		(&Storm{New: fresh, Open: open, At: AtPage(c), Back: Plainly(keys.Browser), Start: At("company-reports/annual/audited/")}).Test(t, string(c))
	}
}

// Test runs the storm in a subtest.
func (s *Storm) Test(t *testing.T, name string) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { s.Run(t, 1, StormKeys()) })
	})
}

// letter is a message of a command to the program that made the command.
type letter struct {
	to  linear.Program
	msg tea.Msg
}

// StormKeys is the number of keys on each page: few in -short, 100,000 with USHER_SOAK.
func StormKeys() int {
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return 100_000
	case testing.Short():
		return 100
	}
	return 200
}

const (
	stormRound = 2_000 // keys in one program
	stormStay  = 300   // keys between two probes
	stormEsc   = 30    // presses of esc that leave any state of a page
)

// AtPage reports whether a page with a context is in front, behind a dialog or not.
func AtPage(c keys.Context) func(linear.Scene) bool {
	return func(s linear.Scene) bool { return s.Page == string(c) }
}

// Plainly reports whether the page of a context has the keys: no dialog, no field.
func Plainly(c keys.Context) func(linear.Scene) bool {
	return func(s linear.Scene) bool { return s.Page == string(c) && !s.Dialog && s.Field.Label == "" }
}

// Run presses n keys while the page is in front.
func (s *Storm) Run(t testing.TB, seed uint64, n int) {
	t.Helper()
	s.t, s.rnd = t, rand.New(rand.NewPCG(seed, 0))
	s.keys = boundKeys()
	if n > 10_000 {
		s.long = 4
	}
	t.Cleanup(func() { time.Sleep(2 * time.Hour) }) // pending timers and calls end
	for pressed, stay := 0, 0; pressed < n; {
		if pressed%stormRound == 0 || s.model == nil {
			s.fresh()
			stay = 0
		}
		if stay++; stay > stormStay || !s.At(s.model.Scene()) {
			s.again()
			stay = 0
		}
		s.random()
		pressed++
	}
	s.again()
}

// fresh begins a program and opens the page.
func (s *Storm) fresh() {
	s.t.Helper()
	s.model = s.New()
	s.run(s.model.Init())
	s.resize(120, 40)
	s.sleep(time.Second)
	s.home = s.place()
	s.open()
}

// place is the title of the page and its rows in words.
func (s *Storm) place() string {
	scene := s.model.Scene()
	return scene.Title + strings.Join(scene.Info, "\n")
}

func (s *Storm) open() {
	s.t.Helper()
	for _, k := range s.Open {
		s.press(Key(k))
		s.sleep(500 * time.Millisecond)
	}
	if scene := s.model.Scene(); !s.At(scene) {
		s.fail("%q does not open the page: page %q, title %q, field %q", s.Open, scene.Page, scene.Title, scene.Field.Label)
	}
	if s.opens++; s.opens%10 == 1 {
		s.probe()
	}
}

// again shows the page again, by esc and the keys to it.
func (s *Storm) again() {
	s.t.Helper()
	s.sleep(100 * time.Millisecond) // the key after esc in a key press with alt
	if s.At(s.model.Scene()) && !s.model.Scene().Dialog {
		s.probe()
	}
	if s.Back == nil {
		before := s.model.View().Content
		s.press(Key("esc"))
		if s.At(s.model.Scene()) && len(s.Probe) == 0 && s.model.View().Content == before {
			s.fail("esc changes nothing: the screen is frozen\n%s", before)
		}
		s.fresh()
		return
	}
	for range stormEsc {
		if s.Back(s.model.Scene()) {
			break
		}
		s.press(Key("esc"))
		s.sleep(600 * time.Millisecond) // a dialog with grace
	}
	if scene := s.model.Scene(); !s.Back(scene) {
		s.fail("esc does not leave: page %q, title %q, field %q", scene.Page, scene.Title, scene.Field.Label)
	}
	if s.place() != s.home {
		s.send(pane.GoTo{Target: s.Start})
		s.sleep(time.Second)
	}
	s.open()
}

// probe presses a key that must change the screen, and takes it back.
func (s *Storm) probe() {
	s.t.Helper()
	help := []string{"?"}
	scene := s.model.Scene()
	switch {
	case s.Probe != nil:
		help = s.Probe
	case scene.Dialog, scene.Field.Label != "", scene.Choice: // a menu closes with any key
		return
	}
	before, same := s.model.View().Content, len(help) > 0
	for _, k := range help {
		if !same {
			break
		}
		s.press(Key(k))
		same = s.model.View().Content == before
	}
	if same {
		s.fail("%q change nothing: the screen is frozen\n%s", help, before)
	}
	if s.Probe == nil {
		s.press(Key("esc"))
	}
}

// random presses one key, and plays other input now and then.
func (s *Storm) random() {
	s.t.Helper()
	switch s.rnd.IntN(100) {
	case 0:
		s.resize(s.rnd.IntN(260), s.rnd.IntN(90))
		s.key()
		size := [][2]int{{80, 24}, {120, 40}, {200, 50}, {72, 18}}[s.rnd.IntN(4)]
		s.resize(size[0], size[1])
	case 1:
		s.send(tea.PasteMsg{Content: s.text(1 + s.rnd.IntN(200))})
	case 2:
		s.send(tea.MouseClickMsg{X: s.rnd.IntN(200), Y: s.rnd.IntN(50), Button: tea.MouseLeft})
		s.send(tea.MouseWheelMsg{X: s.rnd.IntN(200), Y: s.rnd.IntN(50), Button: tea.MouseWheelDown})
	case 3:
		s.send(tea.ResumeMsg{})
	case 4:
		s.send(tea.BackgroundColorMsg{})
	}
	s.key()
}

// key presses a random key: one of the table, a letter, or another one.
func (s *Storm) key() {
	s.t.Helper()
	switch n := s.rnd.IntN(20); {
	case n < 14:
		s.press(Key(s.keys[s.rnd.IntN(len(s.keys))]))
	case n < 18:
		s.press(Key(string(rune(' ' + s.rnd.IntN(95)))))
	default:
		text := s.text(1)
		r, _ := utf8.DecodeRuneInString(text)
		s.press(tea.KeyPressMsg{Code: r, Text: text, Mod: []tea.KeyMod{0, tea.ModAlt, tea.ModCtrl, tea.ModShift}[s.rnd.IntN(4)]})
	}
	s.sleep(time.Duration(s.rnd.IntN(60)) * time.Millisecond)
	if s.long == 0 || s.rnd.IntN(s.long) == 0 {
		s.draw()
	}
}

// text returns n random characters: letters, wide and combining ones, bidi and control
// characters, broken UTF-8.
func (s *Storm) text(n int) string {
	all := []string{"a", "é", "世", "\u0301", "\u202e", "\u200d", "🏳️‍🌈", "मौ", "/", "*", "\x1b[2J", "\x00", "\n", "\xff", "\"", ":", "  "}
	var b strings.Builder
	for range n {
		b.WriteString(all[s.rnd.IntN(len(all))])
	}
	return b.String()
}

func (s *Storm) resize(w, h int) {
	s.w, s.h = w, h
	s.send(tea.WindowSizeMsg{Width: w, Height: h})
	s.draw()
}

// draw draws the page and its words. No line is wider than the window.
func (s *Storm) draw() {
	s.t.Helper()
	content := s.model.View().Content
	scene := s.model.Scene()
	if scene.Title == "" {
		s.fail("page %q has no title in words", scene.Page)
	}
	if s.rnd.IntN(8) > 0 || s.w == 0 {
		return
	}
	lines := strings.Split(content, "\n")
	if len(lines) > max(1, s.h) {
		s.fail("%d lines in a window of %dx%d:\n%s", len(lines), s.w, s.h, content)
	}
	for _, l := range lines {
		if s.w >= 72 && s.h >= 18 && format.Width(l) > s.w {
			s.fail("%d cells in a window of %dx%d: %q", format.Width(l), s.w, s.h, l)
		}
	}
}

func (s *Storm) press(k tea.KeyPressMsg) {
	s.tail = append(s.tail, k.String())
	if len(s.tail) > 60 {
		s.tail = s.tail[1:]
	}
	s.send(k)
}

func (s *Storm) fail(form string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\nafter the keys %q", fmt.Sprintf(form, args...), s.tail)
}

func (s *Storm) send(msg tea.Msg) {
	_, cmd := s.model.Update(msg)
	s.run(cmd)
	s.settle()
}

// run runs a command on a goroutine of its own. The end of the program and its
// suspension have no effect.
func (s *Storm) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	to := s.model
	go func() { s.result(to, cmd()) }()
}

func (s *Storm) result(to linear.Program, msg tea.Msg) {
	switch m := msg.(type) {
	case nil, tea.QuitMsg, tea.SuspendMsg:
		return
	case tea.BatchMsg:
		for _, c := range m {
			if c != nil {
				go func() { s.result(to, c()) }()
			}
		}
		return
	}
	if list, ok := commands(msg); ok { // one after the other
		for _, c := range list {
			if c != nil {
				s.result(to, c())
			}
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, letter{to, msg})
}

// settle handles the messages of commands until none is left.
func (s *Storm) settle() {
	for {
		synctest.Wait()
		s.mu.Lock()
		all := s.sent
		s.sent = nil
		s.mu.Unlock()
		if len(all) == 0 {
			return
		}
		for _, l := range all {
			if l.to == s.model { // the others are for an earlier program
				_, cmd := s.model.Update(l.msg)
				s.run(cmd)
			}
		}
	}
}

func (s *Storm) sleep(d time.Duration) {
	time.Sleep(d)
	s.settle()
}

// boundKeys returns all keys of the default table, except those that end the program.
func boundKeys() []string {
	m, err := keys.New(keys.Default()...)
	if err != nil {
		panic(err) // the table is wrong
	}
	seen := map[string]bool{"ctrl+c": true}
	var out []string
	for _, c := range m.Contexts() {
		for _, b := range m.All(c) {
			for _, k := range b.Keys {
				if !seen[k] {
					seen[k] = true
					out = append(out, k)
				}
			}
		}
	}
	return append(out, "enter", "enter", "backspace", "ctrl+u", "delete")
}
