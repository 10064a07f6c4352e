package object_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/elapsed/elapsedtest"
	"usher/backend/event"
	"usher/backend/object"
)

// noon is the instant of the live check in these tests.
var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// creds is a provider of fixed signing credentials.
type creds struct {
	aws.Credentials
	err error
}

func (c creds) Retrieve(context.Context) (aws.Credentials, error) { return c.Credentials, c.err }

func pair() creds {
	return creds{Credentials: aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "not-a-secret"}}
}

// receipt returns the log's receipt of a release with a live check at noon.
func receipt(t *testing.T, change func(*audit.Release)) audit.Receipt {
	t.Helper()
	log, err := audit.New(audit.Config{
		Store: audittest.NewMemory(), Now: func() time.Time { return noon },
		NewID: func(time.Time) string { return "01M8H817H4EP3D7C78E0VQN5ED" },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := audit.Release{CheckedAt: noon, Event: event.Event{
		User: event.User{Sub: "s"}, Bucket: "reports", Key: "a b/ü+?.csv", ETag: `"abc"`, Version: "v1", Purpose: "download",
	}}
	if change != nil {
		change(&r)
	}
	receipts, err := log.RecordReleases(t.Context(), []audit.Release{r})
	if err != nil {
		t.Fatal(err)
	}
	return receipts[0]
}

// signer returns a presigner with a fixed clock.
func signer(t *testing.T, at time.Time, c creds) *object.Presigner {
	t.Helper()
	p, err := object.NewPresigner(object.PresignerConfig{
		Region: "eu-central-1", Endpoint: "https://s3.eu-central-1.amazonaws.com", Credentials: c,
		CheckAge: func() time.Duration { return 5 * time.Second }, Now: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A live check that is too old or in the future is refused.
func TestSignAgeOfLiveCheck(t *testing.T) {
	for age, want := range map[time.Duration]error{
		0: nil, 5 * time.Second: nil, 5*time.Second + time.Millisecond: object.ErrStale, time.Hour: object.ErrStale,
		-time.Second: nil, -time.Second - time.Millisecond: object.ErrStale,
	} {
		signed, err := signer(t, noon.Add(age), pair()).Sign(t.Context(), receipt(t, nil))
		if !errors.Is(err, want) || (err == nil) != (signed.Reveal() != "") {
			t.Errorf("a check of %v: %v, want %v", age, err, want)
		}
	}
}

// X-Amz-Date is the instant of the live check, not of the signing: the life of the
// URL counts from the check.
func TestSignDateIsTheLiveCheck(t *testing.T) {
	signed, err := signer(t, noon.Add(4*time.Second), pair()).Sign(t.Context(), receipt(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if got := q.Get("X-Amz-Date"); got != "20261128T120000Z" {
		t.Errorf("X-Amz-Date %s", got)
	}
	if got := q.Get("X-Amz-Expires"); got != "60" || signed.Life != 56*time.Second {
		t.Errorf("life %s, %v", got, signed.Life)
	}
}

// A URL expires 30 s before its credential.
func TestSignCredentialEnds(t *testing.T) {
	session := func(left time.Duration, known bool) creds {
		c := pair()
		c.SessionToken, c.CanExpire, c.Expires = "token", known, noon.Add(left)
		return c
	}
	broken := pair()
	broken.err = errors.New("no credentials")
	for name, c := range map[string]struct {
		creds creds
		life  time.Duration
		err   error
	}{
		"long":                 {session(time.Hour, true), 60 * time.Second, nil},
		"90 s left":            {session(90*time.Second, true), 60 * time.Second, nil},
		"60 s left":            {session(60*time.Second, true), 30 * time.Second, nil},
		"34 s left":            {session(34*time.Second, true), 0, object.ErrCredentials},
		"ended":                {session(-time.Second, true), 0, object.ErrCredentials},
		"an unknown end":       {session(0, false), 0, object.ErrCredentials},
		"no credential":        {broken, 0, object.ErrCredentials},
		"a pair without token": {pair(), 60 * time.Second, nil},
	} {
		signed, err := signer(t, noon, c.creds).Sign(t.Context(), receipt(t, nil))
		if !errors.Is(err, c.err) || signed.Life != c.life {
			t.Errorf("%s: %v, %v; want %v, %v", name, signed.Life, err, c.life, c.err)
		}
	}
}

// The zero receipt is refused.
func TestSignNeedsReceipt(t *testing.T) {
	if signed, err := signer(t, noon, pair()).Sign(t.Context(), audit.Receipt{}); !errors.Is(err, object.ErrNoReceipt) || signed.Reveal() != "" {
		t.Errorf("without a receipt: %v", err)
	}
}

// A download signs the object, its content and its version. A link signs the host
// alone. No response header is signed.
func TestSignedParts(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*audit.Release)
		headers string
		match   string
		version string
	}{
		"download":         {nil, "host;if-match;x-amz-checksum-mode", `"abc"`, "v1"},
		"without an ETag":  {func(r *audit.Release) { r.Event.ETag = "" }, "host;x-amz-checksum-mode", "", "v1"},
		"without versions": {func(r *audit.Release) { r.Event.Version = "" }, "host;if-match;x-amz-checksum-mode", `"abc"`, ""},
		"link":             {func(r *audit.Release) { r.Link, r.Event.Purpose = true, "link" }, "host", "", "v1"},
	} {
		signed, err := signer(t, noon, pair()).Sign(t.Context(), receipt(t, c.change))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(signed.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if u.Host != "reports.s3.eu-central-1.amazonaws.com" || u.Path != "/a b/ü+?.csv" {
			t.Errorf("%s: %s %q", name, u.Host, u.Path)
		}
		if q.Get("X-Amz-SignedHeaders") != c.headers || signed.Headers["if-match"] != c.match || q.Get("versionId") != c.version ||
			q.Get("x-usher-event") != "01M8H817H4EP3D7C78E0VQN5ED" {
			t.Errorf("%s: %v %v", name, q, signed.Headers)
		}
		for p := range q {
			if len(p) > 9 && p[:9] == "response-" {
				t.Errorf("%s: %s is signed", name, p)
			}
		}
	}
}

// Clocks that differ by more than 5 s are an error: a URL would expire later or
// earlier than promised. The comparison uses real HTTP.
func TestSkew(t *testing.T) {
	for ahead, want := range map[time.Duration]error{
		0: nil, 4 * time.Second: nil, -4 * time.Second: nil,
		7 * time.Second: object.ErrSkew, -7 * time.Second: object.ErrSkew, time.Hour: object.ErrSkew,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", noon.Add(ahead).Format(http.TimeFormat))
			w.WriteHeader(http.StatusForbidden) // an error response has a Date too
		}))
		skew := object.NewSkew(func() time.Time { return noon })
		if err := skew.Check(t.Context(), watched(server.URL, skew), "reports"); !errors.Is(err, want) {
			t.Errorf("a storage %v ahead: %v, want %v", ahead, err, want)
		}
		if have, known := skew.Difference(); have != ahead || !known {
			t.Errorf("a storage %v ahead: a difference of %v, %v", ahead, have, known)
		}
		server.Close()
	}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header()["Date"] = nil }))
	defer silent.Close()
	skew := object.NewSkew(func() time.Time { return noon })
	if err := skew.Check(t.Context(), watched(silent.URL, skew), "reports"); !errors.Is(err, object.ErrUnavailable) {
		t.Errorf("a storage without a clock: %v", err)
	}
	if have, known := skew.Difference(); known {
		t.Errorf("a storage without a clock: a difference of %v", have)
	}
}

