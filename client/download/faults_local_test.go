package download

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download/fetch"
	"usher/client/download/part"
	"usher/client/download/verify"
)

// failAt makes writes fail after n bytes of the file, until diskFixed is closed.
func (tr *trial) failAt(n int, errno syscall.Errno) {
	var written atomic.Int64
	tr.config.hooks.disk.WriteAt = func(f *os.File, p []byte, off int64) (int, error) {
		select {
		case <-tr.diskFixed:
		default:
			if written.Add(int64(len(p))) > int64(n) {
				return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: errno}
			}
		}
		return f.WriteAt(p, off)
	}
}

// hold sends the object up to byte n and closes reached. It sends the rest when
// resume is closed, or stops when the client closes the connection.
func (tr *trial) hold(n int) step {
	return tr.holdAt(n, func(r *http.Request, send func(int64) error) {
		close(tr.reached)
		select {
		case <-tr.resume:
			_ = send(1 << 62)
		case <-r.Context().Done():
		}
	})
}

// waitHeld waits until the proxy pauses the body (see hold).
func (tr *trial) waitHeld(t *testing.T) {
	t.Helper()
	select {
	case <-tr.reached:
	case <-time.After(patience):
		t.Errorf("byte %d was not requested: %s", tr.offset, states(tr.engine))
	}
}

// partPath returns the path of the object's part file.
func (tr *trial) partPath() string {
	return filepath.Join(tr.dir, part.Name(tr.bucket(), tr.key, tr.obj.etag))
}

// writePart writes a part and its sidecar, as an earlier run would have.
func (tr *trial) writePart(data []byte, sidecar string) {
	_ = os.WriteFile(tr.partPath(), data, 0o600)
	_ = os.WriteFile(tr.partPath()+".json", []byte(sidecar), 0o600)
}

// sidecar returns a sidecar that lists the first to bytes of the part, with sum
// as their checksum in hexadecimal.
func (tr *trial) sidecar(key string, to int, sum string) string {
	return fmt.Sprintf(`{"format":1,"bucket":%q,"key":%q,"etag":%q,"size":%d,"crc":"CRC64NVME","ranges":[{"from":0,"to":%d,"sum":%q}]}`,
		tr.bucket(), key, tr.obj.etag, tr.size, to, sum)
}

