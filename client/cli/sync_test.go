package cli

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/ledger"
	"usher/client/selection"
	"usher/session"
)

// sync runs usher sync lab/d/ DIR.
func (s *depot) sync(t *testing.T, state, dir string, flags func(*syncing)) (out, errs string, exit int) {
	t.Helper()
	var o, e strings.Builder
	a := &app{Program: Program{Out: &o, Err: &e, Now: time.Now, Getenv: func(string) string { return "" }, Folders: session.Folders{State: state}}}
	run := &syncing{get: &get{app: a, dest: dir}}
	if flags != nil {
		flags(run)
	}
	known, err := ledger.Open(state, ledger.Pair{Server: "s", Path: "lab/d/", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = run.sync(ctx, download.Config{Releaser: s, Lister: s, S3Hosts: []string{s.Listener.Addr().String()}, AllowHTTP: true,
		Timeouts: download.Timeouts{BackoffMin: time.Millisecond, BackoffMax: time.Millisecond}}, api.Path{Bucket: "lab", Key: "d/"}, known)
	if cerr := known.Close(); err == nil {
		err = cerr
	}
	exit = a.finish(ctx, err)
	return o.String(), e.String(), exit
}

// files returns the content of all files below a folder, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		all[filepath.ToSlash(name)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// trees is the number of random trees; the soak plays all.
func trees() int {
	switch {
	case os.Getenv("USHER_SOAK") != "":
		return 2000
	case testing.Short():
		return 10
	}
	return 30
}

// A sync with --delete removes no file that no sync has put there and none that has
// changed since, and leaves the files of the server.
func TestSyncKeepsForeignFiles(t *testing.T) {
	removed, kept := 0, 0
	for seed := range trees() {
		r := rand.New(rand.NewPCG(18, uint64(seed)))
		pick := func() string {
			segs := make([]string, 1+r.IntN(3))
			for i := range segs {
				segs[i] = string(rune('a' + r.IntN(4)))
			}
			return strings.Join(segs, "/") + ".x"[:r.IntN(3)]
		}
		s, dir, state := newDepot(t), t.TempDir(), t.TempDir()
		s.pages = seed%2 == 0
		change := func(name string) {
			path := filepath.Join(dir, name)
			if os.MkdirAll(filepath.Dir(path), 0o777) == nil {
				_ = os.WriteFile(path, fmt.Appendf(nil, "mine %d", r.IntN(3)), 0o666)
			}
		}
		for range r.IntN(8) {
			s.objects["d/"+pick()+".o"] = fmt.Sprintf("content %d", r.IntN(3))
		}
		for range r.IntN(4) {
			change(pick())
		}
		before := files(t, dir)
		if len(s.objects) > 0 {
			s.sync(t, state, dir, nil)
		}
		ours := files(t, dir)
		maps.DeleteFunc(ours, func(name, _ string) bool { _, foreign := before[name]; return foreign })
		for name := range s.objects { // the next day
			switch r.IntN(3) {
			case 0:
				delete(s.objects, name)
			case 1:
				s.objects[name] += " changed"
			}
		}
		s.objects["d/"+pick()+".o"] = "one more"
		for name := range ours {
			if r.IntN(4) == 0 {
				change(name)
				delete(ours, name)
			}
		}
		for range r.IntN(4) {
			name := pick()
			change(name)
			delete(ours, name)
		}
		foreign := files(t, dir)
		maps.DeleteFunc(foreign, func(name, _ string) bool { _, is := ours[name]; return is })
		_, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.remove, run.yes = true, true })
		after := files(t, dir)
		for name, content := range foreign {
			if kept++; after[name] != content {
				t.Fatalf("seed %d: %s was %q and is %q\n%s", seed, name, content, after[name], errs)
			}
		}
		for name := range ours {
			_, there := s.objects["d/"+strings.ReplaceAll(name, "%~", "")] // the mark of a folder beside a file
			if _, here := after[name]; exit == 0 && here != there {
				t.Errorf("seed %d: %s is here %v, and on the server %v\n%s", seed, name, here, there, errs)
			} else if !here {
				removed++
			}
		}
		got := map[string]bool{}
		for name := range after {
			got[strings.ReplaceAll(name, "%~", "")] = true
		}
		for key := range s.objects {
			if exit == 0 && !got[strings.TrimPrefix(key, "d/")] {
				t.Errorf("seed %d: %s is missing\n%s", seed, key, errs)
			}
		}
		s.Close()
	}
	t.Logf("%d trees: %d files of syncs removed, %d foreign files kept", trees(), removed, kept)
	if removed == 0 || kept == 0 {
		t.Error("the trees play nothing")
	}
}

