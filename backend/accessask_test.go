package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"usher/backend"
	"usher/backend/accessrequest"
	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/grant"
	"usher/backend/object"
)

// within waits until a condition holds.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 60 s: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// oneAsking returns the only open request.
func oneAsking(t *testing.T, admin demotest.Actor) api.Asking {
	t.Helper()
	out, err := admin.Asking(t.Context(), api.AskingRequest{})
	if err != nil || len(out.Requests) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	return out.Requests[0]
}

// A request of a person is approved by an admin for a time: the person can read until
// its end and not afterwards. The servers share the requests, and the log has each
// step.
func TestAccessIsRequestedAndApproved(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 3})
	ctx := t.Context()
	f.Put(t, "company-reports", "board-packs/a.txt", "content")
	admin, grace := f.SignIn(t, "margaret"), f.SignIn(t, "grace")
	reads := func() bool {
		_, err := grace.List(ctx, api.ListRequest{Bucket: "company-reports", Prefix: "board-packs/"})
		if err != nil && codeOf(err) != api.NotFound {
			t.Fatal(err)
		}
		return err == nil
	}
	if reads() {
		t.Fatal("grace can read the folder before")
	}
	first, err := grace.Ask(ctx, api.AskRequest{Bucket: "company-reports", Key: "board-packs/", Reason: "audit"})
	if err != nil || first.Days != 30 || first.Event == "" {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := grace.Ask(ctx, api.AskRequest{Bucket: "company-reports", Key: "board-packs/", Reason: "audit 2026"})
	if err != nil || again.Request != first.Request {
		t.Fatalf("a repetition: %+v, %v", again, err)
	}
	q := oneAsking(t, admin)
	if q.User != "grace" || q.Reason != "audit 2026" || q.Allowed || q.Gone || !slices.Contains(q.Groups, "external-auditors") ||
		q.Nearest == nil || q.Nearest.Group != "external-auditors" || q.Group != "external-auditors" {
		t.Errorf("%+v", q)
	}
	end := time.Now().Add(20 * time.Second).UTC().Truncate(time.Millisecond)
	in := api.AnswerRequest{Request: q.Request, Approve: true, Group: q.Group, Expires: &end, Reason: "audit 2026", Preview: true}
	preview, err := admin.Answer(ctx, in)
	if err != nil || len(preview.Problems) > 0 || preview.Grant == nil || preview.Event != "" || slices.Contains(preview.Members, "grace") {
		t.Errorf("%+v, %v", preview, err)
	}
	if reads() {
		t.Error("the preview gave access")
	}
	in.Preview = false
	out, err := admin.Answer(ctx, in)
	if err != nil || out.Event == "" || out.Version == preview.Version || out.Grant.Text != preview.Grant.Text {
		t.Fatalf("%+v, %v", out, err)
	}
	within(t, "the access is there", func() bool { return reads() || time.Now().After(end) })
	if repeated, err := admin.Answer(ctx, in); err != nil || repeated.Event != "" || repeated.State != api.AskApproved {
		t.Errorf("a repetition of the answer: %+v, %v", repeated, err)
	}
	if mine, err := grace.Asked(ctx); err != nil || len(mine.Requests) != 1 || mine.Requests[0].State != api.AskApproved || mine.Requests[0].Answered == nil {
		t.Errorf("%+v, %v", mine, err)
	}
	within(t, "the access has ended", func() bool { return !reads() })
	if time.Now().Before(end) {
		t.Error("the access ended early")
	}
	asked, answered := f.Events(t, "action:access-requested"), f.Events(t, "action:access-answered")
	if len(asked) != 2 || asked[0].User.Username != "grace" || asked[0].Path() != "company-reports/board-packs/" || asked[0].Reason != "audit 2026" || asked[0].ID != again.Event {
		t.Errorf("%+v", asked)
	}
	if len(answered) != 1 || answered[0].User.Username != "margaret" || answered[0].Grant != out.Grant.Text || answered[0].Reason != "approved for grace: audit 2026" || answered[0].ID != out.Event {
		t.Errorf("%+v", answered)
	}
	changes := f.Events(t, "action:grants-changed")
	if len(changes) != 2 || changes[0].User.Username != "margaret" || !strings.HasSuffix(strings.Join(changes[0].GrantsDiff, "\n"), " "+out.Grant.Text) || changes[0].RequestID != answered[0].RequestID {
		t.Errorf("%+v", changes)
	}
}

