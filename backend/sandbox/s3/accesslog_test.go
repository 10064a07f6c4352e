package s3

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// SPEC: userguide/LogFormat.html
var logLine = regexp.MustCompile(`^[0-9a-f]{64} (\S+) \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] (\S+) (\S+) ([0-9A-F]{16}) (\S+) (\S+) "(\S+) (\S+) HTTP/1\.1" (\d+) (\S+) (\S+) (\S+) \d+ \d+ "([^"]*)" "([^"]*)" - \S+ (\S+) - (\S+) \S+ - - -$`)

func TestAccessLog(t *testing.T) {
	r := newRig(t)
	r.put("dir/a b.txt", "0123456789")
	r.keys.Put("ASIA1", Credential{Secret: "s", ARN: "arn:aws:sts::1:assumed-role/reader/ada", SessionToken: "the-session-token", Expires: r.clock.Now().Add(time.Hour)})
	temp := aws.Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "s", SessionToken: "the-session-token"}
	q := r.presignedAs(raw{method: "GET", path: "/box/dir/a%20b.txt", query: "x-usher-event=01JABC"}, 60, temp, region, "s3", r.clock.Now())
	q.header = http.Header{"Range": {"bytes=0-3"}, "User-Agent": {"evil\" 200 - \x9b\"agent"}}
	if a := r.do(q); a.StatusCode != 206 {
		t.Fatal(a.Status, a.body)
	}
	_, signature, _ := strings.Cut(q.query, "X-Amz-Signature=")
	q.query = strings.Replace(q.query, "01JABC", "01JXYZ", 1)
	r.do(q)
	lines := strings.Split(strings.TrimSuffix(r.log.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), r.log.String())
	}
	var m [][]string
	for _, l := range lines {
		f := logLine.FindStringSubmatch(l)
		if f == nil {
			t.Fatalf("not a log line: %s", l)
		}
		m = append(m, f)
	}
	if got := fmt.Sprint(m[0][1], m[0][5], m[0][9]); got != "box REST.PUT.OBJECT 200" && got != "boxREST.PUT.OBJECT200" {
		t.Errorf("put: %s", got)
	}
	get := m[1]
	for i, want := range map[int]string{1: "box", 2: "127.0.0.1", 3: "arn:aws:sts::1:assumed-role/reader/ada", 5: "REST.GET.OBJECT", 6: "dir/a%20b.txt", 7: "GET", 9: "206", 10: "-", 11: "4", 12: "10", 15: "SigV4", 16: "QueryString"} {
		if get[i] != want {
			t.Errorf("field %d: %q, want %q", i, get[i], want)
		}
	}
	if !strings.Contains(get[8], "x-usher-event=01JABC") {
		t.Errorf("the event is not in %q", get[8])
	}
	if m[2][9] != "403" || m[2][10] != "SignatureDoesNotMatch" || m[2][3] != "-" {
		t.Errorf("refusal: %v", m[2])
	}
	if all := r.log.String(); strings.Contains(all, signature) || strings.Contains(all, "the-session-token") || strings.Contains(all, "\x9b") {
		t.Errorf("the log contains a secret or a control byte: %s", all)
	}
}

// A copy has a line of its own, and one for the read of its source.
func TestCopyHasTwoLines(t *testing.T) {
	r := newRig(t)
	r.put("dir/a b.txt", "0123456789")
	before := len(r.log.String())
	a := r.do(r.signed(raw{method: "PUT", path: "/box/copy", header: http.Header{"X-Amz-Copy-Source": {"/box/dir/a%20b.txt"}}}))
	if a.StatusCode != 200 {
		t.Fatal(a.Status, a.body)
	}
	var m [][]string
	for line := range strings.Lines(r.log.String()[before:]) {
		m = append(m, logLine.FindStringSubmatch(strings.TrimSpace(line)))
	}
	if len(m) != 2 || m[0] == nil || m[1] == nil || m[0][5] != "REST.COPY.OBJECT" || m[0][6] != "copy" || m[1][5] != "REST.COPY.OBJECT_GET" || m[1][6] != "dir/a%20b.txt" || m[0][4] != m[1][4] {
		t.Errorf("lines %q", r.log.String())
	}
}

func TestNoFormatVerbShowsASecret(t *testing.T) {
	c := Credential{Secret: "hush-hush", SessionToken: "tok-tok"}
	ring := new(Keyring)
	ring.Put("AKIA", c)
	config := Config{Region: region, Keys: ring, Now: time.Now, Dir: t.TempDir()}
	srv, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{c, &c, []Credential{c}, struct{ C Credential }{c}, ring, config, srv, srv.verifier, &srv.verifier, struct{ s *Server }{srv}} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "hush") || strings.Contains(s, "68757368") || strings.Contains(s, "tok-") {
				t.Errorf("%s: %s", verb, s)
			}
		}
	}
}

func TestNewNamesTheMissingField(t *testing.T) {
	full := Config{Region: region, Keys: new(Keyring), Now: time.Now, Dir: t.TempDir()}
	if _, err := New(full); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(*Config){"Region": func(c *Config) { c.Region = "" }, "Keys": func(c *Config) { c.Keys = nil },
		"Now": func(c *Config) { c.Now = nil }, "Dir": func(c *Config) { c.Dir = "" }} {
		c := full
		f(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
