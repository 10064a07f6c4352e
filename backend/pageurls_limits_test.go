package backend_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"usher/backend"
	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/backend/object"
)

// onePage is a storage whose listing is one page in memory.
type onePage struct {
	backend.Objects
	rows   []object.Row
	during func() // called during each listing
}

func (p onePage) List(context.Context, object.ListQuery) (object.Page, error) {
	if p.during != nil {
		p.during()
	}
	return object.Page{Rows: p.rows}, nil
}

// row is a small object of a page.
func row(name string) object.Row {
	return object.Row{Name: name, Sized: true, Size: 5, ETag: `"0123456789abcdef0123456789abcdef"`,
		Modified: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}
}

func rowsOf(n int) (rows []object.Row) {
	for i := range n {
		rows = append(rows, row(fmt.Sprintf("quarterly/many/%04d", i)))
	}
	return rows
}

// Only small objects with an ETag get their URL with the page. A release refuses
// the others or needs a HEAD for them.
func TestWhichObjectsGetPageURLs(t *testing.T) {
	change := func(name string, f func(*object.Row)) object.Row {
		r := row("quarterly/many/" + name)
		f(&r)
		return r
	}
	rows := []object.Row{
		change("a plain", func(*object.Row) {}),
		change("b archived", func(r *object.Row) { r.Archived = true }),
		change("c without an ETag", func(r *object.Row) { r.ETag = "" }),
		change("d of the greatest size", func(r *object.Row) { r.Size = api.SmallObject }),
		change("e large", func(r *object.Row) { r.Size = api.SmallObject + 1 }),
		change("f empty", func(r *object.Row) { r.Size = 0 }),
		change("g folder/", func(r *object.Row) { r.Size = 0 }),
		change("h without a size", func(r *object.Row) { r.Sized, r.Size, r.ETag = false, 0, "" }),
		change("i <&> ü%+", func(*object.Row) {}),
	}
	w := newPageWorld(t, 0, func(c *backend.Config) { c.Objects = onePage{Objects: c.Objects, rows: rows} })
	var with []string
	for _, e := range w.page(t, 1000).Entries {
		if e.Release != nil {
			with = append(with, e.Name[:1])
		}
	}
	if want := []string{"a", "d", "f", "i"}; !slices.Equal(with, want) {
		t.Errorf("URLs for %v, want %v", with, want)
	}
}

// Impossible numbers of URLs, and URLs of a listing with folders, are refused
// before the storage is called.
func TestBadNumbersOfPageURLs(t *testing.T) {
	calls := 0
	w := newPageWorld(t, 0, func(c *backend.Config) {
		c.Objects = onePage{Objects: c.Objects, rows: rowsOf(3), during: func() { calls++ }}
	})
	token, err := w.ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`"recursive":true,"urls":-1`, `"recursive":true,"urls":1001`, `"recursive":true,"urls":"5"`, `"recursive":true,"urls":1.5`,
		`"recursive":true,"urls":true`, `"recursive":true,"urls":1e3`, `"recursive":true,"urls":99999999999999999999`, `"recursive":true,"URLs":5`,
		`"recursive":true,"urls":5,"urls":6`, `"urls":5`, `"recursive":false,"urls":1`, `"recursive":true,"urls":[5]`,
	} {
		status, got := post(t, w.server, api.VerbList, token, `{"bucket":"company-reports","prefix":"quarterly/many/",`+body+`}`)
		if status != http.StatusBadRequest || !strings.Contains(got, string(api.BadRequest)) {
			t.Errorf("%s: status %d, %s", body, status, got)
		}
	}
	if status, got := post(t, w.server, api.VerbList, token, `{"bucket":"","prefix":"","recursive":true,"urls":5}`); status != http.StatusBadRequest {
		t.Errorf("URLs of buckets: status %d, %s", status, got)
	}
	if calls != 0 {
		t.Errorf("%d calls of the storage", calls)
	}
	for _, body := range []string{`"recursive":true,"urls":0`, `"urls":0`, `"recursive":true`} {
		status, got := post(t, w.server, api.VerbList, token, `{"bucket":"company-reports","prefix":"quarterly/many/",`+body+`}`)
		if status != http.StatusOK || strings.Contains(got, "release") || strings.Contains(got, "X-Amz") {
			t.Errorf("%s: status %d, %s", body, status, got)
		}
	}
}

