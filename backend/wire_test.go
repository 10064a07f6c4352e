package backend_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/session"
)

// Usher's main example: two groups on one bucket. Each group sees its own subset
// in listings and downloads, and nothing else exists for it.
func TestEachGroupSeesItsSubset(t *testing.T) {
	log := &accessLog{}
	w := demotest.Start(t, demo.Options{AccessLog: log})
	for key, body := range map[string]string{
		"quarterly/t1.csv": "q", "annual/t2.csv": "a", "annual/audited/t3.csv": "aa", "board-packs/t4.csv": "b", "annualx/t5.csv": "x",
	} {
		w.Put(t, "company-reports", key, body)
	}
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")

	for _, c := range []struct {
		who     demotest.Actor
		prefix  string
		has     []string
		hasNot  []string
		refused bool
	}{
		{who: ada, prefix: "", has: []string{"annual/", "quarterly/"}, hasNot: []string{"board-packs/", "annualx/"}},
		{who: ada, prefix: "annual/", has: []string{"t2.csv", "audited/"}},
		{who: grace, prefix: "", has: []string{"annual/"}, hasNot: []string{"quarterly/", "board-packs/"}},
		{who: grace, prefix: "annual/", has: []string{"audited/"}, hasNot: []string{"t2.csv"}},
		{who: grace, prefix: "annual/audited/", has: []string{"t3.csv"}},
		{who: grace, prefix: "quarterly/", refused: true},
		{who: ada, prefix: "board-packs/", refused: true},
		{who: ada, prefix: "annualx/", refused: true},
	} {
		if c.refused {
			before := log.count()
			_, err := c.who.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: c.prefix})
			if codeOf(err) != api.NotFound {
				t.Errorf("listing %q: %v, want not_found", c.prefix, err)
			}
			if log.count() != before {
				t.Errorf("a refused listing of %q reached S3", c.prefix)
			}
			continue
		}
		got := names(t, c.who, "company-reports", c.prefix)
		for _, n := range c.has {
			if !slices.Contains(got, n) {
				t.Errorf("listing %q: %q is missing in %q", c.prefix, n, got)
			}
		}
		for _, n := range c.hasNot {
			if slices.Contains(got, n) {
				t.Errorf("listing %q: %q must not be seen", c.prefix, n)
			}
		}
	}
	if got := names(t, grace, "", ""); !slices.Equal(got, []string{"company-reports"}) {
		t.Errorf("grace's buckets: %q", got)
	}

	for _, c := range []struct {
		who  demotest.Actor
		key  string
		body string // "" means refused
	}{
		{ada, "quarterly/t1.csv", "q"}, {ada, "annual/t2.csv", "a"}, {ada, "annual/audited/t3.csv", "aa"}, {ada, "board-packs/t4.csv", ""}, {ada, "annualx/t5.csv", ""},
		{grace, "annual/audited/t3.csv", "aa"}, {grace, "annual/t2.csv", ""}, {grace, "quarterly/t1.csv", ""}, {grace, "annual/audited/../t2.csv", ""},
	} {
		before := log.count()
		item, err := releaseOne(t.Context(), c.who, "company-reports", c.key)
		if c.body == "" {
			if codeOf(err) != api.NotFound || item.URL != "" {
				t.Errorf("%q: %v %q, want not_found", c.key, err, item.URL)
			}
			if c.key != "annual/audited/../t2.csv" && log.count() != before {
				t.Errorf("a refused release of %q reached S3", c.key)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.key, err)
			continue
		}
		if status, body := get(t, item, nil); status != http.StatusOK || body != c.body {
			t.Errorf("%q: %d %q", c.key, status, body)
		}
	}

	events := query(t, grace, "outcome:denied bucket:company-reports")
	want := map[string]string{ // prefix or key → action
		"quarterly/": event.List, "board-packs/": event.List, "annualx/": event.List, "board-packs/t4.csv": event.Download,
		"annualx/t5.csv": event.Download, "annual/t2.csv": event.Download, "quarterly/t1.csv": event.Download,
	}
	for _, e := range events {
		if want[e.Key] == e.Action {
			delete(want, e.Key)
		}
	}
	if len(want) > 0 {
		t.Errorf("no denied event of %v", want)
	}
}

