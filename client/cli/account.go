package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/qr"
	"usher/client/quantity"
	"usher/session"
)

// login signs a person in, through the challenges of the pool.
type login struct {
	*app
	username                          string
	passwordIn, newPasswordIn, codeIn bool
	device                            bool
	browserLogin
	lines *bufio.Reader // of stdin, for the secrets of the -stdin flags
}

func (a *app) loginCommand() *cobra.Command {
	l := &login{app: a}
	cmd := &cobra.Command{
		Use:        "login",
		SuggestFor: []string{"signin", "sign-in", "auth"},
		Short:      "Sign in",
		GroupID:    "session",
		Long: `Sign in with user name and password, and the code of an authenticator app where your account has one. Your existing password is never sent. The sign-in is stored in a file that only you can read.

With --sso, sign in with your company account in a browser on this machine: usher opens it and shows the address. Over SSH, usher also shows the command that connects the browser of your own computer.

With --device, sign in with a browser on any device, for example your phone: usher shows an address and a code, and the page shows a number to type here. No browser on this machine is necessary.

In a job, name the user and pass the secrets on stdin, one a line: the password, then the new password if one must be set, then the code.

With --json: {"username","groups","server"}.`,
		Example: `
usher login
usher login --username grace
usher login --sso
usher login --device

# In a job
usher login --username robot --password-stdin < password.txt
(echo "$PASSWORD"; echo "$CODE") |
usher login -u alan --password-stdin --code-stdin
`,
		RunE: a.run(l.run),
	}
	cmd.Flags().BoolVar(&l.device, "device", false, "sign in with a browser on any device")
	cmd.Flags().StringVarP(&l.username, "username", "u", "", "sign in as this user")
	cmd.Flags().BoolVar(&l.passwordIn, "password-stdin", false, "read the password from stdin")
	cmd.Flags().BoolVar(&l.newPasswordIn, "new-password-stdin", false, "read a new password from stdin, if one must be set")
	cmd.Flags().BoolVar(&l.codeIn, "code-stdin", false, "read the code of the authenticator app from stdin")
	l.browserLogin.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("device", "username")
	cmd.MarkFlagsMutuallyExclusive("device", "sso", "password", "password-stdin")
	cmd.MarkFlagsMutuallyExclusive("device", "port")
	return cmd
}

func (l *login) run(cmd *cobra.Command, args []string) error {
	if err := checkArgs(cmd, args, 0, 0, "login takes flags only: usher login --username NAME."); err != nil {
		return err
	}
	inBrowser := l.device || l.sso || l.port != 0
	if l.username == "" && !l.InTTY && !inBrowser {
		return usagef("There is no terminal for a prompt. Name the user with --username and pass the password with --password-stdin.")
	}
	if !l.passwordIn && !l.InTTY && !inBrowser {
		return usagef("There is no terminal for a prompt. Pass the password with --password-stdin.")
	}
	l.lines = bufio.NewReaderSize(io.LimitReader(l.In, 16<<10), 512)
	conn, err := l.connect(cmd.Context())
	if err != nil {
		return err
	}
	tokens, err := l.signIn(cmd.Context(), conn, l.way(conn.profile))
	if err != nil {
		return err
	}
	if err := conn.session.Adopt(tokens); err != nil {
		return err
	}
	who, err := conn.client.Whoami(cmd.Context())
	if err != nil {
		return err
	}
	if l.json {
		l.writeJSON(l.Out, struct {
			Username string   `json:"username"`
			Groups   []string `json:"groups"`
			Server   string   `json:"server"`
		}{who.Person.Username, listOf(who.Groups), conn.profile.Server})
		return nil
	}
	fmt.Fprintf(l.Err, "You are signed in to %s as %s (%s).\n", hostOf(conn.profile), safe(who.Person.Username), fewGroups(who.Groups))
	return nil
}

