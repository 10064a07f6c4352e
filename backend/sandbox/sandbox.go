//go:build !nosandbox

package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"usher/backend/api/shape"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/s3"
	"usher/backend/sandbox/seed"
)

const (
	poolName = "UsherDemo"
	clientID = "1usherdemo2client3id4"
)

// Sandbox is a running pool and S3.
type Sandbox struct {
	Facts
	Pool    *cognito.Pool
	Objects *s3.Server

	backendKey, backendSecret string
	servers                   []*http.Server
}

// Start opens both services on free ports of 127.0.0.1 and fills them. What it
// makes up (keys, passwords, TOTP secrets) is kept in dir, 0600, so that a
// directory used again has the same people.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Dir == "" || o.Now == nil {
		return nil, errors.New("sandbox: a directory and a clock are needed")
	}
	kept, err := keep(filepath.Join(o.Dir, "sandbox.json"))
	if err != nil {
		return nil, err
	}
	s := &Sandbox{Facts: Facts{
		Region: Region, S3Region: Region, ClientID: clientID,
		S3AccessKey: kept.OwnerKey, S3SecretKey: kept.OwnerSecret,
		People: kept.People, Dir: o.Dir, GrantsFile: filepath.Join(o.Dir, "grants.yaml"),
		MailFile: filepath.Join(o.Dir, "mail.jsonl"),
	}, backendKey: kept.BackendKey, backendSecret: kept.BackendSecret}
	if o.Storage != nil {
		s.useStorage(*o.Storage)
	}
	s.UserPoolID = s.Region + "_" + poolName
	if err := s.start(ctx, o, kept); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// useStorage takes endpoint, region and keys of an S3 server outside. The
// pool is in the same region where AWS has one of that name, so that one
// region serves a tool for both.
func (s *Sandbox) useStorage(at Storage) {
	s.S3Endpoint = at.Endpoint
	if at.Region != "" {
		s.S3Region = at.Region
	}
	if shape.Region(s.S3Region) {
		s.Region = s.S3Region
	}
	if at.AccessKey != "" {
		s.S3AccessKey, s.S3SecretKey = at.AccessKey, at.SecretKey
	}
	s.backendKey, s.backendSecret = s.S3AccessKey, s.S3SecretKey
}

func (s *Sandbox) start(ctx context.Context, o Options, kept keepsake) error {
	if o.Storage == nil {
		if err := s.startObjects(ctx, o, kept); err != nil {
			return err
		}
	}
	if err := s.startPool(ctx, o, kept); err != nil {
		return err
	}
	if _, err := os.Stat(s.GrantsFile); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(s.GrantsFile, []byte(defaultGrants), 0o600); err != nil {
			return fmt.Errorf("sandbox: writing grants: %w", err)
		}
	}
	return nil
}

func (s *Sandbox) startObjects(ctx context.Context, o Options, kept keepsake) error {
	uploads := filepath.Join(s.Dir, "uploads")
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		return fmt.Errorf("sandbox: making a folder for uploads: %w", err)
	}
	keys := &s3.Keyring{}
	keys.Put(kept.OwnerKey, s3.Credential{Secret: kept.OwnerSecret})
	keys.Put(kept.BackendKey, s3.Credential{Secret: kept.BackendSecret, ReadOnly: true})
	var err error
	if s.Objects, err = s3.New(s3.Config{Region: Region, Keys: keys, Now: o.Now, Dir: uploads, AccessLog: o.AccessLog}); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := seed.Load(s.Objects); err != nil {
		return fmt.Errorf("sandbox: filling the buckets: %w", err)
	}
	s.S3Endpoint, err = s.listen(ctx, "the S3 server", s.Objects, o.S3Port)
	return err
}

func (s *Sandbox) startPool(ctx context.Context, o Options, kept keepsake) error {
	var err error
	s.Pool, err = cognito.New(cognito.Config{
		Region: s.Region, PoolID: s.UserPoolID, ClientID: clientID, Now: o.Now, Rand: rand.Reader,
		OwnerKeys: func(id string) (string, bool) {
			switch id { // the backend asks for groups with a key of its own
			case kept.OwnerKey:
				return kept.OwnerSecret, true
			case kept.BackendKey:
				return kept.BackendSecret, true
			case s.S3AccessKey:
				return s.S3SecretKey, true
			}
			return "", false
		},
		StateFile: filepath.Join(s.Dir, "pool.json"), AccessTokenLife: o.AccessTokenLife,
		Rotation: true, GracePeriod: time.Minute, CodeWanted: o.CodeWanted,
		Send: (&mailbox{file: s.MailFile}).deliver,
	})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if s.CognitoEndpoint, err = s.listen(ctx, "the sign-in service", s.Pool, o.CognitoPort); err != nil {
		return err
	}
	if err := s.Pool.SetBaseURL(s.CognitoEndpoint); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.Issuer = s.Pool.Issuer()
	for _, p := range kept.People {
		_, err := s.Pool.AddUser(cognito.User{
			Username: p.Username, Email: p.Username + "@example.com", Groups: p.Groups,
			Password: p.Password, Temporary: p.Temporary, TOTPSecret: p.TOTPSecret, SetUpMFA: p.SetUpMFA,
		})
		if err != nil && !kept.old {
			return fmt.Errorf("sandbox: adding %s: %w", p.Username, err)
		}
	}
	if kept.old {
		s.People = s.peopleNow(kept.People)
	}
	return nil
}

