//go:build unix

package download

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"usher/client/download/part"
)

// TestHalt checks that an error that affects every file of a destination is
// reported once, and costs no URL if it can be found before the release.
func TestHalt(t *testing.T) {
	full := func(after int) func(*Config) {
		var mu sync.Mutex
		return func(c *Config) {
			c.hooks.disk.WriteAt = func(f *os.File, p []byte, off int64) (int, error) {
				mu.Lock()
				defer mu.Unlock()
				if after--; after < 0 {
					return 0, syscall.ENOSPC
				}
				return f.WriteAt(p, off)
			}
		}
	}
	for _, row := range []struct {
		name   string
		arm    func(t *testing.T, dir string)
		config func(*Config)
		urls   int // at most
	}{
		{"the destination is a file", func(t *testing.T, dir string) {
			must(t, os.Remove(dir))
			must(t, os.WriteFile(dir, nil, 0o600))
		}, nil, 0},
		{"not writable", nil, func(c *Config) { c.hooks.disk.Writable = func(string) error { return syscall.EACCES } }, 0},
		{"read-only", nil, func(c *Config) { c.hooks.disk.Writable = func(string) error { return syscall.EROFS } }, 0},
		{"no space, found before", nil, func(c *Config) { c.hooks.disk.Free = func(*part.Folder) int64 { return 10 } }, 0},
		{"no space, found by writing", nil, full(3), 2 * smallSlots * 9},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newTestbed(t)
			for i := range 3000 {
				w.put(fmt.Sprintf("b/f/%04d", i), random(uint64(i), 100), "CRC64NVME")
			}
			dir := filepath.Join(scratch(t), "to")
			must(t, os.Mkdir(dir, 0o700))
			if row.arm != nil {
				row.arm(t, dir)
			}
			var ended []Transfer
			e := w.engine(func(c *Config) {
				c.Finished = func(tr Transfer) { ended = append(ended, tr) }
				if row.config != nil {
					row.config(c)
				}
			})
			id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: dir})[0]
			wait(t, e)
			failed := 0
			for _, tr := range ended {
				if tr.State == Failed {
					failed++
					if !errors.Is(tr.Err, ErrDisk) {
						t.Errorf("%v", tr.Err)
					}
				}
			}
			if failed != 1 || w.released+w.pageURLs > row.urls {
				t.Errorf("%d failures reported, %d URLs", failed, w.released+w.pageURLs)
			}
			if got := find(t, e, id); got.State != Paused && got.State != Failed {
				t.Errorf("the folder is %v", got.State)
			}
			must(t, e.Close())
		})
	}
}

// TestHaltEnds checks that all files complete once the cause is removed.
func TestHaltEnds(t *testing.T) {
	w := newTestbed(t)
	for i := range 300 {
		w.put(fmt.Sprintf("b/f/%03d", i), random(uint64(i), 100), "CRC64NVME")
	}
	var mu sync.Mutex
	broken := true
	e := w.engine(func(c *Config) {
		c.hooks.disk.Writable = func(string) error {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return syscall.EROFS
			}
			return nil
		}
	})
	id := e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: scratch(t)})[0]
	wait(t, e)
	mu.Lock()
	broken = false
	mu.Unlock()
	e.ResumeAll()
	e.RetryAll()
	wait(t, e)
	if got := find(t, e, id); got.State != Done || got.FilesDone != 300 {
		t.Errorf("%v with %d files%s", got.State, got.FilesDone, failures(e))
	}
}