// An existing object without a grant, an absent object without a grant, and an
// absent object with a grant have byte-identical responses.
func TestAbsentAndDeniedAreIndistinguishable(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "board-packs/there.csv", "x")
	grace := w.SignIn(t, "grace")
	for verb, bodies := range map[string][]string{
		"list": {
			`{"bucket":"company-reports","prefix":"board-packs/"}`, `{"bucket":"company-reports","prefix":"board-packz/"}`,
			`{"bucket":"no-such-bucket","prefix":""}`, `{"bucket":"company-reports","prefix":"annual/audited/not-there/"}`,
		},
		"search": {
			`{"bucket":"company-reports","prefix":"board-packs/","text":"there"}`, `{"bucket":"company-reports","prefix":"board-packz/","text":"there"}`,
			`{"bucket":"no-such-bucket","prefix":"","text":"there"}`, `{"bucket":"company-reports","prefix":"annual/audited/not-there/","text":"there"}`,
		},
		"stat": {
			`{"bucket":"company-reports","key":"board-packs/there.csv"}`, `{"bucket":"company-reports","key":"board-packs/absent.csv"}`,
			`{"bucket":"company-reports","key":"annual/audited/not-there.csv"}`,
		},
		"release": {
			`{"objects":[{"bucket":"company-reports","key":"board-packs/there.csv"}]}`, `{"objects":[{"bucket":"company-reports","key":"board-packs/absent.csv"}]}`,
			`{"objects":[{"bucket":"company-reports","key":"annual/audited/not-there.csv"}]}`, `{"objects":[{"bucket":"no-such-bucket","key":"x"}]}`,
		},
	} {
		status, header, text := raw(t, w, grace, verb, bodies[0])
		for _, other := range bodies[1:] {
			s, h, b := raw(t, w, grace, verb, other)
			if s != status || b != text || !equalHeader(h, header) {
				t.Errorf("%s: %s and %s differ:\n%d %v %s\n%d %v %s", verb, bodies[0], other, status, header, text, s, h, b)
			}
		}
	}
}

// A URL is valid for one object, one method, one content and one minute.
func TestReleasedURLCannotBeChanged(t *testing.T) {
	now := &clock{}
	w := demotest.Start(t, demo.Options{Now: now.Now})
	w.Put(t, "company-reports", "annual/audited/one.csv", "one")
	w.Put(t, "company-reports", "annual/audited/two.csv", "two")
	grace := w.SignIn(t, "grace")
	item, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/one.csv")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(item.URL, w.S3SecretKey) || !strings.Contains(item.URL, "x-usher-event="+item.Event) {
		t.Error("the URL contains a secret, or lacks its event")
	}
	if status, body := get(t, item, nil); status != http.StatusOK || body != "one" {
		t.Fatalf("the URL itself: %d %q", status, body)
	}
	if status, body := get(t, item, func(r *http.Request) { r.Header.Set("Range", "bytes=1-1") }); status != http.StatusPartialContent || body != "n" {
		t.Errorf("a range: %d %q", status, body)
	}
	query := func(f func(q url.Values)) func(r *http.Request) {
		return func(r *http.Request) {
			q := r.URL.Query()
			f(q)
			r.URL.RawQuery = q.Encode()
		}
	}
	for name, change := range map[string]func(r *http.Request){
		"another key": func(r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "one", "two", 1)
			r.URL.RawPath = ""
		},
		"PUT":               func(r *http.Request) { r.Method = http.MethodPut },
		"DELETE":            func(r *http.Request) { r.Method = http.MethodDelete },
		"HEAD":              func(r *http.Request) { r.Method = http.MethodHead },
		"longer life":       query(func(q url.Values) { q.Set("X-Amz-Expires", "600") }),
		"another event":     query(func(q url.Values) { q.Set("x-usher-event", "01ARZ3NDEKTSV4RRFFQ69G5FAV") }),
		"an added override": query(func(q url.Values) { q.Set("response-content-type", "text/html") }),
		"an added version":  query(func(q url.Values) { q.Set("versionId", "null") }),
		"a removed event":   query(func(q url.Values) { q.Del("x-usher-event") }),
		"another host":      func(r *http.Request) { r.Host = strings.Replace(r.Host, "127.0.0.1", "localhost", 1) },
		"another If-Match":  func(r *http.Request) { r.Header.Set("If-Match", `"0123"`) },
		"no If-Match":       func(r *http.Request) { r.Header.Del("If-Match") },
	} {
		if status, _ := get(t, item, change); status != http.StatusForbidden {
			t.Errorf("%s: %d, want 403", name, status)
		}
	}
	w.Put(t, "company-reports", "annual/audited/one.csv", "changed")
	if status, _ := get(t, item, nil); status != http.StatusPreconditionFailed {
		t.Errorf("after the object changed: %d, want 412", status)
	}
	now.Pass(61 * time.Second)
	if status, body := get(t, item, nil); status != http.StatusForbidden || !strings.Contains(body, "expired") {
		t.Errorf("after expiry: %d, want 403", status)
	}
}

