// Package pane defines the interface and the messages between the root model and
// its pages.
//
// The root (package tui) is the only tea.Model. A page is a plain struct with the
// methods of Pane: it draws strings, returns a tea.Cmd for I/O, and sends one of
// the messages below to the root. No method of a pane uses files, the network or
// the clock. Commands do, on copies of the pane's data.
package pane

import (
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/tui/keys"
	"usher/tui/linear"
	"usher/tui/theme"
)

// Env is shared by all pages. Theme and Me are updated in place. A Restyled message
// follows a change of the theme.
type Env struct {
	Theme *theme.Theme
	Keys  keys.Map
	Zone  *time.Location // of local times
	Jump  bool           // lists jump at the edge (over SSH)
	Still bool           // nothing moves without need
	Lines bool           // the program is in lines (package linear): nothing is drawn
	Me    *Me
}

// Me is the person as the server last described them.
type Me struct {
	Name    safetext.Text // "" before sign-in
	Sub     safetext.Text // the identity
	Email   safetext.Text
	Groups  []safetext.Text
	Bound   int       // seconds until the removal of access takes effect
	Since   time.Time // start of the session
	Version string    // of the grants
	Online  bool

	OpenRequests int // for admins: open requests for access of all people
}

// In reports whether the person is in a group. It is true for the zero Text.
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
	// Title returns the path of the page for row 0, outermost part first.
	Title() []string
	// Context returns the active key bindings, for Do, the key line and the help.
	Context() keys.Context
	// View draws exactly h lines of at most w cells.
	View(w, h int) string
	// Words describes the page for a program in lines (package linear).
	Words() linear.Words
	// Status returns the two ends of the line above the keys, painted or plain.
	Status(w int) (left, right string)
	// Hints returns the actions for the key line, most useful first.
	Hints() []keys.Action
	// Do runs an action of the context. Both esc and q give keys.Back.
	Do(a keys.Action) tea.Cmd
	// Why returns the reason that an action is not possible now, as a
	// sentence; the zero Text if it is possible.
	Why(a keys.Action) safetext.Text
	// Typing is true while a text field is open. Key then gets every key press,
	// and Handle every paste.
	Typing() bool
	Key(msg tea.KeyPressMsg) tea.Cmd
	// Cursor returns the position of the text cursor, relative to View, or nil.
	Cursor() *tea.Cursor
	// Handle gets every message that is not for the root. A pane recognizes its
	// own messages by type and ignores the others.
	Handle(msg tea.Msg) tea.Cmd
}

// Labels is a pane with keys whose effect depends on its state.
type Labels interface {
	// Label returns the present effect of an action in two or three words, or ""
	// for the label of the table.
	Label(keys.Action) string
}

// Clicks is a pane with rows for the mouse.
type Clicks interface {
	// Click moves the cursor to the row at a cell of View. It returns true if that
	// row had the cursor before: the second click opens it.
	Click(x, y int) (tea.Cmd, bool)
}

// Fields is a pane with a text field whose keys have effects of their own.
type Fields interface {
	// FieldKeys returns the keys of the open field and their effects.
	FieldKeys() [][2]string
}

// Omits is a pane with keys that the help shows only while they have an effect.
type Omits interface {
	// Omits reports whether the help omits an action now.
	Omits(keys.Action) bool
}

// Target is the bucket and the key or prefix that a page is about. The zero Target
// is all buckets. Filter is one of the audit log instead of a path. Version is one of
// an object; the zero Text is the current one. Base is the version that a comparison
// begins with.
type Target struct{ Bucket, Key, Filter, Version, Base safetext.Text }

// At returns the target of a path.
func At(p api.Path) Target { return Target{Bucket: safetext.New(p.Bucket), Key: safetext.New(p.Key)} }

// Where returns the target as a path, raw.
func (p Target) Where() api.Path { return api.Path{Bucket: p.Bucket.Raw(), Key: p.Key.Raw()} }

// Path returns bucket/key, raw, for the wire.
func (p Target) Path() string { return p.Where().String() }

// Text returns the path, safe to show.
func (p Target) Text() safetext.Text { return safetext.New(p.Path()) }

// Messages from a page to the root.
type (
	// Say shows a sentence on the status line until the next key press.
	Say struct {
		Text safetext.Text
		Tone Tone
	}
	// Close closes the page.
	Close struct{}
	// Open opens the page of an action.
	Open struct {
		Page keys.Action
		On   Target
	}
	// GoTo shows a target in the browser.
	GoTo struct{ Target Target }
	// Typed opens a typed path in the browser, or completes it in the browser's
	// field. A path that is not valid, or not there, stays in the field.
	Typed struct {
		Text     string
		Complete bool
	}
	// Copy copies a text to the clipboard and shows it on the status line.
	Copy struct{ Text safetext.Text }
	// Failed reports a failed call. The root handles an ended sign-in and an
	// unreachable server. The page shows a sentence of its own. On is the path of
	// the call, if it has one.
	Failed struct {
		Err error
		On  safetext.Text
	}
	// Answered reports a call with a response: the server is reachable.
	Answered struct{}
)

// Messages from the root to every page.
type (
	// Restyled follows a change of the theme. Pages drop their cached strings.
	Restyled struct{}
	// Retry follows a new sign-in or a restored connection.
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

// Send returns a command that sends a message.
func Send(m tea.Msg) tea.Cmd { return func() tea.Msg { return m } }

// Code returns the server's code in an error, "" without one.
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

// NoField is the part of a page without a text field.
type NoField struct{}

// Typing is false.
func (NoField) Typing() bool { return false }

// Key does nothing.
func (NoField) Key(tea.KeyPressMsg) tea.Cmd { return nil }

// Cursor returns nil.
func (NoField) Cursor() *tea.Cursor { return nil }

// Short returns a local path with ~ for the home folder, raw. Without a home it is the
// whole path.
func Short(path, home string) string {
	if rest, ok := strings.CutPrefix(path, home); ok && home != "" && (rest == "" || rest[0] == '/') {
		return "~" + rest
	}
	return path
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