// A page of the longest names with the longest URLs fits in 5.5 MB, and its rest
// comes without URLs.
func TestHugePage(t *testing.T) {
	var rows []object.Row
	for i := range 1000 {
		name := fmt.Sprintf("quarterly/many/%04d", i)
		rows = append(rows, row(name+strings.Repeat("\u65e5<", (api.MaxKey-len(name))/4)))
	}
	now := newStopped()
	w := newPageWorld(t, 0, func(c *backend.Config) {
		c.Objects = onePage{Objects: c.Objects, rows: rows}
		signer, err := object.NewPresigner(object.PresignerConfig{
			Region: c.Public.Region, Endpoint: "https://s3.eu-central-1.amazonaws.com", CheckAge: c.Directory.InForce, Now: c.Now,
			Credentials: credentials.StaticCredentialsProvider{Value: aws.Credentials{
				AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "x", SessionToken: strings.Repeat("token/+", 290), CanExpire: true, Expires: now.Now().Add(time.Hour),
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Signer = signer
	})
	token, err := w.ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, body := post(t, w.server, api.VerbList, token, `{"bucket":"company-reports","prefix":"quarterly/many/","recursive":true,"urls":1000}`)
	if status != http.StatusOK || len(body) > 5_500_000 {
		t.Fatalf("status %d, %d bytes", status, len(body))
	}
	page := w.page(t, 1000)
	if n := released(page); n < 200 || n == 1000 || len(page.Entries) != 1000 || page.Entries[0].Release == nil || page.Entries[999].Release != nil {
		t.Errorf("%d entries with %d URLs in %d bytes", len(page.Entries), n, len(body))
	}
}

// Each URL of a page spends the person's budget of objects. A page beyond it comes
// without URLs, and its names stay available.
func TestPageURLsSpendTheBudget(t *testing.T) {
	w := newPageWorld(t, 0, func(c *backend.Config) { c.Objects = onePage{Objects: c.Objects, rows: rowsOf(1000)} })
	total := 0
	for range 13 {
		page := w.page(t, 900)
		if len(page.Entries) != 1000 {
			t.Fatalf("%d entries", len(page.Entries))
		}
		total += released(page)
	}
	const burst = 11_000
	if total != burst {
		t.Errorf("%d URLs at once, want %d", total, burst)
	}
	token, err := w.ada.Session.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status, body := post(t, w.server, api.VerbRelease, token, `{"objects":[{"bucket":"company-reports","key":"quarterly/many/0000"}]}`); status != http.StatusTooManyRequests {
		t.Errorf("a release after them: status %d, %s", status, body)
	}
	w.now.Pass(100 * time.Millisecond)
	if n := released(w.page(t, 900)); n != 550 {
		t.Errorf("%d URLs after 100 ms, want 550", n)
	}
	recorded := 0
	filter, err := event.ParseFilter("action:download outcome:allowed", w.now.Now())
	if err != nil {
		t.Fatal(err)
	}
	for position := ""; ; {
		r, err := w.store.Query(t.Context(), filter, audit.Page{Limit: audit.MaxPage, Position: position})
		if err != nil {
			t.Fatal(err)
		}
		recorded += len(r.Events)
		if position = r.Position; position == "" {
			break
		}
	}
	if recorded != total+550 {
		t.Errorf("%d events for %d URLs", recorded, total+550)
	}
}

// A grant that ends during the listing gives no URL and no name: the decision is
// made again before the URLs are recorded, and the refusal is an event.
func TestGrantEndsDuringThePage(t *testing.T) {
	d := demotest.Start(t, demo.Options{})
	clock := newStopped()
	until := allow("quarterly/many/")
	until.Bucket, until.Expires = "company-reports", clock.Now().Add(3*time.Second)
	var log backend.Log
	ada, _, _ := withGrants(t, d, d.SignIn(t, "ada"), clock.Now, func(c *backend.Config) {
		c.Objects = onePage{Objects: c.Objects, rows: rowsOf(2), during: func() { clock.Pass(4 * time.Second) }}
		log = c.Audit
	}, until)
	page, err := ada.List(t.Context(), api.ListRequest{Bucket: "company-reports", Prefix: "quarterly/many/", Recursive: true, URLs: 10})
	if err != nil || len(page.Entries) != 0 {
		t.Errorf("%+v, %v", page.Entries, err)
	}
	filter, err := event.ParseFilter("action:download", clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	found, err := log.Query(t.Context(), filter, auditPage)
	if err != nil || len(found.Events) != 2 || found.Events[0].Outcome != event.Denied || found.Events[1].Outcome != event.Denied {
		t.Errorf("%+v, %v", found.Events, err)
	}
}

// A write that takes too long makes the live check stale. The steps are repeated
// once; the listing is recorded once.
func TestStalePageIsRepeated(t *testing.T) {
	w := newPageWorld(t, 0, func(c *backend.Config) { c.Objects = onePage{Objects: c.Objects, rows: rowsOf(3)} })
	w.store.after = func() { w.now.Pass(6 * time.Second); w.store.after = nil }
	if n := released(w.page(t, 3)); n != 3 {
		t.Errorf("%d URLs", n)
	}
	for text, want := range map[string]int{"action:list": 1, "action:download": 6} {
		filter, err := event.ParseFilter(text, w.now.Now())
		if err != nil {
			t.Fatal(err)
		}
		if found, err := w.store.Query(t.Context(), filter, auditPage); err != nil || len(found.Events) != want {
			t.Errorf("%s: %d events, want %d (%v)", text, len(found.Events), want, err)
		}
	}
}

// One request reports a thousand downloads.
func TestThousandReports(t *testing.T) {
	w := newPageWorld(t, 0, func(c *backend.Config) { c.Objects = onePage{Objects: c.Objects, rows: rowsOf(1000)} })
	var in api.CompleteRequest
	for _, e := range w.page(t, 1000).Entries {
		in.Items = append(in.Items, api.CompleteItem{Event: e.Release.Event, Outcome: api.CompletedDone, Bytes: 5, Seconds: 0.01, Verified: "CRC64NVME"})
	}
	before := w.store.events.Load()
	if err := w.ada.Complete(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if got := w.store.events.Load() - before; got != api.MaxReport {
		t.Errorf("%d events for %d reports", got, len(in.Items))
	}
	in.Items = append(in.Items, in.Items[0])
	if err := w.ada.Complete(t.Context(), in); codeOf(err) != api.BadRequest {
		t.Errorf("%d reports: %v", len(in.Items), err)
	}
}
