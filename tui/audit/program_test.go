package audit_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
	"usher/session"
	"usher/tui"
	"usher/tui/audit"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/signin"
	"usher/tui/tuitest"
)

// now is the server's time in every test.
func now() time.Time { return time.Date(2026, 11, 23, 14, 10, 0, 0, time.UTC) }

// logbook is an audit log in memory. It filters, pages and counts like the backend.
type logbook struct {
	mu            sync.Mutex
	events        []event.Event // the oldest first
	delay         time.Duration
	ignoresCancel bool // continues after the caller canceled
	fail          error
	expired       bool // refuses all cursors
	lag           int  // seconds
	sinks         []api.Sink
	reviews       []api.Review
	perPage       int       // 0: the limit of the request; negative: empty pages with a cursor
	reached       time.Time // of empty pages
	asked         []api.AuditQueryRequest
	counted       int
	grouped       []api.AuditByRequest
	ids           int
}

func (b *logbook) do(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// queries returns all queries so far.
func (b *logbook) queries() []api.AuditQueryRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.asked)
}

func (b *logbook) calls() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked) + b.counted
}

func (b *logbook) wait(ctx context.Context) error {
	b.mu.Lock()
	d, fail, ignoresCancel := b.delay, b.fail, b.ignoresCancel
	b.mu.Unlock()
	if ignoresCancel {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return ctx.Err()
	}
	return fail
}