// A refusal closes the request with a text for the person, and gives no access.
func TestAccessIsDeclined(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 2})
	ctx := t.Context()
	admin, ada := f.SignIn(t, "margaret"), f.SignIn(t, "ada")
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/app.zip"}); err != nil {
		t.Fatal(err)
	}
	q := oneAsking(t, admin)
	before, err := admin.GrantsList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	in := api.AnswerRequest{Request: q.Request, Reason: "ask your manager"}
	for i := range 2 {
		out, err := admin.Answer(ctx, in)
		if err != nil || out.State != api.AskDeclined || (out.Event != "") != (i == 0) {
			t.Errorf("%+v, %v", out, err)
		}
	}
	if out, err := admin.Asking(ctx, api.AskingRequest{}); err != nil || len(out.Requests) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	end := time.Now().Add(time.Hour)
	if _, err := admin.Answer(ctx, api.AnswerRequest{Request: q.Request, Approve: true, Group: "finance-team", Expires: &end}); codeOf(err) != api.RequestAnswered {
		t.Errorf("another answer: %v", err)
	}
	if after, err := admin.GrantsList(ctx); err != nil || after.Version != before.Version {
		t.Errorf("the grants changed: %v", err)
	}
	mine, err := ada.Asked(ctx)
	if err != nil || len(mine.Requests) != 1 || mine.Requests[0].State != api.AskDeclined || mine.Requests[0].Answer != "ask your manager" {
		t.Errorf("%+v, %v", mine, err)
	}
	events := f.Events(t, "action:access-answered")
	if len(events) != 2 || events[1].Reason != "declined for ada: ask your manager" || events[1].Grant != "" || events[1].Path() != "builds/nightly/app.zip" ||
		events[0].Outcome != "failed" || events[0].Reason != "approved for ada; the request has another answer already" || events[0].Grant != "" {
		t.Errorf("%+v", events)
	}
	// The person can ask again.
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/app.zip"}); err != nil || oneAsking(t, admin).State != api.AskOpen {
		t.Errorf("%v", err)
	}
}

