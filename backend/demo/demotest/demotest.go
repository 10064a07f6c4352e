// Package demotest starts a whole usher for a test. The test acts as its people
// over real HTTP, with real sign-ins. Only tests import this package.
package demotest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
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
	"usher/backend/sandbox"
	"usher/backend/sandbox/cognito/hosted/hostedtest"
	"usher/client"
	"usher/session"
)

// Demo is a running demo with its people.
type Demo struct {
	*demo.Demo
	Profile session.Profile
	Roots   *x509.CertPool // of StartTLS

	once sync.Once
	put  *s3.Client // of Put: a client for each object would keep a connection for each
}

// Start runs a demo in a temporary directory and closes it at the end of the
// test.
func Start(t testing.TB, o demo.Options) *Demo {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.NewID = event.IDs(rand.Reader)
	if o.CallbackPorts == nil {
		o.CallbackPorts = freePorts(t, 4)
	}
	started, err := demo.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := started.Close(); err != nil {
			t.Errorf("closing the demo: %v", err)
		}
	})
	config, err := session.Discover(t.Context(), started.Server)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := session.NewProfile("demo", started.Server, config)
	if err != nil {
		t.Fatal(err)
	}
	return &Demo{Demo: started, Profile: profile}
}

// Actor is a signed-in person.
type Actor struct {
	*client.Client
	Session *session.Session
}

// SignIn signs in one of the demo's people, with password and, if required, a
// TOTP code.
func (d *Demo) SignIn(t testing.TB, username string) Actor {
	t.Helper()
	return d.signIn(t, username, time.Now)
}

// freePorts returns ports that were free a moment ago.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// SignInBrowser signs in one of the demo's people in a browser: at the company,
// or at the pool's own form.
func (d *Demo) SignInBrowser(t testing.TB, username string) Actor {
	t.Helper()
	a, err := d.tryBrowser(t.Context(), t.TempDir(), username)
	if err != nil {
		t.Fatalf("signing in %s in a browser: %v", username, err)
	}
	return a
}

func (d *Demo) tryBrowser(ctx context.Context, dir, username string) (Actor, error) {
	var person sandbox.Person
	for _, p := range d.People {
		if p.Username == username {
			person = p
		}
	}
	provider := "COGNITO"
	if person.SSOOnly {
		provider = d.Provider
	}
	options := session.Options{Now: time.Now, Random: rand.Reader}
	in, err := session.NewBrowserSignIn(ctx, d.Profile, options, session.BrowserOptions{Provider: provider})
	if err != nil {
		return Actor{}, err
	}
	defer in.Close()
	browser, err := hostedtest.New()
	if err != nil {
		return Actor{}, err
	}
	if _, err := browser.SignIn(ctx, in.URL(), username, person.Password); err != nil {
		return Actor{}, err
	}
	step, err := in.Wait(ctx)
	if err != nil {
		return Actor{}, err
	}
	s, err := session.Open(session.Folders{Config: dir, State: dir}, d.Profile, options)
	if err != nil {
		return Actor{}, err
	}
	if err := s.Adopt(step.Tokens); err != nil {
		return Actor{}, err
	}
	c, err := client.New(client.Config{Server: d.Server, Tokens: s, UserAgent: "usher-test/1 (" + username + ")"})
	return Actor{c, s}, err
}

// addedPassword is the password of each person that AddPerson adds.
const addedPassword = "Added1-for-a-test"

// SignInAgain stores the tokens of a second sign-in in the session of a, which
// has ended.
func (d *Demo) SignInAgain(t testing.TB, a Actor, username string) {
	t.Helper()
	tokens, err := d.tokens(t.Context(), username, time.Now)
	if err == nil {
		err = a.Session.Adopt(tokens)
	}
	if err != nil {
		t.Errorf("signing in %s again: %v", username, err)
	}
}

func (d *Demo) signIn(t testing.TB, username string, now func() time.Time) Actor {
	t.Helper()
	a, err := d.try(t.Context(), t.TempDir(), username, now)
	if err != nil {
		t.Errorf("signing in %s: %v", username, err)
	}
	return a
}

