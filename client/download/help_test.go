package download

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	localname "usher/client/download/name"
)

// patience is the longest wait for a result that is due soon.
const patience = 30 * time.Second

func wait(t testing.TB, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := e.Wait(ctx); err != nil {
		t.Fatalf("waiting: %v; %s", err, states(e))
	}
}

func states(e *Engine) string {
	var b strings.Builder
	for _, t := range e.Snapshot().Transfers {
		fmt.Fprintf(&b, "\n%d %q %v done=%d/%d err=%v event=%q retries=%d", t.ID, t.Key, t.State, t.Done, t.Size, t.Err, t.Event, t.Retries)
	}
	return b.String()
}

// failures lists the transfers that are neither done nor skipped.
func failures(e *Engine) string {
	var b strings.Builder
	for _, line := range strings.Split(states(e), "\n") {
		if !strings.Contains(line, " done ") && !strings.Contains(line, " skipped ") {
			b.WriteString("\n" + line)
		}
	}
	return b.String()
}

func find(t testing.TB, e *Engine, id ID) Transfer {
	t.Helper()
	for _, tr := range e.Snapshot().Transfers {
		if tr.ID == id {
			return tr
		}
	}
	t.Fatalf("transfer %d is not on the list", id)
	return Transfer{}
}

// eventually polls until ok returns true. event names the expected event.
func eventually(t testing.TB, event string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", event)
		}
		<-time.After(time.Millisecond)
	}
}

func mustEqual(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Fatalf("%s holds %d wrong bytes of %d", path, len(got), len(want))
	}
}

// scratch returns an empty directory, in memory if the system has /dev/shm, so
// that the speed of the disk does not matter.
func scratch(t testing.TB) string {
	t.Helper()
	if info, err := os.Stat("/dev/shm"); err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "usher-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// leftovers lists the part files and sidecars in dir.
func leftovers(t testing.TB, dir string) (found []string) {
	t.Helper()
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), localname.PartMark) {
			found = append(found, p)
		}
		return nil
	})
	return found
}
