package event

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 23, 14, 2, 41, 118e6, time.UTC)

func TestParseFilter(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	since := func(s string) []Term { return []Term{{Field: BySince, Time: at(s)}} }
	until := func(s string) []Term { return []Term{{Field: ByUntil, Time: at(s)}} }
	for text, want := range map[string][]Term{
		"":                             nil,
		" \t ":                         nil,
		"who:ada":                      {{Field: ByWho, Value: "ada"}},
		" who:ada  action:list ":       {{Field: ByWho, Value: "ada"}, {Field: ByAction, Value: "list"}},
		"-outcome:allowed":             {{Field: ByOutcome, Not: true, Value: "allowed"}},
		"path:company-reports/annual/": {{Field: ByPath, Value: "company-reports/annual/"}},
		"path:=company-reports/a.pdf":  {{Field: ByPath, Exact: true, Value: "company-reports/a.pdf"}},
		`path:="b/q3 \"final\".csv"`:   {{Field: ByPath, Exact: true, Value: `b/q3 "final".csv`}},
		`path:"b/back\\slash x"`:       {{Field: ByPath, Value: `b/back\slash x`}},
		`path:b/back\slash"x`:          {{Field: ByPath, Value: `b/back\slash"x`}},
		"path:b/é%_*?":                 {{Field: ByPath, Value: "b/é%_*?"}},
		"path:S3://b/a":                {{Field: ByPath, Value: "b/a"}},
		"path:=arn:aws:s3:::b/a.pdf":   {{Field: ByPath, Exact: true, Value: "b/a.pdf"}},
		"path:/b/a":                    {{Field: ByPath, Value: "b/a"}},
		"path:b/a:b":                   {{Field: ByPath, Value: "b/a:b"}},
		"bucket:=x":                    {{Field: ByBucket, Value: "=x"}},
		"session:7Q4K id:1 request:r":  {{Field: BySession, Value: "7Q4K"}, {Field: ByID, Value: "1"}, {Field: ByRequest, Value: "r"}},
		"ip:2001:DB8::0:7":             {{Field: ByIP, Value: "2001:db8::7"}},
		"since:2026-11-01":             since("2026-11-01T00:00:00Z"),
		"until:2026-11-30":             until("2026-12-01T00:00:00Z"),
		"since:2026-11-01T10:00":       since("2026-11-01T10:00:00Z"),
		"until:2026-11-01T10:00":       until("2026-11-01T10:00:00Z"),
		"since:2026-11-01T10:00:05Z":   since("2026-11-01T10:00:05Z"),
		"since:2026-11-01T10:00:05.12": since("2026-11-01T10:00:05.12Z"),
		"since:30m":                    since("2026-11-23T13:32:41.118Z"),
		"since:24h":                    since("2026-11-22T14:02:41.118Z"),
		"until:7d":                     until("2026-11-16T14:02:41.118Z"),
		"since:4w":                     since("2026-10-26T14:02:41.118Z"),
	} {
		f, err := ParseFilter(text, now)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if !reflect.DeepEqual(f.Terms, want) {
			t.Errorf("%q: %+v, want %+v", text, f.Terms, want)
		}
		again, err := ParseFilter(f.String(), now.Add(time.Hour))
		if err != nil || !reflect.DeepEqual(again, f) {
			t.Errorf("%q prints as %q, which parses to %+v (%v)", text, f, again, err)
		}
	}
}

