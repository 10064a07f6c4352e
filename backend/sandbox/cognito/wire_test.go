package cognito

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func (b *bench) jwks() *jose.JSONWebKeySet {
	b.t.Helper()
	var set jose.JSONWebKeySet
	b.get("/"+testPool+"/.well-known/jwks.json", &set)
	return &set
}

func (b *bench) get(path string, out any) {
	b.t.Helper()
	resp, err := http.Get(b.url + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b.t.Fatalf("%s returned %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		b.t.Fatal(err)
	}
}

// request sends an arbitrary request.
func (b *bench) request(method, path, body string, change func(*http.Request)) (*http.Response, string) {
	b.t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	change(req)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp, string(text)
}

func TestForeignHostsAndOriginsAreRefused(t *testing.T) {
	b := newBench(t, nil)
	port := b.url[strings.LastIndex(b.url, ":"):]
	for _, path := range []string{"/", "/" + testPool + "/.well-known/jwks.json", "/oauth2/userInfo"} {
		for _, c := range []struct {
			host, origin string
			refused      int // 0: reaches the pool
		}{
			{"127.0.0.1" + port, "", 0}, {"localhost" + port, "", 0}, {"[::1]" + port, "", 0}, {"127.0.0.1" + port, "http://127.0.0.1" + port, 0},
			{"evil.example" + port, "", 421}, {"evil.example", "", 421}, {"127.0.0.1.evil.example", "", 421}, {"10.0.0.1", "", 421}, {"0.0.0.0", "", 421},
			{"127.0.0.1" + port, "http://evil.example", 403}, {"127.0.0.1" + port, "null", 403}, {"127.0.0.1" + port, "http://localhost:3000", 403},
		} {
			resp, _ := b.request("GET", path, "", func(r *http.Request) {
				r.Host = c.host
				if c.origin != "" {
					r.Header.Set("Origin", c.origin)
				}
			})
			refused := resp.StatusCode == 421 || resp.StatusCode == 403
			if refused != (c.refused != 0) || refused && resp.StatusCode != c.refused {
				t.Errorf("%s of %s from %q: %s", path, c.host, c.origin, resp.Status)
			}
			for name := range resp.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s of another host returned %s", path, name)
				}
			}
		}
	}
}

func TestInvalidCallsAreRefused(t *testing.T) {
	b := newBench(t, nil)
	target := func(name string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Amz-Target", name) }
	}
	for _, c := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		code                     string
	}{
		{"no target", "POST", "/", "{}", func(*http.Request) {}, 400, "UnknownOperationException"},
		{"an unknown target", "POST", "/", "{}", target(targetPrefix + "DropTable"), 400, "UnknownOperationException"},
		{"another service", "POST", "/", "{}", target("DynamoDB_20120810.GetUser"), 400, "UnknownOperationException"},
		{"another content type", "POST", "/", "{}", func(r *http.Request) {
			target(targetPrefix + "GetUser")(r)
			r.Header.Set("Content-Type", "text/plain") // allowed to a web page without a preflight request
		}, 400, "UnknownOperationException"},
		{"no JSON", "POST", "/", "{", target(targetPrefix + "GetUser"), 400, "SerializationException"},
		{"an array", "POST", "/", "[]", target(targetPrefix + "GetUser"), 400, "SerializationException"},
		{"a number in place of a string", "POST", "/", `{"AccessToken":1}`, target(targetPrefix + "GetUser"), 400, "SerializationException"},
		{"a member twice", "POST", "/", `{"AccessToken":"a","AccessToken":"b"}`, target(targetPrefix + "GetUser"), 400, "SerializationException"},
		{"a member in lower case", "POST", "/", `{"accesstoken":"a"}`, target(targetPrefix + "GetUser"), 400, "InvalidParameterException"},
		{"too many bytes", "POST", "/", strings.Repeat(" ", maxBody+1), target(targetPrefix + "GetUser"), 413, "SerializationException"},
		{"a GET", "GET", "/", "", target(targetPrefix + "GetUser"), 404, ""},
		{"another path", "POST", "/x", "{}", target(targetPrefix + "GetUser"), 404, ""},
		{"another pool's keys", "GET", "/eu-west-1_Other/.well-known/jwks.json", "", func(*http.Request) {}, 404, ""},
		{"a preflight", "OPTIONS", "/", "", func(*http.Request) {}, 404, ""},
	} {
		resp, body := b.request(c.method, c.path, c.body, c.change)
		if resp.StatusCode != c.status || !strings.Contains(body, c.code) {
			t.Errorf("%s: %s %.100q, want %d %s", c.name, resp.Status, body, c.status, c.code)
		}
		if c.code != "" && resp.Header.Get("X-Amzn-Errortype") != c.code+":" {
			t.Errorf("%s: X-Amzn-Errortype is %q", c.name, resp.Header.Get("X-Amzn-Errortype"))
		}
		if resp.Header.Get("X-Amzn-Requestid") == "" {
			t.Errorf("%s: no request id", c.name)
		}
	}
}

func TestUserInfoRequiresOpenID(t *testing.T) {
	b := newBench(t, nil)
	sub := b.addUser(User{Username: "ada", Email: "ada@example.com"})
	native, err := b.pool.SignIn("ada")
	if err != nil {
		t.Fatal(err)
	}
	managed, err := b.pool.SignIn("ada", "openid", "email")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(token string) (int, string, string) {
		resp, body := b.request("GET", "/oauth2/userInfo", "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
		return resp.StatusCode, body, resp.Header.Get("WWW-Authenticate")
	}
	status, body, _ := ask(managed.Access)
	var info map[string]string
	if err := json.Unmarshal([]byte(body), &info); err != nil || status != 200 || info["sub"] != sub || info["email_verified"] != "true" {
		t.Errorf("openid: %d %s", status, body)
	}
	if got := b.alive(managed.Access); !strings.Contains(got, "required scopes") {
		t.Errorf("GetUser with openid only: %q", got)
	}
	if got := b.alive(native.Access); got != "" {
		t.Errorf("GetUser with a native token: %q", got)
	}
	for name, token := range map[string]string{"a native token": native.Access, "an ID token": managed.ID, "no token": ""} {
		if status, body, why := ask(token); status != 401 || !strings.Contains(body, "invalid_token") || !strings.Contains(why, "globally signed out") {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	b.mustCall("AdminDisableUser", adminInput{testPool, "ada"}, nil)
	if status, _, _ := ask(managed.Access); status != 401 {
		t.Errorf("a disabled account: %d", status)
	}
	if _, err := b.pool.SignIn("ada"); err == nil {
		t.Error("SignIn returned tokens for a disabled account")
	}
}

func TestOpenIDConfigurationNamesThePool(t *testing.T) {
	b := newBench(t, nil)
	var doc map[string]any
	b.get("/"+testPool+"/.well-known/openid-configuration", &doc)
	if doc["issuer"] != b.pool.Issuer() || doc["jwks_uri"] != b.url+"/"+testPool+"/.well-known/jwks.json" {
		t.Errorf("got %v", doc)
	}
	if n := b.pool.Calls(); n["jwks.json"] != 0 {
		t.Errorf("calls are %v", n)
	}
	b.jwks()
	if n := b.pool.Calls(); n["jwks.json"] != 1 {
		t.Errorf("calls are %v", n)
	}
}
