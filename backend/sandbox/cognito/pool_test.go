package cognito

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
)

const (
	testRegion   = "eu-west-1"
	testPool     = "eu-west-1_AbCdEfGhI"
	testClient   = "1example23456789"
	testKeyID    = "AKIDOWNER"
	testSecret   = "owner-secret"
	testPassword = "Correct-horse-7"
)

// clock is a clock that tests advance. It begins at the real time, because the
// SDK signs with the real time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bench is a pool on a real socket, with clients for it.
type bench struct {
	t     *testing.T
	pool  *Pool
	url   string
	clock *clock
	sdk   *idp.Client
}

// sharedKeys are the signing keys of all test pools but one. Generation takes
// 0.3 s.
var sharedKeys = sync.OnceValue(func() *keyring {
	p, err := New(testConfig(time.Now))
	if err == nil {
		err = p.Warm()
	}
	if err != nil {
		panic(err)
	}
	return &p.keys
})

func testConfig(now func() time.Time) Config {
	return Config{Region: testRegion, PoolID: testPool, ClientID: testClient, Now: now, Rand: rand.Reader,
		OwnerKeys: func(id string) (string, bool) { return testSecret, id == testKeyID }}
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	c := &clock{t: time.Now()}
	config := testConfig(c.now)
	config.Rotation, config.GracePeriod = true, 10*time.Second
	if change != nil {
		change(&config)
	}
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if access, _ := p.keys.pairs(); access == nil {
		p.keys.access, p.keys.id = sharedKeys().access, sharedKeys().id
	}
	b := serve(t, p)
	b.clock = c
	return b
}

func serve(t *testing.T, p *Pool) *bench {
	t.Helper()
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	if err := p.SetBaseURL(server.URL); err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, pool: p, url: server.URL, sdk: sdkClient(server.URL, testKeyID, testSecret, testRegion)}
}

func sdkClient(url, keyID, secret, region string) *idp.Client {
	return idp.New(idp.Options{Region: region, BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keyID, secret, "")})
}

func (b *bench) addUser(u User) string {
	b.t.Helper()
	if u.Password == "" {
		u.Password = testPassword
	}
	sub, err := b.pool.AddUser(u)
	if err != nil {
		b.t.Fatal(err)
	}
	return sub
}

// post sends one call without an SDK.
func (b *bench) post(operation string, in any, sign bool) (status int, body []byte) {
	b.t.Helper()
	payload, err := json.Marshal(in)
	if err != nil {
		b.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, b.url+"/", bytes.NewReader(payload))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Amz-Target", targetPrefix+operation)
	if sign {
		b.sign(req, payload)
	}
	return b.do(req)
}

// sign signs with the bench's clock, which the SDK cannot use.
func (b *bench) sign(req *http.Request, payload []byte) {
	b.t.Helper()
	h := sha256.Sum256(payload)
	err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: testKeyID, SecretAccessKey: testSecret},
		req, hex.EncodeToString(h[:]), "cognito-idp", testRegion, b.clock.now())
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(req *http.Request) (int, []byte) {
	b.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, body
}

// call sends one call and returns the exception as "Code: message", or "".
func (b *bench) call(operation string, in, out any) string {
	b.t.Helper()
	status, body := b.post(operation, in, b.pool.ops[operation].signed)
	if status != http.StatusOK {
		var e struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(body, &e); err != nil || e.Type == "" {
			b.t.Fatalf("%s returned %d %.200q", operation, status, body)
		}
		return e.Type + ": " + e.Message
	}
	if out != nil {
		if err := json.Unmarshal(body, out); err != nil {
			b.t.Fatalf("%s returned %.200q: %v", operation, body, err)
		}
	}
	return ""
}

func (b *bench) mustCall(operation string, in, out any) {
	b.t.Helper()
	if failure := b.call(operation, in, out); failure != "" {
		b.t.Fatalf("%s: %s", operation, failure)
	}
}

type params map[string]string

// start begins an SRP sign-in and returns the client's side and the challenge.
func (b *bench) start(username string) (*srpClient, *authOutput) {
	b.t.Helper()
	a, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 256))
	if err != nil {
		b.t.Fatal(err)
	}
	client := newSRPClient(strings.TrimPrefix(testPool, testRegion+"_"), a)
	out := &authOutput{}
	b.mustCall("InitiateAuth", initiateAuthInput{AuthFlow: "USER_SRP_AUTH", ClientId: testClient,
		AuthParameters: params{"USERNAME": username, "SRP_A": client.A.Text(16)}}, out)
	if out.ChallengeName != passwordVerifier {
		b.t.Fatalf("challenge is %q", out.ChallengeName)
	}
	return client, out
}

