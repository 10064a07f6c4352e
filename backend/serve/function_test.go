package serve

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/klauspost/compress/gzip"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/dynamo/dynamotest"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/sandbox"
	"usher/backend/sandbox/cognito"
	"usher/session"
)

// cloud is the sandbox with DynamoDB, and the configuration of a function there.
type cloud struct {
	*sandbox.Sandbox
	tables *dynamotest.Server
	config Config
	loop   *Loopback
	now    func() time.Time
}

const (
	testOrigin   = "https://files.example.com"
	testPassword = "Added1-for-a-test"
)

func newCloud(t testing.TB) *cloud { return newCloudAt(t, time.Now) }

// newCloudAt has one clock for all machines.
func newCloudAt(t testing.TB, now func() time.Time) *cloud {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Dir: t.TempDir(), Now: now, ReaderRole: true, AccessTokenLife: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	key, secret := box.Credentials()
	c := &cloud{Sandbox: box, now: now, tables: dynamotest.NewAt(t, now), config: Config{
		PublicURL: testOrigin, Region: box.Region, UserPoolID: box.UserPoolID, ClientID: box.ClientID,
		Audit: "dynamodb:log", Grants: "dynamodb:grants", State: "dynamodb:state",
		S3: S3{ReaderRole: box.ReaderRole}, Unattended: true,
	}}
	c.loop = &Loopback{
		Issuer: box.Issuer, Cognito: box.CognitoEndpoint, S3: box.S3Endpoint, STS: box.STSEndpoint, DynamoDB: c.tables.Endpoint(),
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	}
	if _, err := CreateTables(t.Context(), c.config, c.deps(io.Discard), c.loop); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cloud) deps(log io.Writer) Deps {
	return Deps{Now: c.now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.NewJSONHandler(log, nil)), Version: "1.2.3"}
}