// No record, no URL: without the log's file nothing is released.
func TestNoRecordNoURL(t *testing.T) {
	dir := t.TempDir()
	w := demotest.Start(t, demo.Options{Dir: dir})
	ada := w.SignIn(t, "ada")
	w.Put(t, "company-reports", "annual/one.csv", "one")
	if _, err := releaseOne(t.Context(), ada, "company-reports", "annual/one.csv"); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, "audit.db*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("%v %v", logs, err)
	}
	for _, f := range logs {
		if err := os.Rename(f, f+".gone"); err != nil {
			t.Fatal(err)
		}
	}
	item, err := releaseOne(t.Context(), ada, "company-reports", "annual/one.csv")
	if codeOf(err) != api.AuditUnavailable || item.URL != "" {
		t.Errorf("a release without a log: %v %q, want audit_unavailable", err, item.URL)
	}
	if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/"}); codeOf(err) != api.AuditUnavailable {
		t.Errorf("a listing without a log: %v, want audit_unavailable", err)
	}
	for _, f := range logs {
		if err := os.Rename(f+".gone", f); err != nil {
			t.Fatal(err)
		}
	}
}

// 5 s after a person is disabled, signed out everywhere or removed from a group,
// they get no new URL.
func TestRemovalTakesEffect(t *testing.T) {
	for name, remove := range map[string]struct {
		do   func(ctx context.Context, c *cognitoidentityprovider.Client, pool string) error
		want api.Code
	}{
		"disabled": {func(ctx context.Context, c *cognitoidentityprovider.Client, pool string) error {
			_, err := c.AdminDisableUser(ctx, &cognitoidentityprovider.AdminDisableUserInput{UserPoolId: &pool, Username: aws.String("ada")})
			return err
		}, api.SessionRevoked},
		"signed out everywhere": {func(ctx context.Context, c *cognitoidentityprovider.Client, pool string) error {
			_, err := c.AdminUserGlobalSignOut(ctx, &cognitoidentityprovider.AdminUserGlobalSignOutInput{UserPoolId: &pool, Username: aws.String("ada")})
			return err
		}, api.SessionRevoked},
		"removed from the group": {func(ctx context.Context, c *cognitoidentityprovider.Client, pool string) error {
			_, err := c.AdminRemoveUserFromGroup(ctx, &cognitoidentityprovider.AdminRemoveUserFromGroupInput{UserPoolId: &pool, Username: aws.String("ada"), GroupName: aws.String("finance-team")})
			return err
		}, api.NotFound},
	} {
		for verb, in := range map[api.Verb]string{
			api.VerbRelease: `{"objects":[{"bucket":"company-reports","key":"annual/one.csv"}]}`,
			api.VerbList:    `{"bucket":"company-reports","prefix":"annual/","recursive":true,"urls":1000}`,
		} {
			t.Run(name+"/"+string(verb), func(t *testing.T) {
				now := &clock{}
				w := demotest.Start(t, demo.Options{Now: now.Now})
				w.Put(t, "company-reports", "annual/one.csv", "one")
				ada := w.SignIn(t, "ada")
				release := func() api.Code {
					status, _, body := raw(t, w, ada, string(verb), in)
					if status == http.StatusOK && strings.Contains(body, `"url"`) {
						return ""
					}
					for _, f := range api.Failures() {
						if strings.Contains(body, `"`+string(f.Code)+`"`) {
							return f.Code
						}
					}
					t.Fatalf("%d %s", status, body)
					return ""
				}
				if got := release(); got != "" {
					t.Fatalf("before: %s", got)
				}
				if err := remove.do(t.Context(), w.Admin(), w.UserPoolID); err != nil {
					t.Fatal(err)
				}
				now.Pass(5*time.Second + time.Millisecond)
				if got := release(); got != remove.want {
					t.Errorf("5 s after: %q, want %s", got, remove.want)
				}
			})
		}
	}
}