// prove responds to the challenge of a password.
func (b *bench) prove(username, password string) (*authOutput, string) {
	b.t.Helper()
	client, challenge := b.start(username)
	answers, err := client.answer(challenge.ChallengeParameters, password, b.clock.now())
	if err != nil {
		b.t.Fatal(err)
	}
	return b.answer(passwordVerifier, challenge.Session, answers)
}

func (b *bench) answer(name, session string, answers params) (*authOutput, string) {
	b.t.Helper()
	out := &authOutput{}
	failure := b.call("RespondToAuthChallenge", respondInput{ChallengeName: name, ClientId: testClient,
		Session: session, ChallengeResponses: answers}, out)
	return out, failure
}

// signIn returns the tokens of an account without a second factor.
func (b *bench) signIn(username, password string) authResult {
	b.t.Helper()
	out, failure := b.prove(username, password)
	if failure != "" || out.AuthenticationResult == nil {
		b.t.Fatalf("signing in as %s: %q, challenge %q", username, failure, out.ChallengeName)
	}
	return *out.AuthenticationResult
}

// alive returns the exception of GetUser with an access token, "" for success.
func (b *bench) alive(token string) string {
	b.t.Helper()
	return b.call("GetUser", accessTokenInput{token}, nil)
}

// failsWith fails the test unless got begins with the exception's name and
// contains words.
func failsWith(t *testing.T, got, code, words string) {
	t.Helper()
	if !strings.HasPrefix(got, code+": ") || !strings.Contains(got, words) {
		t.Errorf("returned %q, want %s with %q", got, code, words)
	}
}

func TestNewNamesTheInvalidField(t *testing.T) {
	good := testConfig(time.Now)
	for want, spoil := range map[string]func(*Config){
		"Region":      func(c *Config) { c.Region = "" },
		"ClientID":    func(c *Config) { c.ClientID = "" },
		"Now":         func(c *Config) { c.Now = nil },
		"Rand":        func(c *Config) { c.Rand = nil },
		"OwnerKeys":   func(c *Config) { c.OwnerKeys = nil },
		"PoolID":      func(c *Config) { c.PoolID = "us-east-1_AbCdEfGhI" },
		"GracePeriod": func(c *Config) { c.GracePeriod = 61 * time.Second },
		"MFA":         func(c *Config) { c.MFA = "MAYBE" },
		"negative":    func(c *Config) { c.AccessTokenLife = -1 },
		"base URL":    func(c *Config) { c.BaseURL = "http://127.0.0.1:1/x" },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v", want, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Errorf("a valid configuration: %v", err)
	}
}

func TestAddUserRefuses(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada", Email: "ada@example.com"})
	for name, c := range map[string]struct {
		user User
		code string
	}{
		"a name twice":      {User{Username: "ada", Password: testPassword}, "UsernameExistsException"},
		"a space":           {User{Username: "a b", Password: testPassword}, "InvalidParameterException"},
		"an escape":         {User{Username: "a\x1b[2J", Password: testPassword}, "InvalidParameterException"},
		"no name":           {User{Password: testPassword}, "InvalidParameterException"},
		"an address twice":  {User{Username: "x", Email: "ADA@example.com", Password: testPassword}, "AliasExistsException"},
		"a short password":  {User{Username: "x", Password: "Aa1!aaa"}, "InvalidPasswordException"},
		"no upper case":     {User{Username: "x", Password: "aa1!aaaa"}, "InvalidPasswordException"},
		"no lower case":     {User{Username: "x", Password: "AA1!AAAA"}, "InvalidPasswordException"},
		"no digit":          {User{Username: "x", Password: "Aaa!aaaa"}, "InvalidPasswordException"},
		"no symbol":         {User{Username: "x", Password: "Aa1aaaaa"}, "InvalidPasswordException"},
		"a space at an end": {User{Username: "x", Password: " Aa1!aaaa"}, "InvalidPasswordException"},
	} {
		_, err := b.pool.AddUser(c.user)
		var refusal *Error
		if !errors.As(err, &refusal) || refusal.Code != c.code {
			t.Errorf("%s: error is %v, want %s", name, err, c.code)
		}
	}
	if _, err := b.pool.AddUser(User{Username: "y", Password: testPassword, TOTPSecret: "not base32!"}); err == nil {
		t.Error("a TOTP secret that is not base32 was accepted")
	}
	if b.pool.HasUser("x") || !b.pool.HasUser("ada") {
		t.Error("HasUser is wrong")
	}
}

func TestNoFormatVerbShowsASecret(t *testing.T) {
	values := []any{User{Username: "ada", Password: "sesame", TOTPSecret: "sesame"}, Tokens{Access: "sesame", ID: "sesame", Refresh: "sesame"},
		&User{Password: "sesame"}, []User{{Password: "sesame"}}, map[string]Tokens{"x": {Refresh: "sesame"}}}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "sesame") {
				t.Errorf("%s of %T shows a secret: %s", verb, v, s)
			}
		}
	}
}
