package cognito

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// signed returns a valid owner's request, which a test then changes.
func (b *bench) signed() *http.Request {
	b.t.Helper()
	payload, _ := json.Marshal(adminInput{testPool, "ada"})
	req, err := http.NewRequest(http.MethodPost, b.url+"/", bytes.NewReader(payload))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("X-Amz-Target", targetPrefix+"AdminGetUser")
	b.sign(req, payload)
	return req
}

func TestSignatureCoversTheRequest(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	b.addUser(User{Username: "bob"})
	replace := func(header, old, new string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(header, strings.Replace(r.Header.Get(header), old, new, 1)) }
	}
	for name, c := range map[string]struct {
		spoil func(*http.Request)
		want  string // "" for success
	}{
		"nothing": {func(*http.Request) {}, ""},
		"a header that is not signed and not x-amz": {func(r *http.Request) { r.Header.Set("Amz-Sdk-Request", "attempt=1") }, ""},
		"another body": {func(r *http.Request) {
			body, _ := json.Marshal(adminInput{testPool, "bob"})
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.ContentLength = int64(len(body))
		}, "InvalidSignatureException"},
		"another operation":         {func(r *http.Request) { r.Header.Set("X-Amz-Target", targetPrefix+"AdminDisableUser") }, "InvalidSignatureException"},
		"an unsigned x-amz header":  {func(r *http.Request) { r.Header.Set("X-Amz-Extra", "1") }, "InvalidSignatureException"},
		"a session token":           {func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "x") }, "UnrecognizedClientException"},
		"a content hash of its own": {func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, "InvalidSignatureException"},
		"another host":              {func(r *http.Request) { r.Host = "localhost:1" }, "InvalidSignatureException"},
		"a query":                   {func(r *http.Request) { r.URL.RawQuery = "a=b" }, "InvalidSignatureException"},
		"another date": {func(r *http.Request) {
			r.Header.Set("X-Amz-Date", b.clock.now().UTC().Add(time.Second).Format("20060102T150405Z"))
		}, "InvalidSignatureException"},
		"no date":                  {func(r *http.Request) { r.Header.Del("X-Amz-Date") }, "IncompleteSignatureException"},
		"another region":           {replace("Authorization", testRegion, "us-east-1"), "InvalidSignatureException"},
		"another service":          {replace("Authorization", "cognito-idp", "s3"), "InvalidSignatureException"},
		"another day in the scope": {replace("Authorization", b.clock.now().UTC().Format("20060102"), "20200101"), "InvalidSignatureException"},
		"another key":              {replace("Authorization", testKeyID, "AKIDOTHER"), "UnrecognizedClientException"},
		"another signature":        {replace("Authorization", "Signature=", "Signature=0"), "IncompleteSignatureException"},
		"a signature of zeros": {func(r *http.Request) {
			a := r.Header.Get("Authorization")
			r.Header.Set("Authorization", a[:len(a)-64]+strings.Repeat("0", 64))
		}, "InvalidSignatureException"},
		"the host not signed":       {replace("Authorization", ";host;", ";"), "InvalidSignatureException"},
		"the target not signed":     {replace("Authorization", ";x-amz-target", ""), "InvalidSignatureException"},
		"two Authorization headers": {func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, "MissingAuthenticationTokenException"},
		"another algorithm":         {replace("Authorization", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), "IncompleteSignatureException"},
		"a bearer token":            {func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "IncompleteSignatureException"},
	} {
		req := b.signed()
		c.spoil(req)
		status, body := b.do(req)
		switch {
		case c.want == "" && status != http.StatusOK:
			t.Errorf("%s: %d %s", name, status, body)
		case c.want != "" && (status != http.StatusBadRequest || !strings.Contains(string(body), `"`+c.want+`"`)):
			t.Errorf("%s: %d %s, want %s", name, status, body, c.want)
		}
	}
}

func TestSignatureIsValidWithinFifteenMinutes(t *testing.T) {
	b := newBench(t, nil)
	b.addUser(User{Username: "ada"})
	for _, c := range []struct {
		moved time.Duration
		good  bool
	}{{15*time.Minute - time.Second, true}, {15*time.Minute + 2*time.Second, false}, {-15*time.Minute + 2*time.Second, true}, {-15*time.Minute - 2*time.Second, false}} {
		req := b.signed()
		b.clock.advance(c.moved)
		status, body := b.do(req)
		b.clock.advance(-c.moved)
		if (status == http.StatusOK) != c.good {
			t.Errorf("%v later: %d %s", c.moved, status, body)
		}
	}
}
