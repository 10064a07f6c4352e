package backend_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/audittest"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/grant"
)

// contentsWorld is a backend with a log in memory and a clock of the test.
type contentsWorld struct {
	*demotest.Demo
	store *audittest.Memory
	now   *stopped
	set   *grant.Set
	on    func(*testing.T, demotest.Actor) demotest.Actor
}

func newContentsWorld(t *testing.T) *contentsWorld {
	t.Helper()
	now := newStopped()
	w := &contentsWorld{Demo: demotest.Start(t, demo.Options{Now: now.Now}), store: audittest.NewMemory(), now: now}
	for _, key := range []string{"annual/a.csv", "annual/b.csv", "annual/deep/c.csv"} {
		w.Put(t, "company-reports", key, "content of "+key)
	}
	log, err := audit.New(audit.Config{Store: slowChanges{w.store}, Now: now.Now, NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	server, _ := rebuilt(t, w.Demo, now.Now, func(c *backend.Config) {
		c.Audit = log
		if w.set, err = c.Grants.Current(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	w.on = func(t *testing.T, a demotest.Actor) demotest.Actor { return at(t, a, server) }
	return w
}

// slowChanges is a store in which changes of groups take longer than other writes.
type slowChanges struct{ *audittest.Memory }

func (s slowChanges) Append(ctx context.Context, events []event.Event) error {
	if slices.ContainsFunc(events, func(e event.Event) bool { return e.Action == event.MembershipChanged }) {
		time.Sleep(200 * time.Millisecond) // other requests arrive meanwhile
	}
	return s.Memory.Append(ctx, events)
}

// use makes decisions of every kind.
func (w *contentsWorld) use(ctx context.Context, t *testing.T, a demotest.Actor) {
	t.Helper()
	refused := func(err error) {
		if err != nil && codeOf(err) != api.NotFound {
			t.Error(err)
		}
	}
	for _, in := range []api.ListRequest{
		{}, {Bucket: "company-reports"}, {Bucket: "company-reports", Prefix: "annual/"}, {Bucket: "company-reports", Prefix: "annual/", Recursive: true},
		{Bucket: "company-reports", Prefix: "annual/", Recursive: true, URLs: 2}, {Bucket: "company-reports", Recursive: true, Limit: 1},
		{Bucket: "no-such-bucket", Prefix: "x/"}, {Bucket: "company-reports", Prefix: "annual/none/"},
	} {
		page, err := a.List(ctx, in)
		refused(err)
		if err == nil {
			w.disclosed(t, page.Event, page.Entries)
		}
	}
	found, err := a.Search(ctx, api.SearchRequest{Bucket: "company-reports", Prefix: "annual/", Text: "a"})
	refused(err)
	if err == nil {
		w.disclosed(t, found.Event, found.Entries)
	}
	for _, key := range []string{"annual/a.csv", "annual/none.csv", "secret.csv"} {
		_, err := a.Stat(ctx, api.StatRequest{Bucket: "company-reports", Key: key})
		refused(err)
		_, err = a.Versions(ctx, api.VersionsRequest{Bucket: "company-reports", Key: key})
		refused(err)
		for _, purpose := range []string{api.PurposeDownload, api.PurposePreview, api.PurposeLink} {
			_, err := a.Release(ctx, api.ReleaseRequest{Objects: []api.ReleaseObject{{Bucket: "company-reports", Key: key}}, Purpose: purpose})
			refused(err)
		}
	}
}

// disclosed compares the names of an answer with those of its event.
func (w *contentsWorld) disclosed(t *testing.T, id string, entries []api.Entry) {
	t.Helper()
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	i := slices.IndexFunc(w.store.Events(), func(e event.Event) bool { return e.ID == id })
	if i < 0 {
		t.Fatalf("%s has no event", id)
	}
	if e := w.store.Events()[i]; e.Entries != len(names) || e.EntriesHash != event.HashNames(names) {
		t.Errorf("the answer has %q; its event has %d entries with the hash %s", names, e.Entries, e.EntriesHash)
	}
}

// Every decision in the log can be made again, from the groups and the version of
// the grants that it names.
func TestDecisionsCanBeMadeAgain(t *testing.T) {
	w := newContentsWorld(t)
	people := []demotest.Actor{w.on(t, w.SignIn(t, "ada")), w.on(t, w.SignIn(t, "alan")), w.on(t, w.AddPersonAt(t, w.now.Now, "nobody"))}
	var all sync.WaitGroup
	for _, p := range people {
		all.Go(func() { w.use(t.Context(), t, p) })
	}
	all.Wait()
	names := map[string][]string{}
	decided := map[string]int{}
	for _, e := range w.store.Events() {
		if e.Action == event.SessionStart {
			if e.Groups != event.HashGroups(e.GroupNames) || e.Way != event.WayNative || e.SignedIn == nil || w.now.Now().Sub(*e.SignedIn).Abs() > time.Minute {
				t.Errorf("a session starts with %+v", e)
			}
			names[e.Groups] = e.GroupNames
		}
		switch e.Action {
		case event.List, event.Search, event.Stat, event.Versions, event.Download:
		default:
			continue
		}
		groups, known := names[e.Groups]
		if !known || e.Policy != w.set.Version() {
			t.Errorf("%s %s: groups %q, known before: %v; policy %q", e.Action, e.Path(), e.Groups, known, e.Policy)
			continue
		}
		allowed, by := again(w.set, groups, e)
		if allowed != (e.Outcome != event.Denied) || by != e.Grant {
			t.Errorf("%s %s: %s by %q; again: %v by %q", e.Action, e.Path(), e.Outcome, e.Grant, allowed, by)
		}
		decided[e.Action+" "+e.Outcome]++
	}
	for _, kind := range []string{"list allowed", "list denied", "list failed", "search allowed", "search denied", "stat allowed", "stat denied", "stat failed", "versions allowed", "versions denied", "versions failed", "download allowed", "download denied", "download failed"} {
		if decided[kind] == 0 {
			t.Errorf("no decision %q; there are %v", kind, decided)
		}
	}
}

// again makes the decision of an event.
func again(set *grant.Set, groups []string, e event.Event) (allowed bool, by string) {
	var g *grant.Grant
	switch {
	case e.Action == event.List && e.Bucket == "":
		return true, ""
	case e.Action == event.List, e.Action == event.Search:
		v := set.Visible(groups, e.Bucket, e.Key, e.Time)
		allowed, g = !v.Nothing(), v.Grant
	default:
		d := set.Decide(groups, e.Bucket, e.Key, e.Time)
		allowed, g = d.Allowed, d.Grant
	}
	if g != nil {
		by = g.String()
	}
	return allowed, by
}

// Every released object has its size in the log: of a page with URLs, of a listing's
// mark, of a HEAD, and of a renewed URL.
func TestReleasesHaveTheSize(t *testing.T) {
	w := newContentsWorld(t)
	ada := w.on(t, w.SignIn(t, "ada"))
	listed, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true})
	if err != nil || len(listed.Entries) == 0 || listed.Entries[0].Mark == "" {
		t.Fatalf("%+v, %v", listed, err)
	}
	if _, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/", Recursive: true, URLs: 3}); err != nil {
		t.Fatal(err)
	}
	e := listed.Entries[0]
	object := api.ReleaseObject{Bucket: "company-reports", Key: "annual/" + e.Name, ETag: e.ETag}
	marked, forged := object, object
	marked.Mark, forged.Mark = e.Mark, listed.Entries[1].Mark
	out, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{object, marked, forged, {Bucket: object.Bucket, Key: object.Key}}})
	if err != nil {
		t.Fatal(err)
	}
	object.Continues = out.Items[0].Event
	if _, err := ada.Release(t.Context(), api.ReleaseRequest{Objects: []api.ReleaseObject{object}}); err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, l := range listed.Entries {
		sizes["annual/"+l.Name] = l.Size
	}
	n := 0
	for _, e := range w.store.Events() {
		if e.Action != event.Download {
			continue
		}
		if n++; e.Size == nil || *e.Size != sizes[e.Key] {
			t.Errorf("the release of %s has the size %v, want %d", e.Key, e.Size, sizes[e.Key])
		}
	}
	if n < 8 {
		t.Errorf("%d releases", n)
	}
}

