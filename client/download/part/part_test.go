package part_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"usher/client/download/part"
)

// A download of two pieces: the part has a name of its own until Finish gives it
// the final one.
func Example() {
	dir, err := os.MkdirTemp("", "part")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	disk := part.NewDisk(1, part.Options{})
	defer disk.Close()

	folder, err := disk.Folder(dir, []string{"annual"}, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer folder.Release()
	file, err := folder.Open(part.Name("reports", "annual/2025.txt", "etag-1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err1 := file.WriteAt([]byte("part"), 6)
	_, err2 := file.WriteAt([]byte("first "), 0)
	if err := errors.Join(err1, err2, file.Resize(10)); err != nil {
		fmt.Println(err)
		return
	}
	name, err := file.Finish("2025.txt", time.Now(), part.Refuse, part.RecordOf("etag-1", "size", 10, time.Now()))
	data, _ := os.ReadFile(filepath.Join(dir, "annual", "2025.txt"))
	fmt.Println(name, err, string(data))
	// Output: 2025.txt <nil> first part
}

// open returns the folder of a fresh directory.
func open(t *testing.T, o part.Options) (*part.Disk, *part.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	disk := part.NewDisk(1, o)
	t.Cleanup(disk.Close)
	folder, err := disk.Folder(dir, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(folder.Release)
	return disk, folder, dir
}

// finish downloads text under a name.
func finish(t *testing.T, folder *part.Folder, name, text string, taken part.Taken) (string, error) {
	t.Helper()
	file, err := folder.Open(part.Name("b", name, text))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Resize(int64(len(text))); err != nil {
		t.Fatal(err)
	}
	return file.Finish(name, time.Now(), taken, "")
}

func TestTakenName(t *testing.T) {
	for _, row := range []struct {
		name  string
		taken part.Taken
		want  string // the name of the new file
		err   error
		first string // the content of the old name afterwards
	}{
		{"refuse", part.Refuse, "", part.ErrExists, "old"},
		{"replace", part.Replace, "a.txt", nil, "new"},
		{"number", part.Number, "a (1).txt", nil, "old"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, folder, dir := open(t, part.Options{})
			if _, err := finish(t, folder, "a.txt", "old", part.Refuse); err != nil {
				t.Fatal(err)
			}
			got, err := finish(t, folder, "a.txt", "new", row.taken)
			if got != row.want || !errors.Is(err, row.err) {
				t.Errorf("Finish: %q, %v, want %q, %v", got, err, row.want, row.err)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "a.txt")); string(data) != row.first {
				t.Errorf("a.txt holds %q, %v, want %q", data, err, row.first)
			}
		})
	}
}

// A part belongs to one transfer at a time.
func TestHeldPart(t *testing.T) {
	_, folder, _ := open(t, part.Options{})
	name := part.Name("b", "k", "e")
	first, err := folder.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	var held *part.HeldError
	if _, err := folder.Open(name); !errors.As(err, &held) || held.Part != name || !folder.Held(name) {
		t.Errorf("a second Open: %v", err)
	}
	first.Close()
	if folder.Held(name) {
		t.Error("the part is held after Close")
	}
}

// rest is a claim of so many bytes.
type rest int64

func (r *rest) Remaining() int64 { return int64(*r) }

// Claims share the free space: a second file must fit beside the rest of the first.
func TestReserve(t *testing.T) {
	const mib = 1 << 20
	disk, folder, _ := open(t, part.Options{Free: func(*part.Folder) int64 { return 100 * mib }})
	first, second := rest(60*mib), rest(60*mib)
	if free, ok := folder.Reserve(&first, 60*mib); !ok {
		t.Fatalf("60 MiB of 100 MiB were refused: %d are free", free)
	}
	if free, ok := folder.Reserve(&second, 60*mib); ok || free >= 40*mib {
		t.Errorf("another 60 MiB: %v, %d are free", ok, free)
	}
	first = 10 * mib // most of it is written
	if _, ok := folder.Reserve(&second, 60*mib); !ok {
		t.Error("60 MiB beside a rest of 10 MiB were refused")
	}
	disk.Unreserve(&second)
	disk.Unreserve(&first)
	third := rest(80 * mib)
	if _, ok := folder.Reserve(&third, 80*mib); !ok {
		t.Error("80 MiB were refused after the others ended")
	}
}

// Many small files share one sync, and all of them learn of its failure.
func TestSyncer(t *testing.T) {
	broken := errors.New("broken")
	syncs := 0
	disk, folder, dir := open(t, part.Options{SyncAll: func(*part.Folder) error { syncs++; return broken }})
	syncer := part.NewSyncer(func() bool { return false })
	errs := make(chan error, 20)
	for range cap(errs) {
		f, err := disk.Folder(dir, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		syncer.Sync(f, func(err error) { errs <- err })
	}
	syncer.Close()
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, broken) {
			t.Errorf("a file got %v", err)
		}
	}
	if _, err := folder.Lstat("."); err != nil || syncs >= cap(errs) {
		t.Errorf("%d syncs of %d files, %v", syncs, cap(errs), err)
	}
}

// A link below the destination is never followed.
func TestNoLinks(t *testing.T) {
	disk, _, dir := open(t, part.Options{})
	if err := os.Symlink(t.TempDir(), filepath.Join(dir, "sub")); err != nil {
		t.Skip(err)
	}
	if _, err := disk.Folder(dir, []string{"sub"}, true); !errors.Is(err, part.ErrLink) {
		t.Errorf("a link as a folder: %v", err)
	}
}