// An approval that would give nothing, or too much, changes nothing.
func TestApprovalsWithProblems(t *testing.T) {
	f := demotest.StartFleet(t, demotest.FleetOptions{Size: 1})
	ctx := t.Context()
	admin, ada := f.SignIn(t, "margaret"), f.SignIn(t, "ada")
	deny := prefix("finance-team", "builds", "secret/")
	deny.Effect = "deny"
	if _, err := admin.GrantsEdit(ctx, api.GrantsEditRequest{Add: []api.Grant{deny}}); err != nil {
		t.Fatal(err)
	}
	id := map[string]string{}
	for _, key := range []string{"secret/", "nightly/"} {
		out, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		id[key] = out.Request
	}
	before, err := admin.GrantsList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) *time.Time { end := time.Now().Add(d); return &end }
	for name, c := range map[string]struct {
		in   api.AnswerRequest
		want string
	}{
		"another group":   {api.AnswerRequest{Request: id["nightly/"], Group: "engineers", Expires: at(time.Hour)}, "not in this group"},
		"no group":        {api.AnswerRequest{Request: id["nightly/"], Expires: at(time.Hour)}, "not in this group"},
		"no end":          {api.AnswerRequest{Request: id["nightly/"], Group: "finance-team"}, "has no end"},
		"an end before":   {api.AnswerRequest{Request: id["nightly/"], Group: "finance-team", Expires: at(-time.Second)}, "has ended already"},
		"a distant end":   {api.AnswerRequest{Request: id["nightly/"], Group: "finance-team", Expires: at(367 * 24 * time.Hour)}, "longer than 366 days"},
		"a denial covers": {api.AnswerRequest{Request: id["secret/"], Group: "finance-team", Expires: at(time.Hour)}, "a deny grant"},
	} {
		c.in.Approve = true
		out, err := admin.Answer(ctx, c.in)
		if err != nil || len(out.Problems) != 1 || !strings.Contains(out.Problems[0].Problem, c.want) || out.Event != "" {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	if after, err := admin.GrantsList(ctx); err != nil || after.Version != before.Version {
		t.Errorf("the grants changed: %v", err)
	}
	if n := len(f.Events(t, "action:access-answered")); n != 0 {
		t.Errorf("%d answers are recorded", n)
	}
}

// With a grants file, an approval closes a request whose path the file opens
// by then, and otherwise names the file.
func TestApprovalWithAGrantsFile(t *testing.T) {
	now := newStopped()
	w := demotest.Start(t, demo.Options{})
	server, _ := rebuilt(t, w, now.Now, nil)
	admin, ada := at(t, w.SignIn(t, "margaret"), server), at(t, w.SignIn(t, "ada"), server)
	ctx := t.Context()
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/"}); err != nil {
		t.Fatal(err)
	}
	page, err := admin.Asking(ctx, api.AskingRequest{})
	if err != nil || !page.Fixed || len(page.Requests) != 1 || page.Requests[0].Allowed {
		t.Fatalf("%+v, %v", page, err)
	}
	end := now.Now().Add(time.Hour)
	in := api.AnswerRequest{Request: page.Requests[0].Request, Approve: true, Group: "finance-team", Expires: &end, Preview: true}
	if _, err := admin.Answer(ctx, in); codeOf(err) != api.GrantsFixed {
		t.Errorf("%v", err)
	}
	elsewhere := in // a line for the file would not give this access
	elsewhere.Group = "engineering"
	if out, err := admin.Answer(ctx, elsewhere); err != nil || len(out.Problems) != 1 || !strings.Contains(out.Problems[0].Problem, "not in this group") {
		t.Errorf("%+v, %v", out, err)
	}
	withdrawn, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "release/"})
	if err != nil {
		t.Fatal(err)
	}
	declined, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "logs/"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ada.Withdraw(ctx, api.WithdrawRequest{Request: withdrawn.Request}); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Answer(ctx, api.AnswerRequest{Request: declined.Request}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]api.Code{withdrawn.Request: api.NotFound, declined.Request: api.RequestAnswered} {
		closed := in
		closed.Request = id
		if _, err := admin.Answer(ctx, closed); codeOf(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	in.Preview = false
	now.Pass(time.Second)
	replace(t, w.GrantsFile, "grants: [{group: finance-team, bucket: builds, prefix: nightly/}]\n", now.Now())
	now.Pass(time.Second)
	if q := oneAsking(t, admin); !q.Allowed {
		t.Errorf("%+v", q)
	}
	if out, err := admin.Answer(ctx, in); err != nil || out.Grant != nil || out.Event == "" || out.State != api.AskApproved {
		t.Errorf("%+v, %v", out, err)
	}
	if page, err := admin.Asking(ctx, api.AskingRequest{}); err != nil || len(page.Requests) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
}

// For all but admins, auditors included, the verbs of admins find nothing,
// for a request that exists and for one that does not. Each refusal is recorded.
func TestRequestsAreForAdmins(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	ctx := t.Context()
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	out, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "nightly/"})
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(time.Hour)
	for _, a := range []demotest.Actor{ada, grace} {
		if _, err := a.Asking(ctx, api.AskingRequest{}); codeOf(err) != api.NotFound {
			t.Errorf("%v", err)
		}
		for _, id := range []string{out.Request, "0123456789abcdef"} {
			for _, preview := range []bool{false, true} {
				in := api.AnswerRequest{Request: id, Approve: true, Group: "finance-team", Expires: &end, Preview: preview}
				if _, err := a.Answer(ctx, in); codeOf(err) != api.NotFound {
					t.Errorf("%v", err)
				}
			}
		}
	}
	if mine, err := grace.Asked(ctx); err != nil || len(mine.Requests) != 0 {
		t.Errorf("the requests of another person: %+v, %v", mine, err)
	}
	if n := len(query(t, grace, "action:explain outcome:denied")); n != 10 {
		t.Errorf("%d refusals are recorded, want 10", n)
	}
	if mine, err := ada.Asked(ctx); err != nil || len(mine.Requests) != 1 || mine.Requests[0].State != api.AskOpen {
		t.Errorf("%+v, %v", mine, err)
	}
	// Control: an admin finds the request.
	if q := oneAsking(t, w.SignIn(t, "margaret")); q.Request != out.Request {
		t.Errorf("%+v", q)
	}
}

