package s3

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// tampering returns modified valid presigned URLs. Each case returns the response
// and the expected code.
func tampering(r *rig) map[string]func() (*answer, string) {
	const etag = `"5d41402abc4b2a76b9719d911017c592"` // of "hello"
	good := r.presigned(raw{method: "GET", path: "/box/dir/a%20b.txt", query: "x-usher-event=01J&b=2&b=1"}, 60)
	pinned := r.presigned(raw{method: "GET", path: "/box/dir/a%20b.txt", header: http.Header{"If-Match": {etag}, "X-Amz-Checksum-Mode": {"ENABLED"}}}, 60)
	temp := aws.Credentials{AccessKeyID: "ASIATEMP", SecretAccessKey: "temp-secret", SessionToken: "the-token"}
	session := r.presignedAs(raw{method: "GET", path: "/box/dir/a%20b.txt"}, 60, temp, region, "s3", r.clock.Now())
	change := func(q raw, f func(*raw)) func() (*answer, string) {
		return func() (*answer, string) {
			q.header = q.header.Clone()
			f(&q)
			return r.do(q), "SignatureDoesNotMatch"
		}
	}
	code := func(f func() (*answer, string), code string) func() (*answer, string) {
		return func() (*answer, string) { a, _ := f(); return a, code }
	}
	replace := func(old, new string) func(*raw) {
		return func(q *raw) {
			if !strings.Contains(q.query, old) {
				panic("the case changes nothing: " + old)
			}
			q.query = strings.Replace(q.query, old, new, 1)
		}
	}
	return map[string]func() (*answer, string){
		"another key":                  change(good, func(q *raw) { q.path = "/box/dir/other.txt" }),
		"key with dot segment":         change(good, func(q *raw) { q.path = "/box/dir/../dir/a%20b.txt" }),
		"key with empty segment":       change(good, func(q *raw) { q.path = "/box//dir/a%20b.txt" }),
		"another bucket":               change(good, func(q *raw) { q.path = "/box2/dir/a%20b.txt" }),
		"method HEAD":                  change(good, func(q *raw) { q.method = "HEAD" }),
		"method PUT":                   change(good, func(q *raw) { q.method, q.body = "PUT", "owned" }),
		"method DELETE":                change(good, func(q *raw) { q.method = "DELETE" }),
		"query added":                  change(good, func(q *raw) { q.query += "&versionId=null" }),
		"response override added":      change(good, func(q *raw) { q.query += "&response-content-type=text/html" }),
		"x- parameter added":           change(good, func(q *raw) { q.query += "&x-note=1" }),
		"query removed":                change(good, replace("&b=2", "")),
		"query duplicated":             change(good, func(q *raw) { q.query += "&b=1" }),
		"query value changed":          change(good, replace("x-usher-event=01J", "x-usher-event=01K")),
		"query emptied":                change(good, replace("x-usher-event=01J", "x-usher-event=")),
		"event removed":                change(good, replace("&x-usher-event=01J", "")),
		"another host":                 change(good, func(q *raw) { q.host = "s3.example.com" }),
		"longer life":                  change(good, replace("X-Amz-Expires=60", "X-Amz-Expires=600")),
		"signature's last digit":       change(good, func(q *raw) { q.query = flipLast(q.query) }),
		"signature upper case":         change(good, upperSignature),
		"signature cut":                change(good, func(q *raw) { q.query = strings.TrimRight(q.query[:len(q.query)-2], "&") }),
		"later date":                   change(good, replace("X-Amz-Date="+r.clock.Now().UTC().Format(amzDate), "X-Amz-Date="+r.clock.Now().UTC().Format(amzDate)[:13]+shifted(r.clock.Now())+"Z")),
		"a second signature":           code(change(good, func(q *raw) { q.query += "&X-Amz-Signature=" + strings.Repeat("0", 64) }), "AuthorizationQueryParametersError"),
		"two lives":                    code(change(good, func(q *raw) { q.query += "&X-Amz-Expires=600" }), "AuthorizationQueryParametersError"),
		"another region":               code(change(good, replace("eu-central-1", "us-east-1")), "AuthorizationQueryParametersError"),
		"another service":              code(change(good, replace("%2Fs3%2F", "%2Fsts%2F")), "AuthorizationQueryParametersError"),
		"another terminal":             code(change(good, replace("aws4_request", "aws5_request")), "AuthorizationQueryParametersError"),
		"another algorithm":            code(change(good, replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")), "AuthorizationQueryParametersError"),
		"life above a week":            code(change(good, replace("X-Amz-Expires=60", "X-Amz-Expires=604801")), "AuthorizationQueryParametersError"),
		"life zero":                    code(change(good, replace("X-Amz-Expires=60", "X-Amz-Expires=0")), "AuthorizationQueryParametersError"),
		"life negative":                code(change(good, replace("X-Amz-Expires=60", "X-Amz-Expires=-60")), "AuthorizationQueryParametersError"),
		"life not a number":            code(change(good, replace("X-Amz-Expires=60", "X-Amz-Expires=60s")), "AuthorizationQueryParametersError"),
		"life removed":                 code(change(good, replace("X-Amz-Expires=60", "y=1")), "AuthorizationQueryParametersError"),
		"host no longer signed":        code(change(good, replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range")), "AccessDenied"),
		"x-amz header not signed":      code(change(good, func(q *raw) { q.header.Set("x-amz-checksum-mode", "ENABLED") }), "AccessDenied"),
		"unknown key id":               code(change(good, replace(keyID, "AKIANOBODY")), "InvalidAccessKeyId"),
		"token on a key without one":   code(change(good, func(q *raw) { q.query += "&X-Amz-Security-Token=t" }), "InvalidToken"),
		"header and query both":        code(change(good, func(q *raw) { q.header.Set("Authorization", "AWS4-HMAC-SHA256 x") }), "InvalidArgument"),
		"If-Match left out":            change(pinned, func(q *raw) { q.header.Del("If-Match") }),
		"If-Match changed":             change(pinned, func(q *raw) { q.header.Set("If-Match", `"00000000000000000000000000000000"`) }),
		"If-Match given twice":         change(pinned, func(q *raw) { q.header.Add("If-Match", "*") }),
		"checksum mode left out":       change(pinned, func(q *raw) { q.header.Del("X-Amz-Checksum-Mode") }),
		"If-Match dropped from signed": code(change(pinned, replace("host%3Bif-match%3Bx-amz", "host%3Bx-amz")), "SignatureDoesNotMatch"),
		"session token changed":        code(change(session, replace("the-token", "another-token")), "InvalidToken"),
		"session token removed":        code(change(session, replace("&X-Amz-Security-Token=the-token", "")), "InvalidAccessKeyId"),
		"session token doubled":        change(session, func(q *raw) { q.query += "&X-Amz-Security-Token=the-token" }),
	}
}

func shifted(t time.Time) string {
	s := t.UTC().Format("05")
	if s[1] == '0' {
		return s[:1] + "1"
	}
	return s[:1] + "0"
}

func flipLast(q string) string {
	last := byte('0')
	if q[len(q)-1] == '0' {
		last = '1'
	}
	return q[:len(q)-1] + string(last)
}

func upperSignature(q *raw) {
	i := strings.Index(q.query, "X-Amz-Signature=") + len("X-Amz-Signature=")
	q.query = q.query[:i] + strings.ToUpper(q.query[i:])
}

// runTampering returns the number of cases and those without the expected code.
func runTampering(r *rig) (cases int, wrong []string) {
	r.put("dir/a b.txt", "hello")
	r.put("dir/other.txt", "other")
	r.keys.Put("ASIATEMP", Credential{Secret: "temp-secret", SessionToken: "the-token", Expires: r.clock.Now().Add(time.Hour)})
	for name, f := range tampering(r) {
		cases++
		a, code := f()
		if a.StatusCode < 400 || a.body != "" && a.code() != code {
			wrong = append(wrong, name+": "+a.Status+" "+a.code()+", want "+code)
		}
	}
	return cases, wrong
}

func TestTamperedURLIsRefused(t *testing.T) {
	r := newRig(t)
	cases, wrong := runTampering(r)
	for _, w := range wrong {
		t.Error(w)
	}
	if cases < 40 {
		t.Errorf("only %d cases ran", cases)
	}
	if a := r.do(r.presigned(raw{method: "GET", path: "/box/dir/a%20b.txt"}, 60)); a.StatusCode != 200 || a.body != "hello" {
		t.Errorf("an untouched URL: %s %q", a.Status, a.body)
	}
}

// The negative control: without the comparison of signatures, nearly all cases of
// the test above fail.
func TestTamperingCasesDetectAMissingComparison(t *testing.T) {
	r := newRig(t)
	r.srv.verifier.equal = func(_, _ []byte) bool { return true }
	_, wrong := runTampering(r)
	if len(wrong) < 15 {
		t.Errorf("without the comparison only %d cases fail: %v", len(wrong), wrong)
	}
}

func TestPresignedLifetime(t *testing.T) {
	r := newRig(t)
	r.put("k", "v")
	cases := []struct {
		name   string
		signed time.Duration // relative to now
		life   int
		want   int
		body   string
	}{
		{"fresh", 0, 60, 200, "v"},
		{"last second", -60 * time.Second, 60, 200, "v"},
		{"a second too late", -61 * time.Second, 60, 403, "Request has expired"},
		{"a week", -604800 * time.Second, 604800, 200, "v"},
		{"over a week", -604801 * time.Second, 604800, 403, "Request has expired"},
		{"15 minutes ahead", 15 * time.Minute, 60, 200, "v"},
		{"more than that", 15*time.Minute + time.Second, 60, 403, "not valid yet"},
	}
	for _, c := range cases {
		cred := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
		a := r.do(r.presignedAs(raw{method: "GET", path: "/box/k"}, c.life, cred, region, "s3", r.clock.Now().Add(c.signed)))
		if a.StatusCode != c.want || !strings.Contains(a.body, c.body) {
			t.Errorf("%s: %s %q", c.name, a.Status, a.body)
		}
	}
}

func TestHeaderSignature(t *testing.T) {
	r := newRig(t)
	r.put("k", "v")
	me := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret}
	now := r.clock.Now()
	get := raw{method: "GET", path: "/box/k"}
	sign := func(c aws.Credentials, region, service string, at time.Time) raw {
		return r.signedAs(get, c, emptySHA256, region, service, at)
	}
	with := func(q raw, name, value string) raw {
		if q.header = q.header.Clone(); q.header == nil {
			q.header = http.Header{}
		}
		if value == "" {
			q.header.Del(name)
		} else {
			q.header.Set(name, value)
		}
		return q
	}
	twice := sign(me, region, "s3", now)
	twice.header = twice.header.Clone()
	twice.header["Authorization"] = append(twice.header["Authorization"], twice.header.Get("Authorization"))
	cases := []struct {
		name string
		q    raw
		want int
		code string
	}{
		{"good", sign(me, region, "s3", now), 200, ""},
		{"15 minutes old", sign(me, region, "s3", now.Add(-15*time.Minute)), 200, ""},
		{"older", sign(me, region, "s3", now.Add(-15*time.Minute-time.Second)), 403, "RequestTimeTooSkewed"},
		{"ahead", sign(me, region, "s3", now.Add(15*time.Minute+time.Second)), 403, "RequestTimeTooSkewed"},
		{"wrong secret", sign(aws.Credentials{AccessKeyID: keyID, SecretAccessKey: "x"}, region, "s3", now), 403, "SignatureDoesNotMatch"},
		{"unknown key", sign(aws.Credentials{AccessKeyID: "AKIANO", SecretAccessKey: secret}, region, "s3", now), 403, "InvalidAccessKeyId"},
		{"wrong region", sign(me, "us-east-1", "s3", now), 400, "AuthorizationHeaderMalformed"},
		{"wrong service", sign(me, region, "dynamodb", now), 400, "AuthorizationHeaderMalformed"},
		{"bogus token", sign(aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: "x"}, region, "s3", now), 400, "InvalidToken"},
		{"no hash", with(sign(me, region, "s3", now), "X-Amz-Content-Sha256", ""), 400, "InvalidRequest"},
		{"bad hash", r.signedAs(get, me, "UNSIGNED", region, "s3", now), 400, "InvalidArgument"},
		{"unsigned x-amz", with(sign(me, region, "s3", now), "X-Amz-Acl", "private"), 403, "AccessDenied"},
		{"SigV2", with(get, "Authorization", "AWS AKIA:sig="), 400, "InvalidRequest"},
		{"garbage", with(get, "Authorization", "AWS4-HMAC-SHA256 garbage"), 400, "AuthorizationHeaderMalformed"},
		{"two headers", twice, 400, "AuthorizationHeaderMalformed"},
		{"anonymous", get, 403, "AccessDenied"},
		{"anonymous put", raw{method: "PUT", path: "/box/k", body: "owned"}, 403, "AccessDenied"},
		{"anonymous post", raw{method: "POST", path: "/box/k"}, 403, "AccessDenied"},
	}
	for _, c := range cases {
		if c.q.header == nil {
			c.q.header = http.Header{}
		}
		a := r.do(c.q)
		if a.StatusCode != c.want || a.code() != c.code {
			t.Errorf("%s: %s %s, want %d %s", c.name, a.Status, a.code(), c.want, c.code)
		}
	}
}

func TestTemporaryAndRemovedCredentials(t *testing.T) {
	r := newRig(t)
	r.put("k", "v")
	temp := aws.Credentials{AccessKeyID: "ASIA1", SecretAccessKey: "s", SessionToken: "tok/en+="}
	r.keys.Put("ASIA1", Credential{Secret: "s", SessionToken: "tok/en+=", Expires: r.clock.Now().Add(30 * time.Second), ReadOnly: true})
	link := r.presignedAs(raw{method: "GET", path: "/box/k"}, 600, temp, region, "s3", r.clock.Now())
	if a := r.do(link); a.StatusCode != 200 {
		t.Fatalf("fresh: %s %s", a.Status, a.body)
	}
	put := r.signedAs(raw{method: "PUT", path: "/box/k", body: ""}, temp, emptySHA256, region, "s3", r.clock.Now())
	if a := r.do(put); a.code() != "AccessDenied" {
		t.Errorf("a write with a read-only key: %s %s", a.Status, a.code())
	}
	r.clock.Add(30 * time.Second)
	if a := r.do(link); a.StatusCode != 400 || a.code() != "ExpiredToken" {
		t.Errorf("after the credential's expiry: %s %s", a.Status, a.code())
	}
	mine := r.presigned(raw{method: "GET", path: "/box/k"}, 600)
	r.keys.Remove(keyID)
	if a := r.do(mine); a.code() != "InvalidAccessKeyId" {
		t.Errorf("after the key was removed: %s %s", a.Status, a.code())
	}
}

// If-Range changes the effect of Range, so it must be signed if Range is signed.
func TestIfRangeMustBeSignedWithRange(t *testing.T) {
	r := newRig(t)
	r.put("k", "0123456789")
	q := r.presigned(raw{method: "GET", path: "/box/k", header: http.Header{"Range": {"bytes=2-3"}}}, 60)
	if a := r.do(q); a.StatusCode != 206 || a.body != "23" {
		t.Fatalf("signed range: %s %q", a.Status, a.body)
	}
	q.header.Set("If-Range", `"x"`)
	if a := r.do(q); a.StatusCode != 403 || !strings.Contains(a.body, "<HeadersNotSigned>if-range</HeadersNotSigned>") {
		t.Errorf("unsigned If-Range: %s %s", a.Status, a.body)
	}
}

// SPEC: the example of API/sig-v4-header-based-auth.html ("GET Object"), and
// of API/sigv4-query-string-auth.html.
func TestPublishedVectors(t *testing.T) {
	keys := new(Keyring)
	keys.Put("AKIAIOSFODNN7EXAMPLE", Credential{Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"})
	v := verifier{region: "us-east-1", keys: keys, equal: constantTimeEqual}
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	header := &http.Request{Method: "GET", RequestURI: "/test.txt", Host: "examplebucket.s3.amazonaws.com", Header: http.Header{
		"Range": {"bytes=0-9"}, "X-Amz-Content-Sha256": {emptySHA256}, "X-Amz-Date": {"20130524T000000Z"},
		"Authorization": {"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
	}}
	query := &http.Request{Method: "GET", Host: "examplebucket.s3.amazonaws.com", Header: http.Header{},
		RequestURI: "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"}
	for name, req := range map[string]*http.Request{"header": header, "query": query} {
		target, err := parseTarget(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.verify(req, target, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		req.Host = "examplebucket.s3.example.com"
		if _, err := v.verify(req, target, now); err == nil {
			t.Errorf("%s: accepted for another host", name)
		}
	}
}