// localFaults are faults 17, 18, 21, 22 and 26 to 28: disk, clock, other
// processes, and files already at the destination.
func localFaults() []fault {
	disk := func(name string, errno syscall.Errno) fault {
		return fault{
			name:     name,
			atOffset: true,
			min:      70_000,
			setup:    func(tr *trial) { tr.failAt(tr.offset, errno) },
			want:     Failed,
			err:      ErrDisk,
			exit:     api.ExitDisk,
		}
	}
	rows := []fault{
		{
			name:     "17 disk full",
			atOffset: true,
			min:      70_000,
			setup:    func(tr *trial) { tr.failAt(tr.offset, syscall.ENOSPC) },
			then: func(t *testing.T, tr *trial) {
				wait(t, tr.engine)
				var de *Error
				got := find(t, tr.engine, tr.id)
				if !errors.As(got.Err, &de) || de.Kind != ErrDisk || de.Needed == 0 || de.Exit() != api.ExitDisk {
					t.Errorf("on a full disk: %v, %v", got.State, got.Err)
				}
				close(tr.diskFixed)
				tr.engine.Retry(tr.id)
			},
			want: Done,
		},
		{
			name: "17 larger than the free space",
			min:  70_000,
			setup: func(tr *trial) {
				tr.config.hooks.disk.Free = func(*part.Folder) int64 { return 1000 }
			},
			want: Failed,
			err:  ErrDisk,
			exit: api.ExitDisk,
		},
		disk("18 EIO", syscall.EIO), disk("18 EROFS", syscall.EROFS), disk("18 EACCES", syscall.EACCES),
		{
			name:     "21 laptop suspended",
			atOffset: true,
			min:      70_000,
			setup: func(tr *trial) {
				var suspended atomic.Int64 // duration
				tr.config.Now = func() time.Time { return time.Now().Add(time.Duration(suspended.Load())) }
				tr.script(tr.actAt(tr.offset, func() { suspended.Store(int64(10 * time.Minute)) }), noFault)
			},
			want:  Done,
			check: releasedAgain,
		},
		{
			name:  "26 two engines, one destination",
			min:   1,
			setup: func(tr *trial) { tr.script(tr.hold(0), noFault) },
			then: func(t *testing.T, tr *trial) {
				tr.waitHeld(t)
				e, err := New(tr.config)
				must(t, err)
				defer e.Close()
				id := e.Add(tr.request(tr.path, tr.dir))[0]
				if tr.size > fetch.BufferSize { // a smaller file has no part file to lock
					eventually(t, "the wait for the other engine", func() bool {
						got := find(t, e, id)
						return got.State == Waiting && got.Event != ""
					})
					time.Sleep(20 * tr.config.Timeouts.LockPoll)
					tr.mu.Lock()
					if tr.releases > 2 {
						t.Errorf("%d releases for one file, want at most 2", tr.releases)
					}
					tr.mu.Unlock()
				}
				close(tr.resume)
				wait(t, e)
				if got := find(t, e, id); got.State != Done && got.State != Skipped {
					t.Errorf("the second engine: %v, %v", got.State, got.Err)
				}
			},
			want:   Done,
			orWant: Skipped,
		},
		{
			name:  "26 two processes, one destination",
			min:   1,
			slow:  true,
			setup: func(tr *trial) { tr.script(tr.hold(0), noFault) },
			then: func(t *testing.T, tr *trial) {
				tr.waitHeld(t)
				cmd, stderr := tr.child(tr.path, tr.dir), new(strings.Builder)
				cmd.Stderr = stderr
				must(t, cmd.Start())
				time.Sleep(300 * time.Millisecond) // long enough to start a fetch of its own
				close(tr.resume)
				if err := cmd.Wait(); err != nil {
					t.Errorf("the second process: %v, %s", err, stderr)
				}
				if n := tr.sent.Load(); tr.size > fetch.BufferSize && n > int64(tr.size)+maxRefetch {
					t.Errorf("%d bytes for a file of %d: both processes fetched it", n, tr.size)
				}
			},
			want:   Done,
			orWant: Skipped,
		},
		{
			name: "27 sidecar truncated",
			min:  1,
			setup: func(tr *trial) {
				whole := tr.sidecar(tr.key, tr.size, "0")
				tr.writePart(random(5, tr.size), whole[:len(whole)/2])
			},
			want: Done,
		},
		{
			name: "27 sidecar damaged",
			min:  1,
			setup: func(tr *trial) {
				tr.writePart(random(5, tr.size), "\x00\xff{garbage")
			},
			want: Done,
		},
		{
			name:  "27 sidecar with a wrong checksum",
			min:   1,
			setup: func(tr *trial) { tr.writePart(make([]byte, tr.size), tr.sidecar(tr.key, tr.size, "1234")) },
			want:  Done,
		},
		{
			name: "27 sidecar of another object",
			min:  1,
			setup: func(tr *trial) {
				other := random(5, tr.size) // complete, with a correct checksum
				sum := verify.CRCFor("CRC64NVME").Update(0, other)
				tr.writePart(other, tr.sidecar(tr.key+"x", tr.size, fmt.Sprintf("%x", sum)))
			},
			want: Done,
		},
		{
			name: "27 valid sidecar", // the control of the rows above: a correct sidecar is used
			min:  1,
			setup: func(tr *trial) {
				sum := verify.CRCFor("CRC64NVME").Update(0, tr.obj.data)
				tr.writePart(tr.obj.data, tr.sidecar(tr.key, tr.size, fmt.Sprintf("%x", sum)))
			},
			want: Done,
			check: func(tr *trial, _ Transfer) error {
				if tr.gets.Load() > 0 {
					return fmt.Errorf("%d GETs for a complete part", tr.gets.Load())
				}
				return nil
			},
		},
		{
			name: "28 part is a link",
			setup: func(tr *trial) {
				tr.planted = tr.partPath()
				os.Symlink(filepath.Join(tr.dir, "mine"), tr.planted)
			},
			want: Done,
		},
		{
			name: "28 part is a hard link",
			setup: func(tr *trial) {
				tr.planted = tr.partPath()
				os.Link(filepath.Join(tr.dir, "mine"), tr.planted)
			},
			want: Done,
		},
		{
			name:     "28 sidecar is a link",
			min:      70_000,
			atOffset: true,
			setup: func(tr *trial) {
				os.WriteFile(tr.partPath(), random(5, tr.size), 0o600)
				os.Symlink(filepath.Join(tr.dir, "mine"), tr.partPath()+".json")
				os.Symlink(filepath.Join(tr.dir, "mine"), tr.partPath()+".json.new")
				tr.script(tr.closeAt(tr.offset, true), noFault)
			},
			want: Done,
		},
	}
	for _, offset := range []time.Duration{30 * time.Second, 5 * time.Minute, 20 * time.Minute, 24 * time.Hour} {
		for _, signed := range []time.Duration{offset, -offset} {
			rows = append(rows, fault{
				name:        fmt.Sprintf("22 clock off by %v", signed),
				clockOffset: signed,
				slow:        true,
				want:        Done,
				setup:       func(tr *trial) { tr.script(tr.closeAt(tr.size/2, true), noFault) },
			})
		}
	}
	return rows
}

