package reconcile

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/event"
)

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// lines returns the lines of a log, and the errors.
func lines(t *testing.T, log io.Reader) (all []Line, bad []error) {
	t.Helper()
	for l, err := range Read("log", log) {
		if err != nil {
			bad = append(bad, err)
			continue
		}
		all = append(all, l)
	}
	return all, bad
}

// The examples of the manuals of AWS, with the values that a comparison needs.
func TestFormats(t *testing.T) {
	const owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
	tests := []struct {
		name, text string
		want       Line
	}{
		{
			"put, as text",
			owner + ` amzn-s3-demo-bucket1 [06/Feb/2019:00:01:57 +0000] 192.0.2.3 ` + owner + ` DD6CC733AEXAMPLE REST.PUT.OBJECT s3-dg.pdf "PUT /amzn-s3-demo-bucket1/s3-dg.pdf HTTP/1.1" 200 - - 4406583 41754 28 "-" "S3Console/0.4" - 10S62Zv81kBW7BB6SX4XJ48o6kpcl6LPwEoizZQQxJd5qDSCTLX0TgS37kYUBKQW3+bPdrg1234= SigV4 ECDHE-RSA-AES128-SHA AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 - Yes`,
			Line{Kind: AccessLog, Bucket: "amzn-s3-demo-bucket1", Key: "s3-dg.pdf", Operation: "REST.PUT.OBJECT", Status: 200, Address: "192.0.2.3", Requester: owner, RequestID: "DD6CC733AEXAMPLE", Agent: "S3Console/0.4"},
		},
		{
			"a checksum job, without a request",
			`7cd47ef2be amzn-s3-demo-bucket [06/Feb/2019:00:00:38 +0000] - 7cd47ef2be e5042925-b524-4b3b-a869-f3881e78ff3a S3.COMPUTE.OBJECT.CHECKSUM example-object - - - - 1048576 - - - - - bPf7qjG4XwYdPgDQTl72GW/uotRhdPz2UryEyAFLDSRmKrakUkJCYLtAw6fdANcrsUYc1M/kIulXM1u5vZQT5g== - - - - - -`,
			Line{Kind: AccessLog, Bucket: "amzn-s3-demo-bucket", Key: "example-object", Operation: "S3.COMPUTE.OBJECT.CHECKSUM", Requester: "7cd47ef2be", RequestID: "e5042925-b524-4b3b-a869-f3881e78ff3a"},
		},
		{
			"a read by a signed URL, with a field that does not exist yet",
			owner + ` builds [28/Nov/2026:10:00:00 +0000] 203.0.113.9 arn:aws:sts::123456789012:assumed-role/usher-reader/s-1 AAAA REST.GET.OBJECT nightly/a%2520b.txt "GET /nightly/a%20b.txt?versionId=v1&x-usher-event=01K6ABCDEFGHJKMNPQRSTVWXYZ&X-Amz-Signature=- HTTP/1.1" 206 - 1024 4096 7 6 "-" "usher/1 "x" y" v1 host= SigV4 - QueryString builds.s3.eu-west-1.amazonaws.com TLSv1.3 - - us-east-1 new`,
			Line{Kind: AccessLog, Bucket: "builds", Key: "nightly/a b.txt", Version: "v1", Operation: "REST.GET.OBJECT", Status: 206, Bytes: 1024, Address: "203.0.113.9", Requester: "arn:aws:sts::123456789012:assumed-role/usher-reader/s-1", RequestID: "AAAA", Event: "01K6ABCDEFGHJKMNPQRSTVWXYZ", Agent: "usher/1 \"x"},
		},
		{
			"JSON of CloudWatch Logs",
			`{"schema_version_id":"V_1_0","bucket_arn":"arn:aws:s3:::my-data-bucket","bucket_name":"my-data-bucket","request_time":"2026-04-29T14:32:16.000Z","remote_ip":"203.0.113.45","requester":"arn:aws:iam::123456789012:role/DataAnalystRole","request_id":"3E57427F33A59F07","operation":"REST.GET.OBJECT","key_name":"reports/2026/quarterly-summary.parquet","request_uri":"GET /my-data-bucket/reports/2026/quarterly-summary.parquet HTTP/1.1","http_status":200,"error_code":null,"bytes_sent_size":1048576,"object_size":1048576,"user_agent":"aws-sdk-java/2.20.0","version_id":null,"host_header":"s3.us-east-1.amazonaws.com","acl_required":false}`,
			Line{Kind: AccessLog, Bucket: "my-data-bucket", Key: "reports/2026/quarterly-summary.parquet", Operation: "REST.GET.OBJECT", Status: 200, Bytes: 1048576, Address: "203.0.113.45", Requester: "arn:aws:iam::123456789012:role/DataAnalystRole", RequestID: "3E57427F33A59F07", Agent: "aws-sdk-java/2.20.0"},
		},
		{
			"a data event of CloudTrail",
			`{"Records":[{"eventSource":"s3.amazonaws.com","eventName":"GetObject","eventTime":"2026-11-28T10:00:00Z","sourceIPAddress":"203.0.113.9","userAgent":"[usher/1]","userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/usher-reader/s-1"},"requestParameters":{"bucketName":"builds","key":"nightly/a b.txt","x-usher-event":"01K6ABCDEFGHJKMNPQRSTVWXYZ"},"additionalEventData":{"bytesTransferredOut":1024.0},"requestID":"AAAA"}]}`,
			Line{Kind: CloudTrail, Bucket: "builds", Key: "nightly/a b.txt", Operation: "GetObject", Bytes: 1024, Address: "203.0.113.9", Requester: "arn:aws:sts::123456789012:assumed-role/usher-reader/s-1", RequestID: "AAAA", Event: "01K6ABCDEFGHJKMNPQRSTVWXYZ", Agent: "[usher/1]"},
		},
		{
			"a failed sign-in of Cognito, from a lookup",
			`{"Events":[{"EventId":"1","CloudTrailEvent":"{\"eventSource\":\"cognito-idp.amazonaws.com\",\"eventName\":\"InitiateAuth\",\"eventTime\":\"2026-11-28T10:00:00Z\",\"sourceIPAddress\":\"203.0.113.9\",\"errorCode\":\"NotAuthorizedException\",\"requestID\":\"B\",\"additionalEventData\":{\"sub\":\"s-1\"}}"}],"NextToken":"x"}`,
			Line{Kind: SignIn, Operation: "InitiateAuth", Error: "NotAuthorizedException", Address: "203.0.113.9", RequestID: "B", User: "s-1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, bad := lines(t, strings.NewReader(tt.text))
			if len(all) != 1 || len(bad) != 0 {
				t.Fatalf("%d lines, errors %v", len(all), bad)
			}
			got := all[0]
			if got.Time.IsZero() || got.Source != "log:1" {
				t.Errorf("time %v, source %q", got.Time, got.Source)
			}
			got.Time, got.Source, got.keys = time.Time{}, "", nil
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// Text that is no log is reported with its line, and the lines around it are read.
func TestUnread(t *testing.T) {
	good := text(released(1), 1)
	long := strings.Repeat("x", MaxRecord+1)
	log := strings.Join([]string{good, "hello", "", `{"a":1}`, `{"a":`, `x [unclosed`, `x "unclosed`, long, `[]`, strings.Replace(good, " 206 ", " abc ", 1), strings.Replace(good, "/2026:", "/x:", 1), good}, "\n")
	all, bad := lines(t, strings.NewReader(log))
	if len(all) != 2 || len(bad) != 9 {
		t.Fatalf("%d lines, %d errors: %v", len(all), len(bad), bad)
	}
	var unread *Unread
	if !errors.As(bad[0], &unread) || unread.Source != "log:2" {
		t.Errorf("the first error is %v, want one of log:2", bad[0])
	}
	if !errors.Is(bad[5], errLong) {
		t.Errorf("the error of a long line is %v", bad[5])
	}
}

// Compressed files, several of them in one stream, and documents between lines.
func TestStreams(t *testing.T) {
	var z bytes.Buffer
	for i := range 2 {
		w := gzip.NewWriter(&z)
		fmt.Fprintln(w, text(released(i), i))
		fmt.Fprintln(w, trailDocument(released(i+10), released(i+20)))
		fmt.Fprintln(w, cloudWatch(released(i+30), i+30))
		w.Close()
	}
	if all, bad := lines(t, &z); len(all) != 8 || len(bad) != 0 {
		t.Errorf("%d lines, errors %v; want 8 lines", len(all), bad)
	}
	all, bad := lines(t, strings.NewReader(`{"Records":[`+trailRecord(released(1), "A")+`,{"eventSource":"s3.amazo`))
	if len(all) != 1 || len(bad) != 1 {
		t.Errorf("a broken document gives %d lines and %v", len(all), bad)
	}
	if _, bad := lines(t, io.MultiReader(strings.NewReader(`{"Records":["`), &endless{})); len(bad) != 1 || !errors.Is(bad[0], errLong) {
		t.Errorf("an endless record gives %v", bad)
	}
	if _, bad := lines(t, strings.NewReader("\x1f\x8bnot gzip")); len(bad) != 1 {
		t.Errorf("a broken gzip file gives %v", bad)
	}
	n := 0
	for range Read("log", strings.NewReader(trailDocument(released(1), released(2)))) {
		if n++; n == 1 {
			break
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

// released returns the n-th release.
func released(n int) event.Event {
	at := start.Add(time.Duration(n) * 700 * time.Millisecond)
	return event.Event{
		ID: fmt.Sprintf("%026d", n), Time: at, User: event.User{Sub: fmt.Sprintf("s-%d", n%50), Username: fmt.Sprintf("user%d", n%50)},
		Action: event.Download, Outcome: event.Allowed, Bucket: "builds", Key: fmt.Sprintf("nightly/%d/a b%%20+é.bin", n), SourceIP: "203.0.113.9",
	}
}

func escaped(key string) string { return (&url.URL{Path: "/" + key}).EscapedPath()[1:] }

// role signs the URLs of the releases.
var role = Signer{Name: "arn:aws:iam::123456789012:role/service/usher-reader", PerPerson: true}

func requester(e event.Event) string {
	if strings.HasPrefix(e.User.Sub, "arn:") || e.User.Sub == "-" {
		return e.User.Sub // of a forged read
	}
	return "arn:aws:sts::123456789012:assumed-role/usher-reader/" + e.User.Sub
}

// text is a line of an access log: a range request of 100 bytes, half a second
// after the release.
func text(e event.Event, request int) string {
	return fmt.Sprintf(`owner %s [%s] %s %s R%d REST.GET.OBJECT %s "GET /%s?x-usher-event=%s HTTP/1.1" 206 - 100 400 7 6 "-" "usher/1" - host= SigV4 - QueryString %s.s3.eu-west-1.amazonaws.com TLSv1.3 - -`,
		e.Bucket, e.Time.Add(500*time.Millisecond).Format("02/Jan/2006:15:04:05 -0700"), e.SourceIP, requester(e), request, url.QueryEscape(escaped(e.Key)), escaped(e.Key), e.ID, e.Bucket)
}

func cloudWatch(e event.Event, request int) string {
	raw, _ := json.Marshal(map[string]any{
		"schema_version_id": "V_1_0", "bucket_name": e.Bucket, "request_time": e.Time.Add(500 * time.Millisecond), "remote_ip": e.SourceIP, "requester": requester(e),
		"request_id": fmt.Sprintf("R%d", request), "operation": "REST.GET.OBJECT", "key_name": e.Key, "http_status": 200, "bytes_sent_size": 100,
		"request_uri": fmt.Sprintf("GET /%s/%s?x-usher-event=%s HTTP/1.1", e.Bucket, escaped(e.Key), e.ID), "host_header": "s3.eu-west-1.amazonaws.com",
	})
	return string(raw)
}

func trailRecord(e event.Event, request string) string {
	raw, _ := json.Marshal(map[string]any{
		"eventSource": s3Source, "eventName": "GetObject", "eventTime": e.Time.Add(500 * time.Millisecond), "sourceIPAddress": e.SourceIP,
		"userIdentity": map[string]any{"arn": requester(e)}, "requestID": request, "requestParameters": map[string]any{"bucketName": e.Bucket, "key": e.Key, e.Way: e.ID},
		"additionalEventData": map[string]any{"bytesTransferredOut": 100},
	})
	return string(raw)
}

func trailDocument(events ...event.Event) string {
	var records []string
	for _, e := range events {
		records = append(records, trailRecord(e, "T"+e.ID))
	}
	return `{"Records":[` + strings.Join(records, ",\n") + `]}`
}

// compare returns the report of a log and events.
func compare(t *testing.T, signers []Signer, log string, events []event.Event) Report {
	t.Helper()
	return compareWith(t, Config{}, signers, log, events)
}

func compareWith(t *testing.T, c Config, signers []Signer, log string, events []event.Event) Report {
	t.Helper()
	c.Life = time.Minute
	cmp, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for l, err := range Read("log", strings.NewReader(log)) {
		if err != nil {
			t.Fatal(err)
		}
		cmp.Add(l)
	}
	r, err := cmp.Compare(signers, func(yield func(event.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A log of 100,000 lines in three formats: 2% lost, 1% twice, up to a day late,
// with 40 reads that no release explains, each of another kind than the one
// before.
func TestForgedReads(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 5_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	type entry struct {
		at   float64
		text string
	}
	var events []event.Event
	var log []entry
	lost := map[string]bool{}
	add := func(line string) {
		late := r.Float64()
		if len(log) > 0 && r.IntN(10) == 0 {
			late *= 24 * 3600
		}
		log = append(log, entry{float64(len(log))*0.7 + late, line})
	}
	for i := range n {
		e := released(i)
		events = append(events, e)
		if i > 0 && r.IntN(50) == 0 { // a forged line has the request id of the first line
			lost[e.ID] = true
			continue
		}
		if i%2 == 0 {
			e.Way = eventParameter // CloudTrail has the id too
		}
		line := []string{text(e, i), cloudWatch(e, i), trailDocument(e)}[i%3]
		add(line)
		if r.IntN(100) == 0 {
			add(line)
		}
	}
	for i := range 40 {
		add(forged(i, n))
	}
	slices.SortFunc(log, func(a, b entry) int { return int(a.at*1000) - int(b.at*1000) })
	var all strings.Builder
	for _, l := range log {
		all.WriteString(l.text + "\n")
	}
	report := compare(t, []Signer{role}, all.String(), events)
	t.Logf("%d releases fetched, %d without a line, %d alarms; %d lines, %d doubles", len(report.Fetched), len(report.Unseen), len(report.Alarms), report.Lines, report.Doubles)
	if len(report.Alarms) != 40 {
		for _, a := range report.Alarms[:min(5, len(report.Alarms))] {
			t.Logf("%s: %+v", a.Reason, a.Line)
		}
		t.Errorf("%d alarms, want the 40 forged reads", len(report.Alarms))
	}
	if len(report.Fetched) != n-len(lost) || report.Bytes != int64(n-len(lost))*100 {
		t.Errorf("%d releases fetched with %d bytes, want %d", len(report.Fetched), report.Bytes, n-len(lost))
	}
	for _, u := range report.Unseen {
		if !lost[u.Event] {
			t.Errorf("release %s has a line and is reported without one", u.Event)
			break
		}
	}
	if report.Doubles == 0 || report.Lines != n-len(lost)+40 {
		t.Errorf("%d lines, %d doubles", report.Lines, report.Doubles)
	}
}

// forged returns the i-th read without a release: in turn each kind, in three formats.
func forged(i, n int) string {
	e, request := released(i*97), n+i
	e.Way = eventParameter
	operation, inTrail := "GET.OBJECT", "GetObject"
	switch i % 15 {
	case 0: // a key that was never released
		e.Key += ".secret"
	case 1:
		e.Bucket = "payroll"
	case 2: // an id that is in no log
		e.ID = fmt.Sprintf("X%025d", i)
	case 3: // no id, and no session of a person
		e.ID, e.User.Sub = "", "build-server"
	case 4: // after the URL's end
		e.Time = e.Time.Add(time.Hour)
	case 5: // before the release
		e.Time = e.Time.Add(-time.Hour)
	case 6: // another person's session
		e.User.Sub = "s-99"
	case 7: // the URL is copied to another key with the same end
		e.Key = "x/" + e.Key
	case 8: // the id is copied to the URL of another role
		e.User.Sub = "arn:aws:sts::123456789012:assumed-role/analyst/" + e.User.Sub
	case 9: // of a role with the same name in another account
		e.User.Sub = "arn:aws:sts::999999999999:assumed-role/usher-reader/" + e.User.Sub
	case 10: // of a user
		e.User.Sub = "arn:aws:iam::123456789012:user/usher-reader"
	case 11: // a public object
		e.User.Sub = "-"
	case 12: // a copy of the released object, by the person's own session
		operation, inTrail = "COPY.OBJECT_GET", "SelectObjectContent"
	case 13:
		operation, inTrail = "GET.OBJECT_TORRENT", "GetObjectTorrent"
	case 14: // a released object, with the id of another request
		request = 0
	}
	line := []string{text(e, request), cloudWatch(e, request), trailRecord(e, fmt.Sprintf("R%d", request))}[(i+i/15)%3]
	return strings.NewReplacer("REST.GET.OBJECT", "REST."+operation, `"GetObject"`, `"`+inTrail+`"`).Replace(line)
}

// Each reason of an alarm, and the lines that are none.
func TestReasons(t *testing.T) {
	e := released(3)
	with := func(change func(*event.Event)) event.Event { c := e; change(&c); return c }
	tests := []struct {
		name string
		log  string
		want Reason
	}{
		{"the released object", text(e, 1), ""},
		{"another key", text(with(func(e *event.Event) { e.Key = "nightly/other" }), 1), OtherObject},
		{"another bucket", text(with(func(e *event.Event) { e.Bucket = "payroll" }), 1), OtherObject},
		{"before the release", text(with(func(e *event.Event) { e.Time = e.Time.Add(-7 * time.Second) }), 1), OutsideWindow},
		{"just before the release, by another clock", text(with(func(e *event.Event) { e.Time = e.Time.Add(-4 * time.Second) }), 1), ""},
		{"the last second", text(with(func(e *event.Event) { e.Time = e.Time.Add(64 * time.Second) }), 1), ""},
		{"after the URL's end", text(with(func(e *event.Event) { e.Time = e.Time.Add(66 * time.Second) }), 1), OutsideWindow},
		{"another person's session", text(with(func(e *event.Event) { e.User.Sub = "s-4" }), 1), OtherPerson},
		{"no id", text(with(func(e *event.Event) { e.ID = "" }), 1), ""}, // its session names the person
		{"no id and another session", text(with(func(e *event.Event) { e.ID, e.User.Sub = "", "s-4" }), 1), NoEvent},
		{"two ids", strings.Replace(text(e, 1), "?x-", "?x-usher-event=01K6ABCDEFGHJKMNPQRSTVWXYZ&x-", 1) + "\n", ""},
		{"refused by S3", strings.Replace(text(with(func(e *event.Event) { e.ID = "" }), 1), " 206 - ", " 403 AccessDenied ", 1), ""},
		{"a HEAD of the server", strings.Replace(text(with(func(e *event.Event) { e.ID, e.User.Sub = "", "x" }), 1), "REST.GET.OBJECT", "REST.HEAD.OBJECT", 1), ""},
		{"another role", text(with(func(e *event.Event) { e.User.Sub = "arn:aws:sts::123456789012:assumed-role/analyst/s-3" }), 1), OtherSigner},
		{"the role's name in another account", text(with(func(e *event.Event) { e.User.Sub = "arn:aws:sts::9:assumed-role/usher-reader/s-3" }), 1), OtherSigner},
		{"a user with the role's name", trailDocument(with(func(e *event.Event) {
			e.Way, e.User.Sub = eventParameter, "arn:aws:iam::123456789012:user/usher-reader"
		})), OtherSigner},
		{"an anonymous read", text(with(func(e *event.Event) { e.User.Sub = "-" }), 1), OtherSigner},
		{"an anonymous read in JSON", cloudWatch(with(func(e *event.Event) { e.User.Sub = "-" }), 1), OtherSigner},
		{"a copy by the person's session", strings.Replace(text(e, 1), "REST.GET.OBJECT", "REST.COPY.OBJECT_GET", 1), NoDownload},
		{"a copy by the person's session in CloudTrail", strings.Replace(trailDocument(with(func(e *event.Event) { e.Way = eventParameter })), `"GetObject"`, `"SelectObjectContent"`, 1), NoDownload},
		{"a status of S3 with an error in the body", strings.Replace(text(with(func(e *event.Event) { e.ID = "" }), 1), " 206 - ", " 200 InternalError ", 1), ""},
		{"a status of S3 with an error, of a stranger", strings.Replace(text(with(func(e *event.Event) { e.ID, e.User.Sub = "", "x" }), 1), " 206 - ", " 200 InternalError ", 1), NoEvent},
		{"a copy", strings.Replace(text(with(func(e *event.Event) { e.ID, e.User.Sub = "", "x" }), 1), "REST.GET.OBJECT", "REST.COPY.OBJECT_GET", 1), NoEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := compare(t, []Signer{role}, tt.log+"\n", []event.Event{e})
			got := Reason("")
			if len(r.Alarms) > 0 {
				got = r.Alarms[0].Reason
			}
			if got != tt.want || len(r.Alarms) > 1 {
				t.Errorf("alarms %+v, want %q", r.Alarms, tt.want)
			}
		})
	}
}

// Access log and CloudTrail of one request are one read.
func TestOneRequestInTwoLogs(t *testing.T) {
	e := released(3)
	r := compare(t, nil, trailRecord(e, "R7")+"\n"+text(e, 7)+"\n"+text(e, 8)+"\n", []event.Event{e})
	if len(r.Alarms) != 0 || len(r.Fetched) != 1 || r.Fetched[0].Requests != 2 || r.Fetched[0].Bytes != 200 || r.Doubles != 1 {
		t.Errorf("report %+v", r)
	}
}

// The second line of a request is a double only with the same content.
func TestSecondLineOfARequest(t *testing.T) {
	e := released(3)
	with := func(change func(*event.Event)) string { c := e; change(&c); return text(c, 7) }
	inTrail := func(change func(*event.Event)) string { c := e; change(&c); return trailRecord(c, "R7") }
	for name, tt := range map[string]struct {
		second string
		same   bool
	}{
		"the same line":             {text(e, 7), true},
		"the same in JSON":          {strings.Replace(cloudWatch(e, 7), `"http_status":200`, `"http_status":206`, 1), true},
		"the same in CloudTrail":    {trailRecord(e, "R7"), true},
		"another key":               {with(func(e *event.Event) { e.Key = "nightly/other" }), false},
		"another bucket":            {with(func(e *event.Event) { e.Bucket = "payroll" }), false},
		"another requester":         {with(func(e *event.Event) { e.User.Sub = "s-4" }), false},
		"another address":           {with(func(e *event.Event) { e.SourceIP = "198.51.100.1" }), false},
		"another event":             {with(func(e *event.Event) { e.ID = released(4).ID }), false},
		"another time":              {with(func(e *event.Event) { e.Time = e.Time.Add(time.Second) }), false},
		"other bytes":               {strings.Replace(text(e, 7), " 100 400 ", " 101 400 ", 1), false},
		"another operation":         {strings.Replace(text(e, 7), "GET.OBJECT", "COPY.OBJECT_GET", 1), false},
		"CloudTrail, another key":   {inTrail(func(e *event.Event) { e.Key = "nightly/other" }), false},
		"CloudTrail, another role":  {inTrail(func(e *event.Event) { e.User.Sub = "s-4" }), false},
		"CloudTrail, another event": {inTrail(func(e *event.Event) { e.Way, e.ID = eventParameter, released(4).ID }), false},
		"CloudTrail, another time":  {inTrail(func(e *event.Event) { e.Time = e.Time.Add(time.Minute) }), false},
	} {
		r := compare(t, []Signer{role}, text(e, 7)+"\n"+tt.second+"\n"+tt.second+"\n", []event.Event{e, released(4)})
		want, doubles := 1, 1
		if tt.same {
			want, doubles = 0, 2
		}
		if len(r.Alarms) != want || want == 1 && r.Alarms[0].Reason != Conflict || r.Doubles != doubles || len(r.Fetched) != 1 || r.Fetched[0].Requests != 1 {
			t.Errorf("%s: %d doubles, alarms %+v, fetched %+v", name, r.Doubles, r.Alarms, r.Fetched)
		}
	}
}

// Without a known role, the requester with fewer reads is an alarm, and the report
// states that the requester was not checked.
func TestUnknownRole(t *testing.T) {
	own, copied := released(3), released(4)
	copied.User.Sub = "arn:aws:sts::123456789012:assumed-role/analyst/x"
	anonymous := released(5)
	anonymous.User.Sub = "-"
	log := text(copied, 1) + "\n" + text(own, 2) + "\n" + text(own, 3) + "\n" + text(anonymous, 4) + "\n"
	r := compare(t, nil, log, []event.Event{own, released(4), released(5)})
	if r.RequesterChecked || len(r.Alarms) != 2 || r.Alarms[0].Reason != OtherSigner || r.Alarms[1].Reason != OtherSigner || len(r.Fetched) != 1 {
		t.Errorf("checked %t, alarms %+v", r.RequesterChecked, r.Alarms)
	}
	// An anonymous read is one without any other line too.
	r = compare(t, nil, text(anonymous, 4)+"\n", []event.Event{released(5)})
	if len(r.Alarms) != 1 || r.Alarms[0].Reason != OtherSigner {
		t.Errorf("alone: alarms %+v", r.Alarms)
	}
	// With the role it is one, in a log with nothing but the copy too.
	r = compare(t, []Signer{role}, text(copied, 1)+"\n", []event.Event{released(4)})
	if !r.RequesterChecked || len(r.Alarms) != 1 || r.Alarms[0].Reason != OtherSigner || !slices.Equal(r.Signers, []string{role.Name}) {
		t.Errorf("report %+v", r)
	}
	// A new role beside an old one.
	r = compare(t, []Signer{role, {Name: "analyst"}}, log, []event.Event{own, released(4)})
	if len(r.Alarms) != 1 || len(r.Fetched) != 2 {
		t.Errorf("two roles: alarms %+v", r.Alarms)
	}
}

// An event of another account's trail has the account and no ARN.
func TestRequesterWithoutARN(t *testing.T) {
	e := released(3)
	e.Way = eventParameter
	for identity, want := range map[string]Reason{
		`{"type":"AWSAccount","principalId":"AROAX:s-3","accountId":"123456789012"}`:     "",
		`{"type":"AWSAccount","principalId":"AROAX:s-3","accountId":"999999999999"}`:     OtherSigner,
		`{"type":"AWSAccount","principalId":"","accountId":"ANONYMOUS_PRINCIPAL"}`:       OtherSigner,
		`{"type":"AWSService","invokedBy":"replication.s3.amazonaws.com"}`:               OtherSigner,
		`{"type":"AssumedRole","arn":"` + requester(e) + `","accountId":"999999999999"}`: "",
	} {
		record := strings.Replace(trailRecord(e, "R1"), `{"arn":"`+requester(e)+`"}`, identity, 1)
		r := compare(t, []Signer{role}, record+"\n", []event.Event{e})
		if want == "" && (len(r.Alarms) != 0 || len(r.Fetched) != 1) || want != "" && (len(r.Alarms) != 1 || r.Alarms[0].Reason != want) {
			t.Errorf("%s: alarms %+v, want %q", identity, r.Alarms, want)
		}
		if unnamed := strings.Contains(identity, "AROAX") && want == ""; unnamed != (r.Unnamed == 1) {
			t.Errorf("%s: %d lines without an ARN", identity, r.Unnamed)
		}
	}
}

// Lines that are not compared are counted by operation.
func TestNotCompared(t *testing.T) {
	e, other := released(3), released(3)
	other.User.Sub = "arn:aws:iam::123456789012:user/x"
	as := func(e event.Event, request int, operation string) string {
		return strings.Replace(text(e, request), "REST.GET.OBJECT", operation, 1)
	}
	inTrail := func(name, source string) string {
		return strings.Replace(strings.Replace(trailRecord(e, name), "GetObject", name, 1), s3Source, source, 1)
	}
	log := strings.Join([]string{
		as(e, 1, "REST.HEAD.OBJECT"), as(other, 2, "REST.HEAD.OBJECT"), as(e, 3, "REST.GET.HOLOGRAM"), as(e, 3, "REST.GET.HOLOGRAM"), as(e, 4, "S3.EXPIRE.OBJECT"),
		strings.Replace(as(e, 5, "REST.GET.OBJECT"), " 206 - ", " 403 AccessDenied ", 1), inTrail("GetObjectAttributes", s3Source), inTrail("GetObjectHologram", s3Source),
		inTrail("Decrypt", "kms.amazonaws.com"), inTrail("GetObject", "s3express.amazonaws.com"),
	}, "\n")
	r := compare(t, []Signer{role}, log+"\n", []event.Event{e})
	want := []Operation{
		{"GetObjectHologram", Unknown, 1, 0}, {"REST.GET.HOLOGRAM", Unknown, 1, 0},
		{"REST.HEAD.OBJECT", NoContent, 2, 1}, {"GetObjectAttributes", NoContent, 1, 0}, {"S3.EXPIRE.OBJECT", NoContent, 1, 0},
		{"REST.GET.OBJECT", Failed, 1, 0}, {"kms.amazonaws.com", Others, 1, 0},
	}
	if !slices.Equal(r.NotCompared, want) || r.UnknownLines() != 2 {
		t.Errorf("not compared %+v\nwant %+v", r.NotCompared, want)
	}
	if len(r.Fetched) != 1 || len(r.Alarms) != 0 {
		t.Errorf("a read of a directory bucket: fetched %+v, alarms %+v", r.Fetched, r.Alarms)
	}
}

// An operation that could send the bytes of an object is a read or unknown, never
// without content.
func TestOperations(t *testing.T) {
	for _, name := range strings.Fields(`REST.GET.OBJECT WEBSITE.GET.OBJECT SOAP.GET.OBJECT REST.GET.OBJECT_TORRENT REST.GET.TORRENT REST.COPY.OBJECT_GET
		COPY.OBJECT_GET REST.COPY.PART_GET REST.SELECT.OBJECT REST.POST.SELECT_OBJECT_CONTENT REST.GET.NEW rest.get.object X.GET.OBJECT GET OBJECT REST.POST.NEW REST..`) {
		if c := accessClass(name); c == noContent {
			t.Errorf("%s has the class %d", name, c)
		}
	}
	for _, name := range strings.Fields("GetObject GetObjectTorrent SelectObjectContent CopyObject UploadPartCopy GetNew GetObjectV2 NewGet") {
		if c := trailClass(name); c == noContent {
			t.Errorf("%s has the class %d", name, c)
		}
	}
	for _, name := range strings.Fields(`REST.HEAD.OBJECT REST.PUT.OBJECT REST.COPY.OBJECT REST.COPY.PART REST.GET.ACL REST.GET.OBJECT_TAGGING REST.GET.OBJECT_ATTRIBUTES
		REST.GET.BUCKET BATCH.DELETE.OBJECT REST.POST.MULTI_OBJECT_DELETE S3.TRANSITION_INT.OBJECT REST.OPTIONS.PREFLIGHT WEBSITE.HEAD.OBJECT REST.BATCH.DELETE`) {
		if c := accessClass(name); c != noContent {
			t.Errorf("%s has the class %d", name, c)
		}
	}
	for _, name := range strings.Fields("HeadObject GetObjectAcl GetObjectTagging GetObjectAttributes ListObjects ListParts PutObject UploadPart GetBucketVersioning DeleteObjects CreateSession") {
		if c := trailClass(name); c != noContent {
			t.Errorf("%s has the class %d", name, c)
		}
	}
}

// A copy has two records with one request id, of which one is a read, in both orders.
// CloudTrail has it once, with the source.
func TestCopiesAreReads(t *testing.T) {
	e := released(3)
	e.ID, e.User.Sub = "", "arn:aws:iam::1:user/x"
	read := strings.Replace(text(e, 7), "REST.GET.OBJECT", "REST.COPY.OBJECT_GET", 1)
	write := strings.Replace(text(e, 7), "REST.GET.OBJECT", "REST.COPY.OBJECT", 1)
	trail := `{"eventSource":"s3.amazonaws.com","eventName":"CopyObject","eventTime":"2026-11-02T09:00:03Z","userIdentity":{"arn":"arn:aws:iam::1:user/x"},"requestID":"R7","requestParameters":{"bucketName":"elsewhere","key":"copy","x-amz-copy-source":"/builds/nightly/3/a%20b%2520+%C3%A9.bin?versionId=v7"}}`
	for name, log := range map[string]string{"the write first": write + "\n" + read, "the read first": read + "\n" + write, "CloudTrail": trail, "both logs": write + "\n" + trail + "\n" + read} {
		r := compare(t, nil, log+"\n", nil)
		if len(r.Alarms) != 1 || r.Alarms[0].Line.Bucket != "builds" {
			t.Errorf("%s: alarms %+v", name, r.Alarms)
			continue
		}
		if l := r.Alarms[0].Line; name == "CloudTrail" && (l.Key != e.Key || l.Version != "v7") {
			t.Errorf("the source of the copy is %q, version %q", l.Key, l.Version)
		}
	}
}

func TestHints(t *testing.T) {
	e, other, denied := released(3), released(4), released(5)
	other.SourceIP = "198.51.100.1"
	denied.Outcome = event.Denied
	log := text(e, 1) + "\n" + text(other, 2) + "\n" + text(released(9), 3) + "\n"
	other.SourceIP = "203.0.113.9"
	backup := func(requester string) bool { return strings.HasSuffix(requester, "/s-9") }
	r := compareWith(t, Config{Others: backup}, nil, log, []event.Event{e, other, denied, released(6), released(1000)})
	if len(r.Fetched) != 2 || len(r.Fetched[0].Others) != 0 || !slices.Equal(r.Fetched[1].Others, []string{"198.51.100.1"}) {
		t.Errorf("fetched %+v", r.Fetched)
	}
	if len(r.Unseen) != 1 || r.Unseen[0].Event != released(6).ID {
		t.Errorf("without a line %+v, want the release inside the range", r.Unseen)
	}
	if r.Other != 1 || len(r.Alarms) != 0 {
		t.Errorf("%d reads by others, alarms %+v", r.Other, r.Alarms)
	}
}

func FuzzRead(f *testing.F) {
	e := released(1)
	for _, seed := range []string{text(e, 1), cloudWatch(e, 1), trailDocument(e), `{"Records":[]}`, `{"Records":[1,"x",{}],"a":{}}`, "\x1f\x8b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		c, err := New(Config{Life: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for l, err := range Read("log", bytes.NewReader(log)) {
			if n++; n > len(log)+1 && log[0] != 0x1f {
				t.Fatal("more lines than bytes")
			}
			if err == nil {
				c.Add(l)
			}
		}
		if _, err := c.Compare([]Signer{role}, func(yield func(event.Event, error) bool) { yield(e, nil) }); err != nil {
			t.Fatal(err)
		}
	})
}
