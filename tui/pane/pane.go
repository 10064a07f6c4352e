// Package pane is the messages and the interface between the root model and its pages.
//
// The root (package tui) is the only tea.Model. A page is a plain struct that
// satisfies Pane: it draws strings, answers actions and messages with a
// tea.Cmd when it wants I/O, and sends one of the messages below when it wants
// something of the root. No method of a pane touches a file, the network or
// the clock; all of that happens in commands, which get copies and never the
// pane itself.
package pane

import (
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/theme"
)

// Env is common to all pages. Theme and Me are rewritten in place; a
// Restyled message follows a change of the theme.
type Env struct {
	Theme *theme.Theme
	Keys  keys.Map
	Zone  *time.Location // for times shown as local
	Jump  bool           // lists jump half a page at the edge (over SSH)
	Me    *Me
}

// Me is the person as the server last described them.
type Me struct {
	Name    safetext.Text // "" before sign-in
	Email   safetext.Text
	Groups  []safetext.Text
	Bound   int       // seconds until a removed access takes effect
	Since   time.Time // start of the session
	Version string    // of the grants
	Online  bool
}

// In reports whether the person is in a group; the zero Text is no condition.
func (m *Me) In(group safetext.Text) bool {
	if group.IsZero() {
		return true
	}
	for _, g := range m.Groups {
		if g.Equal(group) {
			return true
		}
	}
	return false
}

// Pane is one page. The root calls its methods from Update and View only, so
// a pane needs no lock.
type Pane interface {
	// Title is the page's place for row 0, outermost first.
	Title() []string
	// Context names the bindings in force: the key line, the help and Do
	// read the same ones.
	Context() keys.Context
	// View draws exactly h lines of at most w cells.
	View(w, h int) string
	// Status is the line above the keys: left and right, painted or plain.
	Status(w int) (left, right string)
	// Hints are the actions for the key line, the most useful first.
	Hints() []keys.Action
	// Do answers an action of the context (keys.Back comes from esc and q).
	Do(a keys.Action) tea.Cmd
	// Why returns the reason that an action is not possible now, as a
	// sentence; the zero Text if it is possible.
	Why(a keys.Action) safetext.Text
	// Typing is true while a text field has the keys; then every key press
	// goes to Key, paste to Handle, and nothing else is interpreted.
	Typing() bool
	Key(msg tea.KeyPressMsg) tea.Cmd
	// Cursor is the position of the text field's cursor, relative to View, or nil.
	Cursor() *tea.Cursor
	// Handle gets every message that the root does not own itself. A pane
	// takes its own by type and ignores the others.
	Handle(msg tea.Msg) tea.Cmd
}

// Labels is a pane some of whose keys do different things at times.
type Labels interface {
	// Label is the effect of an action now in two or three words, "" for the
	// table's word.
	Label(keys.Action) string
}

// Place is the subject of a page: a bucket and a key or prefix, raw. The
// zero Place is everywhere.
type Place struct{ Bucket, Key safetext.Text }

// At is the place of a path.
func At(p api.Path) Place { return Place{Bucket: safetext.New(p.Bucket), Key: safetext.New(p.Key)} }

// Where is the place as a path, raw.
func (p Place) Where() api.Path { return api.Path{Bucket: p.Bucket.Raw(), Key: p.Key.Raw()} }

// Typed returns a command that opens a typed path, or one that shows the reason
// for which the text is none.
func Typed(text string) tea.Cmd {
	where, err := api.ParsePath(text)
	if err != nil {
		return Send(Say{Text: Sentence(err, ""), Tone: Bad})
	}
	return Send(GoTo{Place: At(where)})
}

// Path is bucket/key, raw, for the wire.
func (p Place) Path() string { return p.Where().String() }

// Text is the path, safe to show.
func (p Place) Text() safetext.Text { return safetext.New(p.Path()) }

// Messages from a page to the root.
type (
	// Say puts a sentence on the status line until the next key press.
	Say struct {
		Text safetext.Text
		Tone Tone
	}
	// Close leaves the page for the one below.
	Close struct{}
	// Open opens a page that was handed to the root, by the action of its key.
	Open struct {
		Page keys.Action
		On   Place
	}
	// GoTo shows a place in the browser.
	GoTo struct{ Place Place }
	// Copy sends a text to the clipboard and to the status line.
	Copy struct{ Text safetext.Text }
	// Failed reports a call that failed, so that the root can tell a lost
	// network and an ended sign-in. The page shows its own sentence too.
	Failed struct{ Err error }
	// Answered reports a call that came back: the network is there.
	Answered struct{}
)

// Messages from the root to every page.
type (
	// Restyled follows a change of the theme: drop cached strings.
	Restyled struct{}
	// Retry follows a new sign-in, or the person asking to try now.
	Retry struct{}
)

// Tone of a sentence.
type Tone int

const (
	Plain Tone = iota
	Good
	Warning
	Bad
)

// Style is the style of a sentence in its tone.
func (n Tone) Style(t *theme.Theme) theme.Style {
	switch n {
	case Good:
		return t.OK
	case Warning:
		return t.Warn
	case Bad:
		return t.Bad
	}
	return t.Text
}

// Send makes a command of a message.
func Send(m tea.Msg) tea.Cmd { return func() tea.Msg { return m } }

// Code is the server's code for an error, "" when the server did not answer.
func Code(err error) api.Code {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Sentence is the text of an error for the status line: the table's sentence
// with the request ID, the error's own text if it was written for people, or a
// sentence that the server did not answer.
func Sentence(err error, host string) safetext.Text {
	var lost *api.Unreachable
	var typed *api.PathError
	var e api.Failing
	switch {
	case errors.As(err, &typed):
		return Safe(typed.Short())
	case errors.As(err, &lost):
		return Safe(lost.Short())
	case errors.As(err, &e):
		return Safe(e.Error())
	}
	return safetext.New("No answer from " + host + ".")
}

// Safe makes a Text of a string that is safe to print already, such as the
// text of an error: safetext.New would escape its escapes again. Any other
// string is escaped.
func Safe(s string) safetext.Text {
	if raw, err := safetext.Unescape(s); err == nil {
		return safetext.New(raw)
	}
	return safetext.New(s)
}

// File names one object, raw, as a map key. It is never printed.
type File struct{ Bucket, Key string }