// touched counts the uses of grants and of the storage.
type touched struct {
	backend.Grants
	backend.Objects
	grants, storage atomic.Int64
}

func (c *touched) Current(ctx context.Context) (*grant.Set, error) {
	c.grants.Add(1)
	return c.Grants.Current(ctx)
}

func (c *touched) List(ctx context.Context, q object.ListQuery) (object.Page, error) {
	c.storage.Add(1)
	return c.Objects.List(ctx, q)
}

func (c *touched) Head(ctx context.Context, bucket, key, version, event string) (object.Facts, error) {
	c.storage.Add(1)
	return c.Objects.Head(ctx, bucket, key, version, event)
}

// The answer to a request does not depend on its path: granted or not, there or not,
// it has the same bytes but for the ids. Neither grants nor S3 are read.
func TestAskDisclosesNothing(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	w.Put(t, "company-reports", "board-packs/a.txt", "content")
	var uses touched
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) {
		uses.Grants, uses.Objects = c.Grants, c.Objects
		c.Grants, c.Objects = &uses, &uses
	})
	grace := at(t, w.SignIn(t, "grace"), server)
	moved := *w.Demo
	moved.Server = server
	on := &demotest.Demo{Demo: &moved, Profile: w.Profile}
	ids := regexp.MustCompile(`"[0-9a-f]{16}"|"[0-9A-Z]{26}"`)
	if _, err := grace.Asked(t.Context()); err != nil { // records the start of the session
		t.Fatal(err)
	}
	uses.grants.Store(0)
	var want string
	var header http.Header
	for i, path := range [][2]string{
		{"company-reports", "annual/audited/"},                         // granted, and there
		{"company-reports", "annual/audited/none.csv"},                 // granted, and not there
		{"company-reports", "board-packs/a.txt"},                       // not granted, and there
		{"company-reports", "board-packs/none.txt"},                    // not granted, and not there
		{"no-such-bucket", ""},                                         // no bucket
		{"company-reports", ""},                                        // parts are granted
		{"company-reports", strings.Repeat("a/", 500) + "hostile\x1b"}, // long
	} {
		status, h, body := raw(t, on, grace, "access/ask", fmt.Sprintf(`{"bucket":%q,"key":%s}`, path[0], quoted(path[1])))
		body = ids.ReplaceAllString(body, "ID")
		if i == 0 {
			want, header = body, h
		}
		if status != http.StatusOK || body != want || !equalHeader(h, header) {
			t.Errorf("%.60q: %d %v %s, want %s", path, status, h, body, want)
		}
	}
	if want != `{"request":ID,"event":ID,"days":30}` {
		t.Errorf("%s", want)
	}
	if g, s := uses.grants.Load(), uses.storage.Load(); g != 0 || s != 0 {
		t.Errorf("%d uses of grants and %d of the storage", g, s)
	}
	// Control: a listing uses both.
	if _, err := grace.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "annual/audited/"}); err != nil || uses.grants.Load() == 0 || uses.storage.Load() == 0 {
		t.Errorf("%v, %d and %d uses", err, uses.grants.Load(), uses.storage.Load())
	}
}

// quoted returns a JSON string.
func quoted(s string) string { return strings.ReplaceAll(fmt.Sprintf("%q", s), `\x1b`, `\u001b`) }