// peopleNow are the accounts of a directory that is used again: some have
// chosen a password or set up an authenticator since.
func (s *Sandbox) peopleNow(people []Person) []Person {
	now := slices.Clone(people)
	for i := range now {
		p := &now[i]
		a := s.Pool.Account(p.Username, p.Password)
		if !a.Knows {
			p.Password = ""
		}
		p.Temporary, p.TOTPSecret = a.Temporary, a.TOTPSecret
		p.SetUpMFA = p.SetUpMFA && a.TOTPSecret == ""
	}
	return now
}

// listen serves a handler on a port, 0 for a free one, to this machine only:
// another Host or any Origin (a web page's script) gets 421 and nothing else.
func (s *Sandbox) listen(ctx context.Context, name string, h http.Handler, port int) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", fmt.Errorf("starting %s: %w", name, err)
	}
	_, bound, _ := net.SplitHostPort(l.Addr().String())
	hosts := []string{"127.0.0.1:" + bound, "localhost:" + bound}
	srv := &http.Server{
		ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 64 << 10,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !slices.Contains(hosts, strings.ToLower(r.Host)) || len(r.Header.Values("Origin")) > 0 || r.URL.IsAbs() {
				http.Error(w, "", http.StatusMisdirectedRequest)
				return
			}
			h.ServeHTTP(w, r)
		}),
	}
	s.servers = append(s.servers, srv)
	go func() { _ = srv.Serve(l) }()
	return "http://" + l.Addr().String(), nil
}

// Warm makes what the pool would otherwise make when it is first needed.
func (s *Sandbox) Warm() error { return s.Pool.Warm() }

// CodeNow is the code that an account's authenticator app shows now, "" for an
// account without one.
func (s *Sandbox) CodeNow(username string) string { return s.Pool.CodeNow(username) }

// Credentials are those that the sandbox gives to the backend: they read
// buckets and ask the pool, and change nothing in S3.
func (s *Sandbox) Credentials() (accessKey, secret string) { return s.backendKey, s.backendSecret }

// Close ends both services and removes uploaded objects.
func (s *Sandbox) Close() error {
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	if s.Objects != nil {
		errs = append(errs, s.Objects.Close())
	}
	return errors.Join(errs...)
}

// keepsake is what a data directory remembers.
type keepsake struct {
	OwnerKey      string   `json:"owner_key"`
	OwnerSecret   string   `json:"owner_secret"`
	BackendKey    string   `json:"backend_key"`
	BackendSecret string   `json:"backend_secret"`
	People        []Person `json:"people"`
	old           bool
}

func keep(path string) (keepsake, error) {
	var k keepsake
	raw, err := os.ReadFile(path)
	switch {
	case err == nil:
		if err := json.Unmarshal(raw, &k); err != nil || k.OwnerKey == "" || len(k.People) == 0 {
			return k, fmt.Errorf("sandbox: %s is not one of its files; choose another directory", path)
		}
		k.old = true
		return k, nil
	case !errors.Is(err, fs.ErrNotExist):
		return k, fmt.Errorf("sandbox: %w", err)
	}
	k = keepsake{
		OwnerKey: "AKIA" + letters(16), OwnerSecret: letters(40),
		BackendKey: "AKIA" + letters(16), BackendSecret: letters(40),
	}
	for _, p := range people() {
		p.Password = password()
		if p.TOTPSecret != "" {
			p.TOTPSecret = letters(32)
		}
		k.People = append(k.People, p)
	}
	if raw, err = json.MarshalIndent(k, "", "  "); err != nil {
		return k, fmt.Errorf("sandbox: %w", err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return k, fmt.Errorf("sandbox: %w", err)
	}
	return k, nil
}

// letters are n characters of A-Z and 2-7, from 5 random bits each.
func letters(n int) string {
	raw := make([]byte, (n*5+7)/8)
	_, _ = rand.Read(raw) // never fails (crypto/rand)
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)[:n]
}

// password can be typed and meets the pool's rules: 60 random bits, and the
// kinds of characters that are asked for.
func password() string {
	l := strings.ToLower(letters(12))
	return "Demo1-" + l[:4] + "-" + l[4:8] + "-" + l[8:]
}
