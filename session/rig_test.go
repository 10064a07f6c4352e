package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/sandbox/cognito"
	"usher/backend/sandbox/cognito/hosted"
	"usher/session"
)

const (
	poolID     = "eu-central-1_TestPool1"
	clientID   = "1client0of0the0tests"
	password   = "Correct-Horse-7"
	ownerKey   = "AKIAOWNEROFTHEPOOL01"
	ownerPass  = "owner-secret-of-the-tests"
	totpSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
)

// rig is a pool over HTTP, the configuration of a server that uses it, and the
// dependencies of a session. Pool and session have a clock each.
type rig struct {
	t          testing.TB
	pool       *cognito.Pool
	pages      *hosted.Server // nil: the pool has no domain
	server     *httptest.Server
	config     api.Config
	folders    session.Folders
	poolClock  *clock
	localClock *clock

	mu     sync.Mutex
	fault  fault
	calls  map[string]int
	bodies []string
}

// fault may answer a call in place of the pool, and reports whether it did.
type fault func(operation string, n int, w http.ResponseWriter, r *http.Request, pool http.Handler) bool

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

// warmKeys generates signing keys and accounts once for all rigs. It returns a state
// file without the MFA rule, so that each rig has the rule of its configuration.
var warmKeys = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "usher-pool")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := poolConfig(time.Now)
	c.StateFile = filepath.Join(dir, "pool.json")
	pool, err := cognito.New(c)
	if err != nil {
		return nil, err
	}
	if err := pool.Warm(); err != nil {
		return nil, err
	}
	for _, u := range append(people(), fullPeople()...) { // a verifier costs time
		if _, err := pool.AddUser(u); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(c.StateFile)
	if err != nil {
		return nil, err
	}
	state := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &state); err != nil {
		return nil, err
	}
	delete(state, "mfa")
	return json.Marshal(state)
})

// people returns the accounts of each rig.
func people() []cognito.User {
	return []cognito.User{
		{Username: "ada", Email: "ada@example.com", Groups: []string{"finance-team"}, Password: password},
		{Username: "grace", Email: "grace@example.com", Groups: []string{"external-auditors"}, Password: password},
		{Username: "alan", Groups: []string{"engineering"}, Password: password, TOTPSecret: totpSecret},
		{Username: "newcomer", Groups: []string{"engineering"}, Password: password, Temporary: true},
	}
}

func poolConfig(now func() time.Time) cognito.Config {
	return cognito.Config{
		Region: "eu-central-1", PoolID: poolID, ClientID: clientID, Now: now, Rand: rand.Reader,
		OwnerKeys: func(id string) (string, bool) { return ownerPass, id == ownerKey },
		Rotation:  true, GracePeriod: time.Minute,
	}
}

func newRig(t testing.TB, change func(*cognito.Config)) *rig {
	t.Helper()
	start := time.Now().Round(0)
	r := &rig{t: t, poolClock: &clock{at: start}, localClock: &clock{at: start}, calls: map[string]int{}}
	c := poolConfig(r.poolClock.now)
	keys, err := warmKeys()
	if err != nil {
		t.Fatal(err)
	}
	c.StateFile = filepath.Join(t.TempDir(), "pool.json")
	if err := os.WriteFile(c.StateFile, keys, 0o600); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&c)
	}
	if r.pool, err = cognito.New(c); err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	if err := r.pool.SetBaseURL(r.server.URL); err != nil {
		t.Fatal(err)
	}
	r.config = api.Config{
		Organisation: "Example", Region: "eu-central-1", UserPoolID: poolID, ClientID: clientID,
		Issuer: r.pool.Issuer(), CognitoEndpoint: r.server.URL, S3Hosts: []string{"127.0.0.1:9000"},
	}
	dir := t.TempDir()
	r.folders = session.Folders{Config: filepath.Join(dir, "config", "usher"), State: filepath.Join(dir, "state", "usher")}
	return r
}

func (r *rig) serve(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/v1/config" {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(r.config)
		return
	}
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	pool := http.Handler(r.pool)
	if r.pages != nil && r.pages.Serves(req.URL.Path) {
		operation, pool = req.URL.Path, r.pages
	}
	r.mu.Lock()
	r.calls[operation]++
	n, fault := r.calls[operation], r.fault
	r.bodies = append(r.bodies, string(body))
	r.mu.Unlock()
	if fault == nil || !fault(operation, n, w, req, pool) {
		pool.ServeHTTP(w, req)
	}
}

// inject sets the fault and resets the call counts.
func (r *rig) inject(f fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault, r.calls = f, map[string]int{}
}

func (r *rig) count(operation string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[operation]
}

// pass advances both clocks.
func (r *rig) pass(d time.Duration) { r.poolClock.add(d); r.localClock.add(d) }

func (r *rig) options() session.Options {
	return session.Options{Now: r.localClock.now, Random: rand.Reader}
}

func (r *rig) profile() session.Profile {
	r.t.Helper()
	p, err := session.NewProfile("test", r.server.URL, r.config)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) signIn() *session.SignIn {
	r.t.Helper()
	s, err := session.NewSignIn(r.folders, r.profile(), r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) open() *session.Session {
	r.t.Helper()
	s, err := session.Open(r.folders, r.profile(), r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// tokens signs in a person without a second factor.
func (r *rig) tokens(username string) session.Tokens {
	r.t.Helper()
	step, err := r.signIn().Password(context.Background(), username, []byte(password))
	if err != nil || step.Kind != session.Done {
		r.t.Fatalf("signing in: %v, kind %d", err, step.Kind)
	}
	return step.Tokens
}

// signedIn returns a session with fresh tokens.
func (r *rig) signedIn(username string) *session.Session {
	r.t.Helper()
	s := r.open()
	if err := s.Adopt(r.tokens(username)); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) token(s *session.Session) string {
	r.t.Helper()
	token, err := s.Token(context.Background())
	if err != nil {
		r.t.Fatalf("Token: %v", err)
	}
	return token
}

func (r *rig) tokenFile() string { return filepath.Join(r.folders.State, "tokens", "test.json") }

// owner returns a client for the pool's admin calls.
func (r *rig) owner() *idp.Client {
	return idp.New(idp.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(r.server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: ownerKey, SecretAccessKey: ownerPass}, nil
		}),
	})
}

// everywhere ends all sessions of a user, as the backend does.
func (r *rig) everywhere(username string) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		_, err := r.owner().AdminUserGlobalSignOut(ctx, &idp.AdminUserGlobalSignOutInput{
			UserPoolId: aws.String(poolID), Username: aws.String(username)})
		return err
	}
}

func (r *rig) disable(username string) {
	r.t.Helper()
	_, err := r.owner().AdminDisableUser(context.Background(), &idp.AdminDisableUserInput{
		UserPoolId: aws.String(poolID), Username: aws.String(username)})
	if err != nil {
		r.t.Fatal(err)
	}
}

// refuse answers one operation with an exception, in Cognito's format.
func refuse(operation, exception, message string) fault {
	return func(op string, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		if op != operation {
			return false
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]string{"__type": exception, "message": message})
		return true
	}
}

// cut ends the connection without an answer.
func cut(w http.ResponseWriter) {
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		conn.Close()
	}
}
