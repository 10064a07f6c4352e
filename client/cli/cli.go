// Package cli is usher's plain commands: ls, get, url, audit and the others,
// for people in a hurry, for scripts and for jobs without a terminal. They do
// what the browser does, with the same client, session and download engine.
//
// It promises:
//   - stdout holds what was asked for and nothing else; messages, progress and
//     questions go to stderr. With --json, stdout is one JSON object, or one a
//     line, with stable names;
//   - nothing is asked when stdin is not a terminal;
//   - every failure is one sentence that says what to do, with the request id
//     where there is one, and an exit code that a script can rely on (fail.go).
//     With --json the failure is one line on stderr:
//     {"error":{"code","message","request_id"}};
//   - names and texts that others wrote are escaped on their way out, except
//     with ls -0, which is for programs;
//   - --debug shows calls and causes, never a token, a password or the
//     signature of a URL.
//
// It decides nothing: who may see what is the backend's business. It builds no
// backend either; main hands it in as Demo and Serve.
package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"charm.land/fang/v2"
	"github.com/spf13/cobra"

	"usher/client"
	"usher/session"
)

// Program is what main hands in: the world, and the parts that this package
// may not build. All fields are needed.
type Program struct {
	Version string
	Folders session.Folders     // configuration and state
	Getenv  func(string) string // os.Getenv
	Now     func() time.Time    // time.Now

	In                    io.Reader
	Out, Err              io.Writer
	InTTY, OutTTY, ErrTTY bool

	ReadPassword func() (string, error)                                                  // one line from the terminal, without echo
	Browse       func(ctx context.Context, b Browser) error                              // the full-screen program
	Demo         func(ctx context.Context, o DemoOptions) (DemoWorld, error)             // sandbox and backend in this process
	Serve        func(ctx context.Context, o ServeOptions) error                         // the backend; returns nil when ctx ends
	Check        func(ctx context.Context, configFile string) ([]Finding, error)         // tries what the backend needs
	Backup       func(ctx context.Context, from AuditLog, file string) (BackedUp, error) // copies a log on this machine
}

// Browser is what the full-screen program needs.
type Browser struct {
	Profile   session.Profile
	Session   *session.Session
	Client    *client.Client
	Folders   session.Folders
	Path      string                       // where to open, "" for the last place; as typed
	Accounts  []Account                    // demo people, shown at the sign-in
	CodeNow   func(username string) string // of a demo account's authenticator app
	Downloads string                       // directory for downloads, absolute
}

// DemoOptions configure a demo.
type DemoOptions struct {
	Dir        string                // "": a temporary directory
	Port       int                   // the first of three in a row; 0: those that Dir keeps, or free ones
	Storage    *DemoStorage          // nil: the demo's own S3, with files
	CodeWanted func(username string) // an account is to give a code now; must not block
	AcceptLost bool                  // start although the audit log has lost records
}

// DemoStorage is an S3 server outside of the demo.
type DemoStorage struct {
	Endpoint             string
	Region               string // "": the demo's
	AccessKey, SecretKey string // "": the demo's own pair
}

// DemoWorld is a running demo. Close ends it and removes a temporary
// directory; it may be called again. Wait returns when the backend has ended.
type DemoWorld struct {
	Server  string
	Facts   DemoFacts
	Folders session.Folders              // the demo's own
	CodeNow func(username string) string // of the account's authenticator app; "" without one
	Close   func() error
	Wait    func() error
}

// DemoFacts are what `usher demo --serve --json` prints, as one line.
type DemoFacts struct {
	Server          string    `json:"server"`
	Region          string    `json:"region"`
	UserPoolID      string    `json:"user_pool_id"`
	ClientID        string    `json:"client_id"`
	CognitoEndpoint string    `json:"cognito_endpoint"`
	Issuer          string    `json:"issuer"`
	HostedUI        string    `json:"hosted_ui,omitempty"`
	S3Endpoint      string    `json:"s3_endpoint"`
	S3Region        string    `json:"s3_region"`
	S3AccessKey     string    `json:"s3_access_key"`
	S3SecretKey     string    `json:"s3_secret_key"`
	People          []Account `json:"people"`
	Dir             string    `json:"dir"`
	GrantsFile      string    `json:"grants_file"`
	MailFile        string    `json:"mail_file"`
}

// Account is one of the demo's people. Password is "" once it was changed.
type Account struct {
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	Groups     []string `json:"groups"`
	TOTPSecret string   `json:"totp_secret,omitempty"`
	Temporary  bool     `json:"temporary,omitempty"`  // must set a password at the first sign-in
	SetUpMFA   bool     `json:"set_up_mfa,omitempty"` // must set up an authenticator app at the first sign-in
}