func (l *login) signIn(ctx context.Context, conn connection, way api.Way) (session.Tokens, error) {
	switch way {
	case api.WaySSO:
		return l.bySSO(ctx, conn)
	case api.WayDevice:
		return l.byDevice(ctx, conn)
	}
	in, err := session.NewSignIn(conn.profile, l.sessionOptions())
	if err != nil {
		return session.Tokens{}, err
	}
	if l.username == "" {
		if l.username, err = l.prompt(ctx, fmt.Sprintf("User name at %s: ", hostOf(conn.profile))); err != nil {
			return session.Tokens{}, err
		}
	}
	password, err := l.secret(ctx, l.passwordIn, "Password: ", "--password-stdin")
	if err != nil {
		return session.Tokens{}, err
	}
	step, err := in.Password(ctx, l.username, password)
	for err == nil && step.Kind != session.Done {
		step, err = l.next(ctx, in, step)
	}
	return step.Tokens, err
}

// next completes one challenge of the pool.
func (l *login) next(ctx context.Context, in *session.SignIn, step session.Step) (session.Step, error) {
	switch step.Kind {
	case session.NeedNewPassword:
		return l.retry(l.newPasswordIn, func() (session.Step, error) { return l.newPassword(ctx, in) })
	case session.SetUpCode:
		if !l.InTTY && !l.codeIn {
			return session.Step{}, usagef("Your account must set up an authenticator app. Run usher login in a terminal once.")
		}
		l.showSetUp(step)
	}
	return l.retry(l.codeIn, func() (session.Step, error) {
		code, err := l.secret(ctx, l.codeIn, "Code of your authenticator app: ", "--code-stdin")
		if err != nil {
			return session.Step{}, err
		}
		return in.Code(ctx, code)
	})
}

// retry prompts again after an invalid code or password, three times in all, if
// it was typed in a terminal.
func (l *login) retry(fromStdin bool, attempt func() (session.Step, error)) (session.Step, error) {
	for try := 1; ; try++ {
		step, err := attempt()
		wrong := errors.Is(err, session.ErrCode) || errors.Is(err, session.ErrPasswordRules)
		if err == nil || !wrong || fromStdin || try == 3 {
			return step, err
		}
		fmt.Fprintln(l.Err, explain(err).line)
	}
}

func (l *login) newPassword(ctx context.Context, in *session.SignIn) (session.Step, error) {
	if !l.newPasswordIn && l.InTTY {
		fmt.Fprintf(l.Err, "Choose a new password. %s\n", session.PasswordRules())
	}
	password, err := l.secret(ctx, l.newPasswordIn, "New password: ", "--new-password-stdin")
	if err != nil {
		return session.Step{}, err
	}
	if !l.newPasswordIn {
		again, err := l.secret(ctx, false, "New password again: ", "")
		switch {
		case err != nil:
			return session.Step{}, err
		case again != password:
			return session.Step{}, &mismatch{}
		}
	}
	return in.NewPassword(ctx, password)
}

// mismatch means that the two entries of a new password differ. The prompt is
// repeated, as for a password that breaks the rules.
type mismatch struct{}

func (*mismatch) Error() string { return "The two passwords differ. Nothing was changed." }
func (*mismatch) Exit() int     { return api.ExitUsage }
func (*mismatch) Unwrap() error { return session.ErrPasswordRules }

// secret reads a secret from stdin, or prompts for it on the terminal.
func (l *login) secret(ctx context.Context, fromStdin bool, question, flag string) (string, error) {
	if !fromStdin {
		if !l.InTTY {
			return "", usagef("This account needs one more secret, and there is no terminal for a prompt. Pass it with %s.", flag)
		}
		return l.promptSecret(ctx, question)
	}
	line, err := await(ctx, func() (string, error) {
		line, err := l.lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}, nil)
	switch {
	case ctx.Err() != nil:
		return "", err
	case err != nil:
		return "", fmt.Errorf("reading stdin: %w", err)
	case line == "":
		return "", usagef("%s was given, but stdin has no such line.", flag)
	}
	return line, nil
}

// showSetUp shows the secret for an authenticator app: as a QR code in a
// terminal, and as text.
func (l *login) showSetUp(step session.Step) {
	fmt.Fprintln(l.Err, "Your account needs a second factor. Add this to an authenticator app:")
	if l.ErrTTY && l.Getenv("NO_COLOR") == "" {
		if code, err := qr.Draw(step.URI.Reveal(), qr.Ink); err == nil {
			fmt.Fprintln(l.Err, strings.Join(code, "\n"))
		}
	}
	fmt.Fprintf(l.Err, "  Secret  %s\n", step.Secret.Reveal())
}