// A person has at most ten open requests, whatever their number of attempts, and the
// refusals are recorded. Other people still have places.
func TestRequestsAreBounded(t *testing.T) {
	now := newStopped()
	w := demotest.Start(t, demo.Options{})
	server, _ := rebuilt(t, w, now.Now, nil)
	ada, alan, admin := at(t, w.SignIn(t, "ada"), server), at(t, w.SignIn(t, "alan"), server), at(t, w.SignIn(t, "margaret"), server)
	ctx, stored := t.Context(), 0
	for i := range 1000 {
		_, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: fmt.Sprint("folder-", i, "/"), Reason: strings.Repeat("r", api.MaxAskReason)})
		switch {
		case err == nil:
			stored++
		case codeOf(err) != api.RequestsFull:
			t.Fatal(err)
		}
		now.Pass(100 * time.Millisecond) // stays within the budget of requests
	}
	if stored != accessrequest.MaxOpen {
		t.Errorf("%d requests are stored", stored)
	}
	if _, err := alan.Ask(ctx, api.AskRequest{Bucket: "company-reports"}); err != nil {
		t.Error(err)
	}
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Key: "folder-0/"}); err != nil {
		t.Errorf("a repetition: %v", err)
	}
	out, err := admin.Asking(ctx, api.AskingRequest{})
	if err != nil || len(out.Requests) != accessrequest.MaxOpen+1 || out.More {
		t.Errorf("%d requests, %v", len(out.Requests), err)
	}
	if _, err := ada.Ask(ctx, api.AskRequest{Bucket: "builds", Reason: strings.Repeat("r", api.MaxAskReason+1)}); codeOf(err) != api.BadRequest {
		t.Errorf("a long reason: %v", err)
	}
	for _, bad := range []api.AskRequest{{Bucket: ""}, {Bucket: "B"}, {Bucket: "builds", Key: "a\x00b"}, {Bucket: "builds", Key: strings.Repeat("a", 1025)}} {
		if _, err := ada.Ask(ctx, bad); codeOf(err) != api.BadRequest {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

// An admin's pages have every open request once. A page of an ended request is not
// continued.
func TestPagesOfRequests(t *testing.T) {
	store := &fixedRequests{}
	now := newStopped()
	w := demotest.Start(t, demo.Options{})
	server, _ := rebuilt(t, w, now.Now, func(c *backend.Config) { c.Requests = store })
	admin := at(t, w.SignIn(t, "margaret"), server)
	for i := range accessrequest.MaxKept {
		change, err := accessrequest.Ask(store.all, accessrequest.Request{Sub: fmt.Sprint(i), Username: "ada", Bucket: "builds"}, now.Now())
		if err != nil {
			t.Fatal(err)
		}
		store.all = append(store.all, change.Put)
	}
	var seen []string
	in, pages := api.AskingRequest{}, 0
	for more := true; more; pages++ {
		out, err := admin.Asking(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range out.Requests {
			seen = append(seen, q.Request)
		}
		in.After, more = seen[len(seen)-1], out.More
		now.Pass(time.Second) // stays within the budget of lists
	}
	slices.Sort(seen)
	if len(seen) != accessrequest.MaxKept || len(slices.Compact(seen)) != accessrequest.MaxKept || pages != 20 {
		t.Errorf("%d requests on %d pages", len(seen), pages)
	}
	for _, after := range []string{"0123456789abcdef", "x"} {
		if _, err := admin.Asking(t.Context(), api.AskingRequest{After: after}); codeOf(err) != api.BadCursor && codeOf(err) != api.BadRequest {
			t.Errorf("after %s: %v", after, err)
		}
	}
}

// fixedRequests are requests that no one changes.
type fixedRequests struct{ all []accessrequest.Request }

func (s *fixedRequests) All(context.Context) ([]accessrequest.Request, error) { return s.all, nil }

func (s *fixedRequests) Update(context.Context, func([]accessrequest.Request) (accessrequest.Change, error)) error {
	return http.ErrNotSupported
}

// A request that cannot be recorded is not kept.
func TestNoRecordNoRequest(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	down := &atomic.Bool{}
	server, _ := rebuilt(t, w, time.Now, func(c *backend.Config) { c.Audit = unrecorded{c.Audit, down} })
	ada := at(t, w.SignIn(t, "ada"), server)
	down.Store(true)
	if _, err := ada.Ask(t.Context(), api.AskRequest{Bucket: "builds"}); codeOf(err) != api.AuditUnavailable {
		t.Errorf("%v", err)
	}
	down.Store(false)
	if mine, err := ada.Asked(t.Context()); err != nil || len(mine.Requests) != 0 {
		t.Errorf("%+v, %v", mine, err)
	}
	if _, err := ada.Ask(t.Context(), api.AskRequest{Bucket: "builds"}); err != nil {
		t.Errorf("%v", err)
	}
}

// unrecorded is a log that can be down.
type unrecorded struct {
	backend.Log
	down *atomic.Bool
}

func (l unrecorded) Record(ctx context.Context, events ...event.Event) error {
	if l.down.Load() {
		return http.ErrServerClosed
	}
	return l.Log.Record(ctx, events...)
}
