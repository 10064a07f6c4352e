package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/history"
	"usher/client/link"
	"usher/client/places"
	"usher/session"
	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/transfers"
	"usher/tui/versions"
)

// Backend is the part of the server that the program uses (*client.Client).
type Backend interface {
	browse.Backend
	versions.Backend
	Whoami(context.Context) (api.Whoami, error)
}

// Deps is the program's dependencies. Fields marked optional may be nil or
// empty; New returns an error that names the first other field without a value.
// Commands call the functions, never Update or View.
type Deps struct {
	Backend   Backend
	Transfers transfers.Engine
	NewSignIn func() (signin.Flow, error)
	SignedIn  func(context.Context, session.Step) error // stores the tokens of a Done step
	SignOut   func(context.Context) error               // optional
	Lock      func(context.Context) error               // ends the session, and keeps the transfers; required with IdleMinutes
	Now       func() time.Time
	CheckLog  func(context.Context) LogCheck // optional; called at the sign-in and each hour

	Organisation safetext.Text // optional
	Server       string        // host, for display
	Service      string        // optional; host of the sign-in service
	Ways         []api.Way     // optional; ways to sign in, beside the password
	Other        []signin.Way  // optional; ways to sign in with a browser
	FirstWay     api.Way       // optional; of the last sign-in
	Version      string        // optional

	IdleMinutes int // optional; minutes without a key press until the browser locks

	DownloadDir string                          // root of the downloads
	Home        string                          // optional; shown as ~
	FreeSpace   func(dir string) (int64, error) // optional

	Requests Requests // optional; the person's requests for access

	Links func(context.Context, ...link.Object) ([]link.Link, error) // optional; download links, each recorded

	HasSession bool                         // tokens exist: start in the browser
	User       string                       // optional; fills the user field of the sign-in
	Demo       []signin.Account             // optional; listed on the sign-in
	Start      pane.Target                  // the first folder
	Person     func() string                // optional; the identity of the signed-in person, without I/O
	History    func() history.State         // optional; the ended downloads of the person
	Places     func(identity string) Places // optional; without it, nothing is kept between runs
	Resume     bool                         // start in the last folder of an earlier run or in the only one, instead of Start
	SaveTheme  func(name string) error      // optional; keeps the theme that the person chose

	Theme      string              // "dark", "light", or "" to query the terminal
	Background string              // COLORFGBG, for terminals that do not respond
	ASCII      bool                // draw with ASCII characters only
	Still      bool                // no blinking cursor; progress every 2 s
	Mouse      bool                // the wheel moves, and a click selects
	Lines      bool                // the program is in lines (package linear): no clipboard, no queries
	SSH        bool                // a slow connection: lists jump half a page
	Taskbar    bool                // the terminal shows progress by OSC 9;4
	Notice     Notice              // at an arrival, and at the end of a long batch
	Zone       *time.Location      // optional; of displayed times
	Keys       []keys.Set          // optional; keys.Default otherwise
	Remap      map[string][]string // optional; other keys of some actions, by keys.Remap
	Pages      []Page              // optional; the audit log, access pages
}

// Requests are the requests for access of the person (*client.Client).
type Requests interface {
	Ask(context.Context, api.AskRequest) (api.AskResponse, error)
	Asked(context.Context) (api.AskedResponse, error)
	Withdraw(context.Context, api.WithdrawRequest) (api.WithdrawResponse, error)
}

// Places stores the places of one person between two runs (places.Store).
type Places interface {
	Load() places.State
	Save(places.Change) error
}

// Page is a page other than the browser and the transfers. A key of
// keys.Everywhere opens it. Update calls the constructor, which therefore does
// no I/O; the method Opened of the pane, if it exists, returns the first command.
type Page struct {
	Open  keys.Action
	Name  string        // "audit log"
	Group safetext.Text // required to open it; the zero Text: no group
	Or    safetext.Text // optional; another group that opens it
	New   func(*pane.Env, pane.Target) (pane.Pane, error)
}

// opener is a pane with a command for each time that it comes to the front.
type opener interface{ Opened() tea.Cmd }

func (d Deps) check() error {
	missing := func(name string) error { return fmt.Errorf("starting the browser: %s is missing", name) }
	switch {
	case d.Backend == nil:
		return missing("the server")
	case d.Transfers == nil:
		return missing("the transfer engine")
	case d.NewSignIn == nil:
		return missing("the sign-in")
	case d.SignedIn == nil:
		return missing("the keeper of tokens")
	case d.Now == nil:
		return missing("the clock")
	case d.IdleMinutes > 0 && d.Lock == nil:
		return missing("the lock")
	case d.DownloadDir == "":
		return missing("the download folder")
	}
	for _, p := range d.Pages {
		if p.New == nil || p.Open == "" {
			return errors.New("starting the browser: a page has no constructor or no key")
		}
	}
	return nil
}