// Every event contains person, action, instant, source and outcome.
func TestEventsHaveAllFields(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "annual/audited/one.csv", "one")
	grace := w.SignIn(t, "grace")
	item, err := releaseOne(t.Context(), grace, "company-reports", "annual/audited/one.csv")
	if err != nil {
		t.Fatal(err)
	}
	report := api.CompleteItem{Event: item.Event, Outcome: api.CompletedDone, Bytes: 3, Seconds: 0.1, Verified: "crc64nvme"}
	ada := w.SignIn(t, "ada")
	for _, a := range []demotest.Actor{ada, grace, grace} { // ada's report and the second one are ignored
		if err := a.Complete(t.Context(), api.CompleteRequest{Items: []api.CompleteItem{report}}); err != nil {
			t.Fatal(err)
		}
	}
	names(t, grace, "company-reports", "annual/audited/")
	token, err := grace.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := grace.Signout(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, e := range query(t, grace, "who:grace") {
		counts[e.Action]++
		if e.ID == "" || e.Time.IsZero() || e.User.Sub == "" || e.User.Username != "grace" || e.User.Email != "grace@example.com" && e.Action != event.SignOut ||
			!strings.HasPrefix(e.Session, "s-") || e.SourceIP != "127.0.0.1" || e.UserAgent != "usher-test/1 (grace)" || e.RequestID == "" || e.Outcome == "" {
			t.Errorf("an event lacks a field: %+v", e)
		}
		if e.Action == event.Download && (e.Bucket != "company-reports" || e.Key != "annual/audited/one.csv" || e.ETag == "" || e.Grant == "" || *e.Size != 3) {
			t.Errorf("a download lacks a field: %+v", e)
		}
	}
	for action, want := range map[string]int{event.SessionStart: 1, event.Download: 1, event.Completed: 1, event.List: 1, event.SignOut: 1} {
		if counts[action] != want {
			t.Errorf("%d events %s, want %d", counts[action], action, want)
		}
	}
	if _, err := ada.AuditQuery(t.Context(), api.AuditQueryRequest{}); codeOf(err) != api.NotFound {
		t.Errorf("ada reads the log: %v, want not_found", err)
	}
}

// A sign-out everywhere ends the sessions of the caller on all machines, and of
// no other person, after its record.
func TestSignOutEverywhere(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	here, there, ada := w.SignIn(t, "grace"), w.SignIn(t, "grace"), w.SignIn(t, "ada")
	token, err := here.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := here.SignoutEverywhere(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	for _, a := range []demotest.Actor{here, there} {
		a.Session.Refused(token)
		if err := a.SignoutEverywhere(t.Context(), token); err == nil {
			t.Error("the session is alive")
		}
	}
	there.Session.Refused(tokenOf(t, there))
	if _, err := there.Session.Token(t.Context()); !errors.Is(err, session.ErrSignedOut) {
		t.Errorf("the other machine renews: %v", err)
	}
	if _, err := ada.Whoami(t.Context()); err != nil {
		t.Errorf("another person: %v", err)
	}
	events := w.Events(t, "action:sign-out-everywhere outcome:allowed")
	if len(events) != 1 || events[0].User.Username != "grace" {
		t.Errorf("%d events: %+v", len(events), events)
	}
}
