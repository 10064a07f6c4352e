// Package demotest starts a whole usher for a test and lets the test act as its
// people: over real HTTP, with real sign-ins. Only tests import it.
package demotest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pquerna/otp/totp"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/event"
	"usher/backend/sandbox/cognito"
	"usher/client"
	"usher/session"
)

// World is a running demo with its people.
type World struct {
	*demo.World
	Profile session.Profile
}

// Start runs a demo in a directory of the test's and ends it with the test.
func Start(t testing.TB, o demo.Options) *World {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.NewID = event.IDs(rand.Reader)
	d, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("ending the demo: %v", err)
		}
	})
	config, err := session.Discover(t.Context(), d.Server)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := session.NewProfile("demo", d.Server, config)
	if err != nil {
		t.Fatal(err)
	}
	return &World{d, profile}
}

// Actor is a signed-in person.
type Actor struct {
	*client.Client
	Session *session.Session
}

// SignIn signs one of the demo's people in, with password and, where there is
// one, TOTP code.
func (w *World) SignIn(t testing.TB, username string) Actor {
	t.Helper()
	return w.signIn(t, username, time.Now)
}

// hired is the password of everybody who was hired.
const hired = "Hired1-for-a-test"

// Hire adds a person to the pool and signs them in. Safe for concurrent use.
func (w *World) Hire(t testing.TB, username string, groups ...string) Actor {
	t.Helper()
	return w.HireAt(t, time.Now, username, groups...)
}

// HireAt hires somebody whose machine has a clock of its own.
func (w *World) HireAt(t testing.TB, now func() time.Time, username string, groups ...string) Actor {
	t.Helper()
	if _, err := w.Sandbox.Pool.AddUser(cognito.User{Username: username, Groups: groups, Password: hired}); err != nil {
		t.Errorf("adding %s: %v", username, err)
		return Actor{}
	}
	return w.signIn(t, username, now)
}

// Return signs somebody in anew, on the machine where the session has ended.
func (w *World) Return(t testing.TB, a Actor, username string) {
	t.Helper()
	tokens, err := w.tokens(t.Context(), username, time.Now)
	if err == nil {
		err = a.Session.Adopt(tokens)
	}
	if err != nil {
		t.Errorf("signing in %s anew: %v", username, err)
	}
}

func (w *World) signIn(t testing.TB, username string, now func() time.Time) Actor {
	t.Helper()
	a, err := w.try(t.Context(), t.TempDir(), username, now)
	if err != nil {
		t.Errorf("signing in %s: %v", username, err)
	}
	return a
}

func (w *World) try(ctx context.Context, dir, username string, now func() time.Time) (Actor, error) {
	tokens, err := w.tokens(ctx, username, now)
	if err != nil {
		return Actor{}, err
	}
	s, err := session.Open(session.Folders{Config: dir, State: dir}, w.Profile, session.Options{Now: now, Random: rand.Reader})
	if err != nil {
		return Actor{}, err
	}
	if err := s.Adopt(tokens); err != nil {
		return Actor{}, err
	}
	c, err := client.New(client.Config{Server: w.Server, Tokens: s, UserAgent: "usher-test/1 (" + username + ")"})
	return Actor{c, s}, err
}

// tokens are those of a sign-in, as long as it is one that w knows how to make.
func (w *World) tokens(ctx context.Context, username string, now func() time.Time) (session.Tokens, error) {
	password := hired
	for _, p := range w.People {
		if p.Username == username {
			password = p.Password
		}
	}
	in, err := session.NewSignIn(w.Profile, session.Options{Now: now, Random: rand.Reader})
	if err != nil {
		return session.Tokens{}, err
	}
	step, err := in.Password(ctx, username, password)
	if err == nil && step.Kind == session.NeedNewPassword {
		step, err = in.NewPassword(ctx, password+"-New1")
	}
	if err == nil && step.Kind == session.NeedCode {
		step, err = in.Code(ctx, w.Sandbox.CodeNow(username))
	}
	if err == nil && step.Kind == session.SetUpCode {
		step, err = in.Code(ctx, w.Sandbox.CodeNow(username))
	}
	if err != nil {
		return session.Tokens{}, err
	}
	if step.Kind != session.Done {
		return session.Tokens{}, fmt.Errorf("it stopped at step %v", step.Kind)
	}
	return step.Tokens, nil
}

func (w *World) owner() aws.Config {
	return aws.Config{Region: w.Region, Credentials: credentials.NewStaticCredentialsProvider(w.S3AccessKey, w.S3SecretKey, "")}
}

// Code is what an authenticator app shows now.
func Code(t testing.TB, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Events are the log's, as an auditor reads them.
func (w *World) Events(t testing.TB, filter string) []event.Event {
	t.Helper()
	auditor := w.SignIn(t, "grace")
	out, err := auditor.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: filter, Limit: api.MaxAuditPage})
	if err != nil {
		t.Fatalf("querying %q: %v", filter, err)
	}
	return out.Events
}

// Admin makes the pool owner's calls.
func (w *World) Admin() *cognitoidentityprovider.Client {
	return cognitoidentityprovider.NewFromConfig(w.owner(), func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = aws.String(w.CognitoEndpoint) })
}

// S3 is the buckets' owner.
func (w *World) S3() *s3.Client {
	return s3.NewFromConfig(w.owner(), func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle, o.Region = aws.String(w.S3Endpoint), true, w.S3Region
	})
}

// Put writes one object as the owner.
func (w *World) Put(t testing.TB, bucket, key, body string) {
	t.Helper()
	_, err := w.S3().PutObject(context.WithoutCancel(t.Context()), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(body),
	})
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
}
