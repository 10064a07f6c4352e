package cli

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"testing"
)

// The paths of --dry-run are those of the download, each once.
func TestDryRunNames(t *testing.T) {
	for _, row := range []struct {
		name  string
		keys  []string
		paths []string
		want  []string // below the folder
	}{
		{"a wildcard in the first segment", []string{"x/a.md", "y/a.md", "y/z/b.md", "c.md"}, []string{"lab/**/*.md"},
			[]string{"c.md", "x/a.md", "y/a.md", "y/z/b.md"}},
		{"a wildcard below a folder", []string{"x/1/a.md", "x/2/a.md"}, []string{"lab/x/*/a.md"}, []string{"1/a.md", "2/a.md"}},
		{"two equal names", []string{"x/a.md", "y/a.md"}, []string{"lab/x/a.md", "lab/y/a.md"}, []string{"a (1).md", "a.md"}},
		{"two equal folders", []string{"x/f/a", "y/f/a"}, []string{"lab/x/f/", "lab/y/f/"}, []string{"f/a", "f/a (1)"}},
		{"an object and a folder", []string{"d/a", "d/a.b", "d/a/x"}, []string{"lab/d/"}, []string{"d/a%~", "d/a.b", "d/a/x"}},
		{"an object and a folder, by a pattern", []string{"d/a", "d/a.b", "d/a/x"}, []string{"lab/d/**"}, []string{"a%~", "a.b", "a/x"}},
		{"an object and a folder, named one by one", []string{"d/a", "d/a/x"}, []string{"lab/d/a", "lab/d/a/"}, []string{"a%~", "a/x"}},
		{"an object that ends in a slash", []string{"d/y/", "d/y/z"}, []string{"lab/d/"}, []string{"d/y/%-", "d/y/z"}},
		{"the same, of its own folder", []string{"d/y/", "d/y/z"}, []string{"lab/d/y/"}, []string{"y/%-", "y/z"}},
		{"the same, by a pattern", []string{"d/y/", "d/y/z"}, []string{"lab/d/**"}, []string{"y/%-", "y/z"}},
		{"a whole bucket", []string{"d/a"}, []string{"lab"}, []string{"lab/d/a"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 3 { // the names do not depend on the order of goroutines
				s, dir := newDepot(t), t.TempDir()
				for _, k := range row.keys {
					s.objects[k] = "content of " + k
				}
				planned, errs, exit, _ := s.run(t, true, func(g *get) { g.dest, g.dryRun = dir, true }, row.paths...)
				if exit != 0 || s.released > 0 {
					t.Fatalf("exit %d, %d released\n%s", exit, s.released, errs)
				}
				done, errs, exit, _ := s.run(t, true, func(g *get) { g.dest = dir }, row.paths...)
				if exit != 0 {
					t.Fatal(errs)
				}
				for _, out := range []string{planned, done} {
					var got []string
					for _, line := range jsonLines(t, out) {
						rel, err := filepath.Rel(dir, line.Dest)
						if err != nil {
							t.Fatal(err)
						}
						got = append(got, rel)
					}
					sort.Strings(got)
					if !slices.Equal(got, row.want) {
						t.Errorf("dests %q, want %q\n%s", got, row.want, out)
					}
				}
				for _, want := range row.want {
					if info, err := os.Stat(filepath.Join(dir, want)); err != nil || !info.Mode().IsRegular() {
						t.Errorf("%s: %v", want, err)
					}
				}
			}
		})
	}
}

// The number in the name of --keep-both is the same in --dry-run and download.
func TestDryRunKeepsBoth(t *testing.T) {
	s, dir := newDepot(t), t.TempDir()
	s.objects["d/a.txt"] = "new"
	for _, name := range []string{"a.txt", "a (1).txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("another "+name), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	both := func(dry bool) func(*get) { return func(g *get) { g.dest, g.keep, g.dryRun = dir+"/", true, dry } }
	planned, _, _, _ := s.run(t, true, both(true), "lab/d/a.txt")
	done, errs, exit, _ := s.run(t, true, both(false), "lab/d/a.txt")
	want := filepath.Join(dir, "a (2).txt")
	if p, d := jsonLines(t, planned), jsonLines(t, done); exit != 0 || len(p) != 1 || len(d) != 1 || p[0].Dest != want || d[0].Dest != want {
		t.Errorf("planned %s, done %s%s", planned, done, errs)
	}
}
