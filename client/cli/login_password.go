package cli

import (
	"context"
	"fmt"
	"strings"

	"usher/backend/api"
	"usher/session"
)

// newPassword prompts for a new password and the required attributes.
func (l *login) newPassword(ctx context.Context, in *session.SignIn, step session.Step) (session.Step, error) {
	attributes, err := l.required(ctx, step.Attributes)
	if err != nil {
		return session.Step{}, err
	}
	password, err := l.chosenPassword(ctx, step.Rules)
	if err != nil {
		return session.Step{}, err
	}
	defer clear(password)
	return in.NewPassword(ctx, password, attributes)
}

// required returns the values of the attributes that the account requires.
func (l *login) required(ctx context.Context, names []string) (map[string]string, error) {
	values := map[string]string{}
	for _, given := range l.attributes {
		name, value, _ := strings.Cut(given, "=")
		values[name] = value
	}
	for _, name := range names {
		if values[name] != "" {
			continue
		}
		if !l.InTTY {
			return nil, usagef("Your account requires the attribute %s. Give it with --attribute %s=VALUE.", safe(name), safe(name))
		}
		value, err := l.prompt(ctx, session.AttributeText(name)+": ")
		if err != nil {
			return nil, err
		}
		values[name] = value
	}
	return values, nil
}

// chosenPassword reads a new password: twice, if it is typed.
func (l *login) chosenPassword(ctx context.Context, rules string) ([]byte, error) {
	if !l.newPasswordIn && l.InTTY {
		fmt.Fprintf(l.Err, "Choose a new password. %s\n", rules)
	}
	password, err := l.secret(ctx, l.newPasswordIn, "New password: ", "--new-password-stdin")
	if err != nil || l.newPasswordIn {
		return password, err
	}
	again, err := l.secret(ctx, false, "New password again: ", "")
	defer clear(again)
	switch {
	case err != nil:
		return nil, err
	case string(again) != string(password):
		return nil, &mismatch{}
	}
	return password, nil
}

// reset prompts for the code of a forgotten password and a new password.
func (l *login) reset(ctx context.Context, in *session.SignIn, step session.Step) (session.Step, error) {
	var code []byte
	var err error
	if l.codeIn || !l.InTTY {
		code, err = l.secret(ctx, l.codeIn, "", "--code-stdin")
	} else {
		var text string
		text, err = l.prompt(ctx, "Code by mail (empty: send a new one): ")
		code = []byte(text)
	}
	if err != nil {
		return session.Step{}, err
	}
	if strings.TrimSpace(string(code)) == "" {
		return in.NewCode(ctx)
	}
	password, err := l.chosenPassword(ctx, step.Rules)
	if err != nil {
		return session.Step{}, err
	}
	defer clear(password)
	return in.Reset(ctx, string(code), password)
}

// mismatch means that the two entries of a new password differ. The prompt is
// repeated, as for a password that breaks the rules.
type mismatch struct{}

func (*mismatch) Error() string { return "The two passwords differ. Nothing was changed." }

func (*mismatch) Exit() int { return api.ExitUsage }

func (*mismatch) Unwrap() error { return session.ErrPasswordRules }
