//go:build unix

package download

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"usher/client/download/part"
	"usher/client/download/verify"
)

// otherUID is the id of another user of the machine.
const otherUID = 54321

// TestForeignPart checks that a part and a sidecar that another user may have
// written are not opened, used or removed. The download gets a file of its own.
func TestForeignPart(t *testing.T) {
	data := random(1, 900_000)
	for name, plant := range map[string]func(part string){
		"others can write it":       func(part string) { must(t, os.Chmod(part, 0o666)) },
		"others can read it":        func(part string) { must(t, os.Chmod(part, 0o644)) },
		"it has a second hard link": func(part string) { must(t, os.Link(part, filepath.Join(filepath.Dir(part), "other"))) },
		"it is a link":              func(part string) { must(t, os.Rename(part, part+"x")); must(t, os.Symlink(part+"x", part)) },
		"it is a named pipe":        func(part string) { must(t, os.Remove(part)); must(t, syscall.Mkfifo(part, 0o600)) },
		"it is a folder":            func(part string) { must(t, os.Remove(part)); must(t, os.Mkdir(part, 0o700)) },
		"another user owns it":      func(part string) { chown(t, part) },
		"another user owns both":    func(part string) { chown(t, part); chown(t, part+".json") },
		"another process holds its lock": func(part string) {
			must(t, os.Chmod(part, 0o666))
			f, err := os.OpenFile(part, os.O_RDWR, 0)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTestbed(t)
			o := w.put("b/k", data, "")
			dir := scratch(t)
			part := filepath.Join(dir, part.Name("b", "k", o.etag))
			planted := random(5, len(data))
			must(t, os.WriteFile(part, planted, 0o600))
			must(t, os.Chmod(part, 0o600))
			checksum := fmt.Sprintf(`"checksum":{"algorithm":"CRC64NVME","type":"FULL_OBJECT","value":%q},`,
				base64.StdEncoding.EncodeToString(plainSum("CRC64NVME", planted)))
			must(t, os.WriteFile(part+".json", completeSidecar(o.etag, checksum, planted), 0o600))
			before, err := os.Stat(part)
			must(t, err)
			plant(part)
			e := w.engine()
			id := e.Add(w.request("b/k", dir))[0]
			wait(t, e)
			got := find(t, e, id)
			if got.State != Done || got.Verified != "size" {
				t.Fatalf("%v by %q, %v", got.State, got.Verified, got.Err)
			}
			mustEqual(t, got.Dest, data)
			if after, err := os.Stat(got.Dest); err != nil || os.SameFile(before, after) {
				t.Errorf("the planted file was renamed into place (%v)", err)
			}
			if _, err := os.Lstat(part); err != nil {
				t.Errorf("the planted file: %v", err)
			}
		})
	}
	// Control: the same part with the user as owner is used.
	w := newTestbed(t)
	o := w.put("b/k", data, "")
	dir := scratch(t)
	part := filepath.Join(dir, part.Name("b", "k", o.etag))
	must(t, os.WriteFile(part, data, 0o600))
	must(t, os.WriteFile(part+".json", completeSidecar(o.etag, "", data), 0o600))
	e := w.engine()
	e.Add(w.request("b/k", dir))
	wait(t, e)
	if n := w.gets.Load(); n != 0 {
		t.Errorf("the user's own part was not used: %d GETs", n)
	}
}

// completeSidecar returns a sidecar of b/k that lists all of data. checksum is
// "" or a JSON field with a comma after it.
func completeSidecar(etag, checksum string, data []byte) []byte {
	return fmt.Appendf(nil, `{"format":1,"bucket":"b","key":"k","etag":%q,"size":%d,"crc":"CRC64NVME",%s"ranges":[{"from":0,"to":%d,"sum":"%x"}]}`,
		etag, len(data), checksum, len(data), verify.CRCFor("CRC64NVME").Update(0, data))
}

// TestResumeBesideForeign checks that a transfer beside a planted part resumes
// from its own part, and removes that part at the end.
func TestResumeBesideForeign(t *testing.T) {
	w := newTestbed(t)
	data := random(1, 20<<20)
	o := w.put("b/k", data, "CRC64NVME")
	dir := scratch(t)
	part := filepath.Join(dir, part.Name("b", "k", o.etag))
	must(t, os.WriteFile(part, []byte("planted"), 0o600))
	must(t, os.Chmod(part, 0o666))
	w.onGet = w.closeAfter(3<<20, true)
	e := w.engine(func(c *Config) { c.Parallel = 1 })
	id := e.Add(w.request("b/k", dir))[0]
	eventually(t, "some bytes", func() bool { return find(t, e, id).Done > 2<<20 })
	must(t, e.Close())
	w.mu.Lock()
	w.onGet = nil
	w.mu.Unlock()
	e = w.engine()
	id = e.Add(w.request("b/k", dir))[0]
	wait(t, e)
	if got := find(t, e, id); got.State != Done || got.Fetched > int64(len(data))-1<<20 {
		t.Errorf("%v, %v, %d bytes for the rest", got.State, got.Err, got.Fetched)
	}
	mustEqual(t, filepath.Join(dir, "k"), data)
	if left := leftovers(t, dir); len(left) != 1 || left[0] != part {
		t.Errorf("left behind %v", left)
	}
}