// A comparison is valid for five minutes.
func TestSkewIsRepeated(t *testing.T) {
	now, requests := noon, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Date", now.Format(http.TimeFormat))
	}))
	defer server.Close()
	skew := object.NewSkew(func() time.Time { return now })
	client := watched(server.URL, skew)
	for _, step := range []struct {
		pass time.Duration
		want int
	}{{0, 1}, {4 * time.Minute, 1}, {time.Minute, 2}, {-time.Hour, 3}} {
		now = now.Add(step.pass)
		if err := skew.Check(t.Context(), client, "reports"); err != nil || requests != step.want {
			t.Errorf("after %v: %d requests, %v; want %d", step.pass, requests, err, step.want)
		}
	}
}

func TestNewPresignerRefuses(t *testing.T) {
	good := object.PresignerConfig{
		Region: "eu-central-1", Endpoint: "https://s3.example.com", Credentials: pair(),
		CheckAge: func() time.Duration { return time.Second }, Now: time.Now,
	}
	for name, change := range map[string]func(*object.PresignerConfig){
		"no region":      func(c *object.PresignerConfig) { c.Region = "" },
		"no credentials": func(c *object.PresignerConfig) { c.Credentials = nil },
		"no clock":       func(c *object.PresignerConfig) { c.Now = nil },
		"no age":         func(c *object.PresignerConfig) { c.CheckAge = nil },
		"too short":      func(c *object.PresignerConfig) { c.Life = object.MinLife - time.Second },
		"too long":       func(c *object.PresignerConfig) { c.Life = object.MaxLife + time.Second },
		"no host":        func(c *object.PresignerConfig) { c.Endpoint = "s3.example.com" },
		"a path":         func(c *object.PresignerConfig) { c.Endpoint += "/bucket" },
		"a query":        func(c *object.PresignerConfig) { c.Endpoint += "?x=1" },
		"a user":         func(c *object.PresignerConfig) { c.Endpoint = "https://u:p@s3.example.com" },
		"only a colon":   func(c *object.PresignerConfig) { c.Endpoint = ":" },
	} {
		c := good
		change(&c)
		if _, err := object.NewPresigner(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := object.NewPresigner(good); err != nil {
		t.Error(err)
	}
}

// A comparison from before a freeze is repeated, though the monotonic clock stood
// still.
func TestSkewAfterAFreeze(t *testing.T) {
	now, requests := time.Now(), 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		requests++
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	}))
	defer server.Close()
	skew := object.NewSkew(func() time.Time { return now })
	client := watched(server.URL, skew)
	for want := 1; want <= 2; want++ {
		if err := skew.Check(t.Context(), client, "reports"); err != nil || requests != want {
			t.Errorf("%v, %d requests, want %d", err, requests, want)
		}
		now = elapsedtest.Thawed(now, 3600)
	}
}
