//go:build !nosandbox

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/demo"
	"usher/backend/demo/demotest"
)

// A hostile bucket: names with escape sequences, parent folders and signs that look
// alike are shown escaped, and saved below the folder of the downloads alone.
func TestSceneHostileNames(t *testing.T) {
	longScenes(t, func(t *testing.T, at stage) {
		w := demotest.Start(t, demo.Options{})
		s, downloads := at.open(t, w, "datasets/public/hostile/")
		s.alanSignsIn(w)
		s.shows(`\u{1b}`)
		s.keys("D")
		s.shows("2.20 TB")
		s.answers("l skip files that do not fit", "l")
		s.shows("Left out    1 file does not fit")
		s.answers("Download 64 files", "enter")
		s.shows("verified")
		saved := 0
		if err := filepath.WalkDir(s.home(), func(path string, e fs.DirEntry, err error) error {
			in, rest := filepath.Split(path)
			if err == nil && !e.IsDir() && strings.HasPrefix(path, downloads) {
				saved++
				if strings.ContainsAny(in+rest, "\x1b\u202e\u200b\n") {
					t.Errorf("saved as %q", path)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(s.home())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != "config" && e.Name() != "state" && e.Name() != "usher" {
				t.Errorf("%s is in the home", e.Name())
			}
		}
		if saved < 60 {
			t.Errorf("%d files were saved", saved)
		}
	})
}
