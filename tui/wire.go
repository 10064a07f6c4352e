package tui

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/client/download"
	"usher/client/download/ticket"
	"usher/client/evidence"
	"usher/client/history"
	"usher/client/link"
	"usher/client/places"
	"usher/client/proof"
	"usher/session"
	"usher/tui/access"
	"usher/tui/audit"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/reader"
	"usher/tui/signin"
)

// Server is the part of the backend that the browser and its pages use (*client.Client).
type Server interface {
	Requests
	Backend
	audit.Backend
	access.Backend
	evidence.Server
	proof.Server
	link.Server
	Signout(ctx context.Context, token string) error
}

// Environment is the profile, paths and system functions for Wire.
type Environment struct {
	Profile   session.Profile
	Folders   session.Folders
	Keyring   session.Keyring // optional
	Path      string          // bucket/key of the first folder, literal bytes; "/": the buckets; "": the last folder
	Downloads string          // directory
	Version   string
	Random    io.Reader
	Now       func() time.Time
	Getenv    func(string) string
	Taskbar   bool                       // the terminal shows progress by OSC 9;4
	Notice    Notice                     // at an arrival, and at the end of a long batch
	OpenURL   func(address string) error // opens a browser
	Watch     *proof.Watch               // optional; of the server's audit log
	Theme     string                     // dark, light, or "" for the kept one, else that of the terminal
	Screen    Screen
	History   func(identity string) history.State // of a person's ended downloads
	Fresh     bool                                // nothing is read from earlier runs or kept for later ones
}

// Wire returns Deps with the production parts. Only Wire connects the browser to
// them. Every displayed string of the server's configuration becomes a
// safetext.Text here.
func Wire(server Server, s *session.Session, engine *download.PerUser, w Environment) Deps {
	person, _, signedIn := s.Person()
	home, _ := os.UserHomeDir()       // on an error, no path is shown as ~
	where, _ := api.ParsePath(w.Path) // the command has refused invalid paths
	config := w.Profile.Config
	host := strings.TrimPrefix(strings.TrimPrefix(w.Profile.Server, "https://"), "http://")
	return remembering(w, s, Deps{
		Backend: server, Transfers: engine, Now: w.Now, CheckLog: checkLog(w.Watch),
		NewSignIn: func() (signin.Flow, error) {
			return session.NewSignIn(w.Folders, w.Profile, session.Options{Now: w.Now, Random: w.Random, Keyring: w.Keyring})
		},
		SignedIn: func(_ context.Context, step session.Step) error {
			if err := engine.SwitchTo(step.Tokens.Sub()); err != nil { // before any call of the new person
				return err
			}
			return s.Adopt(step.Tokens)
		},
		IdleMinutes: config.IdleMinutes,
		Lock: func(ctx context.Context) error {
			return s.SignOut(ctx, session.Ending{Tell: server.Signout})
		},
		SignOut: func(ctx context.Context) error {
			if err := engine.SwitchTo(""); err != nil {
				return err
			}
			return s.SignOut(ctx, session.Ending{Tell: server.Signout})
		},
		Ways: config.Offer().Ways, Other: browserWays(w), FirstWay: session.LastWay(w.Folders, w.Profile), Service: session.ServiceHost(w.Profile),
		Organisation: safetext.New(config.Organisation), Server: host, Version: w.Version,
		DownloadDir: w.Downloads, Home: home, FreeSpace: download.FreeSpace,
		Links: links(server, w), Requests: server,
		HasSession: signedIn, User: person.Username, Taskbar: w.Taskbar, Notice: w.Notice,
		Start: pane.At(where), Resume: w.Path == "",
		Theme: w.Theme, Background: w.Getenv("COLORFGBG"), ASCII: ascii(w.Getenv, w.Screen.Glyphs), Still: w.Screen.Still, Mouse: w.Screen.Mouse, Lines: w.Screen.Lines, Remap: w.Screen.Keys,
		Pages: append(AccessPages(server, host, safetext.New(config.AdminsGroup), safetext.New(config.AuditorsGroup), w.Now),
			auditPage(server, host, safetext.New(config.AuditorsGroup), w), verifyPage(server, host, safetext.New(config.AuditorsGroup), w), readPage(engine, host), diffPage(engine, host)),
		SSH: w.Getenv("SSH_TTY") != "" || w.Getenv("SSH_CONNECTION") != "", Zone: time.Local,
	})
}

// remembering adds the places and the theme of earlier runs.
func remembering(w Environment, s *session.Session, d Deps) Deps {
	if w.Fresh {
		return d
	}
	d.Person = func() string {
		person, _, _ := s.Person()
		return person.Sub
	}
	if w.History != nil {
		d.History = func() history.State { return w.History(d.Person()) }
	}
	d.Places = func(identity string) Places { return places.New(w.Folders, w.Profile.Place(), identity) }
	if d.Theme == "" {
		d.Theme = places.LoadTheme(w.Folders, w.Profile.Name)
	}
	d.SaveTheme = func(name string) error { return places.SaveTheme(w.Folders, w.Profile.Name, name) }
	return d
}

