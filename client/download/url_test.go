package download

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

const goodQuery = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=5ec4e7&x-usher-event=01J"

// TestURL takes what was asked for and refuses everything else that a
// backend, or somebody in its place, could send.
func TestURL(t *testing.T) {
	c := checker{hosts: normalHosts([]string{"S3.eu-central-1.amazonaws.com:443", "127.0.0.1:9000"}), allowHTTP: true}
	ask := api.ReleaseObject{Bucket: "company-reports", Key: "annual/a b+c/../ü?#%.pdf", ETag: `"e"`}
	path := "annual/a%20b+c/../%C3%BC%3F%23%25.pdf"
	good := api.ReleaseItem{URL: "https://s3.eu-central-1.amazonaws.com/company-reports/" + path + goodQuery, Life: 60, ETag: `"e"`,
		Headers: map[string]string{"if-match": `"e"`, "x-amz-checksum-mode": "ENABLED"}}
	for _, u := range []string{good.URL,
		"https://company-reports.s3.eu-central-1.amazonaws.com/" + path + goodQuery,
		"http://127.0.0.1:9000/company-reports/" + path + goodQuery} {
		item := good
		item.URL = u
		tk, err := c.ticketOf(ask, item, time.Now())
		if err != nil {
			t.Errorf("%s is refused: %v", u, err)
			continue
		}
		if tk.url.EscapedPath() == "" || !strings.HasSuffix(tk.url.RequestURI(), path+goodQuery) {
			t.Errorf("%s would be asked for as %s", u, tk.url.RequestURI())
		}
		if s := fmt.Sprintf("%v %+v %#v %s", tk, tk, tk, tk); strings.Contains(s, "5ec4e7") {
			t.Errorf("the signature is printed: %s", s)
		}
	}
	minus := int64(-1)
	bad := map[string]func(*api.ReleaseItem){
		"http":            func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "https", "http", 1) },
		"another scheme":  func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "https", "ftp", 1) },
		"file":            func(i *api.ReleaseItem) { i.URL = "file:///etc/passwd" },
		"no scheme":       func(i *api.ReleaseItem) { i.URL = i.URL[len("https:"):] },
		"another host":    func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "s3.eu", "s3.us", 1) },
		"suffix host":     func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "amazonaws.com", "amazonaws.com.evil.com", 1) },
		"prefix host":     func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "s3.eu", "evils3.eu", 1) },
		"other bucket":    func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "//s3", "//other.s3", 1) },
		"port":            func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, ".com/", ".com:8443/", 1) },
		"metadata":        func(i *api.ReleaseItem) { i.URL = "http://169.254.169.254/company-reports/" + path + goodQuery },
		"user":            func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "https://", "https://u:p@", 1) },
		"fragment":        func(i *api.ReleaseItem) { i.URL += "#x" },
		"another key":     func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, ".pdf", ".pdg", 1) },
		"cleaned key":     func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "a%20b+c/../", "", 1) },
		"twice encoded":   func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "%25", "%2525", 1) },
		"no signature":    func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "X-Amz-Signature", "X-Amz-Sign", 1) },
		"no expiry":       func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "X-Amz-Expires", "X-Amz-Exp", 1) },
		"long expiry":     func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "Expires=60", "Expires=604800", 1) },
		"odd expiry":      func(i *api.ReleaseItem) { i.URL = strings.Replace(i.URL, "Expires=60", "Expires=1e3", 1) },
		"repeated":        func(i *api.ReleaseItem) { i.URL += "&X-Amz-Expires=61" },
		"response header": func(i *api.ReleaseItem) { i.URL += "&response-content-type=text/html" },
		"semicolon":       func(i *api.ReleaseItem) { i.URL += "&a;b=c" },
		"huge":            func(i *api.ReleaseItem) { i.URL += "&x=" + strings.Repeat("x", 20<<10) },
		"control":         func(i *api.ReleaseItem) { i.URL += "\x1b[2J" },
		"empty":           func(i *api.ReleaseItem) { i.URL = "" },
		"no life":         func(i *api.ReleaseItem) { i.Life = 0 },
		"negative life":   func(i *api.ReleaseItem) { i.Life = -5 },
		"long life":       func(i *api.ReleaseItem) { i.Life = 901 },
		"another ETag":    func(i *api.ReleaseItem) { i.ETag = `"f"` },
		"other If-Match":  func(i *api.ReleaseItem) { i.Headers = map[string]string{"If-Match": `"f"`} },
		"authorization":   func(i *api.ReleaseItem) { i.Headers = map[string]string{"Authorization": "Bearer x"} },
		"cookie":          func(i *api.ReleaseItem) { i.Headers = map[string]string{"Cookie": "x"} },
		"range":           func(i *api.ReleaseItem) { i.Headers = map[string]string{"Range": "bytes=0-1"} },
		"host header":     func(i *api.ReleaseItem) { i.Headers = map[string]string{"Host": "evil"} },
		"split header":    func(i *api.ReleaseItem) { i.Headers = map[string]string{"x-amz-a": "b\r\nc: d"} },
		"split name":      func(i *api.ReleaseItem) { i.Headers = map[string]string{"x-amz-a: b\r\nc": "d"} },
		"encoding":        func(i *api.ReleaseItem) { i.Headers = map[string]string{"Transfer-Encoding": "chunked"} },
		"negative size":   func(i *api.ReleaseItem) { i.Size = &minus },
	}
	for name, change := range bad {
		item := good
		change(&item)
		_, err := c.ticketOf(ask, item, time.Now())
		if !errors.Is(err, ErrBadURL) {
			t.Errorf("%s is taken: %v", name, err)
			continue
		}
		if s := err.Error(); strings.Contains(s, "5ec4e7") || strings.ContainsRune(s, 0x1b) || strings.Contains(s, "evil") {
			t.Errorf("%s: the error repeats what was sent: %q", name, s)
		}
	}
	c.allowHTTP = false
	item := good
	item.URL = "http://127.0.0.1:9000/company-reports/" + path + goodQuery
	if _, err := c.ticketOf(ask, item, time.Now()); err == nil {
		t.Error("http is taken although it was not allowed")
	}
}

