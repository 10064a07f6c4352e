package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"usher/backend/api"
	"usher/client/qr"
	"usher/session"
)

// login signs a person in, through the challenges of the pool.
type login struct {
	*app
	username                          string
	passwordIn, newPasswordIn, codeIn bool
	byCode, forgot, remember, device  bool
	attributes                        []string // NAME=VALUE
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
		Long: `Sign in with user name and password, and a second factor where your account has one: the code of an authenticator app, or a code by mail or SMS. Your existing password is never sent. The sign-in is stored in a file that only you can read.

With --sso, sign in with your company account in a browser on this machine: usher opens it and shows the address. Over SSH, usher also shows the command that connects the browser of your own computer.

With --device, sign in with a browser on any device, for example your phone: usher shows an address and a code, and the page shows a number to type here. No browser on this machine is necessary.

With --code you sign in with a code by mail or SMS in place of the password, where the server offers it. With --forgot you set a new password with a code by mail. At the prompt for a code that is sent, an empty line requests a new one.

Where your organization remembers machines, a prompt follows the first sign-in; --remember answers yes. usher logout --forget ends it.

In a job, name the user and pass the secrets on stdin, one a line: the password, then the new password if one must be set, then the code.

With --json: {"username","groups","server"}.`,
		Example: `
usher login
usher login --username grace
usher login --sso
usher login --device
usher login --forgot

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
	cmd.Flags().BoolVar(&l.codeIn, "code-stdin", false, "read the code of the second factor from stdin")
	cmd.Flags().BoolVar(&l.byCode, "code", false, "sign in with a code by mail or SMS, without a password")
	cmd.Flags().BoolVar(&l.forgot, "forgot", false, "set a new password with a code by mail")
	cmd.Flags().BoolVar(&l.remember, "remember", false, "let the sign-in service remember this machine")
	cmd.Flags().StringArrayVar(&l.attributes, "attribute", nil, "NAME=VALUE of an attribute that your account requires")
	l.browserLogin.add(cmd)
	cmd.MarkFlagsMutuallyExclusive("code", "forgot", "device", "sso", "password")
	cmd.MarkFlagsMutuallyExclusive("code", "forgot", "device", "port")
	cmd.MarkFlagsMutuallyExclusive("device", "username")
	cmd.MarkFlagsMutuallyExclusive("device", "sso", "password-stdin")
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
	if !l.passwordIn && !l.InTTY && !l.byCode && !l.forgot && !inBrowser {
		return usagef("There is no terminal for a prompt. Pass the password with --password-stdin.")
	}
	l.lines = bufio.NewReaderSize(io.LimitReader(l.In, 16<<10), 512)
	conn, err := l.connect(cmd.Context())
	if err != nil {
		return err
	}
	if err := l.signIn(cmd.Context(), conn); err != nil {
		return err
	}
	who, err := conn.client.Whoami(cmd.Context())
	if err != nil {
		return err
	}
	if err := l.prove(cmd.Context(), conn, 0); err != nil {
		return err
	}
	if l.json {
		l.writeJSON(l.Out, loginLine{who.Person.Username, listOf(who.Groups), conn.profile.Server})
		return nil
	}
	fmt.Fprintf(l.Err, "You are signed in to %s as %s (%s).\n", hostOf(conn.profile), safe(who.Person.Username), fewGroups(who.Groups))
	return nil
}

// signIn completes a sign-in and stores it.
func (l *login) signIn(ctx context.Context, conn connection) error {
	if by := l.inBrowser(conn.profile); by != nil {
		tokens, err := by(ctx, conn)
		if err != nil {
			return err
		}
		return conn.session.Adopt(tokens)
	}
	in, err := session.NewSignIn(l.Folders, conn.profile, l.sessionOptions())
	if err != nil {
		return err
	}
	defer in.Close()
	if l.username == "" {
		if l.username, err = l.prompt(ctx, fmt.Sprintf("User name at %s: ", hostOf(conn.profile))); err != nil {
			return err
		}
	}
	step, err := l.start(ctx, in, conn)
	for err == nil && step.Kind != session.Done {
		step, err = l.next(ctx, in, step)
	}
	if err != nil {
		return err
	}
	if err := conn.session.Adopt(step.Tokens); err != nil {
		return err
	}
	if step.Remember {
		return l.rememberMachine(ctx, in, step)
	}
	return nil
}

// inBrowser returns the sign-in in a browser, or nil for the other ways.
func (l *login) inBrowser(p session.Profile) func(context.Context, connection) (session.Tokens, error) {
	if l.byCode || l.forgot {
		return nil
	}
	switch l.way(p) {
	case api.WaySSO:
		return l.bySSO
	case api.WayDevice:
		return l.byDevice
	}
	return nil
}

// start takes the first step of the chosen way.
func (l *login) start(ctx context.Context, in *session.SignIn, conn connection) (session.Step, error) {
	switch {
	case l.byCode && !conn.profile.Config.Offer().Has(api.WayCode):
		return session.Step{}, usagef("%s does not offer a sign-in with a code.", hostOf(conn.profile))
	case l.byCode:
		return in.WithoutPassword(ctx, l.username)
	case l.forgot:
		step, err := in.Forgot(ctx, l.username)
		if err == nil {
			fmt.Fprintln(l.Err, session.ResetSent)
		}
		return step, err
	}
	password, err := l.secret(ctx, l.passwordIn, "Password: ", "--password-stdin")
	if err != nil {
		return session.Step{}, err
	}
	defer clear(password)
	return in.Password(ctx, l.username, password)
}

// rememberMachine lets the pool remember this machine, if the person agrees. The
// sign-in is stored already.
func (l *login) rememberMachine(ctx context.Context, in *session.SignIn, step session.Step) error {
	if !l.remember {
		if !l.InTTY || l.passwordIn {
			return nil
		}
		answer, err := l.prompt(ctx, "Remember this machine? Then sign-ins here need no second factor. [y/N] ")
		if err != nil {
			return err
		}
		if !isYes(answer) {
			return nil
		}
	}
	if err := in.Remember(ctx, step.Tokens); err != nil {
		fmt.Fprintf(l.Err, "This machine is not remembered: %s\n", explain(err).line)
	}
	return ctx.Err()
}

func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// next completes one challenge of the pool.
func (l *login) next(ctx context.Context, in *session.SignIn, step session.Step) (session.Step, error) {
	switch step.Kind {
	case session.NeedNewPassword:
		return l.retry(l.newPasswordIn, func() (session.Step, error) { return l.newPassword(ctx, in, step) })
	case session.NeedReset:
		return l.retry(l.newPasswordIn, func() (session.Step, error) { return l.reset(ctx, in, step) })
	case session.NeedPassword:
		password, err := l.secret(ctx, l.passwordIn, "Password: ", "--password-stdin")
		if err != nil {
			return session.Step{}, err
		}
		defer clear(password)
		return in.PasswordChosen(ctx, password)
	case session.Choose:
		return l.choose(ctx, in, step)
	case session.NeedEmail:
		return l.retry(!l.InTTY, func() (session.Step, error) {
			if !l.InTTY {
				return session.Step{}, usagef("Your account must set up codes by mail. Run usher login in a terminal once.")
			}
			address, err := l.prompt(ctx, "Mail address for your codes: ")
			if err != nil {
				return session.Step{}, err
			}
			return in.Email(ctx, address)
		})
	case session.SetUpCode:
		if !l.InTTY && !l.codeIn {
			return session.Step{}, usagef("Your account must set up an authenticator app. Run usher login in a terminal once.")
		}
		l.showSetUp(step)
	}
	return l.retry(l.codeIn, func() (session.Step, error) { return l.code(ctx, in, step) })
}

// code prompts for a code. An empty line requests a new one, if the pool sends
// the codes.
func (l *login) code(ctx context.Context, in *session.SignIn, step session.Step) (session.Step, error) {
	if step.Code.Sent() && !l.codeIn && l.InTTY {
		code, err := l.prompt(ctx, codeQuestion(step.Code))
		if err != nil {
			return session.Step{}, err
		}
		if strings.TrimSpace(code) == "" {
			return in.NewCode(ctx)
		}
		return in.Code(ctx, code)
	}
	code, err := l.secret(ctx, l.codeIn, codeQuestion(step.Code), "--code-stdin")
	if err != nil {
		return session.Step{}, err
	}
	return in.Code(ctx, string(code))
}

// codeQuestion returns the prompt for a code.
func codeQuestion(c session.Source) string {
	to := ""
	if !c.To.IsZero() {
		to = " to " + c.To.String()
	}
	switch c.Medium {
	case session.Mail:
		return fmt.Sprintf("Code by mail%s (empty: send a new one): ", to)
	case session.SMS:
		return fmt.Sprintf("Code by SMS%s (empty: send a new one): ", to)
	}
	return "Code of your authenticator app: "
}

// choose prompts for one of the choices by its number. A job takes the first
// choice that it has a secret for.
func (l *login) choose(ctx context.Context, in *session.SignIn, step session.Step) (session.Step, error) {
	if !l.InTTY || l.passwordIn {
		at := slices.IndexFunc(step.Choices, func(c session.Choice) bool { return (c.ID == "PASSWORD_SRP") == (l.passwordIn && l.byCode) })
		return in.Choose(ctx, step.Choices[max(at, 0)].ID)
	}
	fmt.Fprintln(l.Err, "Choose how to continue:")
	for i, c := range step.Choices {
		fmt.Fprintf(l.Err, "  %d  %s\n", i+1, c.Text)
	}
	for {
		answer, err := l.prompt(ctx, fmt.Sprintf("Number, 1 to %d: ", len(step.Choices)))
		if err != nil {
			return session.Step{}, err
		}
		for i, c := range step.Choices {
			if strings.TrimSpace(answer) == fmt.Sprint(i+1) {
				return in.Choose(ctx, c.ID)
			}
		}
	}
}

// retry prompts again after an invalid code, password or address, three times in
// all, if it was typed in a terminal.
func (l *login) retry(fromStdin bool, attempt func() (session.Step, error)) (session.Step, error) {
	for try := 1; ; try++ {
		step, err := attempt()
		wrong := errors.Is(err, session.ErrCode) || errors.Is(err, session.ErrPasswordRules) ||
			errors.Is(err, session.ErrEmail) || errors.Is(err, session.ErrAttributes)
		if err == nil || !wrong || fromStdin || !l.InTTY || try == 3 {
			return step, err
		}
		fmt.Fprintln(l.Err, explain(err).line)
	}
}

// secret reads a secret from stdin, or prompts for it on the terminal. The caller
// clears it.
func (l *login) secret(ctx context.Context, fromStdin bool, question, flag string) ([]byte, error) {
	if !fromStdin {
		if !l.InTTY {
			return nil, usagef("This account needs one more secret, and there is no terminal for a prompt. Pass it with %s.", flag)
		}
		text, err := l.promptSecret(ctx, question)
		return []byte(text), err
	}
	line, err := await(ctx, func() (string, error) {
		line, err := l.lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	})
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("reading stdin: %w", err)
	case line == "":
		return nil, usagef("%s was given, but stdin has no such line.", flag)
	}
	return []byte(line), nil
}

// showSetUp shows the secret for an authenticator app: as a QR code in a
// terminal, and as text.
func (l *login) showSetUp(step session.Step) {
	fmt.Fprintln(l.Err, "Your account needs a second factor. Add this to an authenticator app:")
	if l.paints() && l.Getenv("NO_COLOR") == "" {
		if code, err := qr.Draw(step.URI.Reveal(), qr.Ink); err == nil {
			fmt.Fprintln(l.Err, strings.Join(code, "\n"))
		}
	}
	fmt.Fprintf(l.Err, "  Secret  %s\n", step.Secret.Reveal())
}

// loginLine is a line of JSON output.
type loginLine struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
	Server   string   `json:"server"`
}