// TestForgedRecord checks that the record of a file is used only if no other user
// can have written it.
func TestForgedRecord(t *testing.T) {
	for _, row := range []struct {
		name     string
		change   func(t *testing.T, dir, file string)
		conflict Conflict
		checksum bool
		want     State
		verified string
		urls     int
	}{
		{"own file, own folder", nil, Refuse, false, Skipped, part.Recorded, 0},
		{"own file, with Checksum", nil, Refuse, true, Failed, "", 1},
		{"own file, Overwrite", nil, Overwrite, false, Done, "crc64nvme", 1},
		{"own file, Overwrite with Checksum", nil, Overwrite, true, Done, "crc64nvme", 1},
		{"own file, KeepBoth with Checksum", nil, KeepBoth, true, Done, "crc64nvme", 1},
		{"folder writable by all", func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) }, Refuse, false, Failed, "", 1},
		{"folder writable by all, sticky", func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777|os.ModeSticky)) }, Refuse, false, Failed, "", 1},
		{"folder writable by all, KeepBoth", func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) }, KeepBoth, false, Done, "crc64nvme", 1},
		{"folder of another user", func(t *testing.T, dir, _ string) { chown(t, dir) }, Refuse, false, Failed, "", 1},
		{"file of another user", func(t *testing.T, _, file string) { chown(t, file) }, Refuse, false, Failed, "", 1},
		{"file writable by all", func(t *testing.T, _, file string) { must(t, os.Chmod(file, 0o666)) }, Refuse, false, Failed, "", 1},
		{"file writable by a group", func(t *testing.T, _, file string) {
			if err := os.Chown(file, -1, otherUID); err != nil {
				t.Skip("only root can give a file to any group")
			}
			must(t, os.Chmod(file, 0o660))
		}, Refuse, false, Failed, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newTestbed(t)
			o := w.put("b/k", random(1, 5000), "CRC64NVME")
			dir := t.TempDir()
			file := filepath.Join(dir, "k")
			forge(t, dir, "k", random(7, 5000), o.etag)
			if row.change != nil {
				row.change(t, dir, file)
			}
			e := w.engine()
			r := w.request("b/k", dir)
			r.Conflict, r.Checksum = row.conflict, row.checksum
			id := e.Add(r)[0]
			wait(t, e)
			if got := find(t, e, id); got.State != row.want || got.Verified != row.verified || w.released != row.urls {
				t.Errorf("%v by %q with %d URLs, want %v by %q with %d (%v)", got.State, got.Verified, w.released, row.want, row.verified, row.urls, got.Err)
			}
		})
	}
}

// forge writes a file whose record claims the content with that ETag.
func forge(t *testing.T, dir, name string, content []byte, etag string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	info, err := f.Stat()
	must(t, err)
	part.WriteRecord(f, part.RecordOf(etag, "sha256", info.Size(), info.ModTime()))
	d := part.NewDisk(maxIdleFolders, part.Options{})
	defer d.Close()
	at, err := d.Folder(dir, nil, false)
	must(t, err)
	defer at.Release()
	if at.Record(name) == "" {
		t.Skip("this file system keeps no extended attributes")
	}
}

func chown(t *testing.T, path string) {
	t.Helper()
	if err := os.Chown(path, otherUID, otherUID); err != nil {
		t.Skip("only root can change the owner of a file")
	}
}

// TestModes checks that files and folders get the modes that the umask allows,
// and that a part is private.
func TestModes(t *testing.T) {
	for _, mask := range []int{0o022, 0o002, 0o077, 0} {
		w := newTestbed(t)
		for _, size := range []int{100, 900_000, 9 << 20} {
			w.put(fmt.Sprintf("b/f/sub/%d", size), random(1, size), "CRC64NVME")
		}
		func() {
			old := unix.Umask(mask)
			defer unix.Umask(old)
			e, dir := w.engine(), scratch(t)
			shared := filepath.Join(dir, "shared")
			must(t, os.Mkdir(shared, 0o777))
			must(t, os.Chmod(shared, 0o777|os.ModeSetgid))
			e.Add(Request{Bucket: "b", Key: "f/", Folder: true, Dir: shared})
			wait(t, e)
			want := os.FileMode(0o666) &^ os.FileMode(mask)
			for _, tr := range e.Snapshot().Transfers {
				if tr.Folder {
					continue
				}
				info, err := os.Stat(tr.Dest)
				if tr.State != Done || err != nil || info.Mode() != want {
					t.Errorf("umask %03o: %v, mode %v, want %v (%v)", mask, tr.State, info.Mode(), want, tr.Err)
				}
			}
			info, err := os.Stat(filepath.Join(shared, "f", "sub"))
			must(t, err)
			if info.Mode() != os.ModeDir|os.ModeSetgid|0o777&^os.FileMode(mask) {
				t.Errorf("umask %03o: the folder has mode %v", mask, info.Mode())
			}
		}()
	}
	w := newTestbed(t)
	o := w.put("b/k", random(1, 9<<20), "CRC64NVME")
	dir := scratch(t)
	w.onGet = w.closeAfter(1<<20, true)
	e := w.engine(func(c *Config) { c.Timeouts.BackoffMin = time.Minute })
	id := e.Add(w.request("b/k", dir))[0]
	eventually(t, "a part", func() bool { return find(t, e, id).Done > 0 })
	if info, err := os.Stat(filepath.Join(dir, part.Name("b", "k", o.etag))); err != nil || info.Mode() != part.Mode {
		t.Errorf("the part: %v, %v", info, err)
	}
}

