//go:build !nosandbox

package sandbox

import (
	"context"
	"crypto/rand"
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
	"sync"
	"time"

	"usher/backend/api/shape"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
	"usher/backend/sandbox/iam"
	"usher/backend/sandbox/s3"
	"usher/backend/sandbox/seed"
	"usher/backend/sandbox/sts"
)

const (
	poolName       = "UsherDemo"
	clientID       = "1usherdemo2client3id4"
	ssoClientID    = "2usherdemo3sso4client5"
	deviceClientID = "3usherdemo4device5client"
	provider       = "Company"
)

// Sandbox is a running user pool and S3 server.
type Sandbox struct {
	Facts
	Pool    *cognito.Pool
	Company *hosted.Company
	Objects *s3.Server
	Distant *s3.Server  // nil without Options.Elsewhere
	STS     *sts.Server // nil without Options.ReaderRole

	backendKey, backendSecret string
	servers                   []*http.Server
	stack                     *stack // nil without Options.Stack
	stopFunctions             context.CancelFunc
	functions                 sync.WaitGroup
}

// Start opens both services on ports of 127.0.0.1 and fills them. Generated
// keys, passwords and TOTP secrets are stored in o.Dir with mode 0600, so a
// directory that is reused has the same people.
func Start(ctx context.Context, o Options) (*Sandbox, error) {
	if o.Dir == "" || o.Now == nil {
		return nil, errors.New("sandbox: Dir and Now are required")
	}
	saved, err := openSecrets(filepath.Join(o.Dir, "sandbox.json"))
	if err != nil {
		return nil, err
	}
	s := &Sandbox{Facts: Facts{
		Region: Region, S3Region: Region, ClientID: clientID, SSOClientID: ssoClientID, DeviceClientID: deviceClientID, Provider: provider,
		S3AccessKey: saved.OwnerKey, S3SecretKey: saved.OwnerSecret,
		People: saved.People, Dir: o.Dir, GrantsFile: filepath.Join(o.Dir, "grants.yaml"),
		MailFile: filepath.Join(o.Dir, "mail.jsonl"),
	}, backendKey: saved.BackendKey, backendSecret: saved.BackendSecret}
	if o.Storage != nil {
		s.useStorage(*o.Storage)
	}
	s.UserPoolID = s.Region + "_" + poolName
	if err := s.start(ctx, o, saved); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// useStorage copies endpoint, region and keys of an external S3 server. The
// pool uses the same region if its name is valid in AWS, so a tool needs one
// region setting for both.
func (s *Sandbox) useStorage(external Storage) {
	s.S3Endpoint = external.Endpoint
	if external.Region != "" {
		s.S3Region = external.Region
	}
	if shape.Region(s.S3Region) {
		s.Region = s.S3Region
	}
	if external.AccessKey != "" {
		s.S3AccessKey, s.S3SecretKey = external.AccessKey, external.SecretKey
	}
	s.backendKey, s.backendSecret = s.S3AccessKey, s.S3SecretKey
}

func (s *Sandbox) start(ctx context.Context, o Options, saved secrets) error {
	if o.Storage == nil {
		if err := s.startObjects(ctx, o, saved); err != nil {
			return err
		}
	}
	if err := s.startPool(ctx, o, saved); err != nil {
		return err
	}
	if _, err := os.Stat(s.GrantsFile); errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(s.GrantsFile, []byte(defaultGrants), 0o600); err != nil {
			return fmt.Errorf("sandbox: writing grants: %w", err)
		}
	}
	return nil
}

