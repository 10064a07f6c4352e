package tui_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/client"
	"usher/client/evidence"
	"usher/session"
	"usher/tui"
)

// liar is a server that changes one event of its answers, or leaves one out.
type liar struct {
	*client.Client
	changed, hidden string // ids
}

func (l liar) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	out, err := l.Client.AuditQuery(ctx, in)
	kept := out.Events[:0]
	for _, e := range out.Events {
		if e.ID == l.changed {
			e.Outcome = "allowed "
		}
		if e.ID != l.hidden {
			kept = append(kept, e)
		}
	}
	out.Events = kept
	return out, err
}

// A kept checkpoint and an export are compared with the log of a real server. A
// server that shows another event, or leaves one out, is found by the event.
func TestCompareWithACopy(t *testing.T) {
	w := demotest.Start(t, demo.Options{})
	public, err := session.Discover(t.Context(), w.Server)
	if err != nil {
		t.Fatal(err)
	}
	ada, grace := w.SignIn(t, "ada"), w.SignIn(t, "grace")
	for range 3 {
		if _, err := ada.List(t.Context(), api.ListRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	environment := tui.Environment{Profile: session.Profile{Config: public}}
	dir := t.TempDir()
	export := filepath.Join(dir, "e.tar")
	if _, err := evidence.Export(t.Context(), evidence.Config{Server: grace, Key: public.AuditLog.Key, Query: "who:ada", Path: export}); err != nil {
		t.Fatal(err)
	}
	events := w.Events(t, "who:ada action:list")
	if len(events) < 3 {
		t.Fatalf("%d events", len(events))
	}
	checked, err := grace.Checkpoint(t.Context(), api.CheckpointRequest{})
	if err != nil {
		t.Fatal(err)
	}
	note, foreign := filepath.Join(dir, "checkpoint.txt"), filepath.Join(dir, "foreign.txt")
	other := []byte(checked.Checkpoint)
	other[len(other)-10] ^= 1
	for path, text := range map[string][]byte{note: []byte(checked.Checkpoint), foreign: other} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{note, export} {
		got, err := tui.CompareLog(t.Context(), grace.Client, environment, path)
		if err != nil || !got.Finding.IsZero() || len(got.Differences) != 0 || got.Events < 4 {
			t.Errorf("%s: %+v, %v", path, got, err)
		}
		if path == export && got.Read < 4 {
			t.Errorf("%d events of the export were compared", got.Read)
		}
	}
	for _, path := range []string{foreign, filepath.Join(dir, "absent"), dir} {
		if got, err := tui.CompareLog(t.Context(), grace.Client, environment, path); err == nil {
			t.Errorf("%s: %+v", path, got)
		}
	}
	got, err := tui.CompareLog(t.Context(), liar{grace.Client, events[0].ID, events[1].ID}, environment, export)
	if err != nil || len(got.Differences) != 2 || got.Differences[0].Event != events[0].ID || got.Differences[1].Event != events[1].ID {
		t.Errorf("of a lying server: %+v, %v", got, err)
	}
}
