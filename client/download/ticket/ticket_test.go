package ticket

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

const goodQuery = "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=5ec4e7&x-usher-event=01J"

// The object of TestAccepted and TestRefused, and its URLs in both styles.
const (
	storage = "s3.eu-central-1.amazonaws.com"
	path    = "annual/a%20b+c/../%C3%BC%3F%23%25.pdf"
	byPath  = "https://" + storage + "/company-reports/" + path + goodQuery
	byHost  = "https://company-reports." + storage + "/" + path + goodQuery
	local   = "http://127.0.0.1:9000/company-reports/" + path + goodQuery
)

func asked() api.ReleaseObject {
	return api.ReleaseObject{Bucket: "company-reports", Key: "annual/a b+c/../ü?#%.pdf", ETag: `"e"`}
}

func item(url string) api.ReleaseItem {
	return api.ReleaseItem{URL: url, Life: 60, ETag: `"e"`, Headers: map[string]string{"if-match": `"e"`, "x-amz-checksum-mode": "ENABLED"}}
}

func checker(t testing.TB, allowHTTP bool) *Checker {
	t.Helper()
	c, err := New(Config{Hosts: []string{"S3.eu-central-1.amazonaws.com:443", "127.0.0.1:9000"}, AllowHTTP: allowHTTP})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAccepted checks that a valid URL is accepted unchanged and never printed.
func TestAccepted(t *testing.T) {
	for _, u := range []string{byPath, byHost, local} {
		tk, err := checker(t, true).Check(asked(), item(u), time.Now())
		if err != nil {
			t.Errorf("%s is refused: %v", u, err)
			continue
		}
		if !strings.HasSuffix(tk.URL.RequestURI(), path+goodQuery) {
			t.Errorf("%s would be requested as %s", u, tk.URL.RequestURI())
		}
		if got := tk.Header.Get("If-Match"); got != `"e"` {
			t.Errorf("%s: If-Match is %q", u, got)
		}
		if s := fmt.Sprintf("%v %+v %#v %s", tk, tk, tk, tk); strings.Contains(s, "5ec4e7") {
			t.Errorf("the signature is printed: %s", s)
		}
	}
	if _, err := New(Config{Hosts: []string{" "}}); err == nil {
		t.Error("a checker without a host was made")
	}
}

// TestIfMatchIsAlwaysSent checks that every request for a known content has
// If-Match, also if the backend does not require the header.
func TestIfMatchIsAlwaysSent(t *testing.T) {
	i := item(byPath)
	i.ETag, i.Headers = "", nil
	tk, err := checker(t, false).Check(asked(), i, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got := tk.Header.Get("If-Match"); got != `"e"` {
		t.Errorf("If-Match is %q", got)
	}
}

// TestRefused changes one property of a valid URL in each row. The reason is
// compared, so that a row cannot pass through another check. Rows about hosts
// exist for both URL styles, with a valid path.
func TestRefused(t *testing.T) {
	const (
		host   = "its host is not the configured storage"
		object = "it names another object"
		life   = "its life is out of bounds"
	)
	change := func(from, to string) func(*api.ReleaseItem) {
		return func(i *api.ReleaseItem) {
			changed := strings.Replace(i.URL, from, to, 1)
			if changed == i.URL {
				panic("the row changes nothing: " + from)
			}
			i.URL = changed
		}
	}
	header := func(name, value string) func(*api.ReleaseItem) {
		return func(i *api.ReleaseItem) { i.Headers = map[string]string{name: value} }
	}
	minus := int64(-1)
	for _, row := range []struct {
		name   string
		url    string // before the change
		change func(*api.ReleaseItem)
		reason string
	}{
		{"http", byPath, change("https", "http"), "it is not encrypted"},
		{"another scheme", byPath, change("https", "ftp"), "it is not an https address"},
		{"a file", byPath, func(i *api.ReleaseItem) { i.URL = "file:///etc/passwd" }, "it is not an https address"},
		{"no scheme", byPath, change("https:", ""), "it is not an https address"},
		{"a name before the colon", byPath, change("https://", "https:"), "it holds more than an address"},
		{"another host, by path", byPath, change("s3.eu", "s3.us"), host},
		{"another host, by host", byHost, change("s3.eu", "s3.us"), host},
		{"another host, key alone", byHost, change("company-reports."+storage, "evil.example"), host},
		{"a longer host, by path", byPath, change("amazonaws.com", "amazonaws.com.evil.example"), host},
		{"a longer host, by host", byHost, change("amazonaws.com", "amazonaws.com.evil.example"), host},
		{"a host with the same ending", byPath, change("//s3.eu", "//evils3.eu"), host},
		{"a host with the same ending, key alone", byHost, change("company-reports.s3.eu", "evils3.eu"), host},
		{"the bucket of another", byHost, change("company-reports.", "other."), host},
		{"a bucket below the bucket", byHost, change("company-reports.", "x.company-reports."), host},
		{"a dot after the host", byHost, change("amazonaws.com", "amazonaws.com."), host},
		{"another port, by path", byPath, change(".com/", ".com:8443/"), host},
		{"another port, by host", byHost, change(".com/", ".com:8443/"), host},
		{"another port of this machine", local, change(":9000", ":9001"), host},
		{"another address of this machine", local, change("127.0.0.1", "127.0.0.2"), host},
		{"the metadata service", local, change("127.0.0.1:9000", "169.254.169.254"), "it is not encrypted"},
		{"a user", byPath, change("https://", "https://u:p@"), "it holds more than an address"},
		{"a fragment", byPath, func(i *api.ReleaseItem) { i.URL += "#x" }, "it holds more than an address"},
		{"another key, by path", byPath, change(".pdf", ".pdg"), object},
		{"another key, by host", byHost, change(".pdf", ".pdg"), object},
		{"another bucket", byPath, change("company-reports", "company-secrets"), object},
		{"the path of the other style", byHost, change("/annual", "/company-reports/annual"), object},
		{"a cleaned key", byPath, change("a%20b+c/../", ""), object},
		{"encoded twice", byPath, change("%25", "%2525"), object},
		{"no signature", byPath, change("X-Amz-Signature", "X-Amz-Sign"), "it is not signed"},
		{"an empty signature", byPath, change("X-Amz-Signature=5ec4e7", "X-Amz-Signature="), "it is not signed"},
		{"no expiry", byPath, change("X-Amz-Expires", "X-Amz-Exp"), life},
		{"a week", byPath, change("Expires=60", "Expires=604800"), life},
		{"an odd expiry", byPath, change("Expires=60", "Expires=1e3"), life},
		{"no life", byPath, func(i *api.ReleaseItem) { i.Life = 0 }, life},
		{"a negative life", byPath, func(i *api.ReleaseItem) { i.Life = -5 }, life},
		{"a long life", byPath, func(i *api.ReleaseItem) { i.Life = MaxLife + 1 }, life},
		{"a repeated parameter", byPath, func(i *api.ReleaseItem) { i.URL += "&X-Amz-Expires=60" }, "it repeats a parameter"},
		{"too many parameters", byPath, func(i *api.ReleaseItem) {
			for n := range 40 {
				i.URL += fmt.Sprintf("&x-%d=1", n)
			}
		}, "it has too many parameters"},
		{"a semicolon", byPath, func(i *api.ReleaseItem) { i.URL += "&a=1;b=2" }, "its query does not parse"},
		{"a malformed escape", byPath, func(i *api.ReleaseItem) { i.URL += "&a=%zz" }, "its query does not parse"},
		{"a parameter twice, once escaped", byPath, func(i *api.ReleaseItem) { i.URL += "&X-Amz-%45xpires=900" }, "it repeats a parameter"},
		{"a response header", byPath, func(i *api.ReleaseItem) { i.URL += "&response-content-type=text/html" }, "it changes the answer's headers"},
		{"a response header in capitals", byPath, func(i *api.ReleaseItem) { i.URL += "&Response-Content-Type=text/html" }, "it changes the answer's headers"},
		{"a semicolon", byPath, func(i *api.ReleaseItem) { i.URL += "&a;b=c" }, "its query does not parse"},
		{"huge", byPath, func(i *api.ReleaseItem) { i.URL += "&x=" + strings.Repeat("x", 20<<10) }, "it is too long"},
		{"a control character", byPath, func(i *api.ReleaseItem) { i.URL += "\x1b[2J" }, "it does not parse"},
		{"a letter outside ASCII", byPath, change("%C3%BC", "ü"), "it does not parse"},
		{"nothing", byPath, func(i *api.ReleaseItem) { i.URL = "" }, "it is not an https address"},
		{"another ETag", byPath, func(i *api.ReleaseItem) { i.ETag = `"f"` }, "it is for another content"},
		{"another If-Match", byPath, header("If-Match", `"f"`), "it is for another content"},
		{"a credential", byPath, header("Authorization", "Bearer x"), "it needs a header that a download does not have"},
		{"a cookie", byPath, header("Cookie", "x"), "it needs a header that a download does not have"},
		{"a range", byPath, header("Range", "bytes=0-1"), "it needs a header that a download does not have"},
		{"an encoding", byPath, header("Transfer-Encoding", "chunked"), "it needs a header that a download does not have"},
		{"a host header", byPath, header("Host", "evil"), "its host header differs"},
		{"a split value", byPath, header("x-amz-a", "b\r\nc: d"), "it needs a malformed header"},
		{"a split name", byPath, header("x-amz-a: b\r\nc", "d"), "it needs a malformed header"},
		{"a negative size", byPath, func(i *api.ReleaseItem) { i.Size = &minus }, "the size is negative"},
	} {
		t.Run(row.name, func(t *testing.T) {
			i := item(row.url)
			row.change(&i)
			_, err := checker(t, true).Check(asked(), i, time.Now())
			var refused *Error
			if !errors.As(err, &refused) || !errors.Is(err, ErrRefused) {
				t.Fatalf("accepted: %v", err)
			}
			if refused.Reason != row.reason {
				t.Errorf("refused because %s, want %s", refused.Reason, row.reason)
			}
			if s := err.Error(); strings.Contains(s, "5ec4e7") || strings.ContainsRune(s, 0x1b) || strings.Contains(s, "evil") {
				t.Errorf("the error repeats a part of the URL: %q", s)
			}
		})
	}
}

// TestHTTP checks that http needs a loopback address and AllowHTTP.
func TestHTTP(t *testing.T) {
	if _, err := checker(t, false).Check(asked(), item(local), time.Now()); !errors.Is(err, ErrRefused) {
		t.Errorf("http without AllowHTTP: %v", err)
	}
	c, err := New(Config{Hosts: []string{"192.0.2.7:9000"}, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	far := strings.Replace(local, "127.0.0.1", "192.0.2.7", 1)
	if _, err := c.Check(asked(), item(far), time.Now()); !errors.Is(err, ErrRefused) {
		t.Errorf("http to another machine: %v", err)
	}
}

// FuzzURL checks that an accepted URL has a configured host and the object's key.
func FuzzURL(f *testing.F) {
	f.Add("https://s3.example.com/b/k"+goodQuery, "b", "k", 60)
	f.Add("http://127.0.0.1:1/b/k"+goodQuery, "b", "k", 60)
	f.Add("https://b.s3.example.com/../k"+goodQuery, "b", "../k", 900)
	f.Fuzz(func(t *testing.T, u, bucket, key string, life int) {
		c, err := New(Config{Hosts: []string{"s3.example.com"}})
		if err != nil {
			t.Fatal(err)
		}
		tk, err := c.Check(api.ReleaseObject{Bucket: bucket, Key: key}, api.ReleaseItem{URL: u, Life: life}, time.Now())
		if err != nil {
			return
		}
		if tk.URL.Scheme != "https" || !strings.HasSuffix(strings.ToLower(tk.URL.Host), "s3.example.com") || !strings.HasSuffix(tk.URL.Path, "/"+key) {
			t.Errorf("%q is accepted for %s/%s", u, bucket, key)
		}
	})
}

// TestLife checks that the wall clock and the monotonic clock both count for the
// age of a URL.
func TestLife(t *testing.T) {
	now := time.Now()
	tk := &Ticket{Got: now, Life: time.Minute}
	for _, c := range []struct {
		after time.Duration
		fresh bool
	}{{0, true}, {49 * time.Second, true}, {51 * time.Second, false}, {-time.Hour, true}, {time.Hour, false}} {
		if got := tk.Fresh(now.Add(c.after), 10*time.Second); got != c.fresh {
			t.Errorf("after %v: fresh %v", c.after, got)
		}
	}
	// Only the wall clock advanced, as during a suspend.
	if wall := now.Round(0).Add(10 * time.Minute); tk.Fresh(wall, 10*time.Second) {
		t.Error("a URL outlived a suspend")
	}
	short := &Ticket{Got: now, Life: 15 * time.Second}
	if !short.Fresh(now.Add(5*time.Second), 10*time.Second) {
		t.Error("a URL with a short life is never fresh")
	}
}

// TestOrigin checks the address to which connections are opened ahead.
func TestOrigin(t *testing.T) {
	for _, row := range []struct{ host, bucket, want string }{
		{storage, "company-reports", "https://company-reports." + storage},
		{storage, "company.reports", "https://" + storage},
		{storage, "evil:80/", "https://" + storage},
		{"storage.example:9000", "builds", "https://builds.storage.example:9000"},
		{"192.0.2.7:9000", "builds", "https://192.0.2.7:9000"},
		{"127.0.0.1:9000", "builds", "http://127.0.0.1:9000"},
		{"localhost:9000", "builds", "http://localhost:9000"},
	} {
		c, err := New(Config{Hosts: []string{row.host}, AllowHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Origin(row.bucket).String(); got != row.want {
			t.Errorf("%s at %s: %s, want %s", row.bucket, row.host, got, row.want)
		}
	}
}

// A URL for a named version has that version, and no other.
func TestVersion(t *testing.T) {
	check := checker(t, false)
	ask := api.ReleaseObject{Bucket: "b", Key: "k", Version: "v1"}
	for query, valid := range map[string]bool{"&versionId=v1": true, "&versionId=v2": false, "&versionId=": false, "": false, "&versionid=v1": false} {
		url := "https://" + storage + "/b/k?X-Amz-Expires=60&X-Amz-Signature=5ec4e7" + query
		_, err := check.Check(ask, api.ReleaseItem{URL: url, Life: 60}, time.Now())
		if (err == nil) != valid || err != nil && !strings.Contains(err.Error(), "it is for another version") {
			t.Errorf("%q: %v", query, err)
		}
	}
}
