package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"usher/backend/api"
)

// A path can be a file on one side and a folder on the other. A file of a sync is
// replaced, and a file of the person stays. A dry run has the exit code of
// the run and changes nothing.
func TestSyncFileAndFolder(t *testing.T) {
	overwrite := func(run *syncing) { run.overwrite = true }
	keep := func(run *syncing) { run.keep = true }
	skip := func(run *syncing) { run.skip = true }
	remove := func(run *syncing) { run.remove, run.yes = true, true }
	for _, row := range []struct {
		name          string
		before, after []string // keys, of the first sync and the second
		mine          []string // written between the syncs
		flags         func(*syncing)
		exit          int
		want          []string
	}{
		{"a file becomes a folder", []string{"a", "b"}, []string{"a/x", "b"}, nil, nil, 0, []string{"a/x", "b"}},
		{"a file becomes a deep folder", []string{"p/a"}, []string{"p/a/b/x", "p/a/y"}, nil, nil, 0, []string{"p/a/b/x", "p/a/y"}},
		{"a file becomes an empty folder", []string{"a"}, []string{"a/"}, nil, nil, 0, nil},
		{"a file gets a folder of its name", []string{"a"}, []string{"a", "a/x"}, nil, nil, 0, []string{"a%~", "a/x"}},
		{"a changed file becomes a folder", []string{"a", "b"}, []string{"a/x", "b"}, []string{"a"}, nil, 0, []string{"a", "a%~/x", "b"}},
		{"the same with --delete", []string{"a", "b"}, []string{"a/x", "b"}, []string{"a"}, remove, 0, []string{"a", "a%~/x", "b"}},
		{"the same with --overwrite", []string{"a", "b"}, []string{"a/x", "b"}, []string{"a"}, overwrite, 0, []string{"a/x", "b"}},
		{"the same with --keep-both", []string{"a", "b"}, []string{"a/x", "b"}, []string{"a"}, keep, 0, []string{"a", "a%~/x", "b"}},
		{"the same with --skip-existing", []string{"a", "b"}, []string{"a/x", "b"}, []string{"a"}, skip, 0, []string{"a", "b"}},
		{"a file of the person has the name of a folder", nil, []string{"a/x", "b"}, []string{"a"}, nil, 0, []string{"a", "a%~/x", "b"}},
		{"and that of an empty folder", nil, []string{"a/", "b"}, []string{"a"}, nil, 0, []string{"a", "b"}},
		{"a folder becomes a file", []string{"a/x", "b"}, []string{"a", "b"}, nil, nil, 0, []string{"a%~", "a/x", "b"}},
		{"the same with --delete", []string{"a/x", "a/c/y", "b"}, []string{"a", "b"}, nil, remove, 0, []string{"a", "b"}},
		{"an empty folder becomes a file", []string{"a/", "a/c/", "b"}, []string{"a", "b"}, nil, remove, 0, []string{"a", "b"}},
		{"the same, alone", []string{"a/x"}, []string{"a"}, nil, remove, 0, []string{"a"}},
		{"with a file of the person in it", []string{"a/x", "b"}, []string{"a", "b"}, []string{"a/mine"}, remove, 0, []string{"a%~", "a/mine", "b"}},
		{"a folder of the person", nil, []string{"a", "b"}, []string{"a/mine"}, remove, 0, []string{"a%~", "a/mine", "b"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, dir, state := newDepot(t), t.TempDir(), t.TempDir()
			put := func(keys []string) {
				clear(s.objects)
				for _, key := range keys {
					s.objects["d/"+key] = map[bool]string{false: "content of " + key}[strings.HasSuffix(key, "/")]
				}
			}
			if put(row.before); len(row.before) > 0 {
				if out, errs, exit := s.sync(t, state, dir, nil); exit != 0 {
					t.Fatal(out, errs, exit)
				}
			}
			put(row.after)
			for _, name := range row.mine {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			before := files(t, dir)
			planned, perrs, pexit := s.sync(t, state, dir, func(run *syncing) {
				if row.flags != nil {
					row.flags(run)
				}
				run.dryRun = true
			})
			if got := files(t, dir); pexit != row.exit || !maps.Equal(got, before) {
				t.Errorf("dry run: exit %d, %q, was %q\n%s%s", pexit, got, before, planned, perrs)
			}
			out, errs, exit := s.sync(t, state, dir, row.flags)
			got := files(t, dir)
			if names := slices.Sorted(maps.Keys(got)); exit != row.exit || !slices.Equal(names, row.want) {
				t.Errorf("exit %d, %q, want %q\n%s%s", exit, names, row.want, out, errs)
			}
			for _, name := range row.mine {
				if text, here := got[name]; row.name != "the same with --overwrite" && (!here || text != "mine") {
					t.Errorf("%s is %q", name, text)
				}
			}
			if exit != 0 {
				return
			}
			released := s.released
			if out, errs, exit := s.sync(t, state, dir, row.flags); exit != 0 || s.released != released || !maps.Equal(files(t, dir), got) {
				t.Errorf("again: exit %d, %d released, %q\n%s%s", exit, s.released-released, files(t, dir), out, errs)
			}
		})
	}
}

// A dry run ends with the exit code of the run and has its failures.
func TestSyncDryRunFails(t *testing.T) {
	for _, row := range []struct {
		name  string
		prior func(t *testing.T, dir string)
		state string // in the dry run
	}{
		{"a folder below DIR is a link", func(t *testing.T, dir string) { symlink(t, t.TempDir(), filepath.Join(dir, "sub")) }, "failed"},
		{"a file is a link", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
				t.Fatal(err)
			}
			symlink(t, filepath.Join(t.TempDir(), "absent"), filepath.Join(dir, "sub", "x"))
		}, "failed"},
		{"another file", func(t *testing.T, dir string) {
			if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "sub", "x"), []byte("mine"), 0o666); err != nil {
				t.Fatal(err)
			}
		}, "differs"},
		{"DIR is a link to an absent folder", func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			symlink(t, filepath.Join(t.TempDir(), "absent"), dir)
		}, "failed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, dir := newDepot(t), t.TempDir()
			s.objects["d/sub/x"] = "content"
			row.prior(t, dir)
			planned, perrs, pexit := s.sync(t, t.TempDir(), dir, func(run *syncing) { run.dryRun, run.json = true, true })
			done, errs, exit := s.sync(t, t.TempDir(), dir, nil)
			if exit != api.ExitDisk || pexit != exit || !strings.Contains(planned, `"state":"`+row.state+`"`) {
				t.Errorf("dry run: exit %d\n%s%s\nrun: exit %d\n%s%s", pexit, planned, perrs, exit, done, errs)
			}
		})
	}
}

func symlink(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Skip(err)
	}
}
