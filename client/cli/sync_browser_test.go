package cli

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui/compare"
	"usher/tui/keys"
	"usher/tui/pane"
	"usher/tui/theme"
	"usher/tui/transfers"
)

// differs is the state of each file that differs, by its name on the server or, if it
// is only here, by its local name.
type differs map[string]string

// rowOf finds the state and the name in a line of the comparison.
var rowOf = regexp.MustCompile(`^\W*(new|changed|differs|unchecked|failed|only here)\s+(\S+)`)

// compared returns the rows of the browser's comparison of lab/d/.
func (s *depot) compared(t *testing.T, engine *download.Engine, root string) differs {
	t.Helper()
	table, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	page, err := compare.New(compare.Deps{
		Env:     &pane.Env{Theme: theme.New(theme.Options{Profile: colorprofile.NoTTY, ASCII: true}), Keys: table, Zone: time.UTC, Me: &pane.Me{}},
		Backend: s, Server: "s", Folder: api.Path{Bucket: "lab", Key: "d/"}, Root: root,
		Look: func(reqs []download.Request) []download.LocalState {
			for i := range reqs {
				reqs[i] = transfers.Below(root, reqs[i])
			}
			return engine.Local(root, reqs)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for cmd := page.Opened(); cmd != nil; {
		msg := cmd()
		if _, last := msg.(pane.Answered); last {
			break
		}
		if failed, ok := msg.(pane.Failed); ok {
			t.Fatal(failed.Err)
		}
		cmd = page.Handle(msg)
	}
	out := differs{}
	for line := range strings.SplitSeq(ansi.Strip(page.View(300, 200)), "\n") {
		if m := rowOf.FindStringSubmatch(line); m != nil {
			out[m[2]] = m[1]
		}
	}
	return out
}

// replace writes another content to a file.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A file of the person has the name of a folder: the browser, get and sync save the
// folder beside it, and the comparison of the browser and the dry run agree before and
// after. A dry run names the paths of the run.
func TestSyncAndBrowserOnAForeignFile(t *testing.T) {
	s, root := newDepot(t), t.TempDir()
	dir := filepath.Join(root, "lab", "d")
	s.objects["d/a/x"], s.objects["d/a/b/y"] = "content x", "content y"
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(dir, "a"), "mine")
	engine, err := download.New(download.Config{Releaser: s, Lister: s, S3Hosts: []string{s.Listener.Addr().String()}, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = engine.Close() }()
	planned := func(state string, change func(*syncing)) (paths []string) {
		t.Helper()
		out, errs, exit := s.sync(t, t.TempDir(), dir, func(run *syncing) {
			run.dryRun, run.json = true, true
			if change != nil {
				change(run)
			}
		})
		if exit != 0 {
			t.Errorf("dry run: exit %d, %s", exit, errs)
		}
		for _, l := range jsonLines(t, out) {
			if name, err := filepath.Rel(dir, l.Dest); l.State == state && err == nil {
				paths = append(paths, filepath.ToSlash(name))
			}
		}
		return paths
	}
	beside := []string{"a%~/b/y", "a%~/x"}
	if got := planned("new", nil); !slices.Equal(got, beside) {
		t.Errorf("sync plans %q", got)
	}
	if got := planned("new", func(run *syncing) { run.overwrite = true }); !slices.Equal(got, []string{"a/b/y", "a/x"}) {
		t.Errorf("sync --overwrite plans %q", got)
	}
	if got, want := s.compared(t, engine, root), (differs{"a": "only here", "a/x": "new", "a/b/y": "new"}); !maps.Equal(got, want) {
		t.Errorf("the browser compares %q", got)
	}
	if out, errs, exit := s.sync(t, t.TempDir(), dir, nil); exit != 0 {
		t.Errorf("sync: exit %d\n%s%s", exit, out, errs)
	}
	for _, name := range beside {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
	if got, want := s.compared(t, engine, root), (differs{"a": "only here"}); !maps.Equal(got, want) {
		t.Errorf("after the sync, the browser compares %q", got)
	}
	engine.Add(transfers.Below(root, download.Request{Bucket: "lab", Key: "d/", Folder: true}))
	if err := engine.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(files(t, dir))); !slices.Equal(got, append([]string{"a"}, beside...)) {
		t.Errorf("after a download of the browser: %q", got)
	}
}

// The comparison of the browser and usher sync --dry-run have the same result for the
// files of the browser, and it is that of the contents.
func TestSyncAndBrowserAgree(t *testing.T) {
	words := []string{"differs", "unchecked", "only here", "new", "failed"}
	seen := map[string]int{}
	for seed := range trees() {
		r := rand.New(rand.NewPCG(19, uint64(seed)))
		s, root := newDepot(t), t.TempDir()
		if seed%3 == 0 { // a root behind a link
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(root, link); err == nil {
				root = link
			}
		}
		dir := filepath.Join(root, "lab", "d")
		for range 4 + r.IntN(12) {
			segs := make([]string, 1+r.IntN(3))
			for i := range segs {
				segs[i] = []string{"a", "b", "a.b", "ä", "a%2e", "..", "con"}[r.IntN(7)]
			}
			s.objects["d/"+strings.Join(segs, "/")] = fmt.Sprintf("content %d", r.IntN(100))
		}
		s.objects["d/empty/"] = ""
		engine, err := download.New(download.Config{Releaser: s, Lister: s, S3Hosts: []string{s.Listener.Addr().String()}, AllowHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		engine.Add(transfers.Below(root, download.Request{Bucket: "lab", Key: "d/", Folder: true}))
		if err := engine.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := differs{}
		for _, key := range sortedKeys(s.objects) {
			if !strings.HasSuffix(key, "/") {
				want[strings.TrimPrefix(key, "d/")] = "new"
			}
		}
		for _, tr := range engine.Snapshot().Transfers {
			if tr.State != download.Done || tr.Folder {
				continue
			}
			name := strings.TrimPrefix(tr.Key, "d/")
			delete(want, name)
			switch r.IntN(5) {
			case 0:
				replace(t, tr.Dest, s.objects[tr.Key]+" and more")
				want[name] = "differs"
			case 1:
				replace(t, tr.Dest, strings.Repeat("x", len(s.objects[tr.Key])))
				want[name] = "unchecked"
			case 2:
				if err := os.Remove(tr.Dest); err != nil {
					t.Fatal(err)
				}
				want[name] = "new"
				if r.IntN(2) == 0 {
					s.archived[tr.Key], want[name] = true, "failed"
				}
			case 3: // gone on the server
				delete(s.objects, tr.Key)
				rel, err := filepath.Rel(dir, tr.Dest)
				if err != nil {
					t.Fatal(err)
				}
				want[filepath.ToSlash(rel)] = "only here"
			}
		}
		browser := s.compared(t, engine, root)
		out, errs, exit := s.sync(t, t.TempDir(), dir, func(run *syncing) { run.dryRun, run.json = true, true })
		sync := differs{}
		for _, l := range jsonLines(t, out) {
			name := strings.TrimPrefix(l.Path, "lab/d/")
			if l.State == "only_here" {
				rel, err := filepath.Rel(dir, l.Dest)
				if err != nil {
					t.Fatal(err)
				}
				name = filepath.ToSlash(rel)
			}
			sync[name] = strings.ReplaceAll(l.State, "_", " ")
		}
		if !maps.Equal(browser, want) || !maps.Equal(sync, want) {
			t.Fatalf("seed %d (%d, %s):\nbrowser %q\nsync    %q\nwant    %q", seed, exit, errs, browser, sync, want)
		}
		for _, state := range want {
			seen[state]++
		}
		if err := engine.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, state := range words {
		if seen[state] == 0 {
			t.Errorf("no file was %s", state)
		}
	}
}