func TestParseFilterErrorsPointAtTheWord(t *testing.T) {
	for text, want := range map[string]struct {
		word     string
		offset   int
		possible string // one of the possible replacements
	}{
		"ada":                                   {"ada", 0, "who:"},
		"who:ada ada action:list":               {"ada", 8, "who:"},
		"who:ada actoin:list":                   {"actoin", 8, "action:"},
		"Who:ada":                               {"Who", 0, "who:"},
		":ada":                                  {"", 0, "who:"},
		"-":                                     {"-", 0, "who:"},
		"--who:ada":                             {"-who", 1, "who:"},
		"who: action:list":                      {"who:", 0, "who:ada"},
		`who:""`:                                {`who:""`, 0, "who:ada"},
		"path:gs://b/a":                         {"gs://b/a", 5, ""},
		"path:s3://":                            {"s3://", 5, ""},
		"path:s3://s3://b/a":                    {"s3://s3://b/a", 5, ""},
		"path://b/a":                            {"//b/a", 5, ""},
		"path:arn:aws:sqs:x:1:q":                {"arn:aws:sqs:x:1:q", 5, ""},
		"path:=":                                {"path:=", 0, "path:=company-reports/annual/letter.pdf"},
		"who:ada action:downlod":                {"downlod", 15, "download"},
		"outcome:allow":                         {"allow", 8, "allowed"},
		"since:tomorrow":                        {"tomorrow", 6, "24h"},
		"since:2026-13-01":                      {"2026-13-01", 6, "2026-11-01"},
		"since:-1d":                             {"-1d", 6, "7d"},
		"since:99999999999999d":                 {"99999999999999d", 6, "7d"},
		"since:4294967295w":                     {"4294967295w", 6, "7d"},
		"since:1é":                              {"1é", 6, "7d"},
		"-since:7d":                             {"-since:", 0, "since:"},
		"ip:10.4.18":                            {"10.4.18", 3, "192.0.2.77"},
		"ip:fe80::1%eth0":                       {"fe80::1%eth0", 3, "192.0.2.77"},
		`path:"a b`:                             {`"a b`, 5, ""},
		`path:"a\n"`:                            {`"a\`, 5, `\"`},
		`path:"a"b`:                             {`"a"`, 5, ""},
		"who:é \xff":                            {"\xff", 7, ""},
		strings.Repeat("id:1 ", 17):             {"id:1", 80, ""},
		"who:" + strings.Repeat("a", MaxFilter): {"aaaa", MaxFilter, ""},
	} {
		_, err := ParseFilter(text, now)
		var e *FilterError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if e.Word != want.word || e.Offset != want.offset || e.Length != len(want.word) || text[e.Offset:e.Offset+e.Length] != e.Word {
			t.Errorf("%q: points at %q, %d bytes from %d; want %q from %d", text, e.Word, e.Length, e.Offset, want.word, want.offset)
		}
		if want.possible != "" && !strings.Contains(strings.Join(e.Possible, " "), want.possible) {
			t.Errorf("%q: %q is not among %q", text, want.possible, e.Possible)
		}
		if e.Problem == "" || len(e.Word) > 2 && strings.Contains(e.Error(), e.Word) && !strings.Contains(strings.Join(e.Possible, " "), e.Word) {
			t.Errorf("%q: the message repeats typed text: %s", text, e)
		}
	}
}

func TestParseFilterAtItsBounds(t *testing.T) {
	if _, err := ParseFilter("path:"+strings.Repeat("a", MaxFilter-5), now); err != nil {
		t.Error(err)
	}
	if f, err := ParseFilter(strings.Repeat("id:1 ", MaxTerms), now); err != nil || len(f.Terms) != MaxTerms {
		t.Error(err)
	}
}

func TestMatch(t *testing.T) {
	e := full() // ada's completion at 2026-11-01T10:00:00.12Z
	e.Key = "annual/a.pdf"
	for text, want := range map[string]bool{
		"":                                     true,
		"who:ada":                              true,
		"who:s-1":                              true,
		"who:ad":                               false,
		"who:Ada":                              false,
		"who:ada@example.com":                  false,
		"who:grace":                            false,
		"who:grace who:ada":                    true,
		"-who:grace":                           true,
		"-who:s-1":                             false,
		"-who:grace -who:ada":                  false,
		"who:ada action:completed":             true,
		"who:ada action:list":                  false,
		"action:list action:completed":         true,
		"outcome:allowed":                      true,
		"-outcome:allowed":                     false,
		"bucket:company-reports":               true,
		"bucket:company":                       false,
		"path:company":                         true,
		"path:company-reports/annual/":         true,
		"path:company-reports/annual/a.pdf":    true,
		"path:company-reports/annual/a.pdf.x":  false,
		"path:=company-reports/annual/":        false,
		"path:=company-reports/annual/a.pdf":   true,
		"-path:company-reports/annual/":        false,
		"-path:company-reports/annual0":        true,
		"path:company-reports/x path:company-": true,
		"session:7Q4K":                         true,
		"ip:192.0.2.7":                         true,
		"ip:192.0.2.77":                        false,
		"id:01K9 request:req-1":                true,
		"since:2026-11-01T10:00:00.120Z":       true,
		"since:2026-11-01T10:00:00.121Z":       false,
		"until:2026-11-01T10:00:00.120Z":       false,
		"until:2026-11-01T10:00:00.121Z":       true,
		"until:2026-11-01":                     true,
		"since:2026-11-01 since:2026-11-02":    false, // both times must match
	} {
		f, err := ParseFilter(text, now)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if f.Match(e) != want {
			t.Errorf("%q matches: %v", text, !want)
		}
	}
	if (Filter{Terms: []Term{{Field: "color", Value: ""}}}).Match(e) {
		t.Error("an unknown field matches")
	}
}

func FuzzParseFilter(f *testing.F) {
	f.Add("who:ada action:download -outcome:allowed since:2026-11-01 until:24h")
	f.Add(`path:="a \"b\" \\ c" ip:::ffff:1.2.3.4 path:"=x" path:==x`)
	f.Add("since:9999-12-31 until:0000-01-01T00:00 who:\"\t\"")
	f.Add(strings.Repeat("id:1 ", 17))
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text, now)
		if err != nil {
			var e *FilterError
			if !errors.As(err, &e) || e.Problem == "" {
				t.Fatalf("%q: %v", text, err)
			}
			if e.Offset < 0 || e.Length < 0 || e.Offset+e.Length > len(text) || text[e.Offset:e.Offset+e.Length] != e.Word {
				t.Fatalf("%q: the error points at %d, %d: %q", text, e.Offset, e.Length, e.Word)
			}
			return
		}
		printed := filter.String()
		if len(printed) > MaxFilter {
			return // instants and quotes can be longer than the typed text
		}
		again, err := ParseFilter(printed, now.Add(time.Hour))
		if err != nil || !reflect.DeepEqual(again, filter) {
			t.Fatalf("%q prints as %q, which parses to %+v (%v)", text, printed, again, err)
		}
		filter.Match(full())
	})
}

