package tui_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/client/download"
	"usher/tui/tuitest"
)

// copied has a folder with a local copy: one file of each state.
func copied(root string) func(*program) {
	return func(w *program) {
		for _, n := range []string{"same", "new", "changed", "unchecked", "sub/same", "sub/new"} {
			w.server.Put("data/x/"+n+".csv", 1000, "2026-11-01 08:00")
		}
		w.engine.Here = func(r download.Request) download.Presence {
			switch {
			case strings.Contains(r.Key, "same"):
				return download.Here
			case strings.Contains(r.Key, "changed"):
				return download.HereOther
			case strings.Contains(r.Key, "unchecked"):
				return download.HereMaybe
			}
			return download.Absent
		}
		w.deps.DownloadDir = root
		w.deps.Start = tuitest.At("data/x/")
		w.server.PerPage = 2
	}
}

// = shows the files that are not the same on both sides, and d fetches just those of the
// server.
func TestComparison(t *testing.T) {
	root := t.TempDir()
	for _, n := range []string{"same.csv", "changed.csv", "unchecked.csv", "sub/same.csv", "sub/mine.txt", ".usher-1-part"} {
		path := filepath.Join(root, "data", "x", filepath.FromSlash(n))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("ab"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	play(t, copied(root), func(t *testing.T, w *program) {
		w.Press("j", "=") // a file: the open folder is compared
		w.Wait(3 * time.Second)
		w.Want(t, "Compared with the local copy", "2 same, 2 new, 1 differs, 1 unchecked, 1 only here", "3.00 kB to fetch",
			"new        new.csv", "new        sub/new.csv", "differs    changed.csv", "unchecked  unchecked.csv", "only here  sub/mine.txt")
		w.Not(t, "same.csv", "usher-1-part")
		w.Press("d")
		w.Wait(time.Second)
		w.Want(t, "Download 4 files")
		w.Press("esc")
		w.engine.Here = func(download.Request) download.Presence { return download.Here }
		if err := os.Remove(filepath.Join(root, "data", "x", "sub", "mine.txt")); err != nil {
			t.Fatal(err)
		}
		w.Press("ctrl+r")
		w.Wait(3 * time.Second)
		w.Want(t, "Both sides are the same: 6 files.")
		w.Press("d")
		w.Want(t, "the local copy has all files of the folder")
		w.Press("esc", "g", "=") // a folder: it alone is compared
		w.Wait(3 * time.Second)
		w.Want(t, "Both sides are the same: 2 files.")
		w.Press("esc", "~", "=")
		w.Wait(time.Second)
		w.Press("esc")
	})
}

// A failed comparison is shown as not complete, and d fetches nothing.
func TestComparisonFails(t *testing.T) {
	play(t, copied(t.TempDir()), func(t *testing.T, w *program) {
		w.server.Delay = time.Second
		w.Press("j", "=")
		w.Wait(1500 * time.Millisecond)
		w.Press("d")
		w.Want(t, "wait for the end of the comparison")
		w.server.Fail(tuitest.ErrNetwork)
		w.Wait(2 * time.Second)
		w.Want(t, "not complete")
		w.Press("d")
		w.Want(t, "wait for the end of the comparison")
	})
}
