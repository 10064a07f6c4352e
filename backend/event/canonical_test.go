package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func ptr[T any](v T) *T { return &v }

// full returns an event with all fields of a completion set.
func full() Event {
	return Event{
		ID: "01K9", Time: time.Date(2026, 11, 1, 10, 0, 0, 120e6, time.UTC),
		User:    User{Sub: "s-1", Username: "ada", Email: "ada@example.com"},
		Session: "7Q4K", Action: Completed, Purpose: "download", Bucket: "company-reports", Key: "annual/é \"a\".pdf",
		Version: "v1", ETag: `"abc"`, Size: ptr(int64(10)), Outcome: Allowed, Reason: "done", Grant: "finance-team",
		Bound: 9, Continues: "01K8", Bytes: ptr(int64(0)), Seconds: ptr(1.5), Verified: "CRC64NVME", Count: 3,
		SourceIP: "192.0.2.7", UserAgent: "usher/1.0", RequestID: "req-1",
	}
}

// started returns an event with the other fields set.
func started() Event {
	return Event{
		ID: "01K9", Action: SessionStart, Outcome: Allowed, Policy: "5d41", Groups: "x-_1", GroupNames: []string{"a", "\"b\"\n\x00", "財"},
		GroupNamesBefore: []string{"a"}, SignedIn: ptr(time.Date(2026, 11, 1, 9, 0, 0, 5e6, time.FixedZone("", 3600))), Way: WaySSO, Implausible: true, Entries: 3, EntriesHash: "h",
		GrantsDiff: []string{"+ a", "- b"}, From: ptr(time.Unix(1, 0)), Until: ptr(time.Unix(2, 999)), FirstRecord: 1, LastRecord: 256, Root: "AAAA",
	}
}

// Existing logs depend on these bytes: this constant never changes.
func TestCanonicalBytes(t *testing.T) {
	const want = `{"action":"completed","bound":9,"bucket":"company-reports","bytes":0,"continues":"01K8","count":3,` +
		`"etag":"\"abc\"","grant":"finance-team","id":"01K9","key":"annual/é \"a\".pdf","outcome":"allowed","purpose":"download",` +
		`"reason":"done","request_id":"req-1","seconds":1.5,"session":"7Q4K","size":10,"source_ip":"192.0.2.7",` +
		`"time":"2026-11-01T10:00:00.12Z","user":{"email":"ada@example.com","sub":"s-1","username":"ada"},` +
		`"user_agent":"usher/1.0","verified":"CRC64NVME","version":"v1"}`
	if got := string(Canonical(full())); got != want {
		t.Errorf("Canonical:\n%s\nwant\n%s", got, want)
	}
}

// Every field of Event is part of the canonical bytes.
func TestCanonicalCoversEveryField(t *testing.T) {
	base := Canonical(Event{})
	fields := 0
	var walk func(v reflect.Value, e *Event)
	walk = func(v reflect.Value, e *Event) {
		for i := range v.NumField() {
			f := v.Field(i)
			if f.Type() == reflect.TypeFor[User]() {
				walk(f, e)
				continue
			}
			fields++
			before := reflect.New(f.Type()).Elem()
			before.Set(f)
			switch f.Interface().(type) {
			case string:
				f.SetString("x")
			case int:
				f.SetInt(1)
			case *int64:
				f.Set(reflect.ValueOf(ptr(int64(0))))
			case *float64:
				f.Set(reflect.ValueOf(ptr(0.0)))
			case int64:
				f.SetInt(1)
			case bool:
				f.SetBool(true)
			case []string:
				f.Set(reflect.ValueOf([]string{"x"}))
			case *time.Time:
				f.Set(reflect.ValueOf(ptr(time.UnixMilli(1))))
			case time.Time:
				f.Set(reflect.ValueOf(time.UnixMilli(1)))
			default:
				t.Fatalf("%s has a type that this test does not cover", v.Type().Field(i).Name)
			}
			if bytes.Equal(Canonical(*e), base) {
				t.Errorf("%s is not in the canonical bytes", v.Type().Field(i).Name)
			}
			f.Set(before)
		}
	}
	var e Event
	walk(reflect.ValueOf(&e).Elem(), &e)
	if fields < 40 {
		t.Errorf("only %d fields were tested", fields)
	}
}

// jcs is an independent, slow implementation of RFC 8785 for any JSON.
func jcs(t testing.TB, text []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	var print func(v any) string
	print = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			var members []string
			for k, m := range v {
				members = append(members, print(k)+":"+print(m))
			}
			slices.Sort(members) // correct for ASCII keys, none a prefix of another
			return "{" + strings.Join(members, ",") + "}"
		case []any:
			var all []string
			for _, e := range v {
				all = append(all, print(e))
			}
			return "[" + strings.Join(all, ",") + "]"
		case bool:
			return strconv.FormatBool(v)
		case json.Number:
			f, err := v.Float64()
			if err != nil {
				t.Fatal(err)
			}
			if f == math.Trunc(f) && math.Abs(f) < 1e21 {
				return strconv.FormatFloat(f, 'f', -1, 64)
			}
			b, _ := json.Marshal(f) // has the number form of ECMAScript
			return string(b)
		case string:
			var b bytes.Buffer
			for _, r := range v {
				if i := strings.IndexRune("\b\t\n\f\r\"\\", r); i >= 0 {
					b.WriteString(`\` + string(`btnfr"\`[i]))
				} else if r < 0x20 {
					fmt.Fprintf(&b, `\u%04x`, r)
				} else {
					b.WriteRune(r)
				}
			}
			return `"` + b.String() + `"`
		}
		t.Fatalf("unexpected %T", v)
		return ""
	}
	return []byte(print(v))
}