func (s *Sandbox) startObjects(ctx context.Context, o Options, saved secrets) error {
	uploads := filepath.Join(s.Dir, "uploads")
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		return fmt.Errorf("sandbox: making a folder for uploads: %w", err)
	}
	keys := &s3.Keyring{}
	keys.Put(saved.OwnerKey, s3.Credential{Secret: saved.OwnerSecret})
	backend := s3.Credential{Secret: saved.BackendSecret, ReadOnly: true, ARN: backendUser}
	if o.ReaderRole {
		none, err := iam.Parse(noStorage)
		if err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
		backend.Policies = []*iam.Policy{none}
		if err := s.startSTS(ctx, o, saved, keys); err != nil {
			return err
		}
	}
	keys.Put(saved.BackendKey, backend)
	s.BackendUser = backendUser
	var err error
	main := s3.Config{Region: Region, Keys: keys, Now: o.Now, Dir: uploads, AccessLog: o.AccessLog}
	if o.Elsewhere != "" {
		if s.Distant, err = s3.New(s3.Config{Region: o.Elsewhere, Keys: keys, Now: o.Now, Dir: uploads, AccessLog: o.AccessLog}); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
		if s.Facts.Elsewhere, err = s.listen(ctx, "the distant S3 server", s.Distant, 0); err != nil {
			return err
		}
		main.Elsewhere = func(bucket string) (string, bool) { return o.Elsewhere, s.Distant.HasBucket(bucket) }
	}
	if s.Objects, err = s3.New(main); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	if err := seed.Load(s.Objects); err != nil {
		return fmt.Errorf("sandbox: filling the buckets: %w", err)
	}
	if o.Versions {
		if err := errors.Join(s.Objects.EnableVersions(seed.Reports), seed.LoadVersions(s.Objects)); err != nil {
			return fmt.Errorf("sandbox: %w", err)
		}
	}
	if s.S3Endpoint, err = s.listen(ctx, "the S3 server", s.Objects, o.S3Port); err != nil || !o.Stack {
		return err
	}
	return s.startStack(ctx, o, saved, keys)
}

// backendUser is the IAM user of the backend's keys.
const backendUser = "arn:aws:iam::111122223333:user/usher-backend"

