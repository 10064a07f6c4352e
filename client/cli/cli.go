package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/client"
	"usher/client/proof"
	"usher/session"
)

// Program holds the dependencies of the commands: the environment, and the
// parts that only main may build. All fields are required.
type Program struct {
	Version string
	Source  Source              // of the program; it may be empty
	Folders session.Folders     // configuration and state
	Getenv  func(string) string // os.Getenv
	Now     func() time.Time    // time.Now
	Started func()              // a command begins; of the browser, after its start page

	In                    io.Reader
	Out, Err              io.Writer
	InTTY, OutTTY, ErrTTY bool

	ReadPassword func() (string, error)                                                            // one line from the terminal, without echo
	Browse       func(ctx context.Context, s Start) error                                          // the full-screen program
	BrowseLog    func(ctx context.Context, l LogScreen) error                                      // the full-screen page of a log in a file
	CheckKeys    func(map[string][]string) error                                                   // of other keys of actions
	Demo         func(ctx context.Context, o DemoOptions) (RunningDemo, error)                     // sandbox and backend in this process
	Serve        func(ctx context.Context, o ServeOptions) error                                   // the backend; returns nil when ctx ends
	Check        func(ctx context.Context, configFile string) ([]Finding, error)                   // checks the dependencies of the backend
	CreateTables func(ctx context.Context, configFile string) ([]string, error)                    // creates the tables of a configuration, and returns their names
	Backup       func(ctx context.Context, from AuditLog, file string) (BackedUp, error)           // copies a log on this machine
	Verify       func(ctx context.Context, o VerifyOptions) (Verified, error)                      // verifies a log on this machine
	VerifyExport func(ctx context.Context, path string, check bundle.Check) (CheckedExport, error) // verifies an export, and decides its decisions again
	OpenLog      func(path string) (LogFile, error)                                                // opens a copy of a log
	Policy       func(ctx context.Context, path, version string) (api.GrantsListResponse, error)   // a version of the grants that a copy of a log keeps
	Restart      func(ctx context.Context, log AuditLog, reason string) (Restarted, error)         // replaces a log on this machine by a new one
	Witness      func(ctx context.Context, config string, ready func(address, key string)) error   // runs a witness of audit logs until ctx ends
	Reindex      func(ctx context.Context, config string, progress func(hour time.Time)) error     // rebuilds the index of a log in DynamoDB
	Deployer     Deployer
	Users        func(ctx context.Context, o PoolOptions) (People, error) // opens a user pool with AWS credentials
}

// Start is the start of the full-screen program.
type Start struct {
	Server string // the name on the start page
	Screen Screen
	// Load connects to the server. Show shows a sentence about a wait on the start
	// page; nil: there is none.
	Load func(ctx context.Context, show func(sentence string)) (Browser, error)
}

// Browser holds the dependencies of the full-screen program.
type Browser struct {
	Profile   session.Profile
	Session   *session.Session
	Client    *client.Client
	Watch     *proof.Watch // of the server's audit log
	Folders   session.Folders
	Path      string                       // the first folder; "/" for the buckets, "" for the last one
	Accounts  []Account                    // the accounts of a demo, shown at the sign-in
	CodeNow   func(username string) string // the current code of a demo account's authenticator app
	Downloads string                       // directory for downloads, absolute
	Theme     string                       // dark, light, or "" for the kept one
	Notify    string                       // off, bell, osc, or "" for bell
	Screen    Screen
	Fresh     bool  // nothing of earlier runs, and nothing for later ones
	Limit     int64 // bytes a second of all downloads; 0: none
}

// Screen is how full-screen pages use the terminal.
type Screen struct {
	Glyphs string              // ascii, unicode, or "" for that of the locale
	Still  bool                // nothing moves without need
	Mouse  bool                // wheel and click
	Lines  bool                // lines for a screen reader, without escape sequences
	Keys   map[string][]string // of some actions
}

