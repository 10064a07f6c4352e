package session_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"usher/backend/sandbox/cognito"
	"usher/session"
)

// Every type with a secret is printed in every shape and with every verb. The
// plain string is the negative control.
func TestSecretsAreNotPrinted(t *testing.T) {
	r := newRig(t, func(c *cognito.Config) { c.MFA = cognito.MFARequired })
	signIn := r.signIn()
	step, err := signIn.Password(ctx, "ada", []byte(password))
	wantStep(t, step, err, session.SetUpCode)
	done, err := signIn.Code(ctx, code(t, r, step.Secret.Reveal()))
	wantStep(t, done, err, session.Done)
	s := r.open()
	if err := s.Adopt(done.Tokens); err != nil {
		t.Fatal(err)
	}
	half := r.signIn() // has an open challenge and its session
	if _, err := half.Password(ctx, "grace", []byte(password)); err != nil {
		t.Fatal(err)
	}
	secrets := []string{done.Tokens.Access.Reveal(), done.Tokens.Refresh.Reveal(), step.Secret.Reveal(), step.URI.Reveal(), password}
	found := func(text string) bool {
		for _, secret := range secrets {
			if strings.Contains(text, secret[:8]) || strings.Contains(text, secret[len(secret)-8:]) || strings.Contains(text, fmt.Sprintf("%x", secret[:8])) {
				return true
			}
		}
		return false
	}
	if !found(fmt.Sprint(secrets[0])) || !found(fmt.Sprintf("%x", secrets[1])) {
		t.Fatal("the search finds nothing")
	}
	type hidden struct{ v any }
	count := 0
	for name, value := range map[string]any{
		"Secret": done.Tokens.Access, "Tokens": done.Tokens, "Step": step, "Step done": done,
		"Session": s, "SignIn": half, "Profile": s.Profile(), "short Secret": session.NewSecret(password),
	} {
		for _, shape := range []any{value, &value, []any{value}, map[string]any{"k": value}, hidden{value}, &hidden{value}, struct{ Exported any }{value}, fmt.Errorf("x: %v", value)} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%b", "%o", "%c", "%U", "%e", "%p", "%T", "%w"} {
				count++
				if text := fmt.Sprintf(verb, shape); found(text) {
					t.Errorf("%s in %T with %s: a secret", name, shape, verb)
				}
			}
			var log bytes.Buffer
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", shape)
			slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", shape)
			if body, err := json.Marshal(shape); err == nil {
				log.Write(body)
			}
			if found(log.String()) {
				t.Errorf("%s in %T: a secret in a log", name, shape)
			}
		}
	}
	if count != 8*8*17 {
		t.Errorf("%d cases", count)
	}
	if a, b := done.Tokens.Access.String(), done.Tokens.Refresh.String(); a == b || !strings.HasPrefix(a, "secret ") {
		t.Errorf("fingerprints %q and %q", a, b)
	}
}
