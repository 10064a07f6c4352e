package transfers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/keys"
	"usher/tui/transfers"
)

// withdrawn is the queue after a person has lost a folder: 60 of its 63 files were
// denied, each with a request ID of its own.
func withdrawn() download.Snapshot {
	err := func(n int) error { return &api.Error{Code: api.NotFound, RequestID: fmt.Sprintf("r-%02d", n)} }
	s := download.Snapshot{Files: 63, FilesDone: 3, FilesFailed: 60, Transfers: []download.Transfer{
		{ID: 1, Bucket: "b", Key: "quarterly/", Folder: true, Files: 63, FilesDone: 3, FilesFailed: 60, State: download.Failed, Err: err(0)}}}
	for i := range 63 {
		x := download.Transfer{ID: download.ID(i + 2), Parent: 1, Bucket: "b", Key: fmt.Sprintf("quarterly/%d/file-%02d", i%2, i), Size: 1000, State: download.Denied, Err: err(i)}
		if i >= 60 {
			x.State, x.Err = download.Done, nil
		}
		s.Transfers = append(s.Transfers, x)
	}
	return s
}

// Failures of one folder and one cause are one row. The enter key shows and hides its
// files. The folder and the row have the same sentence.
func TestFailuresOfOneCauseAreOneRow(t *testing.T) {
	for _, w := range []int{80, 120, 200} {
		p := page(t)
		p.Handle(transfers.Refreshed{Snapshot: withdrawn()})
		view := func() string { return ansi.Strip(p.View(w, 100)) }
		if text := view(); strings.Contains(text, "file-") || strings.Count(text, "✗") != 2 || !strings.Contains(text, "60 files: No longer available: your access") {
			t.Errorf("%d cells, the cursor on the folder:\n%s", w, text)
		}
		p.Do(keys.Down)
		if text := view(); !strings.Contains(text, "60 files in quarterly/") || !strings.Contains(text, "60 files: No longer available: your access") || strings.Contains(text, "(request") {
			t.Errorf("%d cells, the cursor on the row:\n%s", w, text)
		}
		p.Do(keys.Enter)
		if text := view(); strings.Count(text, "file-") != 60 || strings.Count(text, "(request") != 0 {
			t.Errorf("%d cells, unfolded: %d files\n%s", w, strings.Count(text, "file-"), text)
		}
		p.Do(keys.Down)
		if text := view(); strings.Count(text, "(request") != 1 {
			t.Errorf("%d cells, the cursor on a file:\n%s", w, text)
		}
		p.Handle(transfers.Refreshed{Snapshot: withdrawn()})
		if text := view(); strings.Count(text, "file-") != 60 {
			t.Errorf("%d cells: a refresh folded the files", w)
		}
		p.Do(keys.Enter)
		if text := view(); strings.Contains(text, "file-") || !strings.Contains(text, "▌ ✗ denied     60 files") {
			t.Errorf("%d cells, folded again:\n%s", w, text)
		}
		if !slices.Contains(p.Hints(), keys.AgainAll) || !slices.Contains(p.Hints(), keys.Again) {
			t.Errorf("the key line has %v", p.Hints())
		}
	}
}

// Different causes and different folders are different rows. Two failures are no
// bundle, and a file in progress is never in one.
func TestBundlesHaveOneFolderAndOneCause(t *testing.T) {
	p := page(t)
	var s download.Snapshot
	add := func(n int, folder string, st download.State, err error) {
		for range n {
			id := len(s.Transfers) + 1
			s.Transfers = append(s.Transfers, download.Transfer{ID: download.ID(id), Bucket: "b", Key: fmt.Sprintf("%sfile-%02d", folder, id), Size: 1000, State: st, Err: err})
		}
	}
	add(3, "a/", download.Failed, download.ErrNetwork)
	add(3, "a/", download.Failed, &download.Error{Kind: download.ErrIntegrity, Path: "x", Detail: "size"})
	add(4, "z/", download.Failed, download.ErrNetwork)
	add(2, "y/", download.Failed, download.ErrNetwork)
	add(5, "a/", download.Waiting, nil)
	add(10, "a/", download.Done, nil)
	add(9, "z/", download.Done, nil)
	p.Handle(transfers.Refreshed{Snapshot: s})
	text := ansi.Strip(p.View(120, 60))
	for _, want := range []string{"3 files in b/a/", "4 files in b/z/", "10 files in b/a/"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, "file-"); strings.Count(text, "3 files in b/a/") != 2 || n != 2+5+9 {
		t.Errorf("%d rows of files:\n%s", n, text)
	}
}

// Keys on a bundle act on all its transfers.
func TestKeysOnABundle(t *testing.T) {
	p := page(t)
	p.Handle(transfers.Refreshed{Snapshot: withdrawn()})
	p.Do(keys.Down)
	for a, possible := range map[keys.Action]bool{keys.Again: true, keys.Remove: true, keys.CopyPath: true, keys.Enter: true, keys.Pause: false, keys.Later: false, keys.Folder: false} {
		if p.Why(a).IsZero() != possible {
			t.Errorf("%s: %q", a, p.Why(a))
		}
	}
	if p.Label(keys.Enter) != "" || p.Label(keys.Again) != "try these again" {
		t.Errorf("labels %q, %q", p.Label(keys.Enter), p.Label(keys.Again))
	}
	p.Do(keys.Up)
	if p.Why(keys.Enter).IsZero() {
		t.Error("a folder can be unfolded")
	}
}
