package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client"
	"usher/client/proof"
	"usher/session"
	"usher/session/keyring"
)

// app is one run of the program: its dependencies and the global flags.
type app struct {
	Program
	json    bool
	debug   bool
	quiet   bool
	fresh   bool
	shape   *shaped // --format or --jq; nil: neither
	profile string
	server  string

	ran     bool // a command was found and started
	hangup  hangup
	note    *waitNote // stderr of a terminal; nil: no terminal
	lines   bool      // no line on a terminal is changed
	answers []string  // exact words of a completion
	found   error     // about the audit log; the command ends with it
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "usher [PATH]",
		Short: "Browse and download the S3 folders that your groups can see",
		Long: `Browse and download the S3 folders that your groups can see, without AWS credentials.

Without a command, usher opens the browser, at PATH if one is given. A PATH is bucket/key, byte for byte; a folder ends in "/". s3://bucket/key and arn:aws:s3:::bucket/key work too.

Exit codes: 0 done; 1 several failed for different causes, a limit cut the list, or the compared versions differ; 3 not signed in; 4 not found or not granted; 5 the content changed or does not match its checksum; 6 network or server; 7 the local disk; 64 the command line; 130 and 143 stopped by a signal; 141 the reader of a pipe is gone; 70 a bug in usher. With --json a failure is one line on stderr: {"error":{"code","message","request_id"}}.`,
		Example: `
# Try everything on this machine, without AWS
usher demo

# The first time
usher configure https://files.example.com
usher login

# The browser, and its work as plain commands
usher company-reports/annual/
usher ls -l company-reports/annual/
usher get 'company-reports/annual/2018*.pdf' -o reports
usher audit who:ada since:24h
`,
		Args:          cobra.ArbitraryArgs,
		RunE:          a.run(a.browse),
		SilenceErrors: true,
		SilenceUsage:  true,

		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{text: safeSentence(err), help: c.CommandPath() + " --help"}
	})
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print JSON: one object, or one a line")
	flags.StringVar(&a.profile, "profile", "", "use the server saved under this name (USHER_PROFILE)")
	flags.StringVar(&a.server, "server", "", "use this server (USHER_SERVER)")
	var format, jq string
	flags.Var(textFlag{&format, "template"}, "format", "print each JSON value by a template of Go, like '{{.path}} {{.size}}'")
	flags.Var(textFlag{&jq, "expr"}, "jq", "print each JSON value by an expression of jq, like '.path'")
	// Not through run: cobra checks the flags of the command after it.
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		a.setLines()
		return a.setShape(cmd.Context(), strings.TrimPrefix(cmd.CommandPath(), root.Name()+" "), format, jq)
	}
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print errors and the requested output only")
	flags.BoolVar(&a.debug, "debug", false, "show calls and causes on stderr; never secrets")
	root.AddGroup(
		&cobra.Group{ID: "files", Title: "files"},
		&cobra.Group{ID: "session", Title: "sign-in"},
		&cobra.Group{ID: "log", Title: "audit log"},
		&cobra.Group{ID: "machine", Title: "servers"},
	)
	for _, c := range []*cobra.Command{
		a.lsCommand(), a.getCommand(), a.syncCommand(), a.urlCommand(), a.duCommand(), a.treeCommand(), a.searchCommand(),
		a.catCommand(), a.headCommand(), a.statCommand(), a.versionsCommand(), a.diffCommand(), a.sumCommand(), a.marksCommand(),
		a.configureCommand(), a.loginCommand(), a.logoutCommand(), a.whoamiCommand(), a.profilesCommand(), a.configCommand(),
		a.auditCommand(), a.accessCommand(), a.grantsCommand(),
		a.demoCommand(), a.serveCommand(), a.deployCommand(), a.usersCommand(), a.versionCommand(), a.manCommand(),
	} {
		root.AddCommand(c)
	}
	root.Flags().BoolVar(&a.fresh, "fresh", false, "open the browser as if for the first time, and keep nothing of it")
	root.AddCommand(a.completionCommand(), a.lineCommand())
	a.completeWith(root)
	a.helpCommand(root)
	return root
}

// run records that a command started: later errors are the command's, not
// cobra's.
func (a *app) run(f func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.ran = true
		if cmd.HasParent() { // the browser shows its start page before
			a.Started()
		}
		return f(cmd, args)
	}
}

// checkArgs checks the number of arguments. sentence is the error text; it names
// the arguments.
func checkArgs(cmd *cobra.Command, args []string, least, most int, sentence string) error {
	if len(args) >= least && (most < 0 || len(args) <= most) {
		return nil
	}
	return &usageError{text: sentence, help: cmd.CommandPath() + " --help"}
}