func FuzzURL(f *testing.F) {
	f.Add("https://s3.example.com/b/k"+goodQuery, "b", "k", 60)
	f.Add("http://127.0.0.1:1/b/k"+goodQuery, "b", "k", 60)
	f.Add("https://b.s3.example.com/../k"+goodQuery, "b", "../k", 900)
	f.Fuzz(func(t *testing.T, u, bucket, key string, life int) {
		c := checker{hosts: []string{"s3.example.com"}}
		tk, err := c.ticketOf(api.ReleaseObject{Bucket: bucket, Key: key}, api.ReleaseItem{URL: u, Life: life}, time.Now())
		if err != nil {
			return
		}
		if tk.url.Scheme != "https" || !strings.HasSuffix(strings.ToLower(tk.url.Host), "s3.example.com") || !strings.HasSuffix(tk.url.Path, "/"+key) {
			t.Errorf("%q is taken for %s/%s", u, bucket, key)
		}
	})
}

// TestTicketLife holds a URL's age to both clocks.
func TestTicketLife(t *testing.T) {
	now := time.Now()
	tk := &ticket{got: now, life: time.Minute}
	for _, c := range []struct {
		after time.Duration
		fresh bool
	}{{0, true}, {49 * time.Second, true}, {51 * time.Second, false}, {-time.Hour, true}, {time.Hour, false}} {
		if got := tk.fresh(now.Add(c.after), 10*time.Second); got != c.fresh {
			t.Errorf("after %v: fresh %v", c.after, got)
		}
	}
	// The wall clock alone moved, as after a suspend.
	if wall := now.Round(0).Add(10 * time.Minute); tk.fresh(wall, 10*time.Second) {
		t.Error("a URL outlived a suspend")
	}
	short := &ticket{got: now, life: 15 * time.Second}
	if !short.fresh(now.Add(5*time.Second), 10*time.Second) {
		t.Error("a short life leaves no room")
	}
}

// TestBadServers lets the backend answer garbage.
func TestBadServers(t *testing.T) {
	w := newWorld(t)
	w.put("b/k", random(1, 1000), "CRC64NVME")
	for name, change := range map[string]func(*api.ReleaseItem){
		"bad URL":            func(i *api.ReleaseItem) { i.URL = "https://evil.example/b/k" + goodQuery },
		"huge size":          func(i *api.ReleaseItem) { n := int64(1) << 62; i.Size = &n },
		"malformed checksum": func(i *api.ReleaseItem) { i.Checksum = &api.Checksum{Algorithm: "CRC64NVME", Value: "\x1b[2J"} },
		"odd parts":          func(i *api.ReleaseItem) { i.Parts = &api.Parts{Count: -1, Size: -1} },
		"empty item":         func(i *api.ReleaseItem) { *i = api.ReleaseItem{} },
		"unknown code": func(i *api.ReleaseItem) {
			*i = api.ReleaseItem{Error: &api.ItemError{Code: "\x1b[31mboo", Message: "\x1b[31m"}}
		},
	} {
		w.onItem = change
		e, dir := w.engine(), scratch(t)
		id := e.Add(Request{Bucket: "b", Key: "k", Dir: dir})[0]
		wait(t, e)
		tr := find(t, e, id)
		ok := tr.State == Failed && tr.Err != nil || name == "odd parts" && tr.State == Done
		if text := fmt.Sprintf("%v %v %+v", tr.Err, tr.Event, tr); !ok || strings.ContainsRune(fmt.Sprint(tr.Err, tr.Event), 0x1b) || strings.Contains(text, "Signature") {
			t.Errorf("%s: %v, %q", name, tr.State, tr.Err)
		}
		if left := leftovers(t, dir); left != nil {
			t.Errorf("%s: left behind %v", name, left)
		}
	}
}

// TestOrigin: connections are opened ahead to where the URLs will lead.
func TestOrigin(t *testing.T) {
	for _, c := range []struct{ host, bucket, want string }{
		{"s3.eu-central-1.amazonaws.com", "company-reports", "https://company-reports.s3.eu-central-1.amazonaws.com"},
		{"s3.eu-central-1.amazonaws.com", "company.reports", "https://s3.eu-central-1.amazonaws.com"},
		{"s3.eu-central-1.amazonaws.com", "evil:80/", "https://s3.eu-central-1.amazonaws.com"},
		{"storage.example:9000", "builds", "https://builds.storage.example:9000"},
		{"192.0.2.7:9000", "builds", "https://192.0.2.7:9000"},
		{"127.0.0.1:9000", "builds", "http://127.0.0.1:9000"},
		{"localhost:9000", "builds", "http://localhost:9000"},
	} {
		check := checker{hosts: normalHosts([]string{c.host}), allowHTTP: true}
		if got := check.origin(c.bucket).String(); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.bucket, c.host, got, c.want)
		}
	}
}