// AuditQuery returns a page of the matching events, newest first.
func (b *logbook) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	b.do(func() { b.asked = append(b.asked, in) })
	if err := b.wait(ctx); err != nil {
		return api.AuditQueryResponse{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.expired && in.Cursor != "" {
		return api.AuditQueryResponse{}, &api.Error{Code: api.BadCursor, RequestID: "r-3"}
	}
	f, err := event.ParseFilter(in.Filter, now())
	if err != nil {
		return api.AuditQueryResponse{}, &api.Error{Code: api.BadRequest, RequestID: "r-1"}
	}
	ascending := in.Oldest || in.After != ""
	from, err := tuitest.FromCursor(in.Cursor, in.Filter)
	if err != nil {
		if from, err = tuitest.FromCursor(in.Cursor, in.Filter+"+"); err != nil {
			return api.AuditQueryResponse{}, err
		}
		ascending = true
	}
	order := in.Filter // of the next cursor
	if ascending {
		order += "+"
	}
	n := in.Limit
	if n == 0 {
		n = 200
	}
	if b.perPage > 0 {
		n = b.perPage
	}
	all := make([]int, 0, len(b.events)) // indexes of the matching events, in the order of the pages
	for i, e := range b.events {
		if f.Match(e) {
			all = append(all, i)
		}
	}
	if !ascending {
		slices.Reverse(all)
	}
	if id := in.After + in.Before; id != "" {
		at := slices.IndexFunc(b.events, func(e event.Event) bool { return e.ID == id })
		if at < 0 {
			return api.AuditQueryResponse{}, &api.Error{Code: api.BadCursor, RequestID: "r-2"}
		}
		for from = 0; from < len(all) && (all[from] == at || all[from] < at == ascending); from++ {
		}
	}
	if b.perPage < 0 {
		out := api.AuditQueryResponse{Cursor: tuitest.Cursor(from, order)}
		if !b.reached.IsZero() {
			out.Reached = &b.reached
		}
		return out, nil
	}
	to := min(len(all), from+n)
	out := api.AuditQueryResponse{LagSeconds: b.lag}
	for _, i := range all[from:to] {
		out.Events, out.Records = append(out.Events, b.events[i]), append(out.Records, int64(i)+1)
	}
	if to < len(all) {
		out.Cursor = tuitest.Cursor(to, order)
	}
	return out, nil
}

// AuditBy counts the matching events in groups, in one page.
func (b *logbook) AuditBy(ctx context.Context, in api.AuditByRequest) (api.AuditByResponse, error) {
	b.do(func() { b.grouped = append(b.grouped, in) })
	if err := b.wait(ctx); err != nil {
		return api.AuditByResponse{}, err
	}
	by, err := event.ParseBy(in.By)
	if err != nil {
		return api.AuditByResponse{}, &api.Error{Code: api.BadRequest, RequestID: "r-4"}
	}
	f, err := event.ParseFilter(in.Filter, now())
	if err != nil {
		return api.AuditByResponse{}, &api.Error{Code: api.BadRequest, RequestID: "r-5"}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	sums, out := event.NewSums(by), api.AuditByResponse{}
	for _, e := range b.events {
		if f.Match(e) {
			sums.Add(e)
			out.Events++
		}
	}
	out.Groups = sums.Groups(event.SortKey)
	return out, nil
}

// AuditSummary counts the last hours.
func (b *logbook) AuditSummary(ctx context.Context, in api.AuditSummaryRequest) (api.AuditSummaryResponse, error) {
	b.do(func() { b.counted++ })
	if err := b.wait(ctx); err != nil {
		return api.AuditSummaryResponse{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := api.AuditSummaryResponse{Events: 1_284_112, Sinks: b.sinks, Reviews: b.reviews}
	first := now().Truncate(time.Hour).Add(-time.Duration(in.Hours-1) * time.Hour)
	for i := range in.Hours {
		out.Hours = append(out.Hours, api.AuditHour{Start: first.Add(time.Duration(i) * time.Hour), Events: []int{22, 9, 5, 3, 3, 3, 2, 0, 0, 2, 0, 3, 8, 19, 32, 38, 36, 44, 24, 36, 30, 12, 3, 1}[i%24]})
	}
	people := map[string]bool{}
	for _, e := range b.events {
		h := int(e.Time.Sub(first) / time.Hour)
		if e.Time.Before(first) || h >= in.Hours {
			continue
		}
		people[e.User.Sub] = true
		out.Hours[h].Events++
		if e.Outcome == event.Denied {
			out.Denied++
			out.Hours[h].Denied++
		}
		if e.Action == event.Download && e.Outcome == event.Allowed {
			out.Downloads++
		}
	}
	out.People = len(people)
	return out, nil
}

// person adds events of one session in the form of the backend.
type person struct {
	b       *logbook
	user    event.User
	session string
	ip      string
	at      time.Time
}

func (b *logbook) person(name, ip string, at time.Time) *person {
	return &person{b: b, user: event.User{Sub: "sub-" + name, Username: name, Email: name + "@example.com"},
		session: "s-" + name + "7q4k", ip: ip, at: at}
}

func ptr[T any](v T) *T { return &v }

// record adds an event some time after the last one, and returns its ID.
func (p *person) record(after time.Duration, e event.Event) string {
	p.at = p.at.Add(after)
	p.b.ids++
	e.ID = fmt.Sprintf("01JD9X%020d", p.b.ids)
	e.Time, e.User, e.Session = p.at, p.user, p.session
	e.SourceIP, e.UserAgent, e.RequestID = p.ip, "usher/1.0.0 linux/amd64", fmt.Sprintf("r-%012d", p.b.ids)
	if e.Outcome == "" {
		e.Outcome = event.Allowed
	}
	p.b.events = append(p.b.events, e)
	return e.ID
}

// changeGrants adds a change of the grants file. No request made it, so it has
// no session and no address.
func (b *logbook) changeGrants(at time.Time, added, removed int) {
	b.ids++
	b.events = append(b.events, event.Event{
		ID: fmt.Sprintf("01JD9X%020d", b.ids), Time: at, User: event.User{Username: "grants file"}, Action: event.GrantsChanged, Outcome: event.Allowed,
		Reason:       fmt.Sprintf("%d grant added, %d removed", added, removed),
		GrantsBefore: "5d41402abc4b2a76b9719d911017c592", GrantsVersion: "7d793037a0760186574b0282f2f435e7", GrantsAdded: added, GrantsRemoved: removed,
	})
}

// list adds a listing of some pages.
func (p *person) list(bucket, prefix string, pages int) {
	first := p.record(7*time.Second, event.Event{Action: event.List, Bucket: bucket, Key: prefix, Entries: 34, Grant: "allow finance-team " + bucket + "/" + prefix})
	for range pages - 1 {
		p.record(900*time.Millisecond, event.Event{Action: event.List, Bucket: bucket, Key: prefix, Entries: 34, Continues: first})
	}
}

// get adds a download with renewed URLs, a minute apart, and its end.
func (p *person) get(bucket, key string, size int64, renewals int) {
	e := event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: bucket, Key: key, ETag: `"9f2c41abd07e"`, Size: &size, Grant: "allow finance-team " + bucket + "/"}
	first := p.record(11*time.Second, e)
	last := first
	for range renewals {
		e.Continues = first
		last = p.record(58*time.Second, e)
	}
	p.record(3118*time.Millisecond, event.Event{Action: event.Completed, Purpose: api.PurposeDownload, Bucket: bucket, Key: key, ETag: e.ETag, Size: &size,
		Reason: api.CompletedDone, Continues: last, Bytes: &size, Seconds: ptr(3.118 + float64(58*renewals)), Verified: "crc64nvme"})
}

func (p *person) denied(after time.Duration, bucket, key string) {
	p.record(after, event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: bucket, Key: key, Outcome: event.Denied, Reason: "no grant allows it"})
}

// sample returns three days of several people.
func sample() *logbook {
	b := &logbook{}
	day := func(d, h, m, s, ms int) time.Time {
		return time.Date(2026, 11, d, h, m, s, ms*1e6, time.UTC)
	}
	root := b.person("margaret", "10.4.18.3", day(19, 9, 58, 13, 554))
	root.record(0, event.Event{Action: event.SessionStart})
	b.changeGrants(day(19, 9, 59, 13, 554), 1, 0)

	alan := b.person("alan", "192.0.2.77", day(22, 16, 31, 1, 355))
	alan.record(0, event.Event{Action: event.SessionStart})
	for i := range 4 {
		alan.denied(557*time.Millisecond, "site-surveys", fmt.Sprintf("north/2026-11/drone-raw-%04d.tif", 38+i))
	}
	alan.record(40*time.Second, event.Event{Action: event.Suppressed, Outcome: event.Denied, Reason: "denied decisions over the budget", Count: 412})
	alan.record(5*time.Minute, event.Event{Action: event.Download, Purpose: api.PurposeLink, Bucket: "builds", Key: "nightly/usher-linux-amd64.tar.gz", Size: ptr(int64(14_200_000)), ETag: `"77aa"`})
	alan.record(time.Minute, event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: "builds", Key: "nightly/gone.tar.gz", Outcome: event.Failed, Reason: "there is no such object"})

	ada := b.person("ada", "2001:db8:85a3::8a2e:370:7334", day(23, 13, 2, 40, 102))
	ada.record(0, event.Event{Action: event.SessionStart})
	ada.record(2*time.Second, event.Event{Action: event.List})
	ada.list("company-reports", "", 1)
	ada.list("company-reports", "annual/", 1)
	ada.list("company-reports", "annual/audited/", 3)
	ada.record(9*time.Second, event.Event{Action: event.Stat, Bucket: "company-reports", Key: "annual/audited/2025-annual-report.pdf"})
	ada.get("company-reports", "annual/audited/2025-annual-report.pdf", 4_213_904, 0)
	ada.get("company-reports", "annual/audited/2025-consolidated-ledger.parquet", 20_470_000_000, 6)
	ada.record(8*time.Second, event.Event{Action: event.Download, Purpose: api.PurposePreview, Bucket: "company-reports", Key: "annual/audited/2023-財務諸表-日本語版.pdf", Size: ptr(int64(4_050_000))})
	ada.denied(4*time.Minute, "board-packs", "2026-03/board-minutes-march.pdf")
	ada.denied(2214*time.Millisecond, "board-packs", "2026-03/board-minutes-march.pdf")
	// Access was removed during the download.
	first := ada.record(3*time.Minute, event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: "company-reports", Key: "quarterly/2026-q3/consolidation-workbook-final-v7.xlsx", Size: ptr(int64(310_000_000))})
	ada.record(time.Minute, event.Event{Action: event.Download, Purpose: api.PurposeDownload, Bucket: "company-reports", Key: "quarterly/2026-q3/consolidation-workbook-final-v7.xlsx", Outcome: event.Denied, Reason: "no grant allows it", Continues: first})
	ada.record(20*time.Second, event.Event{Action: event.SignOut})

	grace := b.person("grace", "10.4.18.22", day(23, 14, 2, 41, 118))
	grace.record(0, event.Event{Action: event.SessionStart})
	grace.record(time.Second, event.Event{Action: event.AuditRead, Reason: "counts per hour"})
	grace.record(12*time.Millisecond, event.Event{Action: event.AuditRead, Reason: "who:ada action:download since:2026-11-01"})
	slices.SortStableFunc(b.events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return b
}

// program is the whole program with the fake log.
type program struct {
	verify *verifier
	*tuitest.Screen
	book   *logbook
	server *tuitest.Server
	deps   tui.Deps

	standing func(context.Context) (audit.Standing, error)
	exporter *audit.Exporter
	backend  audit.Backend // default: book
}

func newProgram(change func(*program)) *program {
	w := &program{book: sample(), server: tuitest.Reports(tuitest.NewServer("grace", "external-auditors", "usher-auditors"))}
	w.deps = tui.Deps{
		Backend: w.server, Transfers: &tuitest.Engine{Now: time.Now, Speed: 1}, Now: tuitest.Epoch, Server: "files.example.com",
		NewSignIn:   func() (signin.Flow, error) { return tuitest.Pool{}.Flow(), nil },
		SignedIn:    func(context.Context, session.Step) error { return nil },
		DownloadDir: "/home/grace/usher", Zone: time.FixedZone("", 3600),
		HasSession: true, Theme: "dark", Start: tuitest.At("company-reports/annual/audited/"),
	}
	if change != nil {
		change(w)
	}
	auditors := safetext.New("usher-auditors")
	w.backend = w.book
	w.deps.Pages = []tui.Page{{Open: keys.OpenAudit, Name: "audit log", Group: auditors, New: func(env *pane.Env, on pane.Target) (pane.Pane, error) {
		return audit.New(audit.Deps{Env: env, Backend: w.backend, Now: now, Exporter: w.exporter, Server: "files.example.com", Group: auditors, On: on, Standing: w.standing})
	}}, w.verifyPage()}
	return w
}

func (w *program) open(t testing.TB, width, height int, p colorprofile.Profile) {
	t.Helper()
	m, err := tui.New(w.deps)
	if err != nil {
		t.Fatal(err)
	}
	w.Screen = tuitest.Open(t, width, height, p, m)
}

// log opens the page and waits for its events.
func (w *program) log(t testing.TB, width, height int) {
	t.Helper()
	w.open(t, width, height, colorprofile.TrueColor)
	w.Press("A")
	w.Wait(time.Second)
}
