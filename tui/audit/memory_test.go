package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"usher/backend/api"
	"usher/backend/event"
	"usher/client/evidence"
	"usher/client/evidence/evidencetest"
	"usher/client/question"
	"usher/tui/keys"
	"usher/tui/theme"
)

// longLog is a log of n events that it makes when they are read. Event i has the ID
// of its number.
type longLog struct {
	n int
}

func (l *longLog) event(i int) event.Event {
	return event.Event{
		ID: fmt.Sprintf("%026d", i), Time: time.Unix(1_700_000_000+int64(i/3), 0).UTC(), User: event.User{Sub: "5a2f6c1e-0000", Username: "ada", Email: "ada@example.com"},
		Session: "s-7q4k", Action: event.Download, Bucket: "company-reports", Key: "annual/2026/file-" + strconv.Itoa(i) + ".csv",
		Outcome: event.Allowed, Grant: "allow finance-team company-reports/annual/", SourceIP: "10.4.18.22", UserAgent: "usher/1.0.0 linux/amd64", RequestID: fmt.Sprintf("r-%020d", i),
	}
}

// AuditQuery returns a page. A cursor is the number of the next event with the
// direction.
func (l *longLog) AuditQuery(_ context.Context, in api.AuditQueryRequest) (out api.AuditQueryResponse, err error) {
	step, at := -1, l.n-1
	switch {
	case in.Oldest:
		step, at = 1, 0
	case in.After != "":
		at, err = strconv.Atoi(in.After)
		step, at = 1, at+1
	case in.Before != "":
		at, err = strconv.Atoi(in.Before)
		at--
	case in.Cursor != "":
		_, err = fmt.Sscanf(in.Cursor, "%d %d", &step, &at)
	}
	for ; len(out.Events) < in.Limit && at >= 0 && at < l.n; at += step {
		out.Events, out.Records = append(out.Events, l.event(at)), append(out.Records, int64(at)+1)
	}
	if at >= 0 && at < l.n {
		out.Cursor = fmt.Sprintf("%d %d", step, at)
	}
	return out, err
}

func (l *longLog) AuditSummary(context.Context, api.AuditSummaryRequest) (api.AuditSummaryResponse, error) {
	return api.AuditSummaryResponse{Events: int64(l.n)}, nil
}

func (l *longLog) AuditBy(context.Context, api.AuditByRequest) (api.AuditByResponse, error) {
	return api.AuditByResponse{}, nil
}

// runAll runs a command and all that follow, except timers.
func runAll(p *Pane, cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch m := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range m {
			runAll(p, c)
		}
	case answered:
		runAll(p, p.Handle(m))
	case counted, charted, named:
		p.Handle(m)
	}
}

func onLog(t testing.TB, n int) (*Pane, *longLog) {
	l := &longLog{n: n}
	return onBackend(t, l), l
}

func onBackend(t testing.TB, b Backend) *Pane {
	p := newPane(t, b, theme.Options{Profile: colorprofile.TrueColor})
	p.View(120, 37)
	runAll(p, p.Opened())
	return p
}

// number returns the number of the event under the cursor.
func (p *Pane) number(t testing.TB) int {
	e := p.current()
	if e == nil {
		t.Fatal("the cursor is on no event")
	}
	return int(p.log.facts[e.members[0]].record) - 1
}

// Each event has one row, in the order of the log, while the window moves in both
// directions.
func TestWindowLeavesNoEventOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := onLog(t, 5000)
		for want := 4999; want > 0; want-- {
			if got := p.number(t); got != want {
				t.Fatalf("going down, the cursor is on event %d, want %d", got, want)
			}
			runAll(p, p.Do(keys.Down))
		}
		for want := range 5000 {
			if got := p.number(t); got != want {
				t.Fatalf("going up, the cursor is on event %d, want %d", got, want)
			}
			runAll(p, p.Do(keys.Up))
		}
		if len(p.log.facts) > keepMost {
			t.Errorf("%d events are kept", len(p.log.facts))
		}
	})
}

// heap returns the size of the live heap.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// onExport returns the page on an export of n events, as usher audit --file --screen
// opens it.
func onExport(t *testing.T, n int) *Pane {
	l := evidencetest.NewLog(t, int64(n-1)) // the record of the export is an event too
	path := filepath.Join(t.TempDir(), "e.tar")
	if _, err := evidence.Export(t.Context(), evidence.Config{Server: l, Key: l.Signer.Key(), Query: "who:ada", Complete: true, Path: path}); err != nil {
		t.Fatal(err)
	}
	f, err := evidence.OpenFile(t.Context(), path, &l.Signer.Verifier, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	at := f.Report.Manifest.At
	return onBackend(t, question.Offline{Pages: f, Now: func() time.Time { return at }, Count: int64(f.Len())})
}

// The memory of the page does not grow while a log is scrolled, from a server and from
// a file: 1,000,000 events with USHER_SOAK=1, else a part of them.
func TestMemoryIsConstant(t *testing.T) {
	events := 14_000
	switch {
	case os.Getenv("USHER_SOAK") != "":
		events = 1_000_000
	case testing.Short():
		events = 9_000
	}
	for name, open := range map[string]func(*testing.T) *Pane{
		"a server": func(t *testing.T) *Pane { p, _ := onLog(t, events); return p },
		"a file":   func(t *testing.T) *Pane { return onExport(t, events) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { scrollAll(t, open(t), events) })
		})
	}
}

// scrollAll goes to the first event, and watches the heap.
func scrollAll(t *testing.T, p *Pane, events int) {
	if first := p.number(t); first != events-1 {
		t.Fatalf("the page begins at event %d of %d", first, events)
	}
	for p.number(t) > events-2*keepMost { // the window is full
		runAll(p, p.Do(keys.PageDown))
		p.View(120, 37)
	}
	before := heap()
	most := before
	for i := 0; p.number(t) > 0; i++ {
		runAll(p, p.Do(keys.PageDown))
		p.View(120, 37)
		if i%5000 == 4999 {
			most = max(most, heap())
		}
	}
	most = max(most, heap())
	t.Logf("%d events: %d kB with a full window, %d kB at most", events, before>>10, most>>10)
	if len(p.log.facts) > keepMost {
		t.Errorf("%d events are kept", len(p.log.facts))
	}
	if most > before+4<<20 {
		t.Errorf("the heap grew from %d to %d kB", before>>10, most>>10)
	}
}
