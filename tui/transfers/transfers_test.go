package transfers_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/transfers"
	"usher/tui/tuitest"
)

func page(t *testing.T) *transfers.Pane {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := transfers.New(transfers.Deps{
		Env:    &pane.Env{Theme: theme.New(theme.Options{Profile: colorprofile.TrueColor, Dark: true}), Keys: table, Zone: time.UTC, Me: &pane.Me{}},
		Engine: &tuitest.Engine{Now: tuitest.Epoch}, Lister: tuitest.NewServer("ada"), Dir: "/home/ada/usher", Home: "/home/ada",
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func snapshot() download.Snapshot {
	add := func(state download.State, key string, size, done int64) download.Transfer {
		return download.Transfer{ID: download.ID(len(key)), Bucket: "b", Key: "dir/" + key, Size: size, Done: done, State: state}
	}
	s := download.Snapshot{Transfers: []download.Transfer{
		add(download.Running, "running.parquet", 1_020_000_000, 690_000_000),
		add(download.Verifying, "verifying.pdf", 1_370_000, 1_370_000),
		add(download.Failed, "failed-one.parquet", 871_000_000, 214_000_000),
		add(download.Paused, "paused-file.parquet", 803_000_000, 410_000_000),
		add(download.Waiting, "waiting-for-it.docx", 118_000, 0),
		add(download.Denied, "denied-after-all.pdf!!", 1_120_000, 0),
		add(download.WaitingSignIn, "waits-for-a-sign-in.bin", 5, 1),
		add(download.Skipped, "here\x1b[2Jalready-at-this-place", 5, 5),
	}, Running: 1, Files: 8}
	s.Transfers[2].Err = errors.New("The server closed the connection three times. 214 MB are kept.")
	s.Transfers[5].Err = errors.New("Your access to this file was removed. The unfinished part stays.")
	return s
}

// Each state is a word. A transfer shows its reason under the cursor.
func TestEveryStateIsAWord(t *testing.T) {
	p := page(t)
	p.Handle(transfers.Refreshed{Snapshot: snapshot()})
	for _, w := range []int{80, 120, 200} {
		text := ansi.Strip(p.View(w, 30))
		for _, want := range []string{"running", "verifying", "failed", "paused", "waiting", "denied", "sign-in", "here", "67%", "100%", "o longer available", `\u{1b}[2J`} {
			if !strings.Contains(text, want) {
				t.Errorf("%d cells: no %q in\n%s", w, want, text)
			}
		}
		if strings.Contains(text, "three times") {
			t.Error("the reason is open without the cursor")
		}
		for _, l := range strings.Split(text, "\n") {
			if n := ansi.StringWidth(l); n > w {
				t.Errorf("a line of %d cells in %d: %q", n, w, l)
			}
		}
	}
	p.Do(keys.Down)
	p.Do(keys.Down)
	if text := ansi.Strip(p.View(120, 30)); !strings.Contains(text, "three times") || !strings.Contains(text, "r try again from 214 MB") {
		t.Errorf("the reason is not open under the cursor:\n%s", text)
	}
}

// The text of an error is safe already, so its escapes are not escaped again.
func TestReasonIsEscapedOnce(t *testing.T) {
	failed := &download.Error{Kind: download.ErrLink, Path: "a\x1b[2J"}
	for name, x := range map[string]download.Transfer{
		"error": {State: download.Failed, Err: failed},
		"event": {State: download.WaitingNetwork, Event: failed.Error()},
	} {
		p := page(t)
		x.ID, x.Bucket, x.Key = 1, "b", "dir/x"
		p.Handle(transfers.Refreshed{Snapshot: download.Snapshot{Transfers: []download.Transfer{x}, Files: 1}})
		if text := ansi.Strip(p.View(120, 30)); !strings.Contains(text, `a\u{1b}[2J is a link`) || strings.Contains(text, `\\u`) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// The cursor stays on its transfer when the queue changes above it.
func TestCursorStaysOnItsTransfer(t *testing.T) {
	p := page(t)
	s := snapshot()
	p.Handle(transfers.Refreshed{Snapshot: s})
	p.View(120, 30)
	p.Do(keys.Down)
	p.Do(keys.Down)
	s.Transfers = s.Transfers[1:]
	p.Handle(transfers.Refreshed{Snapshot: s})
	for _, l := range strings.Split(ansi.Strip(p.View(120, 30)), "\n") {
		if strings.HasPrefix(l, "▌ ") && !strings.Contains(l, "failed-one") {
			t.Errorf("the cursor moved to %q", l)
		}
	}
}

// nobody is a Releaser without any object.
type nobody struct{}

func (nobody) Release(context.Context, api.ReleaseRequest) (api.ReleaseResponse, error) {
	return api.ReleaseResponse{}, &api.Error{Code: api.NotFound}
}
func (nobody) Complete(context.Context, api.CompleteRequest) error { return nil }

// Files are stored below the root, in the folder of their bucket and prefix, for any
// name of either.
func TestFilesLandBelowTheRoot(t *testing.T) {
	e, err := download.New(download.Config{Releaser: nobody{}, S3Hosts: []string{"s3.example"}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	root := t.TempDir()
	for _, c := range []struct{ bucket, key, want string }{
		{"b", "a/b/c.pdf", "b/a/b/c.pdf"}, {"b", "top", "b/top"}, {"b", "../../../etc/passwd", "b/%2E%2E/%2E%2E/%2E%2E/etc/passwd"},
		{"..", "x", "%2E%2E/x"}, {".", "../x", "%2E/%2E%2E/x"}, {"b", "/abs/x", "b/%-/abs/x"}, {"b", "a//../b", "b/a/%-/%2E%2E/b"},
		{"b/../..", "x", "b/%2E%2E/%2E%2E/x"}, {"", "../x", "%-/%2E%2E/x"},
	} {
		r := transfers.Below(root, download.Request{Bucket: c.bucket, Key: c.key})
		if got := e.Local(root, []download.Request{r})[0].Path; got != filepath.Join(root, filepath.FromSlash(c.want)) {
			t.Errorf("%q in %q lands in %q", c.key, c.bucket, got)
		}
	}
	for _, c := range []struct{ bucket, key, want string }{{"b", "a/c/", "b/a/c"}, {"b", "", "b"}, {"b", "a/../", "b/a/%2E%2E"}, {"b", "a//", "b/a/%-"}} {
		r := transfers.Below(root, download.Request{Bucket: c.bucket, Key: c.key, Folder: true})
		if got := e.Local(root, []download.Request{r})[0].Path; got != filepath.Join(root, filepath.FromSlash(c.want)) {
			t.Errorf("the folder %q in %q lands in %q", c.key, c.bucket, got)
		}
	}
}
