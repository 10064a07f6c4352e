package download

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestGet fetches objects of each size class and each kind of checksum.
func TestGet(t *testing.T) {
	w := newWorld(t)
	sums := []string{"CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1", "MD5", "", "CRC32C/5242880", "SHA256/5242880", "CRC64NVME/5242880"}
	sizes := []int{0, 1, 4095, 1 << 20, 8<<20 - 1, 8 << 20, 8<<20 + 1, 20 << 20}
	for _, named := range []bool{true, false} {
		for i, sum := range sums {
			for j, size := range sizes {
				w.put(fmt.Sprintf("b/%d-%d", i, j), random(uint64(i*100+j), size), sum)
			}
		}
		e, dir := w.engine(), t.TempDir()
		ids := map[string]ID{}
		for i := range sums {
			for j := range sizes {
				name := fmt.Sprintf("%d-%d", i, j)
				r := w.request("b/"+name, dir)
				if !named {
					r.ETag, r.Size = "", 0
				}
				if w.objects["b/"+name] != nil {
					ids[name] = e.Add(r)[0]
				}
			}
		}
		wait(t, e)
		for i, sum := range sums {
			for j, size := range sizes {
				name := fmt.Sprintf("%d-%d", i, j)
				tr := find(t, e, ids[name])
				if tr.State != Done {
					t.Errorf("%s, %d bytes, named %v: %v, %v", sum, size, named, tr.State, tr.Err)
					continue
				}
				mustEqual(t, tr.Dest, w.objects["b/"+name].data)
				if sum == "" && tr.Verified != "size" || sum != "" && tr.Verified == "size" && !(named && sum == "MD5") {
					t.Errorf("%s, %d bytes, named %v: verified %q", sum, size, named, tr.Verified)
				}
				if tr.Done != int64(size) || tr.Fetched < int64(size) {
					t.Errorf("%s: done %d, fetched %d of %d", name, tr.Done, tr.Fetched, size)
				}
				info, _ := os.Stat(tr.Dest)
				if !info.ModTime().Equal(w.objects["b/"+name].modified) || info.Mode() != 0o600 {
					t.Errorf("%s: time %v, mode %v", name, info.ModTime(), info.Mode())
				}
			}
		}
		if left := leftovers(t, dir); left != nil {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestFolder fetches a tree: markers, empty folders, clashes, many files.
func TestFolder(t *testing.T) {
	w := newWorld(t)
	for i := range 700 {
		w.put(fmt.Sprintf("b/top/in/%03d", i), []byte(fmt.Sprint(i)), "CRC64NVME")
	}
	w.put("b/top/empty/", nil, "CRC64NVME")
	w.put("b/top/full/", []byte("a file whose name ends in a slash"), "CRC64NVME")
	w.put("b/top/both", []byte("file"), "CRC64NVME")
	w.put("b/top/both/in", []byte("in the folder"), "CRC64NVME")
	w.put("b/top/big", random(1, 9<<20), "CRC64NVME")
	e, dir := w.engine(), t.TempDir()
	id := e.Add(Request{Bucket: "b", Key: "top/", Folder: true, Dir: dir})[0]
	wait(t, e)
	tr := find(t, e, id)
	if tr.State != Done || tr.Files != 705 || tr.FilesDone != 705 {
		t.Fatalf("%v, %d of %d files, %v%s", tr.State, tr.FilesDone, tr.Files, tr.Err, failures(e))
	}
	for i := range 700 {
		mustEqual(t, filepath.Join(dir, "top/in", fmt.Sprintf("%03d", i)), []byte(fmt.Sprint(i)))
	}
	if info, err := os.Stat(filepath.Join(dir, "top/empty")); err != nil || !info.IsDir() {
		t.Error("the empty folder is not there")
	}
	mustEqual(t, filepath.Join(dir, "top/full/%-"), []byte("a file whose name ends in a slash"))
	one, _ := os.ReadFile(filepath.Join(dir, "top/both"))
	two, _ := os.ReadFile(filepath.Join(dir, "top/both%~"))
	if !bytes.Equal(one, []byte("file")) && !bytes.Equal(two, []byte("file")) {
		t.Error("the file that is also a folder is lost")
	}
	if w.releases > 15 {
		t.Errorf("%d releases for 705 objects: %v", w.releases, w.sizes)
	}
	if left := leftovers(t, dir); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if len(w.reported) != 704 {
		t.Errorf("%d completions reported, not 704 (the marker has no event)", len(w.reported))
	}
	before := w.released
	id = e.Add(Request{Bucket: "b", Key: "top/", Folder: true, Dir: dir})[0]
	wait(t, e)
	if tr := find(t, e, id); tr.State != Done || w.released != before {
		t.Errorf("the second time: %v, %v, %d URLs for what is here", tr.State, tr.Err, w.released-before)
	}
}