// DemoOptions configure a demo.
type DemoOptions struct {
	Dir        string                // "": a temporary directory
	Port       int                   // the first of three consecutive ports; 0: those stored in Dir, or free ones
	Storage    *DemoStorage          // nil: the demo's own S3 with its files
	CodeWanted func(username string) // called when an account needs a code; must not block
	AcceptLost bool                  // start although the audit log has lost records
	Faults     []string              // switches of the user pool, for tests of sign-in
	Stack      bool                  // usher's server as the functions of a deployed stack
	Witnesses  string                // file with the policy of the log's witnesses; "": none
}

// DemoStorage is an S3 server outside of the demo.
type DemoStorage struct {
	Endpoint             string
	Region               string // "": the demo's
	AccessKey, SecretKey string // "": the demo's own pair
}

// RunningDemo is a running demo. Close ends it and removes a temporary
// directory; it may be called again. Wait returns after the end of the backend.
type RunningDemo struct {
	Server  string
	Facts   DemoFacts
	Folders session.Folders              // the demo's own
	CodeNow func(username string) string // the current code of the account's authenticator app; "" without one
	Close   func() error
	Wait    func() error
}

// DemoFacts is the output of `usher demo --serve --json`, in one line.
type DemoFacts struct {
	Server          string    `json:"server"`
	Pin             string    `json:"pin"` // usher configure SERVER#PIN
	Region          string    `json:"region"`
	UserPoolID      string    `json:"user_pool_id"`
	ClientID        string    `json:"client_id"`
	SSOClientID     string    `json:"sso_client_id"`
	DeviceClientID  string    `json:"device_client_id"`
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
	AccessLog       string    `json:"access_log,omitempty"` // file of S3's access log, or the folder of a stack's; "" with another S3
	Stack           *Stack    `json:"stack,omitempty"`
}

// Stack describes a deployed stack on this machine.
type Stack struct {
	Config      string   `json:"config"`      // of usher audit verify
	Environment []string `json:"environment"` // with which AWS tools and usher reach its services
	LogTable    string   `json:"log_table"`
	Archive     string   `json:"archive"` // folder of the archive bucket
}

// Account is an account of the demo. Password is "" after a change.
type Account struct {
	Username   string   `json:"username"`
	Password   string   `json:"password"`
	Groups     []string `json:"groups"`
	TOTPSecret string   `json:"totp_secret,omitempty"`
	Temporary  bool     `json:"temporary,omitempty"`  // must set a password at the first sign-in
	SetUpMFA   bool     `json:"set_up_mfa,omitempty"` // must set up an authenticator app at the first sign-in
	SSOOnly    bool     `json:"sso_only,omitempty"`   // signs in at the company, in a browser
	MailCodes  bool     `json:"mail_codes,omitempty"` // needs a code that is sent by mail
}

// About describes an account in the list of accounts.
func (a Account) About() string {
	about := groups(a.Groups)
	if a.Password == "" {
		about += "; has their own password"
	}
	switch {
	case a.Temporary:
		about += "; must set a password"
	case a.SSOOnly:
		about += "; SSO only"
	case a.SetUpMFA:
		about += "; must set up a code"
	case a.MailCodes:
		about += "; needs a code by mail"
	case a.TOTPSecret != "":
		about += "; needs a code"
	}
	return about
}

func (p Program) check() error {
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Version", p.Version == ""}, {"Folders", p.Folders.Config == "" || p.Folders.State == ""},
		{"Getenv", p.Getenv == nil}, {"Now", p.Now == nil}, {"Started", p.Started == nil},
		{"In", p.In == nil}, {"Out", p.Out == nil}, {"Err", p.Err == nil},
		{"ReadPassword", p.ReadPassword == nil}, {"Browse", p.Browse == nil}, {"BrowseLog", p.BrowseLog == nil}, {"Demo", p.Demo == nil}, {"Serve", p.Serve == nil},
		{"Check", p.Check == nil}, {"Backup", p.Backup == nil}, {"Verify", p.Verify == nil}, {"VerifyExport", p.VerifyExport == nil}, {"OpenLog", p.OpenLog == nil}, {"Policy", p.Policy == nil}, {"Restart", p.Restart == nil}, {"Witness", p.Witness == nil},
		{"Reindex", p.Reindex == nil},
	} {
		if part.missing {
			return errors.New("cli: Program." + part.name + " is missing")
		}
	}
	return nil
}

