package backend_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
)

// slowHead is a storage whose HEAD moves the clock.
type slowHead struct {
	backend.Objects
	pass func()
}

func (s slowHead) Head(ctx context.Context, bucket, key, version, id string) (object.Facts, error) {
	facts, err := s.Objects.Head(ctx, bucket, key, version, id)
	s.pass()
	return facts, err
}

// fixedGrants is a set of grants that a test can replace.
type fixedGrants struct {
	mu  sync.Mutex
	set *grant.Set
}

func (g *fixedGrants) Current(context.Context) (*grant.Set, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.set, nil
}

func (*fixedGrants) Problem() error { return nil }

func (g *fixedGrants) put(t *testing.T, grants ...grant.Grant) {
	t.Helper()
	set, err := grant.NewSet(grants)
	if err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.set = set
}

// withGrants starts a server with the test's grants and returns ada as its client.
func withGrants(t *testing.T, w *demotest.Demo, ada demotest.Actor, now func() time.Time, change func(*backend.Config), grants ...grant.Grant) (demotest.Actor, *fixedGrants, string) {
	t.Helper()
	g := &fixedGrants{}
	g.put(t, grants...)
	server, _ := rebuilt(t, w, now, func(c *backend.Config) {
		c.Grants = g
		if change != nil {
			change(c)
		}
	})
	return at(t, ada, server), g, server
}

func allow(prefix string) grant.Grant {
	return grant.Grant{Group: "finance-team", Bucket: "builds", Prefix: prefix}
}

// A grant that ends during the HEAD yields no URL, and the event's outcome is
// denied.
func TestGrantEndsBeforeSigning(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "builds", "x/y", "y")
	clock := newStopped()
	until := allow("x/")
	until.Expires = clock.Now().Add(3 * time.Second)
	var log backend.Log
	ada, _, _ := withGrants(t, w, w.SignIn(t, "ada"), clock.Now, func(c *backend.Config) {
		c.Objects = slowHead{c.Objects, func() { clock.Pass(4 * time.Second) }}
		log = c.Audit
	}, until)
	if item, err := releaseOne(t.Context(), ada, "builds", "x/y"); codeOf(err) != api.NotFound || item.URL != "" {
		t.Errorf("%+v, %v", item, err)
	}
	filter, err := event.ParseFilter("action:download", clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	found, err := log.Query(t.Context(), filter, auditPage)
	if err != nil || len(found.Events) != 2 || found.Events[0].Outcome != event.Denied || !found.Events[0].Time.Equal(clock.Now()) {
		t.Errorf("%+v, %v", found.Events, err)
	}
}