// links returns the maker of download links, nil if the storage is not configured. It
// makes none after a finding in the server's audit log.
func links(server link.Server, w Environment) func(context.Context, ...link.Object) ([]link.Link, error) {
	local := strings.HasPrefix(w.Profile.Server, "http://") // loopback only: profiles accept no other
	check, err := ticket.New(ticket.Config{Hosts: w.Profile.Config.S3Hosts, AllowHTTP: local})
	if err != nil {
		return nil
	}
	return func(ctx context.Context, objects ...link.Object) ([]link.Link, error) {
		if w.Watch != nil {
			if err := w.Watch.Fraud(); err != nil {
				return nil, err
			}
		}
		maker, err := link.New(link.Config{Server: server, Check: check, Now: w.Now})
		if err != nil {
			return nil, err
		}
		return maker.Make(ctx, objects...)
	}
}

// checkLog returns the check of a server's audit log. A server that cannot be reached
// is no finding.
func checkLog(watch *proof.Watch) func(context.Context) LogCheck {
	if watch == nil {
		return nil
	}
	return func(ctx context.Context) (out LogCheck) {
		state, err := watch.Check(ctx)
		var f api.Failing
		if errors.As(err, &f) && f.Exit() == api.ExitIntegrity {
			out.Finding = safetext.New(err.Error())
		}
		if text := state.Warning(); text != "" {
			out.Notice = safetext.New(text)
		}
		return out
	}
}

// readPage is the page with the contents of a file.
func readPage(engine *download.PerUser, host string) Page {
	return ReadPage(host, func(on pane.Target) reader.File { return look(engine, on) })
}

// diffPage is the page that compares two versions of a file.
func diffPage(engine *download.PerUser, host string) Page {
	return DiffPage(host, func(on pane.Target) reader.Version { return look(engine, on) })
}

func look(engine *download.PerUser, on pane.Target) *download.Look {
	return engine.Look(api.ReleaseObject{Bucket: on.Bucket.Raw(), Key: on.Key.Raw(), Version: on.Version.Raw()})
}

// ReadPage is the page with the contents of a file, which open returns without a call.
func ReadPage(host string, open func(pane.Target) reader.File) Page {
	return Page{Open: keys.Read, Name: "contents", New: func(env *pane.Env, on pane.Target) (pane.Pane, error) {
		return reader.New(reader.Deps{Env: env, On: on, Open: func() reader.File { return open(on) }, Server: host})
	}}
}

// DiffPage is the page that compares two versions of a file, each of which open returns
// without a call.
func DiffPage(host string, open func(pane.Target) reader.Version) Page {
	return Page{Open: keys.Compare, Name: "comparison", New: func(env *pane.Env, on pane.Target) (pane.Pane, error) {
		return reader.NewDiff(reader.DiffDeps{Env: env, On: on, Open: open, Server: host})
	}}
}

// AccessPages are the two forms of the access page, for admins and auditors: the
// readers of a path, and the explanation of their own access to a file.
func AccessPages(server access.Backend, host string, admins, auditors safetext.Text, now func() time.Time) []Page {
	page := func(open keys.Action) Page {
		return Page{Open: open, Name: "access page", Group: admins, Or: auditors, New: func(env *pane.Env, on pane.Target) (pane.Pane, error) {
			return access.New(access.Deps{Env: env, Backend: server, Now: now, Server: host, Group: admins, Or: auditors, On: on, Mine: open == keys.Why})
		}}
	}
	return []Page{page(keys.OpenAccess), page(keys.Why)}
}

// Screen is how the program uses the terminal.
type Screen struct {
	Glyphs string              // ascii, unicode, or "" for that of the locale
	Still  bool                // nothing moves without need
	Mouse  bool                // wheel and click
	Lines  bool                // lines for a screen reader, without escape sequences
	Keys   map[string][]string // of some actions, by keys.Remap
}

// ascii reports whether ASCII glyphs are chosen. Without a choice, it reports whether
// the locale is not UTF-8.
func ascii(getenv func(string) string, glyphs string) bool {
	if glyphs != "" {
		return glyphs == "ascii"
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(getenv(name)); v != "" {
			return !strings.Contains(v, "UTF-8") && !strings.Contains(v, "UTF8")
		}
	}
	return false
}

// DemoAccount makes an account for the list on the demo's sign-in. An account of
// the company signs in with a browser.
func DemoAccount(name, password, about string, company bool, code func() string) signin.Account {
	return signin.Account{User: name, Password: password, About: about, Browser: company, Code: code}
}