// noCommand returns the error text for an unknown command, with a suggestion.
func noCommand(cmd *cobra.Command, word string) string {
	text := fmt.Sprintf("There is no command %s %s.", cmd.CommandPath(), safe(word))
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		text += fmt.Sprintf(" Did you mean %s %s?", cmd.CommandPath(), near[0])
	}
	return text
}

// unknown returns the error of a command that only has subcommands.
func unknown(cmd *cobra.Command, args []string, needs string) error {
	text := fmt.Sprintf("%s needs %s.", cmd.CommandPath(), needs)
	if len(args) > 0 {
		text = noCommand(cmd, args[0])
	}
	return &usageError{text: text, help: cmd.CommandPath() + " --help"}
}

// connection is a server and the person signed in to it.
type connection struct {
	profile session.Profile
	session *session.Session
	client  *client.Client
	watch   *proof.Watch
}

// connect returns a connection to the chosen server, after a check that its
// configuration is the trusted one.
func (a *app) connect(ctx context.Context) (connection, error) {
	p, err := a.resolve(ctx)
	if err != nil {
		return connection{}, err
	}
	return a.connectProfile(ctx, p)
}

// resolve returns the profile of the command line.
func (a *app) resolve(ctx context.Context) (session.Profile, error) {
	return a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
}

// connectProfile is connect for a profile.
func (a *app) connectProfile(ctx context.Context, p session.Profile) (connection, error) {
	trusted := p.Config.AuditLog.Key
	transport := a.transport()
	if !p.Transient { // a transient profile was just discovered
		now, err := p.Recheck(ctx, transport)
		if err != nil {
			return connection{}, err
		}
		a.warnIfOld(now.OldestClient, p)
		p.Config = now // the pinned values are equal; the others are current
	}
	conn, err := a.connectTo(p, trusted, transport)
	if err != nil {
		return connection{}, err
	}
	return conn, a.prove(ctx, conn, proof.Every)
}

// connectFiles is connect for a command that reads files: after a finding about the
// audit log, it starts nothing. age is the greatest age of the last check.
func (a *app) connectFiles(ctx context.Context, age time.Duration) (connection, error) {
	conn, err := a.connect(ctx)
	if err == nil {
		err = a.prove(ctx, conn, age)
	}
	if err == nil {
		err = a.found
	}
	return conn, err
}

// connectTo returns a connection to a profile's server without a request. trusted
// is the key of the audit log that the person accepted.
func (a *app) connectTo(p session.Profile, trusted string, transport http.RoundTripper) (connection, error) {
	a.debugf("profile %s, server %s, pool %s", p.Name, p.Server, p.Config.UserPoolID)
	s, err := session.Open(a.Folders, p, a.sessionOptions())
	if err != nil {
		return connection{}, err
	}
	c, err := client.New(client.Config{
		Server: p.Server, Tokens: s,
		UserAgent: fmt.Sprintf("usher/%s (%s; %s)", a.Version, runtime.GOOS, runtime.GOARCH),
		Transport: transport,
	})
	if err != nil {
		return connection{}, err
	}
	watch, err := proof.New(proof.Config{
		Server: c, Files: a.Folders, Place: p.Place(), Host: hostOf(p), Log: p.Config.AuditLog, Trusted: trusted, Now: a.Now,
	})
	if err != nil {
		return connection{}, err
	}
	return connection{profile: p, session: s, client: c, watch: watch}, nil
}

// sessionOptions returns the dependencies of a session.
func (a *app) sessionOptions() session.Options {
	return session.Options{Now: a.Now, Random: rand.Reader, Waiting: a.note.waiting, Keyring: keyring.New(a.Getenv), Wrap: a.traced()}
}

// traced returns the wrapper of transports for --debug; nil without.
func (a *app) traced() func(http.RoundTripper) http.RoundTripper {
	if !a.debug {
		return nil
	}
	return func(next http.RoundTripper) http.RoundTripper { return &debugTransport{app: a, next: next} }
}

// transport returns an HTTP transport for the server.
func (a *app) transport() http.RoundTripper {
	if wrap := a.traced(); wrap != nil {
		return wrap(client.Transport())
	}
	return client.Transport()
}

// debugTransport prints a line for each call: method, host, path, status, time, the
// proxy, and the difference of the clocks if it is over 2 s. It prints nothing of
// the query, of headers and of bodies.
type debugTransport struct {
	app  *app
	next http.RoundTripper
}