// The RFC 8785 form of an exported event equals the hashed bytes.
func TestCanonicalIsRFC8785OfTheExport(t *testing.T) {
	events := []Event{{}, full(), started()}
	for _, s := range []float64{0, math.Copysign(0, -1), 1e-7, 123456789e-15, 1e20, 1e21, 1.7976931348623157e308, 5e-324, 0.1, 100} {
		e := full()
		e.Seconds = &s
		events = append(events, e)
	}
	for r := rune(0); r < 0x100; r++ {
		events = append(events, Event{Key: string(r) + "<&>\u2028\U0001F512"})
	}
	for _, e := range events {
		export, err := json.Marshal(Clean(e))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := Canonical(e), jcs(t, export); !bytes.Equal(got, want) {
			t.Errorf("Canonical %s\nRFC 8785  %s", got, want)
		}
	}
}

func TestParseReturnsTheEvent(t *testing.T) {
	for _, e := range []Event{{}, full(), started()} {
		got, err := Parse(Canonical(e))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, Clean(e)) {
			t.Errorf("Parse returns %+v\nwant %+v", got, e)
		}
	}
}

func TestParseRefusesOtherForms(t *testing.T) {
	good := string(Canonical(full()))
	for name, change := range map[string][2]string{
		"white space":        {`{"action"`, `{ "action"`},
		"another order":      {`"bound":9,"bucket":"company-reports"`, `"bucket":"company-reports","bound":9`},
		"a key in capitals":  {`"bucket"`, `"Bucket"`},
		"a key twice":        {`"bound":9`, `"bound":9,"bound":9`},
		"an unknown key":     {`"bound":9`, `"bound":9,"bounds":9`},
		"an escaped letter":  {`annual`, `\u0061nnual`},
		"another number":     {`1.5`, `1.50`},
		"another zone":       {`10:00:00.12Z`, `11:00:00.12+01:00`},
		"microseconds":       {`.12Z`, `.12001Z`},
		"an empty optional":  {`"grant":"finance-team"`, `"grant":""`},
		"text after the end": {`"v1"}`, `"v1"}{}`},
		"a line feed":        {`"v1"}`, "\"v1\"}\n"},
		"null":               {`"size":10`, `"size":null`},
		"an empty list":      {`"id"`, `"group_names":[],"id"`},
		"an open list":       {`"id"`, `"group_names":["a","id"`},
		"a list with spaces": {`"id"`, `"group_names":["a", "b"],"id"`},
		"false":              {`"key"`, `"implausible":false,"key"`},
		"a quoted flag":      {`"key"`, `"implausible":"true","key"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: the text did not change", name)
		}
		if _, err := Parse([]byte(bad)); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCleanSharesNothing(t *testing.T) {
	e := full()
	c := Clean(e)
	e.GroupNames, e.From = []string{"a"}, ptr(time.Unix(1, 0))
	c = Clean(e)
	*e.Size, *e.Bytes, *e.Seconds, *e.From, e.GroupNames[0] = 99, 99, 99, time.Unix(2, 0), "b"
	if c.GroupNames[0] != "a" || !c.From.Equal(time.Unix(1, 0)) {
		t.Error("the copy's lists and times changed with their original")
	}
	if *c.Size != 10 || *c.Bytes != 0 || *c.Seconds != 1.5 {
		t.Error("the copy changed with its original")
	}
}

func TestCleanUserAgent(t *testing.T) {
	for _, ua := range []string{strings.Repeat("é", 200), "x" + strings.Repeat("é", 200), strings.Repeat("\x80", 400), strings.Repeat("\U0001F512", 70)} {
		got := Clean(Event{UserAgent: ua}).UserAgent
		if !utf8.ValidString(got) || len(got) > MaxUserAgent {
			t.Errorf("%d bytes of user agent became %d", len(ua), len(got))
		}
		if utf8.ValidString(ua) && (!strings.HasPrefix(ua, got) || len(got) < MaxUserAgent-3) {
			t.Errorf("the user agent is not a prefix of the original: %q", got)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if Clean(Event{Seconds: &bad}).Seconds != nil {
			t.Errorf("%v seconds were kept", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Canonical(Event{}))
	f.Add(Canonical(full()))
	f.Add([]byte(`{"action":"","time":"0001-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Parse(text)
		if err == nil && !bytes.Equal(Canonical(e), text) {
			t.Errorf("%q prints as %q", text, Canonical(e))
		}
	})
}

func FuzzCanonical(f *testing.F) {
	f.Add("company-reports", "annual/a.pdf", "usher", int64(1793527200123), int64(7), 1.5)
	f.Add("\xfe", "", strings.Repeat("\x94\x92", 200), int64(-1), int64(0), math.NaN())
	f.Add("\xff", "\x00\"\\\u2028", strings.Repeat("\xf0\x9f\x94\x92", 90), int64(-1), int64(-1), math.Inf(1))
	f.Fuzz(func(t *testing.T, bucket, key, agent string, ms, size int64, seconds float64) {
		if y := time.UnixMilli(ms).UTC().Year(); y < 0 || y > 9999 {
			return // RFC 3339 has no such time
		}
		e := Event{Bucket: bucket, Key: key, UserAgent: agent, Time: time.UnixMilli(ms), Size: &size, Seconds: &seconds}
		text := Canonical(e)
		got, err := Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if again := Canonical(got); !bytes.Equal(again, text) {
			t.Errorf("%q became %q", text, again)
		}
		if utf8.ValidString(key) && got.Key != key {
			t.Errorf("key %q became %q", key, got.Key)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	e := full()
	for b.Loop() {
		Canonical(e)
	}
}

func BenchmarkParse(b *testing.B) {
	text := Canonical(full())
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