// The second sync requests nothing, and a change on one side is one file.
func TestSyncTwice(t *testing.T) {
	s, dir, state := newDepot(t), filepath.Join(t.TempDir(), "into"), t.TempDir()
	for _, key := range []string{"d/a", "d/b/c", "d/b/d", "other/x"} {
		s.objects[key] = "content of " + key
	}
	if out, errs, exit := s.sync(t, state, dir, nil); exit != 0 || len(files(t, dir)) != 3 {
		t.Fatal(out, errs, exit)
	}
	released := s.released
	if out, errs, exit := s.sync(t, state, dir, nil); exit != 0 || s.released != released || !strings.Contains(errs, "3 files were here already") {
		t.Fatal(out, errs, exit, s.released-released)
	}
	s.objects["d/a"] = "new content"
	delete(s.objects, "d/b/c")
	if out, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.dryRun = true }); exit != 0 || s.released != released ||
		!strings.Contains(out, "* ") || !strings.Contains(out, "- ") || !strings.Contains(errs, "0 new, 1 changed, 1 the same, 1 gone") {
		t.Fatal(out, errs, exit)
	}
	if out, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.remove, run.yes = true, true }); exit != 0 || s.released != released+1 || !strings.Contains(errs, "1 file was removed") {
		t.Fatal(out, errs, exit, s.released-released)
	}
	s.objects["d/new"] = "new here"
	if out, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.remove, run.yes = true, true }); exit != 0 || files(t, dir)["new"] != "new here" {
		t.Fatal(out, errs, exit)
	}
	delete(s.objects, "d/new")
	if out, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.remove, run.yes = true, true }); exit != 0 {
		t.Fatal(out, errs, exit)
	}
	if got := files(t, dir); len(got) != 2 || got["a"] != "new content" {
		t.Error(got)
	}
	// A file that differs and that no sync has put there is no sync's to replace.
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.remove, run.yes = true, true }); exit != api.ExitDisk || files(t, dir)["a"] != "mine" {
		t.Error(errs, exit)
	}
	if _, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.overwrite = true }); exit != 0 || files(t, dir)["a"] != "new content" {
		t.Error(errs, exit)
	}
	// A failed listing removes nothing.
	s.list = &api.Error{Code: api.NotFound}
	if _, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.remove, run.yes = true, true }); exit != api.ExitNotFound || len(files(t, dir)) != 2 {
		t.Error(errs, exit, files(t, dir))
	}
}

// The files of a first sync arrive with the URLs of their listing. A second one has no
// URL, and one that selects requests none of a file that it leaves out.
func TestSyncByPages(t *testing.T) {
	s, dir, state := newDepot(t), filepath.Join(t.TempDir(), "into"), t.TempDir()
	for _, key := range []string{"d/a", "d/b/c", "d/b/d.log"} {
		s.objects[key] = "content of " + key
	}
	s.pages = true
	s.objects["d/empty/"], s.objects["d/b/none/"] = "", ""
	if out, errs, exit := s.sync(t, state, dir, nil); exit != 0 || len(files(t, dir)) != 3 || s.pageURLs != 3 || s.released != 0 {
		t.Fatalf("%s%s exit %d, %d URLs with pages, %d others", out, errs, exit, s.pageURLs, s.released)
	}
	for _, name := range []string{"empty", "b/none"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.IsDir() {
			t.Errorf("the empty folder %s: %v", name, err)
		}
	}
	for _, flags := range []func(*syncing){nil, func(run *syncing) { run.overwrite = true }, func(run *syncing) { run.remove, run.yes = true, true }} {
		if out, errs, exit := s.sync(t, state, dir, flags); exit != 0 || s.pageURLs+s.released != 3 || !strings.Contains(errs, "3 files were here already") {
			t.Fatalf("the second sync: %s%s exit %d, %d URLs with pages, %d others", out, errs, exit, s.pageURLs, s.released)
		}
	}
	// --delete keeps the files of earlier syncs that the selection leaves out.
	only, err := selection.New([]selection.Rule{{Pattern: "*.log"}}, selection.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	delete(s.objects, "d/a")
	out, errs, exit := s.sync(t, state, dir, func(run *syncing) { run.chosen, run.remove, run.yes = only, true, true })
	if got := files(t, dir); exit != 0 || len(got) != 2 || got["b/d.log"] == "" {
		t.Errorf("%s%s exit %d: %q", out, errs, exit, got)
	}
	// A file that get has put there is the same one, and no sync's.
	other := filepath.Join(t.TempDir(), "other")
	if _, errs, exit := s.sync(t, t.TempDir(), other, func(run *syncing) { run.chosen = only }); exit != 0 || s.pageURLs != 3 {
		t.Errorf("with a selection: %s exit %d, %d URLs with pages", errs, exit, s.pageURLs)
	}
	if out, errs, exit := s.sync(t, t.TempDir(), other, nil); exit != 0 || strings.Contains(out, "here already") {
		t.Errorf("%s%s exit %d", out, errs, exit)
	}
}
