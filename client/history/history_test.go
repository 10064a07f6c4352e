package history_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/client/download"
	"usher/client/history"
	"usher/session"
)

var epoch = time.Date(2026, 11, 23, 9, 12, 4, 0, time.UTC)

func folders(t *testing.T) session.Folders {
	t.Helper()
	return session.Folders{State: filepath.Join(t.TempDir(), "state")}
}

func entry(i int) history.Entry {
	return history.Entry{Bucket: "builds", Key: fmt.Sprintf("nightly/b-%05d", i), At: epoch.Add(time.Duration(i) * time.Second), End: history.Done, Size: 10, Verified: "crc64nvme"}
}

func file(t *testing.T, f session.Folders) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.State, "history-*.json"))
	if err != nil || len(found) != 1 {
		t.Fatalf("files %q, %v", found, err)
	}
	return found[0]
}

// The history is kept for one person, in a private file, and stays bounded. Its sums
// count the downloads that left it.
func TestStore(t *testing.T) {
	f := folders(t)
	s := history.New(f, "https://a", "ada")
	for i := range 3000 {
		s.Add(entry(i))
	}
	failed := entry(3000)
	failed.End, failed.Key = history.Failed, "nightly/"+strings.Repeat("\x1b", 900)
	s.Add(failed)
	if got := s.Load(); got.Files != 3000 || len(got.Entries) != history.MaxEntries {
		t.Errorf("before the file: %d files, %d entries", got.Files, len(got.Entries))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file(t, f))
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() > 64<<10 {
		t.Errorf("%v, %v", info, err)
	}
	again := history.New(f, "https://a", "ada")
	got := again.Load()
	if n := len(got.Entries); got.Files != 3000 || got.Bytes != 30_000 || got.Since.IsZero() || n < 200 || got.Entries[n-1] != failed {
		t.Errorf("%d files, %d bytes, since %v, %d entries", got.Files, got.Bytes, got.Since, n)
	}
	again.Add(entry(3001))
	if err := again.Flush(); err != nil || again.Load().Files != 3001 {
		t.Errorf("%d files, %v", again.Load().Files, err)
	}
	for _, other := range []*history.Store{history.New(f, "https://a", "grace"), history.New(f, "https://b", "ada")} {
		if got := other.Load(); got.Files != 0 || len(got.Entries) != 0 {
			t.Errorf("another person has %d downloads", got.Files)
		}
	}
}

// A damaged file is empty. The file of a newer program is not replaced.
func TestDamagedFile(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "no JSON": "{", "other type": "[1]", "older": `{"version":0,"files":3}`, "wrong member": `{"version":1,"files":"x"}`,
		"invalid": `{"version":1,"files":-4,"entries":[{"bucket":"","key":"x","end":"done"},{"bucket":"b","key":"x","end":"\u001b[2J"}]}`,
	} {
		f := folders(t)
		s := history.New(f, "https://a", "ada")
		s.Add(entry(1))
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file(t, f), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := s.Load(); got.Files != 0 || len(got.Entries) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	f := folders(t)
	s := history.New(f, "https://a", "ada")
	s.Add(entry(1))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	const newer = `{"version":2,"entries":{}}`
	if err := os.WriteFile(file(t, f), []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Add(entry(2))
	if err := s.Flush(); !errors.Is(err, history.ErrNewer) {
		t.Errorf("the file of a newer program: %v", err)
	}
	if got, err := os.ReadFile(file(t, f)); err != nil || string(got) != newer {
		t.Errorf("the file of a newer program was replaced: %s", got)
	}
}

// Ended files have an entry, with their checksum if they are complete. Folders, and
// files without an end or that were already here, have none.
func TestOf(t *testing.T) {
	for state, want := range map[download.State]history.End{
		download.Done: history.Done, download.Failed: history.Failed, download.Denied: history.Denied,
		download.Skipped: "", download.Cancelled: "", download.Paused: "", download.Running: "",
	} {
		x := download.Transfer{State: state, Bucket: "b", Key: "k", Size: 5, Verified: "sha256", AuditID: "01M8"}
		got, ok := history.Of(x, epoch)
		if ok != (want != "") || got.End != want || ok && (got.Event != "01M8" || got.Size != 5 || (got.Verified == "sha256") != (want == history.Done)) {
			t.Errorf("%v: %+v, %t", state, got, ok)
		}
		x.Folder = true
		if _, ok := history.Of(x, epoch); ok {
			t.Errorf("%v: a folder has an entry", state)
		}
	}
}
