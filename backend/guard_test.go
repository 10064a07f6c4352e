package backend_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
)

// sendRaw sends the bytes of a request and returns the status, or 0 if the server
// closes the connection without a response.
func sendRaw(t *testing.T, address, request string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, request); err != nil {
		return 0
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	if res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a response has a CORS header")
	}
	return res.StatusCode
}

func TestOddRequestsAreRefused(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ada := w.SignIn(t, "ada")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(w.Server, "http://")
	auth := "Authorization: Bearer " + token + "\r\n"
	head := func(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }
	post := func(extra, body string) string {
		return head("POST /v1/whoami HTTP/1.1", "Host: "+host, "Connection: close") + extra + "\r\n" + body
	}
	js := "Content-Type: application/json\r\n"
	length := func(n int) string { return fmt.Sprintf("Content-Length: %d\r\n", n) }
	good := post(auth+js+length(2), "{}")
	if got := sendRaw(t, host, good); got != http.StatusOK {
		t.Fatalf("the plain request: %d", got)
	}
	foreign := strings.Replace(good, "Host: "+host, "Host: evil.example.com", 1)
	for name, c := range map[string]struct {
		request string
		want    int
	}{
		"foreign host":         {foreign, http.StatusMisdirectedRequest},
		"host without port":    {strings.Replace(good, "Host: "+host, "Host: 127.0.0.1", 1), http.StatusMisdirectedRequest},
		"foreign origin":       {post("Origin: https://evil.example.com\r\n"+auth+js+length(2), "{}"), http.StatusMisdirectedRequest},
		"null origin":          {post("Origin: null\r\n"+auth+js+length(2), "{}"), http.StatusMisdirectedRequest},
		"preflight":            {head("OPTIONS /v1/whoami HTTP/1.1", "Host: "+host, "Origin: https://evil.example.com", "Connection: close", "", ""), http.StatusMisdirectedRequest},
		"absolute form":        {strings.Replace(good, "POST /v1", "POST http://evil.example.com/v1", 1), http.StatusBadRequest},
		"absolute form, own":   {strings.Replace(good, "POST /v1", "POST "+w.Server+"/v1", 1), http.StatusBadRequest},
		"two hosts":            {strings.Replace(good, "Connection", "Host: "+host+"\r\nConnection", 1), http.StatusBadRequest},
		"no host":              {strings.Replace(good, "Host: "+host+"\r\n", "", 1), http.StatusBadRequest},
		"PUT":                  {strings.Replace(good, "POST", "PUT", 1), http.StatusBadRequest},
		"TRACE":                {strings.Replace(good, "POST", "TRACE", 1), http.StatusBadRequest},
		"query":                {strings.Replace(good, "/v1/whoami", "/v1/whoami?x=1", 1), http.StatusBadRequest},
		"unknown verb":         {strings.Replace(good, "/v1/whoami", "/v1/nothing", 1), http.StatusNotFound},
		"dotted path":          {strings.Replace(good, "/v1/whoami", "/v1/../v1/whoami", 1), http.StatusNotFound},
		"chunked":              {post(auth+js+"Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), http.StatusLengthRequired},
		"length and chunked":   {post(auth+js+length(2)+"Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"), http.StatusLengthRequired},
		"two lengths":          {post(auth+js+length(2)+length(3), "{}"), http.StatusBadRequest},
		"negative length":      {post(auth+js+"Content-Length: -2\r\n", "{}"), http.StatusBadRequest},
		"no content type":      {post(auth+length(2), "{}"), http.StatusUnsupportedMediaType},
		"form":                 {post(auth+"Content-Type: text/plain\r\n"+length(2), "{}"), http.StatusUnsupportedMediaType},
		"json with parameters": {post(auth+"Content-Type: application/json; charset=x\r\n"+length(2), "{}"), http.StatusUnsupportedMediaType},
		"gzip":                 {post(auth+js+"Content-Encoding: gzip\r\n"+length(2), "{}"), http.StatusUnsupportedMediaType},
		"no token":             {post(js+length(2), "{}"), http.StatusUnauthorized},
		"two tokens":           {post(auth+auth+js+length(2), "{}"), http.StatusUnauthorized},
		"bearer in lower case": {post(strings.Replace(auth, "Bearer", "bearer", 1)+js+length(2), "{}"), http.StatusUnauthorized},
		"basic":                {post("Authorization: Basic eDp5\r\n"+js+length(2), "{}"), http.StatusUnauthorized},
		"token in a cookie":    {post("Cookie: token="+token+"\r\n"+js+length(2), "{}"), http.StatusUnauthorized},
		"body too large":       {post(auth+js+length(65<<10), strings.Repeat(" ", 65<<10)), http.StatusRequestEntityTooLarge},
		"header of 64 KiB":     {post(auth+js+"X-Big: "+strings.Repeat("x", 64<<10)+"\r\n"+length(2), "{}"), http.StatusOK},
		"header too large":     {post(auth+js+"X-Big: "+strings.Repeat("x", 69<<10)+"\r\n"+length(2), "{}"), http.StatusRequestHeaderFieldsTooLarge},
		"header far too large": {post(auth+js+"X-Big: "+strings.Repeat("x", 200<<10)+"\r\n"+length(2), "{}"), http.StatusRequestHeaderFieldsTooLarge},
		"not json":             {post(auth+js+length(2), "{]"), http.StatusBadRequest},
		"unknown field":        {post(auth+js+length(7), `{"x":1}`), http.StatusBadRequest},
		"two values":           {post(auth+js+length(4), `{}{}`), http.StatusBadRequest},
		"body on GET":          {head("GET /v1/config HTTP/1.1", "Host: "+host, "Connection: close", "Content-Length: 2", "", "{}"), http.StatusBadRequest},
	} {
		if got := sendRaw(t, host, c.request); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for name, endpoint := range map[string]string{"pool": w.CognitoEndpoint, "storage": w.S3Endpoint} {
		address := strings.TrimPrefix(endpoint, "http://")
		for _, extra := range []string{"Host: evil.example.com", "Host: " + address + "\r\nOrigin: https://evil.example.com"} {
			if got := sendRaw(t, address, head("GET / HTTP/1.1", extra, "Connection: close", "", "")); got != http.StatusMisdirectedRequest {
				t.Errorf("the sandbox's %s responds to %q with %d", name, extra, got)
			}
		}
	}
}

func TestBadBodies(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ada := w.SignIn(t, "ada")
	long := strings.Repeat("k", 1025)
	for _, key := range []string{"", long, "a\u0000b"} { // only this item fails
		out, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "company-reports", Key: key}, {Bucket: "company-reports", Key: "quarterly/q3.csv"}}})
		if err != nil || out.Items[0].Error == nil || out.Items[0].Error.Code != api.BadRequest || out.Items[1].URL == "" {
			t.Errorf("a release of %.10q and another: %v %+v", key, err, out)
		}
	}
	for verb, bodies := range map[string][]string{
		"list": {
			`{"bucket":"company-reports","prefix":"annual"}`, `{"bucket":"company-reports","prefix":"annual/","limit":1001}`, `{"bucket":"company-reports","limit":-1}`,
			`{"bucket":"","prefix":"annual/"}`, `{"bucket":"../x","prefix":""}`, `{"bucket":"arn:aws:s3:::x","prefix":""}`, `{"bucket":"company-reports","prefix":"annual/","bucket":"hr"}`,
			`{"bucket":"company-reports","Prefix":"hr/"}`, `{"bucket":"company-reports","prefix":"\u0000/"}`, `null`, `[]`, `""`,
		},
		"release": {
			`{"objects":[]}`,
			`{"objects":[{"bucket":"company-reports","key":"a","etag":"no quotes"}]}`, `{"objects":[{"bucket":"company-reports","key":"a","etag":"\"x\"\r\nx: y\""}]}`,
			`{"objects":[{"bucket":"company-reports","key":"a","continues":"x"}]}`, `{"objects":[{"bucket":"company-reports","key":"a"}],"purpose":"x"}`,
			`{"objects":[` + strings.Repeat(`{"bucket":"company-reports","key":"a"},`, 250) + `{"bucket":"company-reports","key":"a"}]}`,
		},
		"search": {
			`{"bucket":"company-reports","prefix":"annual/"}`, `{"bucket":"company-reports","text":"a","glob":"b"}`, `{"bucket":"company-reports","glob":"["}`,
			`{"bucket":"company-reports","prefix":"annual","text":"a"}`, `{"bucket":"","text":"a"}`, `{"bucket":"company-reports","text":"` + strings.Repeat("x", 257) + `"}`,
			`{"bucket":"company-reports","glob":"` + strings.Repeat("*a", 17) + `"}`, `{"bucket":"company-reports","glob":"{a,b}{a,b}{a,b}{a,b}"}`,
			`{"bucket":"company-reports","glob":"**/**/**/**/x"}`,
		},
		"complete":      {`{"items":[]}`},
		"audit/query":   {`{"filter":"nonsense:x"}`, `{"filter":"` + strings.Repeat("who:a ", 17) + `"}`, `{"filter":"","after":"x"}`, `{"filter":"","limit":1001}`},
		"audit/summary": {`{"hours":0}`, `{"hours":169}`},
	} {
		for _, body := range bodies {
			if status, _, text := raw(t, w, ada, verb, body); status != http.StatusBadRequest {
				t.Errorf("%s %.80s: %d %s", verb, body, status, text)
			}
		}
	}
}