// readerRole is the role of Options.ReaderRole. Its own policy reads all buckets,
// and decrypts with the KMS keys whose ids begin with "reader-".
const (
	readerRole   = "arn:aws:iam::111122223333:role/usher-reader"
	readerPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:GetObjectVersion","s3:ListBucket","s3:ListBucketVersions"],"Resource":"*"},` +
		`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:*:*:key/reader-*"}]}`
	noStorage = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}`
)

// startSTS serves AssumeRole for the backend's key. The S3 server accepts the
// sessions.
func (s *Sandbox) startSTS(ctx context.Context, o Options, saved secrets, keys *s3.Keyring) error {
	var err error
	s.STS, err = sts.New(sts.Config{
		Region: s.Region, Now: o.Now, Roles: map[string]string{readerRole: readerPolicy}, Packed: o.Packed,
		Secret: func(id string) (string, bool) { return saved.BackendSecret, id == saved.BackendKey },
		Issued: func(session sts.Session) {
			keys.Put(session.AccessKey, s3.Credential{
				Secret: session.SecretKey, SessionToken: session.Token, Expires: session.Expires, Policies: session.Policies, ARN: session.ARN,
			})
		},
	})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.ReaderRole = readerRole
	s.STSEndpoint, err = s.listen(ctx, "the STS server", s.STS, 0)
	return err
}

func (s *Sandbox) startPool(ctx context.Context, o Options, saved secrets) error {
	set, err := settings(o.Faults)
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.Pool, err = cognito.New(cognito.Config{
		Region: s.Region, PoolID: s.UserPoolID, ClientID: clientID, Clients: clients(o), Now: o.Now, Rand: rand.Reader,
		OwnerKeys: func(id string) (string, bool) {
			switch id { // the backend queries groups with its own key
			case saved.OwnerKey:
				return saved.OwnerSecret, true
			case saved.BackendKey:
				return saved.BackendSecret, true
			case s.S3AccessKey:
				return s.S3SecretKey, true
			}
			return "", false
		},
		StateFile: filepath.Join(s.Dir, "pool.json"), AccessTokenLife: o.AccessTokenLife,
		Rotation: true, GracePeriod: time.Minute, CodeWanted: o.CodeWanted,
		UserAuth: true, EmailCodes: true, SMSCodes: true, Devices: set.devices, Required: set.required,
		Send: (&mailbox{file: s.MailFile}).deliver,
	})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	for _, f := range set.faults {
		s.Pool.Break(f.fault, f.operation)
	}
	s.Company = &hosted.Company{Name: provider, Inbound: o.Inbound}
	pages, err := hosted.New(hosted.Config{Pool: s.Pool, Now: o.Now, Rand: rand.Reader, Company: s.Company})
	if err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	both := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var h http.Handler = s.Pool
		if pages.Serves(r.URL.Path) {
			h = pages
		}
		h.ServeHTTP(w, r)
	})
	if s.CognitoEndpoint, err = s.listen(ctx, "the sign-in service", both, o.CognitoPort); err != nil {
		return err
	}
	s.HostedUI = s.CognitoEndpoint
	if err := s.Pool.SetBaseURL(s.CognitoEndpoint); err != nil {
		return fmt.Errorf("sandbox: %w", err)
	}
	s.Issuer = s.Pool.Issuer()
	for _, p := range saved.People {
		account := cognito.User{
			Username: p.Username, Email: p.Username + "@example.com", Groups: p.Groups,
			Password: p.Password, Temporary: p.Temporary, TOTPSecret: p.TOTPSecret, SetUpMFA: p.SetUpMFA, External: p.SSOOnly, EmailMFA: p.MailCodes,
		}
		if p.SSOOnly { // the company has the groups, not the pool
			s.Company.Put(hosted.Employee{Username: p.Username, Password: p.Password, Email: account.Email, Groups: p.Groups})
			account.Groups = nil
		}
		_, err := s.Pool.AddUser(account)
		if err != nil && !saved.reused {
			return fmt.Errorf("sandbox: adding %s: %w", p.Username, err)
		}
	}
	if saved.reused {
		s.People = s.presentPeople(saved.People)
	}
	return nil
}

// clients returns the app clients of the authorization code grant.
func clients(o Options) []cognito.AppClient {
	scopes, ports := []string{"openid", "email"}, o.CallbackPorts
	if len(ports) == 0 {
		ports = shape.CallbackPorts()
	}
	sso := cognito.AppClient{ID: ssoClientID, Scopes: scopes}
	for _, port := range ports {
		sso.Callbacks = append(sso.Callbacks, shape.Callback(port))
	}
	device := cognito.AppClient{ID: deviceClientID, Scopes: scopes}
	if o.Server != "" {
		device.Callbacks = []string{o.Server + shape.DeviceCallbackPath}
		device.Logouts = []string{o.Server + shape.SignedOutPath}
		sso.Logouts = device.Logouts
	}
	return []cognito.AppClient{sso, device}
}

type fault struct {
	fault     cognito.Fault
	operation string
}

// switches are the settings of the pool that Options.Faults changes.
type switches struct {
	faults   []fault
	devices  cognito.DeviceTracking
	required []string // attributes that a new password must come with
}

// settings reads the switches of the pool: faults, devices-always or devices-opt-in
// for a pool that remembers devices, and requires:ATTRIBUTE for a pool that demands
// an attribute with a new password.
func settings(texts []string) (set switches, err error) {
	for _, text := range texts {
		switch text {
		case "devices-always":
			set.devices = cognito.DevicesAlways
			continue
		case "devices-opt-in":
			set.devices = cognito.DevicesOptIn
			continue
		}
		if name, found := strings.CutPrefix(text, "requires:"); found {
			set.required = append(set.required, name)
			continue
		}
		f, operation, err := cognito.ParseFault(text)
		if err != nil {
			return switches{}, err
		}
		set.faults = append(set.faults, fault{f, operation})
	}
	return set, nil
}

// presentPeople returns people in the present state of their accounts. In a
// directory that is reused, a person may have changed their password or set up
// an authenticator.
func (s *Sandbox) presentPeople(people []Person) []Person {
	present := slices.Clone(people)
	for i := range present {
		p := &present[i]
		if p.SSOOnly {
			continue
		}
		a := s.Pool.Account(p.Username, p.Password)
		if !a.PasswordMatches {
			p.Password = ""
		}
		p.Temporary, p.TOTPSecret = a.Temporary, a.TOTPSecret
		p.SetUpMFA = p.SetUpMFA && a.TOTPSecret == ""
	}
	return present
}

// listen serves h on a loopback port; 0 means a free one. A request with another
// Host, or with the Origin of another web page, gets an empty 421.
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
			host := strings.ToLower(r.Host)
			foreign := func(origin string) bool { return origin != "http://"+host }
			if !slices.Contains(hosts, host) || slices.ContainsFunc(r.Header.Values("Origin"), foreign) || r.URL.IsAbs() {
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

// Warm generates the pool's signing keys before the first sign-in.
func (s *Sandbox) Warm() error { return s.Pool.Warm() }

// CodeNow returns the present code of an account's authenticator app, "" for an
// account without one.
func (s *Sandbox) CodeNow(username string) string { return s.Pool.CodeNow(username) }

// Credentials returns the backend's keys. They read buckets and query the pool,
// and cannot write to S3.
func (s *Sandbox) Credentials() (accessKey, secret string) { return s.backendKey, s.backendSecret }

// Close stops both services and removes uploaded objects.
func (s *Sandbox) Close() error {
	var errs []error
	s.endStack()
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	for _, objects := range []*s3.Server{s.Objects, s.Distant} {
		if objects != nil {
			errs = append(errs, objects.Close())
		}
	}
	return errors.Join(errs...)
}