// Patterns, networks, sizes, hours and calendar times.
func TestValues(t *testing.T) {
	now := time.Date(2026, 11, 28, 15, 30, 0, 0, time.UTC)
	size := int64(150_000_000)
	e := Event{
		Time: time.Date(2026, 10, 31, 23, 15, 0, 0, time.UTC), Action: Download, Bucket: "hr", Key: "2026/salaries*.xlsx", Size: &size,
		SourceIP: "10.1.2.3", UserAgent: "curl/8.5.0", Grant: "allow finance until 2027-01-01T00:00:00Z hr/2026/", GroupNames: []string{"eng"},
	}
	for text, want := range map[string]bool{
		"path:*salar*": true, "path:hr/*.xlsx": true, "path:hr/*.csv": false, "path:*": true, "path:hr*salaries**": true, "path:=hr/2026/salaries*.xlsx": true,
		"path:=*salar*": false, "-path:*salar*": false, "path:x path:*salar*": true,
		"ip:10.0.0.0/8": true, "ip:10.1.2.3": true, "ip:10.1.3.0/24": false, "ip:2001:db8::/32": false, "ip:192.0.2.1 ip:10.1.0.0/16": true,
		"group:finance": true, "group:eng": true, "group:allow": false, "grant:*finance*": true, "grant:allow": false, `grant:"allow finance until 2027-01-01T00:00:00Z hr/2026/"`: true,
		"purpose:download": true, "purpose:preview": false, "agent:curl": true, "agent:*/8.*": true, "agent:Curl": false,
		"size:>100MB": true, "size:<100MB": false, "size:150MB": true, "size:>=150000000": true, "size:>150MB": false, "size:<1TiB": true,
		"hours:19-07": true, "hours:07-19": false, "hours:23-24": true, "hours:0-23": false,
		"hours:00-01+01:00": true, "hours:01-19+01:00": false, "hours:20-07+02:00": true, "hours:18-19-05:00": true, "hours:19-24-05:00": false, "hours:00-24+01:00": true, "hours:0-1+01:00": true, "hours:12-13+13:00": true,
		"ip:::ffff:10.1.2.3": true, "ip:::ffff:10.0.0.0/104": true, "ip:::ffff:11.0.0.0/104": false, "-ip:::ffff:0:0/96": false, "ip:::/0": false, "ip:0.0.0.0/0": true,
		"since:2026-10": true, "until:2026-10": true, "until:2026-09": false, "since:2026-Q4": true, "until:2026-Q3": false, "since:yesterday": false, "until:today": true,
		"since:2026": true, "since:2026-11+01:00": true, "until:2026-10+01:00": false, "until:2026-10-12:00": true, "since:2026-Q4-12:00": true, "since:yesterday+01:00": false, "until:today-12:00": true, "since:2026+14:00": true, "since:2026-11-01+01:00": true, "since:2026-11-01T00:20+01:00": false, "until:2026-11-01T00:16+01:00": true,
		"hours:19-07 size:>100MB -ip:192.0.2.0/24 path:*salar*": true,
	} {
		f, err := ParseFilter(text, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if f.Match(e) != want {
			t.Errorf("%s matches: %v, want %v", text, !want, want)
		}
		again, err := ParseFilter(f.String(), now)
		if err != nil || again.String() != f.String() {
			t.Errorf("%s is printed as %s: %v", text, f, err)
		}
		indexed, rest := f.Split()
		if (indexed.Match(e) && rest.Match(e)) != want {
			t.Errorf("%s in two parts matches: %v", text, !want)
		}
	}
	for _, text := range []string{
		"ip:10.0.0.0/33", "ip:10.0.0.0/", "size:", "size:big", "size:>>1", "size:1.5", "size:>-1", "size:1e9", "size:9008TB", "hours:25-3", "hours:7", "hours:7-7", "hours:007-9", "hours:-1-3", "hours:19-07+05:30", "hours:19-07+25:00", "hours:7+01:00", "since:0000+01:00",
		"purpose:upload", "since:2026-13", "since:2026-Q5", "since:2026-Q", "since:tomorrow", "-since:2026", "since:2026-11-01T10:00+99:00", "since:0d1", "group:", "agent:",
	} {
		if f, err := ParseFilter(text, now); err == nil {
			t.Errorf("%s is a filter: %s", text, f)
		}
	}
}

// A pattern with many stars is decided in bounded time.
func TestPatternIsBounded(t *testing.T) {
	if pattern(strings.Repeat("a*", 500)+"b", strings.Repeat("a", 1000)) {
		t.Error("it matches")
	}
}