// A cursor continues its own listing only.
func TestCursorsCannotBeForged(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	alan := w.SignIn(t, "alan")
	first := func(prefix string, recursive bool) api.ListResponse {
		out, err := alan.List(t.Context(), api.ListRequest{Bucket: "datasets", Prefix: prefix, Recursive: recursive, Limit: 3})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	page := first("public/sensor-readings/", false)
	if page.Cursor == "" || len(page.Entries) != 3 {
		t.Fatalf("%+v", page)
	}
	next, err := alan.List(t.Context(), api.ListRequest{Bucket: "datasets", Prefix: "public/sensor-readings/", Limit: 3, Cursor: page.Cursor})
	if err != nil || next.Entries[0].Name <= page.Entries[2].Name {
		t.Fatalf("%v %v", next, err)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(page.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	forgeries := map[string]api.ListRequest{}
	with := func(name, cursor string) {
		forgeries[name] = api.ListRequest{Bucket: "datasets", Prefix: "public/sensor-readings/", Limit: 3, Cursor: cursor}
	}
	edit := func(f func(b []byte) []byte) string {
		return base64.RawURLEncoding.EncodeToString(f(append([]byte(nil), sealed...)))
	}
	with("one character", "A")
	with("words", "start-after-z")
	with("a line end", page.Cursor+"\n")
	with("padding", page.Cursor+"=")
	with("a space", " "+page.Cursor)
	with("twice", page.Cursor+page.Cursor)
	with("standard alphabet", "+/"+page.Cursor[2:])
	with("clear JSON", base64.RawURLEncoding.EncodeToString([]byte(`{"v":"list"}`)))
	with("first byte", edit(func(b []byte) []byte { b[0] ^= 1; return b }))
	with("nonce", edit(func(b []byte) []byte { b[11] ^= 1; return b }))
	with("text", edit(func(b []byte) []byte { b[20] ^= 1; return b }))
	with("tag", edit(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }))
	with("cut by one", edit(func(b []byte) []byte { return b[:len(b)-1] }))
	with("cut to the nonce", edit(func(b []byte) []byte { return b[:12] }))
	with("cut inside the nonce", edit(func(b []byte) []byte { return b[:8] }))
	with("longer by one", edit(func(b []byte) []byte { return append(b, 0) }))
	with("zeros", edit(func(b []byte) []byte { clear(b); return b }))
	with("rotated", edit(func(b []byte) []byte { return append(b[1:], b[0]) }))
	forgeries["another prefix"] = api.ListRequest{Bucket: "datasets", Prefix: "public/", Limit: 3, Cursor: page.Cursor}
	forgeries["another bucket"] = api.ListRequest{Bucket: "builds", Prefix: "public/sensor-readings/", Limit: 3, Cursor: page.Cursor}
	forgeries["the bucket itself"] = api.ListRequest{Bucket: "builds", Prefix: "", Limit: 3, Cursor: page.Cursor}
	forgeries["recursive"] = api.ListRequest{Bucket: "datasets", Prefix: "public/sensor-readings/", Recursive: true, Limit: 3, Cursor: page.Cursor}
	forgeries["another start"] = api.ListRequest{Bucket: "datasets", Prefix: "public/sensor-readings/", Start: "a", Limit: 3, Cursor: page.Cursor}
	for name, in := range forgeries {
		if out, err := alan.List(t.Context(), in); codeOf(err) != api.BadCursor {
			t.Errorf("%s: %v %d entries, want bad_cursor", name, err, len(out.Entries))
		}
		now.Pass(100 * time.Millisecond) // stays within the budget of listings
	}
	other := w.SignIn(t, "edsger")
	if _, err := other.List(t.Context(), api.ListRequest{Bucket: "datasets", Prefix: "public/sensor-readings/", Limit: 3, Cursor: page.Cursor}); codeOf(err) != api.BadCursor {
		t.Errorf("another person: %v, want bad_cursor", err)
	}
	now.Pass(16 * time.Minute)
	if _, err := alan.List(t.Context(), api.ListRequest{Bucket: "datasets", Prefix: "public/sensor-readings/", Limit: 3, Cursor: page.Cursor}); codeOf(err) != api.BadCursor {
		t.Errorf("an old cursor: %v, want bad_cursor", err)
	}
	if n := len(forgeries) + 2; n < 24 {
		t.Errorf("only %d forgeries", n)
	}
}

// One person's flood of refusals is bounded and counted. It does not delay
// another person's downloads.
func TestFloodOfDenials(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	w.Put(t, "company-reports", "annual/audited/one.csv", "one")
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	var mu sync.Mutex
	answers := map[api.Code]int{}
	for i := range 4 {
		flood.Go(func() { // plain HTTP: usher's client would wait after a 429
			rng := mrand.New(mrand.NewPCG(uint64(i), 1))
			for ctx.Err() == nil {
				body := fmt.Sprintf(`{"objects":[{"bucket":"company-reports","key":"board-packs/%d"}]}`, rng.IntN(1000))
				status, text := post(t, w.Server, api.VerbRelease, token, body)
				code := api.RateLimited
				if status == http.StatusOK && strings.Contains(text, string(api.NotFound)) {
					code = api.NotFound
				} else if status != http.StatusTooManyRequests {
					t.Errorf("a refused release: %d %s", status, text)
				}
				mu.Lock()
				answers[code]++
				n := answers[api.NotFound] + answers[api.RateLimited]
				mu.Unlock()
				if n >= 1200 {
					return
				}
			}
		})
	}
	for range 50 {
		if _, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/one.csv"); err != nil {
			t.Fatalf("grace's download during ada's flood: %v", err)
		}
	}
	flood.Wait()
	stop()
	if answers[api.NotFound] != 300 {
		t.Errorf("%d refusals are not_found, want 300: %v", answers[api.NotFound], answers)
	}
	now.Pass(61 * time.Second)
	names(t, ada, "", "")
	held := 0
	for _, e := range query(t, grace, "who:ada action:suppressed") {
		held += e.Count
	}
	denied := len(query(t, grace, "who:ada outcome:denied action:"+event.Download))
	if denied != 300 {
		t.Errorf("%d denied events, want 300", denied)
	}
	if held != answers[api.RateLimited] {
		t.Errorf("suppressed events count %d, want %d", held, answers[api.RateLimited])
	}
}
