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
	"usher/client/download/verify"
)

// failAt makes the disk fail once at least n bytes of the file were written,
// until it is healed.
func (tr *trial) failAt(n int, errno syscall.Errno) {
	var written atomic.Int64
	tr.config.hooks.writeAt = func(f *os.File, p []byte, off int64) (int, error) {
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

// hold sends up to byte n, says that it is reached, and goes on when the gate
// opens or the client leaves.
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

// held waits until the front holds the body back.
func (tr *trial) held(t *testing.T) {
	t.Helper()
	select {
	case <-tr.reached:
	case <-time.After(patience):
		t.Errorf("no byte %d was asked for: %s", tr.cut, states(tr.engine))
	}
}

// partFile is where the part of the object lies.
func (tr *trial) partPath() string {
	return filepath.Join(tr.dir, partName(tr.bucket(), tr.key, tr.obj.etag))
}

// leaves writes a part and its sidecar, as an earlier run would have.
func (tr *trial) leaves(data []byte, sidecar string) {
	_ = os.WriteFile(tr.partPath(), data, 0o600)
	_ = os.WriteFile(tr.partPath()+".json", []byte(sidecar), 0o600)
}

// sidecar claims that the first to bytes of the part are there, with that sum.
func (tr *trial) sidecar(key string, to int, sum string) string {
	return fmt.Sprintf(`{"format":1,"bucket":%q,"key":%q,"etag":%q,"size":%d,"crc":"CRC64NVME","ranges":[{"from":0,"to":%d,"sum":%q}]}`,
		tr.bucket(), key, tr.obj.etag, tr.size, to, sum)
}

// onThisMachine are faults 17, 18, 21, 22 and 26 to 28: the disk, the clock,
// and what lies at the destination.
func localFaults() []fault {
	disk := func(name string, errno syscall.Errno) fault {
		return fault{name: name, atOffset: true, min: 70_000, setup: func(tr *trial) { tr.failAt(tr.cut, errno) }, want: Failed, err: ErrDisk, exit: api.ExitDisk}
	}
	rows := []fault{
		{name: "17 disk full", atOffset: true, min: 70_000, setup: func(tr *trial) { tr.failAt(tr.cut, syscall.ENOSPC) },
			then: func(t *testing.T, tr *trial) {
				wait(t, tr.engine)
				var de *Error
				if got := find(t, tr.engine, tr.id); !errors.As(got.Err, &de) || de.Kind != ErrDisk || de.Needed == 0 || de.Exit() != api.ExitDisk {
					t.Errorf("a full disk says: %v, %v", got.State, got.Err)
				}
				close(tr.diskFixed)
				tr.engine.Retry(tr.id)
			}, want: Done},
		{name: "17 too big", min: 70_000, setup: func(tr *trial) {
			tr.config.hooks.free = func(*folder) int64 { return 1000 }
		}, want: Failed, err: ErrDisk, exit: api.ExitDisk},
		disk("18 EIO", syscall.EIO), disk("18 EROFS", syscall.EROFS), disk("18 EACCES", syscall.EACCES),
		{name: "21 laptop slept", atOffset: true, min: 70_000, setup: func(tr *trial) {
			var asleep atomic.Int64
			tr.config.Now = func() time.Time { return time.Now().Add(time.Duration(asleep.Load())) }
			tr.script(tr.actAt(tr.cut, func() { asleep.Store(int64(10 * time.Minute)) }), noFault)
		}, want: Done, check: releasedAgain},
		{name: "26 two at one place", min: 1, setup: func(tr *trial) { tr.script(tr.hold(0), noFault) },
			then: func(t *testing.T, tr *trial) {
				tr.held(t)
				e, err := New(tr.config)
				must(t, err)
				defer e.Close()
				id := e.Add(tr.request(tr.path, tr.dir))[0]
				if tr.size > bufferSize { // less has no part that could be locked
					eventually(t, "waiting for the other", func() bool { return find(t, e, id).State == Waiting && find(t, e, id).Event != "" })
					time.Sleep(20 * tr.config.Timeouts.LockPoll)
					tr.mu.Lock()
					if tr.releases > 2 {
						t.Errorf("%d releases for two who want one file", tr.releases)
					}
					tr.mu.Unlock()
				}
				close(tr.resume)
				wait(t, e)
				if got := find(t, e, id); got.State != Done && got.State != Skipped {
					t.Errorf("the second: %v, %v", got.State, got.Err)
				}
			}, want: Done, orWant: Skipped},
		{name: "26 two programs at one place", min: 1, slow: true, setup: func(tr *trial) { tr.script(tr.hold(0), noFault) },
			then: func(t *testing.T, tr *trial) {
				tr.held(t)
				cmd, said := tr.child(tr.path, tr.dir), new(strings.Builder)
				cmd.Stderr = said
				must(t, cmd.Start())
				time.Sleep(300 * time.Millisecond) // it comes to the place, and would fetch
				close(tr.resume)
				if err := cmd.Wait(); err != nil {
					t.Errorf("the second program: %v, %s", err, said)
				}
				if n := tr.sent.Load(); tr.size > bufferSize && n > int64(tr.size)+maxRefetch {
					t.Errorf("%d bytes came for %d: both programs fetched them", n, tr.size)
				}
			}, want: Done, orWant: Skipped},
		{name: "27 sidecar truncated", min: 1, setup: func(tr *trial) {
			said := tr.sidecar(tr.key, tr.size, "0")
			tr.leaves(random(5, tr.size), said[:len(said)/2])
		}, want: Done},
		{name: "27 sidecar damaged", min: 1, setup: func(tr *trial) {
			tr.leaves(random(5, tr.size), "\x00\xff{garbage")
		}, want: Done},
		{name: "27 sidecar lies", min: 1, setup: func(tr *trial) { tr.leaves(make([]byte, tr.size), tr.sidecar(tr.key, tr.size, "1234")) }, want: Done},
		{name: "27 sidecar of another object", min: 1, setup: func(tr *trial) {
			other := random(5, tr.size) // whole, and its sum is right
			tr.leaves(other, tr.sidecar(tr.key+"x", tr.size, fmt.Sprintf("%x", verify.CRCFor("CRC64NVME").Update(0, other))))
		}, want: Done},
		{name: "27 sidecar of the whole", min: 1, setup: func(tr *trial) { // the rows above are not for want of belief
			tr.leaves(tr.obj.data, tr.sidecar(tr.key, tr.size, fmt.Sprintf("%x", verify.CRCFor("CRC64NVME").Update(0, tr.obj.data))))
		}, want: Done, check: func(tr *trial, _ Transfer) error {
			if tr.gets.Load() > 0 {
				return fmt.Errorf("%d GETs for what is here", tr.gets.Load())
			}
			return nil
		}},
		{name: "28 part is a link", setup: func(tr *trial) {
			tr.planted = tr.partPath()
			os.Symlink(filepath.Join(tr.dir, "mine"), tr.planted)
		}, want: Done},
		{name: "28 part is a hard link", setup: func(tr *trial) {
			tr.planted = tr.partPath()
			os.Link(filepath.Join(tr.dir, "mine"), tr.planted)
		}, want: Done},
		{name: "28 sidecar is a link", min: 70_000, atOffset: true, setup: func(tr *trial) {
			os.WriteFile(tr.partPath(), random(5, tr.size), 0o600)
			os.Symlink(filepath.Join(tr.dir, "mine"), tr.partPath()+".json")
			os.Symlink(filepath.Join(tr.dir, "mine"), tr.partPath()+".json.new")
			tr.script(tr.closeAt(tr.cut, true), noFault)
		}, want: Done},
	}
	for _, off := range []time.Duration{30 * time.Second, 5 * time.Minute, 20 * time.Minute, 24 * time.Hour} {
		for _, by := range []time.Duration{off, -off} {
			rows = append(rows, fault{name: fmt.Sprintf("22 clock off by %v", by), clockOffset: by, slow: true, want: Done,
				setup: func(tr *trial) { tr.script(tr.closeAt(tr.size/2, true), noFault) }})
		}
	}
	return rows
}

// fromTheBackend are faults 25 and 29, and what else a backend says.
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
	away := func(t *testing.T, tr *trial, id ID) {
		t.Helper()
		eventually(t, "waiting for a sign-in", func() bool { return find(t, tr.engine, id).State == WaitingSignIn })
	}
	return []fault{
		// Other connections go on meanwhile: what is refused is the one that broke.
		{name: "25 session ends", atOffset: true, min: 70_000, exclusive: true, slow: true, setup: func(tr *trial) {
			tr.config.Timeouts.Idle = patience // the break waits until the backend knows
			tr.script(tr.actAt(tr.cut, tr.user.revoke), step{covers(tr.cut), expired}, noFault)
		}, then: func(t *testing.T, tr *trial) {
			away(t, tr, tr.id)
			tr.user.signIn()
			tr.engine.SignedIn()
			eventually(t, "going on", func() bool { return find(t, tr.engine, tr.id).State != WaitingSignIn })
		}, want: Done, check: releasedAgain},
		{name: "25 session ends in a batch", min: 70_000, exclusive: true, slow: true, setup: func(tr *trial) {
			tr.config.Timeouts.Idle = patience
			tr.put(tr.root+"dir/second.bin", random(3, 5000), "CRC64NVME")
			tr.script(tr.hold(tr.size/2), noFault)
		}, then: func(t *testing.T, tr *trial) {
			tr.held(t)
			tr.user.revoke()
			second := tr.engine.Add(tr.request(tr.root+"dir/second.bin", tr.dir))[0]
			away(t, tr, second)
			close(tr.resume) // the body that is open runs to its end
			eventually(t, "the end of what was open", func() bool { return find(t, tr.engine, tr.id).State == Done })
			if got := find(t, tr.engine, second); got.State != WaitingSignIn {
				t.Errorf("the second: %v, %v", got.State, got.Err)
			}
			tr.user.signIn()
			tr.engine.SignedIn()
			eventually(t, "the end of the batch", func() bool { return find(t, tr.engine, second).State == Done })
		}, want: Done},
		{name: "25 access is withdrawn", atOffset: true, min: 70_000, exclusive: true, slow: true, setup: func(tr *trial) {
			tr.config.Timeouts.Idle = patience
			tr.script(tr.actAt(tr.cut, func() { tr.user.withdraw(tr.path) }), step{covers(tr.cut), expired}, noFault)
		}, want: Denied, err: denied, exit: api.ExitNotFound, check: partKept},
		{name: "29 not recorded twice", setup: refuse(2, &api.Error{Code: api.AuditUnavailable}), want: Done},
		{name: "29 never recorded", setup: refuse(1e9, &api.Error{Code: api.AuditUnavailable}), want: Paused, err: &api.Error{Code: api.AuditUnavailable},
			check: func(tr *trial, _ Transfer) error {
				if tr.releases != 1+repeats {
					return fmt.Errorf("it was asked %d times", tr.releases)
				}
				return nil
			}},
		{name: "the server is away for a moment", setup: refuse(3, fmt.Errorf("asking: %w", context.DeadlineExceeded)), want: Done},
		{name: "too many requests", setup: refuse(7, &api.Error{Code: api.RateLimited}), want: Done},
		{name: "not granted", exclusive: true, slow: true, setup: func(tr *trial) { tr.user.withdraw(tr.path) }, want: Denied, err: denied, exit: api.ExitNotFound},
	}
}
