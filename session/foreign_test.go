package session_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/session"
)

// Every exception has a message that would harm a terminal or reveal a secret.
// No part of it is printed.
func TestCognitoMessagesAreNotShown(t *testing.T) {
	r := newRig(t, nil)
	const words = "LEAKED \x1b[31m arn:aws:cognito-idp"
	exceptions := map[string]error{
		"NotAuthorizedException": session.ErrWrongPassword, "UserNotFoundException": session.ErrWrongPassword,
		"PasswordResetRequiredException": session.ErrPasswordReset, "UserNotConfirmedException": session.ErrUnfinishedAccount,
		"ResourceNotFoundException": session.ErrMisconfigured, "InvalidParameterException": session.ErrMisconfigured,
		"UserLambdaValidationException": session.ErrRefused, "ForbiddenException": session.ErrRefused,
		"LimitExceededException": session.ErrLocked, "TooManyFailedAttemptsException": session.ErrLocked,
		"InternalErrorException": session.ErrUnavailable, "InvalidLambdaResponseException": session.ErrUnavailable,
		"LEAKED\x1b[2J": session.ErrGarbled, "LEAKED Exception": session.ErrUnavailable,
	}
	for exception, want := range exceptions {
		r.inject(refuse("InitiateAuth", exception, words))
		_, err := r.signIn().Password(ctx, "ada", []byte(password))
		wantErr(t, err, want)
		var all strings.Builder
		for e := err; e != nil; e = errors.Unwrap(e) {
			fmt.Fprintf(&all, "%v %+v %s\n", e, e, e.Error())
		}
		var answer *session.AnswerError
		if errors.As(err, &answer) {
			all.WriteString(answer.Details())
		}
		if s := all.String(); strings.Contains(s, "LEAKED") || strings.Contains(s, "\x1b") || strings.Contains(s, "arn:") {
			t.Errorf("%q: %q", exception, s)
		}
	}
}

// The answer is the log-in page of a hotel, a redirect, or has an ID token in
// place of the access token.
func TestForeignAnswers(t *testing.T) {
	r := newRig(t, nil)
	ada := r.pool
	issued, err := ada.SignIn("ada")
	if err != nil {
		t.Fatal(err)
	}
	var followed atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer trap.Close()
	answer := func(status int, body string) fault {
		return func(op string, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			if op == "RespondToAuthChallenge" {
				w.Header().Set("Location", trap.URL)
				w.WriteHeader(status)
				io.WriteString(w, body)
				return true
			}
			return false
		}
	}
	tokens := func(access, id, refresh string) string {
		return fmt.Sprintf(`{"AuthenticationResult":{"AccessToken":%q,"IdToken":%q,"RefreshToken":%q,"ExpiresIn":600}}`, access, id, refresh)
	}
	foreign, err := ada.SignAccess(map[string]any{"sub": "x", "client_id": "another", "token_use": "access", "iat": 1, "exp": 600})
	if err != nil {
		t.Fatal(err)
	}
	wrongUse, err := ada.SignAccess(map[string]any{"sub": "x", "client_id": clientID, "token_use": "id", "iat": 1, "exp": 600})
	if err != nil {
		t.Fatal(err)
	}
	endless, err := ada.SignAccess(map[string]any{"sub": "x", "client_id": clientID, "token_use": "access", "iat": 1, "exp": 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		status int
		body   string
		want   error
	}{
		"page":            {200, "<html>Welcome to the hotel</html>", session.ErrGarbled},
		"empty":           {200, "", session.ErrGarbled},
		"nothing in it":   {200, "{}", session.ErrGarbled},
		"wrong types":     {200, `{"AuthenticationResult":[1]}`, session.ErrGarbled},
		"redirect":        {307, "", session.ErrGarbled},
		"too long":        {200, `{"ChallengeName":"` + strings.Repeat("x", 300<<10) + `"}`, session.ErrGarbled},
		"error page":      {503, "<html>LEAKED</html>", session.ErrUnavailable},
		"id for access":   {200, tokens(issued.ID, issued.ID, issued.Refresh), session.ErrGarbled},
		"no refresh":      {200, tokens(issued.Access, issued.ID, ""), session.ErrGarbled},
		"foreign client":  {200, tokens(foreign, "", issued.Refresh), session.ErrGarbled},
		"wrong use":       {200, tokens(wrongUse, "", issued.Refresh), session.ErrGarbled},
		"endless":         {200, tokens(endless, "", issued.Refresh), session.ErrGarbled},
		"no token at all": {200, tokens("abc", "", issued.Refresh), session.ErrGarbled},
		"own challenge":   {200, `{"ChallengeName":"CUSTOM_CHALLENGE","Session":"s"}`, session.ErrCustomChallenge},
		"passkey":         {200, `{"ChallengeName":"WEB_AUTHN","Session":"s"}`, session.ErrPasskey},
		"unknown step":    {200, `{"ChallengeName":"DANCE","Session":"s"}`, session.ErrUnknownStep},
	} {
		t.Run(name, func(t *testing.T) {
			r.inject(answer(c.status, c.body))
			s := r.signIn()
			_, err := s.Password(ctx, "ada", []byte(password))
			wantErr(t, err, c.want)
			if strings.Contains(err.Error(), "LEAKED") || strings.Contains(err.Error(), "hotel") {
				t.Errorf("%q", err)
			}
			if _, err := s.Code(ctx, "123456"); !errors.Is(err, session.ErrStartAgain) {
				t.Errorf("a code was accepted afterwards: %v", err)
			}
		})
	}
	if followed.Load() != 0 {
		t.Error("a redirect was followed")
	}
	// Negative control: the same answer with the right tokens is accepted.
	r.inject(answer(200, tokens(issued.Access, issued.ID, issued.Refresh)))
	r.tokens("ada")
}

// The variables are real ones of the AWS SDK.
func TestSDKSettingsHaveNoEffect(t *testing.T) {
	r := newRig(t, nil)
	var trapped atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { trapped.Add(1) }))
	defer trap.Close()
	t.Setenv("AWS_ENDPOINT_URL", trap.URL)
	t.Setenv("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", trap.URL)
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_PROFILE", "does-not-exist")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAXXXXXXXXXXXXXXXX")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	s := r.signedIn("ada")
	r.pass(10 * time.Minute)
	r.token(s)
	if trapped.Load() != 0 {
		t.Errorf("%d requests were sent to the address in the environment", trapped.Load())
	}
}
