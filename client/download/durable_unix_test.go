//go:build linux

package download

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"usher/client/download/part"
)

// TestFailedSync checks that bytes are fetched again after a failed sync, even if
// the next sync succeeds: the system reports lost bytes only once.
func TestFailedSync(t *testing.T) {
	for _, size := range []int{1000, 3 << 20} {
		w := newTestbed(t)
		o := w.put("b/k", random(1, size), "CRC64NVME")
		var fails atomic.Bool
		fails.Store(true)
		e := w.engine(func(c *Config) {
			c.hooks.disk.Sync = func(f *os.File) error {
				if fails.Load() {
					return syscall.EIO
				}
				return f.Sync()
			}
			c.hooks.disk.SyncAll = func(f *part.Folder) error {
				if fails.Load() {
					return syscall.EIO
				}
				return part.SyncDisk(f)
			}
		})
		dir := scratch(t)
		id := e.Add(w.request("b/k", dir))[0]
		wait(t, e)
		if got := find(t, e, id); got.State != Failed || !errors.Is(got.Err, ErrDisk) {
			t.Fatalf("%d bytes: %v, %v", size, got.State, got.Err)
		}
		fails.Store(false)
		before := w.gets.Load()
		e.Retry(id)
		wait(t, e)
		if got := find(t, e, id); got.State != Done || w.gets.Load() == before {
			t.Errorf("%d bytes: %v, %v; %d requests", size, got.State, got.Err, w.gets.Load()-before)
		}
		mustEqual(t, filepath.Join(dir, "k"), o.data)
	}
}

// TestLinkForFolder checks that a link at the path of a folder is not followed,
// even if it leads to another folder of the destination.
func TestLinkForFolder(t *testing.T) {
	w := newTestbed(t)
	w.put("b/f/sub/x", random(1, 1000), "CRC64NVME")
	dir := scratch(t)
	must(t, os.MkdirAll(filepath.Join(dir, "f", "other"), 0o700))
	must(t, os.Symlink("other", filepath.Join(dir, "f", "sub")))
	e := w.engine()
	e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})
	wait(t, e)
	all := e.Snapshot().Transfers
	if last := all[len(all)-1]; last.State != Failed || !errors.Is(last.Err, ErrLink) {
		t.Errorf("%v, %v", last.State, last.Err)
	}
	if found, _ := os.ReadDir(filepath.Join(dir, "f", "other")); len(found) > 0 {
		t.Errorf("%v came through the link", found)
	}
}

// TestSwappedFolder checks that a folder is not used if a link replaces it
// between Lstat and opening.
func TestSwappedFolder(t *testing.T) {
	dir := scratch(t)
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	must(t, os.Mkdir(filepath.Join(dir, "other"), 0o700))
	must(t, os.Symlink("other", filepath.Join(dir, "link")))
	other, err := os.Stat(filepath.Join(dir, "other"))
	must(t, err)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default: // swaps the folder and the link
				_ = unix.Renameat2(unix.AT_FDCWD, filepath.Join(dir, "sub"), unix.AT_FDCWD, filepath.Join(dir, "link"), unix.RENAME_EXCHANGE)
			}
		}
	}()
	opened := 0
	for range 20_000 {
		root, _, err := part.OpenBelow(dir, []string{"sub"}, false)
		if err != nil {
			continue
		}
		opened++
		info, err := root.Stat(".")
		root.Close()
		if err != nil || os.SameFile(info, other) {
			t.Error("a link was followed")
			break
		}
	}
	close(stop)
	<-stopped
	if opened == 0 {
		t.Error("the folder was never opened")
	}
}
