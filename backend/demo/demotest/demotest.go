// Package demotest starts a whole usher for a test and lets the test act as its
// people: over real HTTP, with real sign-ins. Only tests import it.
package demotest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/oklog/ulid/v2"
	"github.com/pquerna/otp/totp"

	"usher/backend/demo"
	"usher/client"
	"usher/session"
)

// World is a running demo with its people.
type World struct {
	*demo.World
	Profile session.Profile
}

// NewIDs mints ULIDs in order.
func NewIDs() func(time.Time) string {
	var mu sync.Mutex
	entropy := ulid.Monotonic(rand.Reader, 0)
	return func(t time.Time) string {
		mu.Lock()
		defer mu.Unlock()
		return ulid.MustNew(ulid.Timestamp(t), entropy).String()
	}
}

// Start runs a demo in a directory of the test's and ends it with the test.
func Start(t testing.TB, o demo.Options) *World {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	o.NewID = NewIDs()
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

// SignIn signs a person in with password and, where there is one, TOTP code.
func (w *World) SignIn(t testing.TB, username string) Actor {
	t.Helper()
	o := session.Options{Now: time.Now, Random: rand.Reader}
	in, err := session.NewSignIn(w.Profile, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range w.People {
		if p.Username != username {
			continue
		}
		step, err := in.Password(t.Context(), username, p.Password)
		if err == nil && step.Kind == session.NeedNewPassword {
			step, err = in.NewPassword(t.Context(), p.Password+"-New1")
		}
		if err == nil && step.Kind == session.NeedCode {
			code, cerr := totp.GenerateCode(p.TOTPSecret, time.Now())
			if cerr != nil {
				t.Fatal(cerr)
			}
			step, err = in.Code(t.Context(), code)
		}
		if err != nil || step.Kind != session.Done {
			t.Fatalf("signing in %s: step %v, %v", username, step.Kind, err)
		}
		dir := t.TempDir()
		s, err := session.Open(session.Folders{Config: dir, State: dir}, w.Profile, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Adopt(step.Tokens); err != nil {
			t.Fatal(err)
		}
		c, err := client.New(client.Config{Server: w.Server, Tokens: s, UserAgent: "usher-test/1 (" + username + ")"})
		if err != nil {
			t.Fatal(err)
		}
		return Actor{c, s}
	}
	t.Fatalf("there is no %s", username)
	return Actor{}
}

func (w *World) owner() aws.Config {
	return aws.Config{Region: w.Region, Credentials: credentials.NewStaticCredentialsProvider(w.S3AccessKey, w.S3SecretKey, "")}
}

// Admin makes the pool owner's calls.
func (w *World) Admin() *cognitoidentityprovider.Client {
	return cognitoidentityprovider.NewFromConfig(w.owner(), func(o *cognitoidentityprovider.Options) { o.BaseEndpoint = aws.String(w.CognitoEndpoint) })
}

// S3 is the buckets' owner.
func (w *World) S3() *s3.Client {
	return s3.NewFromConfig(w.owner(), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = aws.String(w.S3Endpoint), true })
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