// TestSpecialFiles checks that devices, pipes, sockets and links are not replaced.
func TestSpecialFiles(t *testing.T) {
	w := newTestbed(t)
	w.put("b/k", random(1, 5000), "CRC64NVME")
	for _, row := range []struct {
		name string
		make func(path string) error
		kind error
	}{
		{"a named pipe", func(p string) error { return syscall.Mkfifo(p, 0o600) }, ErrSpecial},
		{"a device", func(p string) error { return syscall.Mknod(p, syscall.S_IFCHR|0o600, 1<<8|3) }, ErrSpecial},
		{"a socket", func(p string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Bind(fd, &unix.SockaddrUnix{Name: p})
		}, ErrSpecial},
		{"a link", func(p string) error { return os.Symlink("/dev/null", p) }, ErrLink},
	} {
		for _, mode := range []Conflict{Overwrite, Refuse} {
			dir := scratch(t)
			path := filepath.Join(dir, "k")
			if err := row.make(path); err != nil {
				t.Logf("%s cannot be made: %v", row.name, err)
				continue
			}
			before, err := os.Lstat(path)
			must(t, err)
			e := w.engine()
			r := w.request("b/k", dir)
			r.Conflict = mode
			id := e.Add(r)[0]
			wait(t, e)
			after, err := os.Lstat(path)
			if got := find(t, e, id); got.State != Failed || !errors.Is(got.Err, row.kind) || w.released != 0 || err != nil || !os.SameFile(before, after) {
				t.Errorf("%s: %v, %v, %d URLs, %v", row.name, got.State, got.Err, w.released, err)
			}
		}
	}
}

// TestDestinationIsAPipe checks that a destination that is a named pipe is
// refused at once: opening it would block until another process opens it.
func TestDestinationIsAPipe(t *testing.T) {
	for _, key := range []string{"f/k", "f/deep/k"} {
		w := newTestbed(t)
		w.put("b/"+key, random(1, 5000), "CRC64NVME")
		pipe := filepath.Join(scratch(t), "pipe")
		must(t, syscall.Mkfifo(pipe, 0o600))
		e := w.engine()
		r := w.request("b/f/", pipe)
		r.Folder = true
		id := e.Add(r)[0]
		wait(t, e)
		if got := find(t, e, id); got.State != Failed || !errors.Is(got.Err, ErrDisk) || w.released != 0 {
			t.Errorf("%s: %v, %v, %d URLs", key, got.State, got.Err, w.released)
		}
	}
}

// TestFreeSpaceUnknown checks that a file system without blocks, such as procfs,
// has an unknown free space and does not count as full.
func TestFreeSpaceUnknown(t *testing.T) {
	var st unix.Statfs_t
	if unix.Statfs("/proc", &st) != nil || st.Blocks != 0 {
		t.Skip("the system has no procfs")
	}
	if n, err := FreeSpace("/proc"); err == nil {
		t.Errorf("%d bytes are free", n)
	}
}

// TestLockWaitEnds checks that the wait for a locked part is limited by LockWait.
func TestLockWaitEnds(t *testing.T) {
	w := newTestbed(t)
	o := w.put("b/k", random(1, 900_000), "CRC64NVME")
	dir := scratch(t)
	part := filepath.Join(dir, part.Name("b", "k", o.etag))
	must(t, os.WriteFile(part, nil, 0o600))
	f, err := os.OpenFile(part, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX))
	e := w.engine(func(c *Config) { c.Timeouts.LockWait = 300 * time.Millisecond })
	id := e.Add(w.request("b/k", dir))[0]
	eventually(t, "the wait for another usher", func() bool {
		got := find(t, e, id)
		return got.State == Waiting && strings.Contains(got.Event, "Another usher")
	})
	wait(t, e)
	if got := find(t, e, id); got.State != Failed || !errors.Is(got.Err, ErrBusy) {
		t.Errorf("%v, %v", got.State, got.Err)
	}
}
