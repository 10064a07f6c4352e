package backend_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"usher/backend/api"
	"usher/backend/audit/sqlite"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/event"
	"usher/client"
)

// ledger counts the released URLs and looks up the event of each.
type ledger struct {
	mu       sync.Mutex
	db       *sql.DB // a second reader of the log
	released map[string]bool
	early    []string // event ids of URLs that arrived before their durable event
	denied   int      // responses without a URL during an outage of the log
}

// release releases one object, by its name or with the page of its folder. The
// client repeats requests that failed in an outage of the log.
func (l *ledger) release(ctx context.Context, a demotest.Actor, key string, page bool) (api.ReleaseItem, error) {
	ctx = client.WithWait(ctx, func(w client.Wait) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.Code == api.AuditUnavailable {
			l.denied++
		}
	})
	if page {
		return pageOne(ctx, a, "company-reports", "annual/")
	}
	return releaseOne(ctx, a, "company-reports", key)
}

func (l *ledger) add(t *testing.T, item api.ReleaseItem, err error) {
	u, perr := url.Parse(item.URL)
	if perr != nil {
		t.Errorf("a URL that does not parse: %v", perr)
		return
	}
	id := u.Query().Get("x-usher-event")
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case codeOf(err) == api.AuditUnavailable:
		l.denied++
		return
	case err != nil:
		t.Errorf("a release: %v", err)
		return
	case id == "" || id != item.Event:
		t.Errorf("a URL of event %q carries %q", item.Event, id)
	}
	l.released[id] = true
	n := 0
	if err := l.db.QueryRow("SELECT count(*) FROM events WHERE id = ?", idKey(id)).Scan(&n); err != nil || n != 1 {
		l.early = append(l.early, id)
	}
}

// idKey returns the key of an id in the index of the log: the bytes of the ULID.
func idKey(id string) []byte {
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return nil
	}
	return u[:]
}

// Many people download during repeated outages of the log. Each released URL has
// one event, durable when the URL arrives. Each served GET has an event. The
// chain of the log is whole.
func TestEveryURLIsOnRecord(t *testing.T) {
	each, people := 60, 4
	switch {
	case testing.Short():
		each = 25
	case os.Getenv("USHER_SOAK") != "":
		each, people = 1500, 8
	}
	dir, accesses, now := t.TempDir(), &accessLog{}, &clock{}
	w := demotest.Start(t, demo.Options{Dir: dir, AccessLog: accesses, Now: now.Now})
	for i := range 10 {
		w.Put(t, "company-reports", fmt.Sprintf("annual/%02d.csv", i), "x")
	}
	path := filepath.Join(dir, "audit.db")
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1) // opened once, before the outages
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	l := &ledger{db: db, released: map[string]bool{}}
	var work sync.WaitGroup
	for i := range people {
		actor := w.AddPerson(t, fmt.Sprintf("reader-%d", i), "finance-team")
		work.Go(func() {
			for n := range each {
				item, err := l.release(t.Context(), actor, fmt.Sprintf("annual/%02d.csv", n%10), n%4 == 1)
				l.add(t, item, err)
				if err == nil && n%5 == 0 {
					if status, _ := get(t, item, nil); status != http.StatusOK {
						t.Errorf("a GET of a released URL: %d", status)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	for outages := 0; ; outages++ {
		lost := outage(t, path)
		select {
		case <-done:
		case <-time.After(150 * time.Millisecond):
		}
		for _, f := range lost {
			if err := os.Rename(f+".gone", f); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-done:
			finish(t, w, l, accesses, path, outages+1)
			return
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// outage renames the log's files.
func outage(t *testing.T, path string) []string {
	t.Helper()
	files := []string{path, path + "-wal"}
	for _, f := range files {
		if err := os.Rename(f, f+".gone"); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

var eventOfGET = regexp.MustCompile(`REST\.GET\.OBJECT .*x-usher-event=([0-9A-Z]{26})[^ ]* HTTP/1\.1" 20[06] `)

// finish stops the server, reads the whole log and logs the sums.
func finish(t *testing.T, w *demotest.Demo, l *ledger, accesses *accessLog, path string, outages int) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	seen, duplicate := map[string]int{}, 0
	for r, err := range store.Records(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := event.Parse(r.Canonical)
		if err != nil {
			t.Fatal(err)
		}
		if seen[e.ID]++; seen[e.ID] > 1 {
			duplicate++
		}
	}
	report, err := store.Verify(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	missing, served, unaudited := 0, 0, 0
	for id := range l.released {
		if seen[id] == 0 {
			missing++
		}
	}
	for _, line := range accesses.lines {
		if !strings.Contains(line, "REST.GET.OBJECT") || !strings.Contains(line, `" 200 `) {
			continue
		}
		served++
		if m := eventOfGET.FindStringSubmatch(line); m == nil || seen[m[1]] == 0 {
			unaudited++
		}
	}
	gaps, chain := 0, "ok"
	for _, f := range report.Faults {
		if chain = "broken"; f.Kind == sqlite.FaultMissing {
			gaps += int(f.Count)
		}
	}
	t.Logf("AUDIT released=%d durable_before_release=%d events=%d missing=%d duplicate=%d gaps=%d chain=%s gets=%d unaudited_gets=%d outages=%d denied_by_audit_outage=%d",
		len(l.released), len(l.released)-len(l.early), report.Head.Size, missing, duplicate, gaps, chain, served, unaudited, outages, l.denied)
	if missing+duplicate+gaps+unaudited+len(l.early) > 0 || report.FaultCount > 0 {
		t.Errorf("%d URLs arrived before their event: %v; faults of the log: %v", len(l.early), l.early, report.Faults)
	}
	if len(l.released) == 0 || l.denied == 0 || served == 0 {
		t.Errorf("%d releases, %d refused during outages, %d GETs: the test needs some of each", len(l.released), l.denied, served)
	}
}