// About describes an account for the person who chooses one.
func (a Account) About() string {
	about := groups(a.Groups)
	if a.Password == "" {
		about += "; has a password of their own"
	}
	switch {
	case a.Temporary:
		about += "; must set a password"
	case a.SetUpMFA:
		about += "; must set up a code"
	case a.TOTPSecret != "":
		about += "; gives a code"
	}
	return about
}

func (p Program) check() error {
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Version", p.Version == ""}, {"Folders", p.Folders.Config == "" || p.Folders.State == ""},
		{"Getenv", p.Getenv == nil}, {"Now", p.Now == nil},
		{"In", p.In == nil}, {"Out", p.Out == nil}, {"Err", p.Err == nil},
		{"ReadPassword", p.ReadPassword == nil}, {"Browse", p.Browse == nil}, {"Demo", p.Demo == nil}, {"Serve", p.Serve == nil},
		{"Check", p.Check == nil}, {"Backup", p.Backup == nil},
	} {
		if part.missing {
			return errors.New("cli: Program." + part.name + " is missing")
		}
	}
	return nil
}

// Main runs one command line (without the program's name), prints its failure
// and returns the exit code. The first SIGINT, SIGTERM or SIGHUP cancels what
// runs; after two seconds another one ends the process.
func Main(ctx context.Context, p Program, args []string) int {
	if err := p.check(); err != nil {
		panic(err) // a mistake in main, before anything else can work
	}
	out := &output{to: p.Out}
	p.Out = out
	a := &app{Program: p}
	ctx, stop := withSignals(ctx, &a.hangup)
	defer stop()
	err := a.execute(client.WithWait(ctx, a.debugWait), args)
	if lost := out.finish(); lost != nil && ctx.Err() == nil {
		err = lost
	}
	return a.finish(ctx, err)
}

// debugWait shows the pauses that the server asks for, with --debug.
func (a *app) debugWait(w client.Wait) {
	a.debugf("%s: the call is repeated in %s", w.Code, w.For)
}

// execute runs a command line. Help is fang's; the rest does without it,
// because fang reads the terminal's background color, which a typing mistake
// over a slow link has no use for.
func (a *app) execute(ctx context.Context, args []string) error {
	styled := func(args ...string) error {
		pages := Root(a.Program)
		pages.SetArgs(args)
		return fang.Execute(ctx, pages, fang.WithVersion(a.Version), fang.WithoutManpage())
	}
	root := a.root()
	root.Version = a.Version
	root.SetArgs(args)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		a.ran = true
		if err := styled(append(strings.Fields(c.CommandPath())[1:], "--help")...); err != nil {
			a.debugf("help: %v", err)
		}
	})
	err := root.ExecuteContext(ctx)
	if err != nil && !a.ran { // cobra's own: a flag, or a command that there is not
		var usage *usageError
		if !errors.As(err, &usage) {
			err = &usageError{text: safeSentence(err), help: "usher --help"}
		}
	}
	return err
}

// Root is the tree of commands, for whoever generates pages from it. Main
// runs it.
func Root(p Program) *cobra.Command { return (&app{Program: p}).root() }

// stopped is the cause of a context that a signal ended.
type stopped struct{ exit int }

func (s *stopped) Error() string { return "Stopped." }
func (s *stopped) Exit() int     { return s.exit }

// hangup receives SIGHUP, which ends a command unless the command takes it.
type hangup struct{ ends chan os.Signal }

// take returns the SIGHUPs to come, also where they were ignored until now: a
// server under nohup is reloaded like any other.
func (h *hangup) take() <-chan os.Signal {
	taken := make(chan os.Signal, 1)
	signal.Notify(taken, syscall.SIGHUP)
	signal.Stop(h.ends)
	return taken
}

// withSignals cancels the context when the process is asked to end.
func withSignals(ctx context.Context, h *hangup) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
	h.ends = make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) { // nohup means what it says
		signal.Notify(h.ends, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		var s os.Signal
		select {
		case s = <-asked:
		case s = <-h.ends:
		case <-done:
			return
		}
		cancel(&stopped{exit: exitOfSignal(s)})
		// A person who presses Ctrl-C twice at once means one stop: what
		// ends now still has to clean up.
		time.AfterFunc(2*time.Second, func() { signal.Stop(asked); signal.Stop(h.ends) })
	}()
	return ctx, func() {
		close(done)
		signal.Stop(asked)
		signal.Stop(h.ends)
		cancel(nil)
	}
}