func (d *Demo) try(ctx context.Context, dir, username string, now func() time.Time) (Actor, error) {
	tokens, err := d.tokens(ctx, username, now)
	if err != nil {
		return Actor{}, err
	}
	s, err := session.Open(session.Folders{Config: dir, State: dir}, d.Profile, session.Options{Now: now, Random: rand.Reader})
	if err != nil {
		return Actor{}, err
	}
	if err := s.Adopt(tokens); err != nil {
		return Actor{}, err
	}
	c, err := client.New(client.Config{Server: d.Server, Tokens: s, UserAgent: "usher-test/1 (" + username + ")"})
	return Actor{c, s}, err
}

// tokens completes a sign-in of any form that the demo's accounts require, and
// returns its tokens.
func (d *Demo) tokens(ctx context.Context, username string, now func() time.Time) (session.Tokens, error) {
	password := d.passwordOf(username)
	in, err := session.NewSignIn(session.Folders{State: filepath.Join(d.Dir, "client")}, d.Profile, session.Options{Now: now, Random: rand.Reader})
	if err != nil {
		return session.Tokens{}, err
	}
	step, err := in.Password(ctx, username, []byte(password))
	if err == nil && step.Kind == session.NeedNewPassword {
		step, err = in.NewPassword(ctx, []byte(password+"-New1"), nil)
	}
	if err == nil && step.Kind == session.Choose {
		step, err = in.Choose(ctx, step.Choices[0].ID)
	}
	if err == nil && step.Kind == session.NeedCode {
		step, err = in.Code(ctx, d.Sandbox.CodeNow(username))
	}
	if err == nil && step.Kind == session.SetUpCode {
		step, err = in.Code(ctx, d.Sandbox.CodeNow(username))
	}
	if err != nil {
		return session.Tokens{}, err
	}
	if step.Kind != session.Done {
		return session.Tokens{}, fmt.Errorf("the sign-in stopped at step %v", step.Kind)
	}
	return step.Tokens, nil
}

func (d *Demo) passwordOf(username string) string {
	for _, p := range d.People {
		if p.Username == username {
			return p.Password
		}
	}
	return addedPassword
}

func (d *Demo) owner() aws.Config {
	return aws.Config{Region: d.Region, Credentials: credentials.NewStaticCredentialsProvider(d.S3AccessKey, d.S3SecretKey, "")}
}

// Code returns the present TOTP code of a secret.
func Code(t testing.TB, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// Events returns the events of the audit log that an auditor reads with a
// filter.
func (d *Demo) Events(t testing.TB, filter string) []event.Event {
	t.Helper()
	auditor := d.SignIn(t, "grace")
	out, err := auditor.AuditQuery(t.Context(), api.AuditQueryRequest{Filter: filter, Limit: api.MaxAuditPage})
	if err != nil {
		t.Fatalf("querying %q: %v", filter, err)
	}
	return out.Events
}

// Admin returns a client for the pool owner's calls.
func (d *Demo) Admin() *cognitoidentityprovider.Client {
	return cognitoidentityprovider.NewFromConfig(d.owner(), func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = aws.String(d.CognitoEndpoint) })
}

// S3 returns a client with the keys of the buckets' owner.
func (d *Demo) S3() *s3.Client {
	return s3.NewFromConfig(d.owner(), func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle, o.Region = aws.String(d.S3Endpoint), true, d.S3Region
	})
}

// Put writes one object as the owner.
func (d *Demo) Put(t testing.TB, bucket, key, body string) {
	t.Helper()
	d.once.Do(func() { d.put = d.S3() })
	_, err := d.put.PutObject(context.WithoutCancel(t.Context()), &s3.PutObjectInput{
		Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(body),
	})
	if err != nil {
		t.Fatalf("putting %q: %v", key, err)
	}
}

// Remove deletes the objects below a prefix as the owner.
func (d *Demo) Remove(t testing.TB, bucket, prefix string) {
	t.Helper()
	ctx, owner := context.WithoutCancel(t.Context()), d.S3()
	pages := s3.NewListObjectsV2Paginator(owner, &s3.ListObjectsV2Input{Bucket: aws.String(bucket), Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatalf("listing %q: %v", prefix, err)
		}
		for _, o := range page.Contents {
			if _, err := owner.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: o.Key}); err != nil {
				t.Fatalf("removing %q: %v", aws.ToString(o.Key), err)
			}
		}
	}
}