// backendFaults are faults 25 and 29, and other errors of the backend.
func backendFaults() []fault {
	refuse := func(times int, err error) func(*trial) {
		return func(tr *trial) {
			tr.onRelease = func(n int, _ api.ReleaseRequest) error {
				if n <= times {
					return err
				}
				return nil
			}
		}
	}
	waitSignIn := func(t *testing.T, tr *trial, id ID) {
		t.Helper()
		eventually(t, "the wait for a sign-in", func() bool { return find(t, tr.engine, id).State == WaitingSignIn })
	}
	return []fault{
		// Only the URL of the closed connection is refused; other connections continue.
		{
			name:      "25 session ends",
			atOffset:  true,
			min:       70_000,
			exclusive: true,
			slow:      true,
			setup: func(tr *trial) {
				tr.config.Timeouts.Idle = patience // revoke takes some seconds while the body is paused
				tr.script(tr.actAt(tr.offset, tr.user.revoke), step{covers(tr.offset), expired}, noFault)
			},
			then: func(t *testing.T, tr *trial) {
				waitSignIn(t, tr, tr.id)
				tr.user.signIn()
				tr.engine.SignedIn()
				eventually(t, "the resumed transfer", func() bool { return find(t, tr.engine, tr.id).State != WaitingSignIn })
			},
			want:  Done,
			check: releasedAgain,
		},
		{
			name:      "25 session ends in a batch",
			min:       70_000,
			exclusive: true,
			slow:      true,
			setup: func(tr *trial) {
				tr.config.Timeouts.Idle = patience
				tr.put(tr.root+"dir/second.bin", random(3, 5000), "CRC64NVME")
				tr.script(tr.hold(tr.size/2), noFault)
			},
			then: func(t *testing.T, tr *trial) {
				tr.waitHeld(t)
				tr.user.revoke()
				second := tr.engine.Add(tr.request(tr.root+"dir/second.bin", tr.dir))[0]
				waitSignIn(t, tr, second)
				close(tr.resume) // an open response is still received to its end
				eventually(t, "the end of the open response", func() bool { return find(t, tr.engine, tr.id).State == Done })
				if got := find(t, tr.engine, second); got.State != WaitingSignIn {
					t.Errorf("the second file: %v, %v", got.State, got.Err)
				}
				tr.user.signIn()
				tr.engine.SignedIn()
				eventually(t, "the end of the batch", func() bool { return find(t, tr.engine, second).State == Done })
			},
			want: Done,
		},
		{
			name:      "25 access is withdrawn",
			atOffset:  true,
			min:       70_000,
			exclusive: true,
			slow:      true,
			setup: func(tr *trial) {
				tr.config.Timeouts.Idle = patience
				tr.script(tr.actAt(tr.offset, func() { tr.user.withdraw(tr.path) }), step{covers(tr.offset), expired}, noFault)
			},
			want:  Denied,
			err:   denied,
			exit:  api.ExitNotFound,
			check: partKept,
		},
		{name: "29 not recorded twice", setup: refuse(2, &api.Error{Code: api.AuditUnavailable}), want: Done},
		{
			name:  "29 never recorded",
			setup: refuse(1e9, &api.Error{Code: api.AuditUnavailable}),
			want:  Paused,
			err:   &api.Error{Code: api.AuditUnavailable},
			check: func(tr *trial, _ Transfer) error {
				if tr.releases != 1+repeats {
					return fmt.Errorf("%d releases, want %d", tr.releases, 1+repeats)
				}
				return nil
			},
		},
		{
			name:  "the backend fails to respond three times",
			setup: refuse(3, fmt.Errorf("releasing: %w", context.DeadlineExceeded)),
			want:  Done,
		},
		{name: "too many requests", setup: refuse(7, &api.Error{Code: api.RateLimited}), want: Done},
		{
			name:      "not granted",
			exclusive: true,
			slow:      true,
			setup:     func(tr *trial) { tr.user.withdraw(tr.path) },
			want:      Denied,
			err:       denied,
			exit:      api.ExitNotFound,
		},
	}
}