// Main runs one command line (without the program's name), prints its failure
// and returns the exit code. The first SIGINT, SIGTERM or SIGHUP cancels the
// command. A signal at least two seconds later ends the process.
func Main(ctx context.Context, p Program, args []string) int {
	if err := p.check(); err != nil {
		panic(err) // a bug in main
	}
	out := &output{to: p.Out}
	a := &app{Program: p}
	if p.ErrTTY {
		a.note = newWaitNote(p.Err, time.Now)
		a.Err, out.before = a.note, a.note.end
	}
	a.Out = out
	ctx, stop := withSignals(ctx, &a.hangup)
	defer stop()
	err := a.execute(client.WithWait(ctx, a.waits), args)
	a.note.end()
	if err == nil {
		err = a.shape.failure(ctx)
	}
	if lost := out.finish(); lost != nil && ctx.Err() == nil {
		err = lost
	}
	return a.finish(ctx, err)
}

// waits receives the pauses before retries. A terminal shows a note, and --debug
// prints each pause.
func (a *app) waits(w client.Wait) {
	if a.note != nil && !a.json {
		a.note.report(w)
	}
	a.debugWait(w)
}

func (a *app) debugWait(w client.Wait) {
	a.debugf("%s: the call is repeated in %s", w.Code, w.For)
}

// execute runs a command line.
func (a *app) execute(ctx context.Context, args []string) error {
	root := a.root()
	root.Version = a.Version
	root.SetArgs(guardTerms(args))
	root.SetHelpFunc(func(c *cobra.Command, _ []string) {
		a.ran = true
		a.help(c)
	})
	err := root.ExecuteContext(ctx)
	if err != nil && !a.ran { // cobra's own error: an unknown flag or command
		var usage *usageError
		if !errors.As(err, &usage) {
			err = &usageError{text: safeSentence(err), help: "usher --help"}
		}
	}
	return err
}

// Root returns the tree of commands, to generate pages from. Main runs it.
func Root(p Program) *cobra.Command { return (&app{Program: p}).root() }

// stopped is the cause of a context that a signal canceled.
type stopped struct{ exit int }

func (s *stopped) Error() string { return "Stopped." }
func (s *stopped) Exit() int     { return s.exit }

// hangup receives SIGHUP. The signal ends a command that has not called take.
type hangup struct{ ends chan os.Signal }

// take returns a channel of future SIGHUPs, even if the process ignored them:
// a server under nohup can be reloaded too.
func (h *hangup) take() <-chan os.Signal {
	taken := make(chan os.Signal, 1)
	signal.Notify(taken, syscall.SIGHUP)
	signal.Stop(h.ends)
	return taken
}

// withSignals returns a context that is canceled by a signal to end the process.
func withSignals(ctx context.Context, h *hangup) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	h.ends = make(chan os.Signal, 1)
	if !signal.Ignored(syscall.SIGHUP) { // respects nohup
		signal.Notify(h.ends, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		var s os.Signal
		select {
		case s = <-signals:
		case s = <-h.ends:
		case <-done:
			return
		}
		cancel(&stopped{exit: exitOfSignal(s)})
		// Two quick presses of Ctrl-C count as one stop: the command still
		// has to clean up.
		time.AfterFunc(2*time.Second, func() { signal.Stop(signals); signal.Stop(h.ends) })
	}()
	return ctx, func() {
		close(done)
		signal.Stop(signals)
		signal.Stop(h.ends)
		cancel(nil)
	}
}