func groups(names []string) string {
	if len(names) == 0 {
		return "no groups"
	}
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = safe(n)
	}
	return strings.Join(shown, ", ")
}

// fewGroups returns a text that fits a line; usher whoami lists all groups.
func fewGroups(names []string) string {
	const most = 8
	if len(names) > most {
		return quantity.Count(len(names)) + " groups"
	}
	return groups(names)
}

// listOf returns names, or an empty slice for nil, which JSON would write as null.
func listOf(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

func (a *app) logoutCommand() *cobra.Command {
	var everywhere bool
	cmd := &cobra.Command{
		Use:        "logout",
		SuggestFor: []string{"signout", "sign-out"},
		Short:      "Sign out",
		GroupID:    "session",
		Long: `Sign out: the server records it, the sign-in service ends the session, and this machine deletes the sign-in, even without a network.

With --json: {"signed_out","server"}; signed_out is false if you were not signed in.`,
		Example: `
usher logout

# End your sign-ins on all machines
usher logout --everywhere
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "logout takes no arguments."); err != nil {
				return err
			}
			return a.logout(cmd.Context(), everywhere)
		}),
	}
	cmd.Flags().BoolVar(&everywhere, "everywhere", false, "end your sign-ins on all machines")
	return cmd
}

func (a *app) logout(ctx context.Context, everywhere bool) error {
	p, err := a.Folders.Resolve(ctx, a.profile, a.server, a.Getenv)
	if err != nil {
		return err
	}
	conn, err := a.connectTo(p, a.transport()) // no check of the server, because no secret is typed
	if err != nil {
		return err
	}
	_, _, was := conn.session.Person()
	err = conn.session.SignOut(ctx, everywhere, func(ctx context.Context, token string) error {
		err := conn.client.Signout(ctx, token)
		if err != nil {
			a.debugf("recording the sign-out: %v", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	switch {
	case a.json:
		a.writeJSON(a.Out, struct {
			SignedOut bool   `json:"signed_out"`
			Server    string `json:"server"`
		}{was, p.Server})
	case !was:
		fmt.Fprintf(a.Err, "You were not signed in to %s.\n", hostOf(p))
	case everywhere:
		fmt.Fprintf(a.Err, "You are signed out of %s on all machines.\n", hostOf(p))
	default:
		fmt.Fprintf(a.Err, "You are signed out of %s.\n", hostOf(p))
	}
	return nil
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:        "whoami",
		SuggestFor: []string{"me", "who"},
		Short:      "Show your user, groups and server",
		GroupID:    "session",
		Long: `Show your user name as the server sees it, your current groups in the directory, and the time within which a revocation takes effect.

With --json: {"person","groups","grants_version","bound_seconds","session_start","server","organisation"}.`,
		Example: `
usher whoami
usher whoami --json
`,
		RunE: a.run(func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args, 0, 0, "whoami takes no arguments."); err != nil {
				return err
			}
			return a.whoami(cmd.Context())
		}),
	}
}

func (a *app) whoami(ctx context.Context) error {
	conn, err := a.connect(ctx)
	if err != nil {
		return err
	}
	who, err := conn.client.Whoami(ctx)
	if err != nil {
		return err
	}
	who.Groups = listOf(who.Groups)
	if a.json {
		a.writeJSON(a.Out, struct {
			api.Whoami
			Server       string `json:"server"`
			Organisation string `json:"organisation"`
		}{who, conn.profile.Server, conn.profile.Config.Organisation})
		return nil
	}
	var t table
	t.add("person", safe(who.Person.Username))
	if who.Person.Email != "" {
		t.add("email", safe(who.Person.Email))
	}
	t.add("groups", groups(who.Groups))
	t.add("server", fmt.Sprintf("%s (%s)", hostOf(conn.profile), safe(conn.profile.Config.Organisation)))
	t.add("since", who.SessionStart.Local().Format("2006-01-02 15:04"))
	t.add("revocation", fmt.Sprintf("takes effect within %d s", who.BoundSeconds))
	t.write(a.Out)
	return nil
}
