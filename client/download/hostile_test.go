package download

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/backend/api/shape"
	localname "usher/client/download/name"
	"usher/client/download/name/nametest"
	"usher/client/download/part"
)

// fetchHostile downloads a folder of hostile names. Links in the destination
// lead out of it. It counts files that are new or changed outside of it.
func fetchHostile(t *testing.T, on stack, h hooks) (r tally, dest string, snap Snapshot, w *testbed) {
	t.Helper()
	base := scratch(t)
	dest = filepath.Join(base, "a", "b", "dest")
	must(t, os.MkdirAll(filepath.Join(base, "outside"), 0o700))
	must(t, os.MkdirAll(dest, 0o700))
	for _, p := range []string{"canary", "outside/canary", "a/canary", "a/b/x", "a/x", "x"} {
		must(t, os.WriteFile(filepath.Join(base, p), []byte("canary"), 0o600))
	}
	must(t, os.Symlink("../../../outside", filepath.Join(dest, "trap")))
	must(t, os.Symlink("../../../canary", filepath.Join(dest, "filetrap")))
	before := walk(base)
	w = on.testbed(t, userOptions{})
	for i, n := range nametest.Hostile() {
		if n != "" && len(w.folder())+len("h/")+len(n) <= api.MaxKey {
			w.put(w.root+"h/"+n, fmt.Appendf(nil, "%d %s", i, n), "CRC64NVME")
		}
	}
	e := w.engine(func(c *Config) { c.hooks = h })
	e.Add(Request{Bucket: w.bucket(), Key: w.folder() + "h/", Folder: true, Dir: dest, Name: "."})
	wait(t, e)
	snap = e.Snapshot()
	must(t, e.Close())
	for p, content := range walk(base) {
		was, ok := before[p]
		switch {
		case ok && was != content:
			r.overwritten++
		case !ok && !strings.HasPrefix(p, "a/b/dest/"):
			r.outside++
		}
	}
	return r, dest, snap, w
}

// TestHostileFolder plays a file system with and one without distinct case.
func TestHostileFolder(t *testing.T) {
	hostileFolder(t, fakeStack{}, false)
	hostileFolder(t, fakeStack{}, true)
}

// hostileFolder checks that every object of a hostile folder arrives under a
// name that converts back to its key, and that nothing outside changes. fold
// plays a file system that ignores case.
func hostileFolder(t *testing.T, on stack, fold bool) {
	r, dest, snap, w := fetchHostile(t, on, hooks{disk: part.Options{Fold: fold}})
	keys, folded, done := map[string]bool{}, map[string]string{}, 0
	for _, tr := range snap.Transfers[1:] {
		name := strings.TrimPrefix(tr.Key, w.folder()+"h/")
		switch {
		case tr.State == Done:
			done++
		case errors.Is(tr.Err, ErrLink), errors.Is(tr.Err, ErrExists): // the links
			if !strings.Contains(name, "trap") {
				t.Errorf("%q: %v", name, tr.Err)
			}
			continue
		case errors.Is(tr.Err, ErrName) && shape.KeyProblem(tr.Key) != "": // a NUL, or not UTF-8
			continue
		default:
			t.Errorf("%q: %v, %v", name, tr.State, tr.Err)
			continue
		}
		if strings.HasSuffix(tr.Key, "/") && tr.Size == 0 {
			continue
		}
		data, err := os.ReadFile(tr.Dest)
		if o := w.object(tr.Bucket + "/" + tr.Key); err != nil || o == nil || string(data) != string(o.data) {
			t.Errorf("%q at %q: %q, %v", name, tr.Dest, data, err)
		}
		rel, err := filepath.Rel(dest, tr.Dest)
		must(t, err)
		back, err := localname.KeyOf(filepath.ToSlash(rel))
		if err != nil || back != name {
			t.Errorf("%q is at %q, which converts back to %q, %v", name, rel, back, err)
		}
		if keys[tr.Dest] {
			t.Errorf("two objects at %q", tr.Dest)
		}
		keys[tr.Dest] = true
		if other, ok := folded[localname.Fold(tr.Dest)]; ok && fold {
			t.Errorf("%q and %q are equal if case is ignored", tr.Dest, other)
		}
		folded[localname.Fold(tr.Dest)] = tr.Dest
	}
	t.Logf("NAMES world=%s put=%d arrived=%d outside_dest=%d overwritten=%d", on.name(), len(w.objects), done, r.outside, r.overwritten)
	if r.outside != 0 || r.overwritten != 0 || done < 120 {
		t.Errorf("%d of %d hostile names arrived (want at least 120), %d files outside, %d overwritten", done, len(w.objects), r.outside, r.overwritten)
	}
	if left := leftovers(t, dest); left != nil {
		t.Errorf("left behind: %q", left)
	}
}

// TestControls is the negative control of the matrix on the fake stack.
func TestControls(t *testing.T) { controls(t, fakeStack{}, true) }

// controls is the negative control: with a guard switched off, the matrix must
// find wrong files. exact is true if the S3 server stores every key unchanged;
// the guard of names can be tested on such a server only.
func controls(t *testing.T, on stack, exact bool) {
	play := func(name string, h hooks) *tally {
		for _, f := range faults() {
			if f.name == name {
				return runMatrix(t, on, []fault{f}, h)
			}
		}
		t.Fatalf("no row %q", name)
		return nil
	}
	noRoot := hooks{
		localName: func(_ localname.Form, key string) string { return key },
		disk: part.Options{OpenRoot: func(dir string, rel []string, create bool) (*os.Root, []string, error) {
			p := filepath.Join(append([]string{dir}, rel...)...)
			if create {
				_ = os.MkdirAll(p, 0o700)
			}
			root, err := os.OpenRoot(p)
			return root, rel, err
		}},
	}
	killed := 0
	all := []struct {
		name string
		run  func() *tally
	}{
		{"no If-Match", func() *tally { return play("12 changed, with the old ETag", hooks{noIfMatch: true}) }},
		{"no verification", func() *tally { return play("05 flipped bit always", hooks{noVerify: true}) }},
		{"no safe names and no root", func() *tally {
			r, _, _, _ := fetchHostile(t, on, noRoot)
			return &r
		}},
	}
	if !exact {
		all = all[:2]
	}
	for _, c := range all {
		r := c.run()
		t.Logf("CONTROL world=%s %s: sha_bad=%d wrong_final_seen=%d outside_dest=%d overwritten=%d complaints=%d",
			on.name(), c.name, r.shaBad, r.wrongFinal, r.outside, r.overwritten, len(r.complaints))
		if r.bad() == 0 {
			t.Errorf("%s: no wrong file was found", c.name)
		} else {
			killed++
		}
	}
	t.Logf("controls killed %d/%d", killed, len(all))
}
