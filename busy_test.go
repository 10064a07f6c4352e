//go:build !nosandbox

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/backend/demo"
	"usher/backend/demo/demotest"
	"usher/backend/sandbox/s3"
)

// fill stores n tiny objects below quarterly/. name returns the key for a number.
func fill(t *testing.T, w *demotest.Demo, n int, name func(int) string) {
	t.Helper()
	for i := range n {
		if err := w.Sandbox.Objects.PutContent("company-reports", "quarterly/"+name(i), s3.Object{Content: strings.NewReader("abc")}); err != nil {
			t.Fatal(err)
		}
	}
}

// busy exhausts ada's budget of listings until stop is called.
func busy(t *testing.T, w *demotest.Demo) (stop func()) {
	t.Helper()
	ada := w.SignIn(t, "ada")
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				_, _ = ada.List(ctx, api.ListRequest{}) // mostly refused
			}
		})
	}
	return func() { cancel(); all.Wait() }
}

// The server accepts 20 listings a second. A filter over a large folder needs
// more, so the browser waits as long as Retry-After requires, and reaches the
// last row.
func TestSceneFilterOfALargeFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("a smaller folder is read before the server is busy")
	}
	t.Parallel()
	const rows, all = 200_000, "200,000"
	w := demotest.Start(t, demo.Options{})
	fill(t, w, rows, func(i int) string { return fmt.Sprintf("huge/%06d.csv", i) })
	s, _ := open(t, w, 120, 40, "company-reports/quarterly/huge/")
	s.signIn(w, "ada")
	s.shows("000000.csv")
	stop := busy(t, w)
	s.keys("/", "zzz")
	s.shows("the server is busy, waiting")
	stop()
	s.within(4*time.Minute, "the end of the folder", func(screen string) bool { return strings.Contains(screen, "0 of "+all+" rows") })
	s.shows(`Nothing matches "zzz".`)
	s.keys("esc")
	s.shows("of " + all + ", ")
}

// Sixty marked folders are counted and downloaded, although this needs more
// listings at once than the server allows.
func TestSceneSixtyMarkedFolders(t *testing.T) {
	const folders = 60
	w := demotest.Start(t, demo.Options{})
	fill(t, w, folders, func(i int) string { return fmt.Sprintf("many/%03d/a.txt", i) })
	s, dir := open(t, w, 120, 40, "company-reports/quarterly/many/")
	s.signIn(w, "ada")
	s.shows("000/", "of 60, ")
	for range folders {
		s.keys("space")
	}
	s.shows("60 marked")
	stop := busy(t, w)
	s.keys("d")
	if !testing.Short() { // a slow program under the race detector does not exceed the rate
		s.shows("the server is busy, waiting")
	}
	stop()
	s.shows("Download 60 files", "180 B")
	s.keys("enter")
	s.within(2*time.Minute, "all files on the disk", func(string) bool {
		found, err := filepath.Glob(filepath.Join(dir, "company-reports/quarterly/many/*/a.txt"))
		return err == nil && len(found) == folders
	})
	s.until("the end of the downloads", func(screen string) bool {
		return strings.Contains(screen, "60 files, 180 B") && strings.Contains(screen, "verified.")
	})
	for i := range folders {
		name := filepath.Join(dir, "company-reports/quarterly/many", fmt.Sprintf("%03d/a.txt", i))
		if got, err := os.ReadFile(name); err != nil || string(got) != "abc" {
			t.Errorf("%s holds %q: %v", name, got, err)
		}
	}
}
