package tuitest

import (
	"os"
	"slices"
	"testing"
)

// An unread file is found, and a folder without files is an error.
func TestUnreadGoldens(t *testing.T) {
	t.Chdir(t.TempDir())
	g := &Goldens{update: new(bool)}
	if _, err := g.unread(); err == nil {
		t.Error("no screens at all is no error")
	}
	if err := os.MkdirAll(goldenDir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/read.txt", "/unread.txt"} {
		if err := os.WriteFile(goldenDir+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.read.Store(goldenDir+"/read.txt", true)
	if got, err := g.unread(); err != nil || !slices.Equal(got, []string{goldenDir + "/unread.txt"}) {
		t.Errorf("unread %q, error %v", got, err)
	}
}
