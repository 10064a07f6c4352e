package download

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"usher/backend/api"
	"usher/client/download/part"
)

// TestGet downloads objects of each size class and each kind of checksum, with
// and without the listing's ETag.
func TestGet(t *testing.T) {
	w := newTestbed(t)
	sums := []string{"CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1", "MD5", "", "CRC32C/5242880", "SHA256/5242880", "CRC64NVME/5242880"}
	sizes := []int{0, 1, 4095, 1 << 20, 8<<20 - 1, 8 << 20, 8<<20 + 1, 20 << 20}
	if testing.Short() { // the race detector: one size for each way of fetching
		sizes = []int{0, 4095, 1 << 20, 8<<20 + 1}
	}
	type file struct {
		name, sum string
		named     bool
		id        ID
	}
	var files []file
	e, dir := w.engine(), scratch(t)
	for i, sum := range sums {
		for j, size := range sizes {
			if size > 5<<20 && sum != "" && i%3 != 1 && !strings.Contains(sum, "/") {
				continue // large objects: one algorithm in three
			}
			name := fmt.Sprintf("%d-%d", i, j)
			w.put("b/"+name, random(uint64(i*100+j), size), sum)
			for _, named := range []bool{true, false} {
				r := w.request("b/"+name, dir)
				if r.Name = name + fmt.Sprint(named); !named {
					r.ETag, r.Size = "", 0
				}
				files = append(files, file{name, sum, named, e.Add(r)[0]})
			}
		}
	}
	wait(t, e)
	for _, f := range files {
		tr, o := find(t, e, f.id), w.objects["b/"+f.name]
		what := fmt.Sprintf("%q, %d bytes, named %v", f.sum, len(o.data), f.named)
		if tr.State != Done {
			t.Errorf("%s: %v, %v", what, tr.State, tr.Err)
			continue
		}
		mustEqual(t, tr.Dest, o.data)
		if f.sum == "" && tr.Verified != "size" || f.sum != "" && tr.Verified == "size" {
			t.Errorf("%s: verified %q", what, tr.Verified)
		}
		if tr.Done != int64(len(o.data)) || tr.Fetched < tr.Done {
			t.Errorf("%s: done %d, fetched %d", what, tr.Done, tr.Fetched)
		}
		info, _ := os.Stat(tr.Dest)
		if !info.ModTime().Equal(o.modified) || info.Mode() != 0o666&^part.Umask() {
			t.Errorf("%s: time %v, mode %v", what, info.ModTime(), info.Mode())
		}
	}
	if left := leftovers(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestFolder downloads a tree with folder markers, an empty folder, a name that
// is a file and a folder, and many files.
func TestFolder(t *testing.T) {
	w := newTestbed(t)
	for i := range 700 {
		w.put(fmt.Sprintf("b/top/in/%03d", i), []byte(fmt.Sprint(i)), "CRC64NVME")
	}
	w.put("b/top/empty/", nil, "CRC64NVME")
	w.put("b/top/full/", []byte("a file whose name ends in a slash"), "CRC64NVME")
	w.put("b/top/both", []byte("file"), "CRC64NVME")
	w.put("b/top/both/in", []byte("in the folder"), "CRC64NVME")
	w.put("b/top/big", random(1, 9<<20), "CRC64NVME")
	e, dir := w.engine(), scratch(t)
	id := e.Add(Request{Bucket: "b", Key: "top/", Folder: true, Dir: dir})[0]
	wait(t, e)
	tr := find(t, e, id)
	if tr.State != Done || tr.Files != 704 || tr.FilesDone != 704 {
		t.Fatalf("%v, %d of %d files, %v%s", tr.State, tr.FilesDone, tr.Files, tr.Err, failures(e))
	}
	for i := range 700 {
		mustEqual(t, filepath.Join(dir, "top/in", fmt.Sprintf("%03d", i)), []byte(fmt.Sprint(i)))
	}
	if info, err := os.Stat(filepath.Join(dir, "top/empty")); err != nil || !info.IsDir() {
		t.Error("the empty folder is missing")
	}
	mustEqual(t, filepath.Join(dir, "top/full/%-"), []byte("a file whose name ends in a slash"))
	one, _ := os.ReadFile(filepath.Join(dir, "top/both"))
	two, _ := os.ReadFile(filepath.Join(dir, "top/both%~"))
	if !bytes.Equal(one, []byte("file")) && !bytes.Equal(two, []byte("file")) {
		t.Error("the file that is also a folder is lost")
	}
	if w.releases > 25 {
		t.Errorf("%d releases for 704 objects: %v", w.releases, w.sizes)
	}
	if left := leftovers(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if len(w.reported) != 704 {
		t.Errorf("%d completions reported, not 704", len(w.reported))
	}
	before := w.released
	id = e.Add(Request{Bucket: "b", Key: "top/", Folder: true, Dir: dir})[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || w.released != before {
		t.Errorf("the second time: %v, %v, %d URLs for existing files", tr.State, tr.Err, w.released-before)
	}
}

// TestListedFolder checks that the walk continues after the caller's listing and
// does not list these entries again.
func TestListedFolder(t *testing.T) {
	w := newTestbed(t)
	for i := range 30 {
		w.put(fmt.Sprintf("b/top/%02d", i), []byte(fmt.Sprint(i)), "CRC64NVME")
	}
	page, err := w.List(t.Context(), api.ListRequest{Bucket: "b", Prefix: "top/", Recursive: true})
	must(t, err)
	for _, c := range []struct {
		listed int
		all    bool
		lists  int64
	}{{30, true, 0}, {12, false, 1}, {0, false, 1}, {30, false, 1}} {
		w.lists.Store(0)
		w.onList = func(int) error { return nil } // counts
		e, dir := w.engine(), scratch(t)
		id := e.Add(Request{Bucket: "b", Key: "top/", Folder: true, Dir: dir, Listed: page.Entries[:c.listed], ListedAll: c.all})[0]
		wait(t, e)
		if tr := find(t, e, id); tr.State != Done || tr.Files != 30 || tr.FilesDone != 30 || w.lists.Load() != c.lists {
			t.Errorf("%d listed: %v, %d of %d files, %d listings", c.listed, tr.State, tr.FilesDone, tr.Files, w.lists.Load())
		}
	}
}

// TestWalkAgain checks that a retried walk counts no file twice.
func TestWalkAgain(t *testing.T) {
	w := newTestbed(t)
	w.page = 10
	for i := range 35 {
		w.put(fmt.Sprintf("b/top/%02d", i), []byte(fmt.Sprint(i)), "CRC64NVME")
	}
	w.onList = func(n int) error {
		if n == 3 {
			return &api.Error{Code: api.NotFound}
		}
		return nil
	}
	e := w.engine()
	id := e.Add(Request{Bucket: "b", Key: "top/", Folder: true, Dir: scratch(t)})[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Denied || tr.FilesDone != 20 {
		t.Fatalf("%v, %d files", tr.State, tr.FilesDone)
	}
	e.Retry(id)
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || tr.Files != 35 || tr.FilesDone != 35 {
		t.Errorf("%v, %d of %d files", tr.State, tr.FilesDone, tr.Files)
	}
}
