package serve_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"usher/backend/audit/sqlite"
	"usher/backend/event"
	"usher/backend/serve"
)

// recorded returns the events in a log file, in order.
func recorded(t *testing.T, path string) (all []event.Event) {
	t.Helper()
	verified(t, path, func() sqlite.Check {
		all = nil
		return sqlite.Check{Event: func(_ int64, e *event.Event) { all = append(all, *e) }}
	})
	return all
}

// verified returns the report about a log file. It begins again after a deletion of
// expired events.
func verified(t *testing.T, path string, check func() sqlite.Check) (r sqlite.Report) {
	t.Helper()
	eventually(t, "a verification without a deletion", func() bool {
		var err error
		if r, err = sqlite.VerifyFile(t.Context(), path, check()); err != nil && !errors.Is(err, sqlite.ErrDeleted) {
			t.Fatal(err)
		}
		return err == nil
	})
	return r
}

func actions(all []event.Event) (names []string) {
	for _, e := range all {
		names = append(names, e.Action)
	}
	return names
}

// A copy of the log of a running server has a start without a stop, as after a kill
// of the process. The next start records that once.
func TestAnUncleanStopIsRecorded(t *testing.T) {
	first := start(t, nil)
	killed := filepath.Join(t.TempDir(), "audit.db")
	eventually(t, "the start is recorded", func() bool { return len(recorded(t, first.config.Audit)) > 0 })
	head, err := os.ReadFile(first.config.Audit + ".head") // before the log, as after a kill
	if err == nil {
		_, err = sqlite.Backup(t.Context(), first.config.Audit, killed)
	}
	if err = errors.Join(err, os.WriteFile(killed+".head", head, 0o600)); err != nil {
		t.Fatal(err)
	}
	before := recorded(t, killed)
	starts := func() (n int) {
		for _, a := range actions(recorded(t, killed)) {
			if a == event.ServiceStart {
				n++
			}
		}
		return n
	}
	for range 2 {
		n := starts()
		ctx, stop := context.WithCancel(t.Context())
		c := first.config
		c.Audit, c.AuditKey = killed, filepath.Join(filepath.Dir(first.config.Audit), "audit.key")
		server, err := serve.New(ctx, c, serve.Deps{Now: time.Now, Rand: rand.Reader, NewID: event.IDs(rand.Reader), Log: slog.New(slog.DiscardHandler)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		eventually(t, "the start is recorded", func() bool { return starts() > n })
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	all := recorded(t, killed)
	want := []string{event.ServiceStart, event.UncleanStop, event.ServiceStart, event.ServiceStop, event.ServiceStart, event.ServiceStop}
	if got := actions(all); !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	if e := all[1]; e.From == nil || !e.From.Equal(before[len(before)-1].Time) || e.Outcome != event.Failed {
		t.Errorf("%+v", e)
	}
}