// instance returns a function of a version after a cold start.
func (c *cloud) instance(t testing.TB, version string, log io.Writer) *function {
	t.Helper()
	if err := c.config.complete(); err != nil {
		t.Fatal(err)
	}
	s, err := newServer(t.Context(), c.config, c.deps(log), c.loop, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.function(version)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// permit puts grants in force.
func (c *cloud) permit(t testing.TB, f *function, grants ...grant.Grant) {
	t.Helper()
	set, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	store := f.server.parts.shared.grants
	now, err := store.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := c.now()
	err = store.Apply(t.Context(), now.Version(), set, event.Event{ID: event.IDs(rand.Reader)(at), Time: at, Action: event.GrantsChanged, Outcome: event.Allowed})
	if err != nil {
		t.Fatal(err)
	}
}

// token signs a new person in.
func (c *cloud) token(t testing.TB, username string, groups ...string) string {
	t.Helper()
	if _, err := c.Pool.AddUser(cognito.User{Username: username, Groups: groups, Password: testPassword}); err != nil {
		t.Fatal(err)
	}
	profile, err := session.NewProfile("test", "http://127.0.0.1:1", api.Config{
		Organisation: "Test", Region: c.Region, UserPoolID: c.UserPoolID, ClientID: c.ClientID, Issuer: c.Issuer,
		CognitoEndpoint: c.CognitoEndpoint, S3Hosts: []string{strings.TrimPrefix(c.S3Endpoint, "http://")}, URLSeconds: 60, BoundSeconds: 65,
		AuditorsGroup: "usher-auditors", AdminsGroup: "usher-admins",
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := session.NewSignIn(session.Folders{Config: t.TempDir(), State: t.TempDir()}, profile, session.Options{Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	step, err := in.Password(t.Context(), username, []byte(testPassword))
	if err != nil || step.Kind != session.Done {
		t.Fatal(err, step.Kind)
	}
	return step.Tokens.Access.Reveal()
}

// call plays one request as API Gateway sends it, and decodes the answer.
func call(t testing.TB, f *function, method, path, token, body string, into any) int {
	t.Helper()
	in := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, Body: body, Headers: map[string]string{
		"host": "files.example.com", "accept-encoding": "gzip", "x-forwarded-for": "203.0.113.9", "user-agent": "usher-test/1",
	}}
	in.RequestContext.DomainName, in.RequestContext.Stage = "files.example.com", "$default"
	in.RequestContext.HTTP.Method, in.RequestContext.HTTP.Path, in.RequestContext.HTTP.SourceIP = method, path, "198.51.100.7"
	if method == http.MethodPost {
		in.Headers["content-type"], in.Headers["authorization"] = "application/json", "Bearer "+token
	}
	payload, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := f.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var out events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	text := []byte(out.Body)
	if out.IsBase64Encoded {
		packed, err := base64.StdEncoding.DecodeString(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%d %q: %v", out.StatusCode, text, err)
	}
	return out.StatusCode
}

// A function serves the API of a listener, with the address of API Gateway's peer
// in its events, and makes no call before its first request.
func TestFunction(t *testing.T) {
	c := newCloud(t)
	setup := c.instance(t, "setup", io.Discard)
	c.permit(t, setup, grant.Grant{Group: "finance-team", Bucket: "company-reports", Prefix: "quarterly/", Effect: grant.Allow})
	token := c.token(t, "reader", "finance-team")

	c.tables.Reset()
	before := len(c.STS.Calls())
	f := c.instance(t, "v1", io.Discard)
	if calls := c.tables.Calls(); len(calls) > 0 || len(c.STS.Calls()) != before {
		t.Errorf("calls before the first request: %v", calls)
	}
	var config api.Config
	if status := call(t, f, http.MethodGet, "/v1/config", "", "", &config); status != http.StatusOK || config.UserPoolID != c.UserPoolID {
		t.Fatalf("%d %+v", status, config)
	}
	var page api.ListResponse
	if status := call(t, f, http.MethodPost, "/v1/list", token, `{"bucket":"company-reports","prefix":"quarterly/"}`, &page); status != http.StatusOK || len(page.Entries) == 0 {
		t.Fatalf("%d %+v", status, page)
	}
	var listing api.ListResponse
	if status := call(t, f, http.MethodPost, "/v1/list", token, `{"bucket":"company-reports","prefix":"quarterly/","recursive":true}`, &listing); status != http.StatusOK {
		t.Fatal(status)
	}
	var names []api.ReleaseObject
	for _, e := range listing.Entries {
		if e.Kind == api.KindObject {
			names = append(names, api.ReleaseObject{Bucket: "company-reports", Key: "quarterly/" + e.Name, ETag: e.ETag})
		}
	}
	body, err := json.Marshal(api.ReleaseRequest{Objects: names[:min(len(names), 20)]})
	if err != nil {
		t.Fatal(err)
	}
	var released api.ReleaseResponse
	if status := call(t, f, http.MethodPost, "/v1/release", token, string(body), &released); status != http.StatusOK || len(released.Items) == 0 {
		t.Fatalf("%d %+v", status, released)
	}
	for _, item := range released.Items[:2] {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, item.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range item.Headers {
			req.Header.Set(name, value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("a released URL: %s", res.Status)
		}
	}
	found, err := f.server.parts.shared.log.Get(t.Context(), []string{released.Items[0].Event})
	if err != nil || len(found) != 1 || found[0].SourceIP != "198.51.100.7" {
		t.Errorf("%+v, %v", found, err)
	}
	var refused api.ErrorBody
	if status := call(t, f, http.MethodPost, "/v1/list", token+",Bearer x", "{}", &refused); status != http.StatusUnauthorized {
		t.Errorf("two tokens: %d", status)
	}
}

// Many instances of a version record one start, also if their first requests come
// at once. Another version has its own.
func TestStartOfDeployedVersion(t *testing.T) {
	c := newCloud(t)
	var work sync.WaitGroup
	for _, version := range []string{"one", "one", "one", "one", "two"} {
		f := c.instance(t, version, io.Discard)
		work.Go(func() {
			var config api.Config
			for range 2 {
				call(t, f, http.MethodGet, "/v1/config", "", "", &config)
			}
		})
	}
	work.Wait()
	f := c.instance(t, "one", io.Discard)
	var config api.Config
	call(t, f, http.MethodGet, "/v1/config", "", "", &config)
	filter := event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.ServiceStart}}}
	var reasons []string
	for end := time.Now().Add(30 * time.Second); len(reasons) < 2 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		found, err := f.server.parts.shared.log.Query(t.Context(), filter, audit.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		reasons = nil
		for _, e := range found.Events {
			reasons = append(reasons, e.Reason)
		}
	}
	slices.Sort(reasons)
	if !slices.Equal(reasons, []string{"one", "two"}) {
		t.Errorf("starts of %q", reasons)
	}
}

func TestVersionOf(t *testing.T) {
	base := versionOf("1.0", "abc", lambdaEnvironment("AWS_LAMBDA_FUNCTION_VERSION=7"))
	if !strings.Contains(base, "usher 1.0") || !strings.Contains(base, "function version 7") {
		t.Error(base)
	}
	for name, other := range map[string]string{
		"commit":        versionOf("1.0", "abd", lambdaEnvironment("AWS_LAMBDA_FUNCTION_VERSION=7")),
		"program":       versionOf("1.1", "abc", lambdaEnvironment("AWS_LAMBDA_FUNCTION_VERSION=7")),
		"function":      versionOf("1.0", "abc", lambdaEnvironment("AWS_LAMBDA_FUNCTION_VERSION=8")),
		"configuration": versionOf("1.0", "abc", lambdaEnvironment("AWS_LAMBDA_FUNCTION_VERSION=7", "USHER_URL_SECONDS=30")),
	} {
		if other == base {
			t.Errorf("another %s is the same version", name)
		}
	}
	other := lambdaEnvironment("AWS_LAMBDA_FUNCTION_VERSION=7", "AWS_LAMBDA_LOG_STREAM_NAME=x")
	slices.Reverse(other)
	if again := versionOf("1.0", "abc", other); again != base {
		t.Errorf("another instance is another version: %s", again)
	}
}