// A person leaves a group during a session: the log has the names before and
// after, once, before the first decision with the new groups.
func TestAChangeOfGroupsIsRecorded(t *testing.T) {
	w := newContentsWorld(t)
	mover := w.on(t, w.AddPersonAt(t, w.now.Now, "mover", "finance-team", "engineering"))
	list := func() {
		t.Helper()
		if _, err := mover.List(t.Context(), api.ListRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	list()
	if _, err := w.Admin().AdminRemoveUserFromGroup(t.Context(), &cognitoidentityprovider.AdminRemoveUserFromGroupInput{
		UserPoolId: &w.UserPoolID, Username: aws.String("mover"), GroupName: aws.String("finance-team"),
	}); err != nil {
		t.Fatal(err)
	}
	w.now.Pass(time.Minute)
	var all sync.WaitGroup
	for range 8 {
		all.Go(list)
	}
	all.Wait()
	var changes []event.Event
	for _, e := range w.store.Events() {
		switch {
		case e.Action == event.MembershipChanged:
			changes = append(changes, e)
		case e.Action == event.List && e.Groups == event.HashGroups([]string{"engineering"}) && len(changes) == 0:
			t.Error("a decision with the new groups is before their event")
		}
	}
	if len(changes) != 1 {
		t.Fatalf("%d changes", len(changes))
	}
	e := changes[0]
	if !slices.Equal(e.GroupNamesBefore, []string{"engineering", "finance-team"}) || !slices.Equal(e.GroupNames, []string{"engineering"}) ||
		e.Groups != event.HashGroups(e.GroupNames) || e.User.Username != "mover" || e.Session == "" {
		t.Errorf("%+v", e)
	}
}

// A change while the server was off is found by the first request after it.
func TestAChangeOfGroupsDuringARestart(t *testing.T) {
	w := newContentsWorld(t)
	mover := w.AddPersonAt(t, w.now.Now, "mover", "finance-team")
	log, err := audit.New(audit.Config{Store: w.store, Now: w.now.Now, NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	for _, groups := range []int{0, 1} {
		if groups == 1 {
			if _, err := w.Admin().AdminAddUserToGroup(t.Context(), &cognitoidentityprovider.AdminAddUserToGroupInput{
				UserPoolId: &w.UserPoolID, Username: aws.String("mover"), GroupName: aws.String("engineering"),
			}); err != nil {
				t.Fatal(err)
			}
			w.now.Pass(time.Minute)
		}
		server, _ := rebuilt(t, w.Demo, w.now.Now, func(c *backend.Config) { c.Audit = log })
		if _, err := at(t, mover, server).List(t.Context(), api.ListRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, e := range w.store.Events() {
		if e.Action != event.List {
			got = append(got, e.Action)
		}
	}
	if !slices.Equal(got, []string{event.SessionStart, event.MembershipChanged}) {
		t.Errorf("the log has %v", got)
	}
}

// Requests with bad tokens are one event for each address and hour.
func TestRefusedTokensAreCounted(t *testing.T) {
	now := newStopped()
	w := demotest.Start(t, demo.Options{Now: now.Now})
	store := audittest.NewMemory()
	log, err := audit.New(audit.Config{Store: store, Now: now.Now, NewID: event.IDs(rand.Reader)})
	if err != nil {
		t.Fatal(err)
	}
	server, b := rebuilt(t, w, now.Now, func(c *backend.Config) { c.Audit = log })
	for _, token := range []string{"x", "eyJhbGciOiJub25lIn0.e30.", "a.b.c"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server+"/v1/whoami", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = res.Body.Close(); res.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%q: %s", token, res.Status)
		}
	}
	if err := b.Flush(t.Context()); err != nil || len(store.Events()) != 0 {
		t.Fatalf("%d events within the hour, %v", len(store.Events()), err)
	}
	now.Pass(time.Hour)
	for range 2 {
		if err := b.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all := store.Events()
	if len(all) != 1 || all[0].Action != event.TokenRefused || all[0].Count != 3 || all[0].SourceIP != "127.0.0.1" || all[0].Reason != "3 invalid" || all[0].From == nil {
		t.Errorf("%+v", all)
	}
}