// A grant that ends during a slow body yields no URL. The instant of the event is
// after the body, not the client's choice.
func TestGrantEndsWhileBodyArrives(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "builds", "x/y", "y")
	clock := newStopped()
	until := allow("x/")
	until.Expires = clock.Now().Add(3 * time.Second)
	var log backend.Log
	ada, _, server := withGrants(t, w, w.SignIn(t, "ada"), clock.Now, func(c *backend.Config) { log = c.Audit }, until)
	token, err := ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(server, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"objects":[{"bucket":"builds","key":"x/y"}]}`
	send := func(s string) {
		t.Helper()
		if _, err := io.WriteString(conn, s); err != nil {
			t.Fatal(err)
		}
	}
	send(fmt.Sprintf("POST /v1/release HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		host, token, len(body)))
	responses := bufio.NewReader(conn)
	line, err := responses.ReadString('\n') // the header was accepted and the person identified
	if err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := responses.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	send(body[:10])
	clock.Pass(4 * time.Second)
	send(body[10:])
	res, err := http.ReadResponse(responses, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	if err != nil || strings.Contains(string(got), `"url"`) || !strings.Contains(string(got), string(api.NotFound)) {
		t.Errorf("%s, %v", got, err)
	}
	filter, err := event.ParseFilter("action:download", clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	found, err := log.Query(t.Context(), filter, auditPage)
	if err != nil || len(found.Events) != 1 || found.Events[0].Outcome != event.Denied || !found.Events[0].Time.Equal(clock.Now()) {
		t.Errorf("%+v, %v", found.Events, err)
	}
}

// An item may continue only an event of the same person and object that is first
// of its chain and not done.
func TestContinuesIsChecked(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	for _, key := range []string{"a", "b"} {
		w.Put(t, "builds", key, key)
	}
	clock := newStopped()
	var log backend.Log
	ada, _, server := withGrants(t, w, w.SignIn(t, "ada"), clock.Now, func(c *backend.Config) { log = c.Audit }, allow(""),
		grant.Grant{Group: "external-auditors", Bucket: "builds"})
	grace := at(t, w.SignIn(t, "grace"), server)
	release := func(person demotest.Actor, key, continues string) api.ReleaseItem {
		t.Helper()
		out, err := person.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "builds", Key: key, Continues: continues}}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Items[0]
	}
	first := release(ada, "a", "")
	renewed := release(ada, "a", first.Event)
	if renewed.URL == "" {
		t.Fatalf("the renewal: %+v", renewed.Error)
	}
	listed, err := ada.List(t.Context(), api.ListRequest{Bucket: "builds"})
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, item api.ReleaseItem) {
		t.Helper()
		if item.URL != "" || item.Error == nil || item.Error.Code != api.BadRequest {
			t.Errorf("%s: %+v %+v", name, item, item.Error)
		}
	}
	refuse("an invented event", release(ada, "a", "01M8H817H4EP3D7C78E0VQN5ED"))
	refuse("another object's event", release(ada, "b", first.Event))
	refuse("another person's event", release(grace, "a", first.Event))
	refuse("a renewal", release(ada, "a", renewed.Event))
	refuse("a listing", release(ada, "a", listed.Event))
	if err := ada.Client.Complete(t.Context(), api.CompleteRequest{Items: []api.CompleteItem{{Event: first.Event, Outcome: api.CompletedFailed}}}); err != nil {
		t.Fatal(err)
	}
	if item := release(ada, "a", first.Event); item.URL == "" {
		t.Errorf("after a failure: %+v", item.Error)
	}
	done := release(ada, "a", "")
	if err := ada.Client.Complete(t.Context(), api.CompleteRequest{Items: []api.CompleteItem{{Event: done.Event, Outcome: api.CompletedDone, Bytes: 1}}}); err != nil {
		t.Fatal(err)
	}
	refuse("a download that is done", release(ada, "a", done.Event))
	me, err := ada.Whoami(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := event.Event{ID: "01K8H817H4EP3D7C78E0VQN5ED", Time: clock.Now().Add(-25 * time.Hour), User: event.User{Sub: me.Person.Sub}, Bucket: "builds", Key: "a", Purpose: api.PurposeDownload}
	if _, err := log.RecordReleases(t.Context(), []audit.Release{{Event: old, CheckedAt: old.Time}}); err != nil {
		t.Fatal(err)
	}
	refuse("an event of yesterday", release(ada, "a", old.ID))
}

// A recursive listing neither skips nor repeats a granted folder when grants
// change between its pages. It continues if the change is behind the cursor, and
// must restart otherwise.
func TestGrantsChangeBetweenPages(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	var want []string
	for _, folder := range []string{"a", "b", "c", "d"} {
		for i := range 3 {
			key := fmt.Sprintf("walk/%s/%d", folder, i)
			w.Put(t, "builds", key, "x")
			want = append(want, key[len("walk/"):])
		}
	}
	signedIn := w.SignIn(t, "ada")
	deny := func(prefix string) grant.Grant { g := allow(prefix); g.Effect = grant.Deny; return g }
	a, b, c, d := allow("walk/a/"), allow("walk/b/"), allow("walk/c/"), allow("walk/d/")
	for name, x := range map[string]struct {
		before, after []grant.Grant
		restart       bool     // the listing must restart
		want          []string // rows of all pages
	}{
		"nothing":                   {[]grant.Grant{a, b, c, d}, []grant.Grant{a, b, c, d}, false, want},
		"another bucket":            {[]grant.Grant{a, b, c, d}, []grant.Grant{a, b, c, d, {Group: "finance-team", Bucket: "other-bucket"}}, false, want},
		"a later folder is granted": {[]grant.Grant{a, b, c}, []grant.Grant{a, b, c, d}, false, want},
		"a later folder is revoked": {[]grant.Grant{a, b, c, d}, []grant.Grant{a, b, c}, false, want[:9]},
		"an earlier one is revoked": {[]grant.Grant{a, b, c, d}, []grant.Grant{b, c, d}, true, nil},
		"an earlier one is granted": {[]grant.Grant{b, c, d}, []grant.Grant{a, b, c, d}, true, nil},
		"the folder is revoked":     {[]grant.Grant{a, b, c, d}, []grant.Grant{a, c, d}, true, nil},
		"a wider grant":             {[]grant.Grant{a, b, c, d}, []grant.Grant{allow("walk/")}, true, nil},
		"an earlier denial ends":    {[]grant.Grant{allow("walk/"), deny("walk/a/")}, []grant.Grant{allow("walk/")}, true, nil},
		"a later denial ends":       {[]grant.Grant{allow("walk/"), deny("walk/d/")}, []grant.Grant{allow("walk/")}, false, want},
		"a later denial is added":   {[]grant.Grant{allow("walk/")}, []grant.Grant{allow("walk/"), deny("walk/d/")}, false, want[:9]},
	} {
		t.Run(name, func(t *testing.T) {
			ada, g, _ := withGrants(t, w, signedIn, time.Now, nil, x.before...)
			in := api.ListRequest{Bucket: "builds", Prefix: "walk/", Recursive: true, Limit: 5}
			page, err := ada.List(t.Context(), in)
			if err != nil || page.Cursor == "" {
				t.Fatalf("%+v, %v", page, err)
			}
			g.put(t, x.after...)
			var got []string
			for in.Cursor = page.Cursor; ; in.Cursor = page.Cursor {
				for _, e := range page.Entries {
					got = append(got, e.Name)
				}
				if page.Cursor == "" {
					break
				}
				if page, err = ada.List(t.Context(), in); err != nil {
					break
				}
			}
			switch {
			case x.restart && codeOf(err) != api.BadCursor:
				t.Errorf("%v, want %s", err, api.BadCursor)
			case !x.restart && (err != nil || !slices.Equal(got, x.want)):
				t.Errorf("%q, %v; want %q", got, err, x.want)
			}
		})
	}
}

// A body that is not Unicode text is refused: Go's decoders would read U+FFFD and
// so the name of another object.
func TestBodiesMustBeUnicode(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "builds", "k\uFFFD", "another")
	alan := w.SignIn(t, "alan")
	token, err := alan.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(w.Server, "http://")
	for key, want := range map[string]int{
		"k\uFFFD": 200, `k\ufffd`: 200, `k\ud83d\ude00`: 200, `k\\ud800`: 200, `\\\\ud800`: 200, "k\U0001F600": 200,
		"k\xff": 400, "k\xed\xa0\x80": 400, "\xc0\xaf": 400, `k\ud800`: 400, `k\udc00`: 400, `k\ud800\ud800`: 400, `k\ud800x`: 400, `\\\ud800`: 400, `k\uD83D\n\uDE00`: 400,
	} {
		for _, verb := range []string{"release", "stat", "list"} {
			body := map[string]string{
				"release": `{"objects":[{"bucket":"builds","key":"` + key + `"}]}`,
				"stat":    `{"bucket":"builds","key":"` + key + `"}`,
				"list":    `{"bucket":"builds","prefix":"","start":"` + key + `"}`,
			}[verb]
			got := sendRaw(t, host, fmt.Sprintf("POST /v1/%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				verb, host, token, len(body), body))
			if want == 200 && got == http.StatusNotFound { // accepted, and there is no such object
				got = 200
			}
			if got != want {
				t.Errorf("%s of %q: %d, want %d", verb, key, got, want)
			}
		}
	}
}

var auditPage = audit.Page{Limit: 100}
