package event

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// Parse accepts only the bytes of Canonical, also without the comparison that it
// makes for odd forms.
func TestParseAcceptsOneTextAlone(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 120_000_000, time.UTC)
	size, seconds, zero := int64(0), 1e-7, int64(-12)
	samples := []Event{
		{},
		{ID: "01JD", Time: at, Action: Download, Outcome: Allowed, Bucket: "b", Key: "a/é.pdf", ETag: "\"x\"", Size: &size, Grant: "g", Policy: "p", Groups: "h",
			User: User{Sub: "s", Username: "u", Email: "e"}, SourceIP: "10.0.0.1", UserAgent: "agent", RequestID: "r", Session: "s-1"},
		{ID: "01JE", Time: at, Action: Completed, Bytes: &zero, Seconds: &seconds, Verified: "sha256", Continues: "01JD", Implausible: true},
		{ID: "01JF", Time: at, Action: GrantsChanged, GrantsAdded: 10, GrantsDiff: []string{"+ a", "- b"}, SignedIn: &at, From: &at, LastRecord: 7, Count: 3},
		{ID: "01JG", Time: at, Key: "tab\there \"quoted\" \\ \x01"},
	}
	rounds := 60_000
	if testing.Short() {
		rounds = 10_000
	}
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{`"count":0,`, `"reason":"",`, `"size":-0,`, `"size":01,`, `"size":+1,`, `"bytes":1e3,`, "\t", " ", `\u0041`, `\/`, `"etag":"","`, "\xff", "0", "-", ".", "}", "{", ",", `"`, `"way":"x"`}
	accepted := 0
	for i := range rounds {
		b := Canonical(samples[i%len(samples)])
		for range 1 + r.IntN(2) {
			at := r.IntN(len(b) + 1)
			switch r.IntN(5) {
			case 0:
				b = append(b[:at:at], append([]byte(pieces[r.IntN(len(pieces))]), b[at:]...)...)
			case 1:
				if at < len(b) {
					b = append(b[:at:at], b[at+1:]...)
				}
			case 2:
				if at < len(b) {
					b[at] = byte(r.IntN(256))
				}
			case 3: // two members change places
				parts := strings.SplitN(string(b), ",", 4)
				if len(parts) == 4 {
					b = []byte(parts[0] + "," + parts[2] + "," + parts[1] + "," + parts[3])
				}
			case 4: // one member twice
				if n := bytes.IndexByte(b, ','); n > 0 {
					b = append(b[:n+1:n+1], append(bytes.Clone(b[1:n+1]), b[n+1:]...)...)
				}
			}
		}
		if e, err := Parse(b); err == nil {
			if accepted++; !bytes.Equal(Canonical(e), b) {
				t.Fatalf("accepted: %q\ncanonical: %q", b, Canonical(e))
			}
		}
	}
	if accepted == 0 {
		t.Error("nothing is accepted, so this test proves nothing")
	}
}

// The fast form of an instant is that of time.Parse, or none.
func TestUsualTime(t *testing.T) {
	for _, text := range []string{
		"2026-08-07T03:27:21Z", "2026-08-07T03:27:21.6Z", "2026-08-07T03:27:21.06Z", "2026-08-07T03:27:21.006Z", "0001-01-01T00:00:00Z", "9999-12-28T23:59:59.999Z",
		"2026-08-31T03:27:21Z", "2026-02-30T03:27:21Z", "2026-08-07T24:00:00Z", "2026-08-07T03:60:21Z", "2026-08-07T03:27:60Z", "2026-13-07T03:27:21Z", "2026-00-07T03:27:21Z",
		"2026-08-07T03:27:21.60Z", "2026-08-07T03:27:21.Z", "2026-08-07T03:27:21.1234Z", "2026-08-07T03:27:21+00:00", "2026-08-07 03:27:21Z", "2026-08-0/T03:27:21Z", "2026-08-07T03:27:2:Z", "Z", "",
	} {
		got, ok := usualTime(text)
		if !ok {
			continue
		}
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || !got.Equal(want) || got.Format(time.RFC3339Nano) != text {
			t.Errorf("%s: %v, want %v (%v)", text, got, want, err)
		}
	}
	if _, ok := usualTime("2026-08-07T03:27:21.6Z"); !ok {
		t.Error("the usual form is refused")
	}
}