func (t *debugTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start := t.app.Now()
	res, err := t.next.RoundTrip(r)
	now := t.app.Now()
	took := now.Sub(start).Round(time.Millisecond)
	call := r.Method + " " + r.URL.Path
	if _, action, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		call = action // of Cognito
	}
	call += " " + r.URL.Host
	if span := r.Header.Get("Range"); span != "" {
		call += " " + span
	}
	if proxy, perr := http.ProxyFromEnvironment(r); perr == nil && proxy != nil {
		call += " through the proxy " + proxy.Host
	}
	if err != nil {
		t.app.debugf("%s: %s, %s", call, api.Reason(err), took)
		return nil, err
	}
	clock := ""
	if date, derr := http.ParseTime(res.Header.Get("Date")); derr == nil {
		if ahead := date.Sub(now).Round(time.Second); ahead > 2*time.Second || ahead < -2*time.Second {
			clock = fmt.Sprintf(", its clock differs by %s", ahead)
		}
	}
	t.app.debugf("%s: %d, %s%s", call, res.StatusCode, took, clock)
	return res, nil
}

// warnIfOld prints a warning if the server requires a newer usher.
func (a *app) warnIfOld(oldest string, p session.Profile) {
	if olderThan(a.Version, oldest) {
		fmt.Fprintf(a.Err, "This usher (%s) is too old for %s, which supports %s and later. Update it.\n", a.Version, hostOf(p), safe(oldest))
	}
}

// olderThan compares versions like 1.12.3. It returns false for any other text.
func olderThan(have, least string) bool {
	var h, l [3]int
	for _, v := range []struct {
		text string
		to   *[3]int
	}{{have, &h}, {least, &l}} {
		core, _, _ := strings.Cut(v.text, "-")
		if n, err := fmt.Sscanf(core, "%d.%d.%d", &v.to[0], &v.to[1], &v.to[2]); n != 3 || err != nil {
			return false
		}
	}
	for i := range h {
		if h[i] != l[i] {
			return h[i] < l[i]
		}
	}
	return false
}

// browse runs usher without a command.
func (a *app) browse(cmd *cobra.Command, args []string) error {
	path := ""
	switch len(args) {
	case 0:
	case 1:
		path = args[0]
	default:
		if strings.Contains(args[0], "/") {
			return usagef("The browser opens at one PATH. To list one: usher ls %s", shellQuote(args[0]))
		}
		return unknown(cmd, args, "")
	}
	if path != "" && !strings.Contains(path, "/") && len(cmd.SuggestionsFor(path)) > 0 {
		return usagef("%s A bucket of that name opens with usher %s/", noCommand(cmd, path), shellQuote(path))
	}
	where, err := parsePath(path, false)
	if err != nil {
		return err
	}
	if path = where.String(); where.IsRoot() && len(args) > 0 {
		path = "/" // not the last folder
	}
	switch noTerminal := a.json || !a.InTTY || !a.OutTTY; {
	case noTerminal && where.Key == "" && !where.IsRoot() && !strings.Contains(args[0], "/"):
		return usagef("%s To list a bucket of that name: usher ls %s", noCommand(cmd, args[0]), shellQuote(path))
	case noTerminal:
		list := "usher ls"
		if path != "" {
			list += " " + shellQuote(path)
		}
		return usagef("The browser needs a terminal. To list a folder without one, run %s", list)
	}
	p, err := a.resolve(cmd.Context())
	if err != nil {
		return err
	}
	return a.open(cmd.Context(), p, path, "", RunningDemo{})
}

// open opens the browser. The connection is made behind its start page.
func (a *app) open(ctx context.Context, p session.Profile, path, downloads string, demo RunningDemo) error {
	preset, err := a.inForce()
	if err != nil {
		return err
	}
	if downloads == "" {
		downloads = preset.Output
	}
	limit := int64(0)
	if preset.Limit != "" {
		if limit, err = bytesOf(preset.Limit); err != nil {
			return err
		}
	}
	if downloads == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return &failedError{text: "Can't find your home folder, the default for downloads. Set HOME and try again.", exit: explain(err).exit, cause: err}
		}
		downloads = filepath.Join(home, "usher")
	}
	screen := a.screenOf(preset)
	defer a.note.release()
	load := func(ctx context.Context, show func(string)) (Browser, error) {
		a.Started()
		if show != nil {
			a.note.hold(show)
		}
		conn, err := a.connectProfile(client.WithWait(ctx, a.waits), p)
		return Browser{
			Profile: conn.profile, Session: conn.session, Client: conn.client, Watch: conn.watch, Folders: a.Folders,
			Path: path, Accounts: demo.Facts.People, CodeNow: demo.CodeNow, Downloads: downloads,
			Theme: preset.Theme, Notify: preset.Notify, Screen: screen, Limit: limit, Fresh: a.fresh,
		}, err
	}
	// The browser shows the waits of its calls itself.
	return a.Browse(client.WithWait(ctx, a.debugWait), Start{Server: hostOf(p), Screen: screen, Load: load})
}
