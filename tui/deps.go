package tui

import (
	"context"
	"errors"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/session"
	"usher/tui/browse"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/transfers"
)

// Backend is the part of the server that the program uses (a *client.Client).
type Backend interface {
	browse.Backend
	Whoami(context.Context) (api.Whoami, error)
}

// Deps is everything that the program needs from outside. Fields marked
// optional may be nil or empty; New names the first other one that is missing.
// Functions are called from commands only, never from Update or View.
type Deps struct {
	Backend   Backend
	Transfers transfers.Engine
	NewSignIn func() (signin.Flow, error)
	SignedIn  func(context.Context, session.Step) error // keeps the tokens of a Done step
	SignOut   func(context.Context) error               // optional
	Now       func() time.Time

	Organisation safetext.Text // optional
	Server       string        // host, as it is shown
	Version      string        // optional

	DownloadDir string                                                   // downloads go below it
	Home        string                                                   // optional; shown as ~
	FreeSpace   func(dir string) (int64, error)                          // optional
	Read        func(context.Context, browse.Entry, int) ([]byte, error) // optional; the first bytes of a file

	HasSession bool             // tokens are there already: begin in the browser
	User       string           // optional; typed into the sign-in
	Demo       []signin.Account // optional; listed on the sign-in
	Start      pane.Place       // where the browser begins

	Theme      string         // "dark", "light" or "": ask the terminal
	Background string         // COLORFGBG, for terminals that do not answer
	ASCII      bool           // draw with ASCII signs
	SSH        bool           // a slow line: lists jump half a page
	Taskbar    bool           // the terminal shows progress by OSC 9;4
	Zone       *time.Location // optional; for times shown
	Keys       []keys.Set     // optional; keys.Default otherwise
	Pages      []Page         // optional; the audit log and others
}

// Page is a page besides the browser and the transfers, opened by a key of
// keys.Everywhere. The constructor may not do I/O: it is called from Update,
// and its first command comes from Opened, if the pane has that method.
type Page struct {
	Open  keys.Action
	Name  string        // "audit log"
	Group safetext.Text // whose members may open it; the zero Text is everybody
	New   func(*pane.Env, pane.Place) (pane.Pane, error)
}

// opener is a pane that wants to know that it came to the front.
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
