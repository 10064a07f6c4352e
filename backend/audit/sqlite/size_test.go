package sqlite

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"usher/backend/audit/audittest"
	"usher/backend/event"
)

// The bytes of the file for each event, with its tree and its index.
func TestBytesOfAnEvent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	s := openTest(t, path)
	n, text := 0, 0
	for batch := range slices.Chunk(slices.Collect(audittest.Many("5d41402abc4b2a76b9719d911017c592", 20_000)), 1000) {
		if err := s.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		for _, e := range batch {
			n, text = n+1, text+len(event.Canonical(e))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes an event on disk; %d canonical ones", info.Size()/int64(n), text/n)
	if info.Size()/int64(n) > 800 {
		t.Error("more than 800 bytes an event")
	}
}
