package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
)

// times makes a fault happen at the first n GETs.
func (tr *trial) times(n int64, f func(int, *object, http.ResponseWriter, *http.Request) bool) {
	tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		if tr.calls.Add(1) > n {
			return false
		}
		return f(i, o, rw, r)
	}
}

func status(code int, s3code string, header ...string) func(int, *object, http.ResponseWriter, *http.Request) bool {
	return func(_ int, _ *object, rw http.ResponseWriter, _ *http.Request) bool {
		for i := 0; i+1 < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(code)
		fmt.Fprintf(rw, "<Error><Code>%s</Code><Message>no</Message></Error>", s3code)
		return true
	}
}

// hang sends the head and n bytes, then nothing, or one byte each 20 ms.
func (tr *trial) hang(n int, drip bool) func(int, *object, http.ResponseWriter, *http.Request) bool {
	return func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		rec := httptest.NewRecorder()
		tr.send(rec, r, o, o.data)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		body := rec.Body.Bytes()
		n := min(n, len(body))
		if n == len(body) {
			rw.Write(body)
			return true // it would not be noticed
		}
		rw.Write(body[:n])
		rw.(http.Flusher).Flush()
		for drip && n < len(body) {
			select {
			case <-r.Context().Done():
				return true
			case <-time.After(20 * time.Millisecond):
			}
			rw.Write(body[n : n+1])
			rw.(http.Flusher).Flush()
			n++
		}
		<-r.Context().Done()
		return true
	}
}

// altered sends the answer after change had it.
func (tr *trial) altered(change func(*httptest.ResponseRecorder) []byte) func(int, *object, http.ResponseWriter, *http.Request) bool {
	return func(_ int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		rec := httptest.NewRecorder()
		tr.send(rec, r, o, o.data)
		body := change(rec)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		rw.Write(body)
		return true
	}
}

func (tr *trial) flip(rec *httptest.ResponseRecorder) []byte {
	body := bytes.Clone(rec.Body.Bytes())
	if len(body) > 0 {
		body[min(tr.cut, len(body)-1)] ^= 1
	}
	return body
}

// change replaces the object by another of the same size.
func (tr *trial) change() {
	sum := ""
	if tr.obj.checksum != nil {
		sum = tr.obj.checksum.Algorithm
	}
	tr.put(path, random(77, tr.size), sum)
}

// wrongRange cuts the first answer and answers every range with another.
func (tr *trial) wrongRange() {
	cut := tr.cutAfter(4095, true)
	tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
		if tr.calls.Add(1) == 1 {
			return cut(i, o, rw, r)
		}
		if r.Header.Get("Range") != "" {
			r.Header.Set("Range", "bytes=0-99")
		}
		return false
	}
}

// failAt makes the disk fail once at least n bytes of the file were written.
func (tr *trial) failAt(n int, errno syscall.Errno) {
	var written atomic.Int64
	tr.config.hooks.writeAt = func(f *os.File, p []byte, off int64) (int, error) {
		if !tr.healed.Load() && written.Add(int64(len(p))) > int64(n) {
			return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: errno}
		}
		return f.WriteAt(p, off)
	}
}

func faults() []fault {
	denied := &api.Error{Code: api.NotFound}
	return []fault{
		{name: "00 nothing", arm: func(*trial) {}, want: Done},
		{name: "01 reset", cuts: true, min: 1, arm: func(tr *trial) { tr.times(2, tr.cutAfter(tr.cut, true)) }, want: Done},
		{name: "02 early end", cuts: true, min: 1, arm: func(tr *trial) { tr.times(2, tr.cutAfter(tr.cut, false)) }, want: Done},
		{name: "03 stall", stalls: true, cuts: true, min: 1, arm: func(tr *trial) { tr.times(1, tr.hang(tr.cut, false)) }, want: Done},
		{name: "04 drip", stalls: true, cuts: true, min: 70_000, arm: func(tr *trial) { tr.times(1, tr.hang(tr.cut, true)) }, want: Done},
		{name: "05 flipped byte once", cuts: true, min: 1, arm: func(tr *trial) { tr.times(1, tr.altered(tr.flip)) }, want: Done},
		{name: "05 flipped byte always", cuts: true, min: 1, arm: func(tr *trial) { tr.times(1e9, tr.altered(tr.flip)) }, want: Failed, err: ErrIntegrity},
		{name: "05 flipped byte always, SHA-256", min: 1, sum: "SHA256", arm: func(tr *trial) { tr.times(1e9, tr.altered(tr.flip)) }, want: Failed, err: ErrIntegrity},
		{name: "06 extra bytes", arm: func(tr *trial) {
			tr.times(1e9, tr.altered(func(rec *httptest.ResponseRecorder) []byte {
				rec.Header().Del("Content-Length") // chunked: nothing says where it ends
				return append(bytes.Clone(rec.Body.Bytes()), "extra"...)
			}))
		}, want: Failed, err: ErrIntegrity},
		{name: "06 longer than listed", arm: func(tr *trial) {
			tr.times(1e9, tr.altered(func(rec *httptest.ResponseRecorder) []byte {
				b := append(bytes.Clone(rec.Body.Bytes()), "extra"...)
				rec.Header().Set("Content-Length", strconv.Itoa(len(b)))
				return b
			}))
		}, want: Failed, err: ErrIntegrity},
		{name: "07 whole for a range", cuts: true, min: 70_000, arm: func(tr *trial) {
			cut := tr.cutAfter(max(tr.cut, 1), true)
			tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				if tr.calls.Add(1) == 1 {
					return cut(i, o, rw, r)
				}
				r.Header.Del("Range")
				return false
			}
		}, want: Done},
		// Small: the second time it is fetched whole, which is honest.
		{name: "08 another range", min: 70_000, max: 8 << 20, arm: func(tr *trial) { tr.wrongRange() }, want: Done},
		{name: "08 another range", min: 8<<20 + 1, arm: func(tr *trial) { tr.wrongRange() }, want: Failed, err: ErrIntegrity},
		{name: "09 not satisfiable once", arm: func(tr *trial) { tr.times(1, status(416, "InvalidRange")) }, want: Done},
		{name: "09 not satisfiable", arm: func(tr *trial) { tr.times(1e9, status(416, "InvalidRange")) }, want: Failed, err: ErrIntegrity},
		{name: "10 URL expired", cuts: true, min: 1, arm: func(tr *trial) {
			cut := tr.cutAfter(tr.cut, true)
			tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				switch tr.calls.Add(1) {
				case 1:
					return cut(i, o, rw, r)
				case 2:
					return status(403, "AccessDenied")(i, o, rw, r)
				}
				return false
			}
		}, want: Done},
		{name: "11 fresh URL refused", arm: func(tr *trial) { tr.times(1e9, status(403, "AccessDenied")) }, want: Denied, err: denied},
		{name: "12 changed", cuts: true, min: 70_000, arm: func(tr *trial) {
			cut := tr.cutAfter(tr.cut, true)
			tr.times(1, func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				tr.change() // before the client can ask again
				return cut(i, o, rw, r)
			})
		}, want: Failed, err: ErrChanged},
		{name: "12 changed, and nobody says so", cuts: true, min: 70_000, sum: "none", arm: func(tr *trial) {
			cut := tr.cutAfter(max(tr.cut, 1), true)
			tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				if tr.calls.Add(1) == 1 {
					tr.change()
					return cut(i, o, rw, r)
				}
				if m := r.Header.Get("If-Match"); m != "" && m != o.etag {
					return status(412, "PreconditionFailed")(i, o, rw, r)
				}
				return tr.altered(func(rec *httptest.ResponseRecorder) []byte { // a proxy drops the ETag
					rec.Header().Del("ETag")
					return rec.Body.Bytes()
				})(i, o, rw, r)
			}
		}, want: Failed, err: ErrChanged},
		{name: "13 gone", cuts: true, min: 1, arm: func(tr *trial) {
			cut := tr.cutAfter(tr.cut, true)
			tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				if tr.calls.Add(1) == 1 {
					return cut(i, o, rw, r)
				}
				return status(404, "NoSuchKey")(i, o, rw, r)
			}
		}, want: Denied, err: denied},
		{name: "14 slow down", arm: func(tr *trial) { tr.times(3, status(503, "SlowDown", "Retry-After", "1")) }, want: Done},
		{name: "15 500", arm: func(tr *trial) { tr.times(2, status(500, "InternalError")) }, want: Done},
		{name: "15 502", arm: func(tr *trial) { tr.times(2, status(502, "")) }, want: Done},
		{name: "15 504", arm: func(tr *trial) { tr.times(2, status(504, "")) }, want: Done},
		{name: "15 500 for ever", arm: func(tr *trial) { tr.times(1e9, status(500, "InternalError")) }, want: Failed, err: &api.Error{Code: api.StorageUnavailable}},
		{name: "16 redirected", arm: func(tr *trial) {
			tr.times(1e9, status(307, "TemporaryRedirect", "Location", "http://169.254.169.254/latest/meta-data"))
		}, want: Failed, err: ErrBadURL},
		{name: "17 disk full", cuts: true, min: 70_000, arm: func(tr *trial) {
			tr.failAt(tr.cut, syscall.ENOSPC)
		}, then: func(t *testing.T, tr *trial) {
			wait(t, tr.engine)
			var de *Error
			if got := find(t, tr.engine, tr.id); !errors.As(got.Err, &de) || de.Kind != ErrDisk || de.Needed == 0 || de.Exit() != api.ExitDisk {
				t.Errorf("a full disk says: %v, %v", got.State, got.Err)
			}
			tr.healed.Store(true)
			tr.engine.Retry(tr.id)
		}, want: Done},
		{name: "17 too big", arm: func(tr *trial) {
			tr.config.hooks.free = func(*folder) int64 { return 1000 }
		}, want: Failed, err: ErrDisk},
		{name: "18 EIO", cuts: true, min: 1, arm: func(tr *trial) { tr.failAt(0, syscall.EIO) }, want: Failed, err: ErrDisk},
		{name: "18 EROFS", cuts: true, min: 1, arm: func(tr *trial) { tr.failAt(0, syscall.EROFS) }, want: Failed, err: ErrDisk},
		{name: "20 stopped and started", cuts: true, min: 70_000, arm: func(tr *trial) { tr.times(1, tr.hang(tr.cut, false)) },
			then: func(t *testing.T, tr *trial) {
				eventually(t, "the first bytes", func() bool { return tr.calls.Load() > 0 })
				must(t, tr.engine.Close())
				e, err := New(tr.config)
				must(t, err)
				tr.engine = e
				tr.id = e.Add(tr.request(path, tr.dir))[0]
			}, want: Done},
		{name: "21 laptop slept", cuts: true, min: 70_000, arm: func(tr *trial) {
			var asleep atomic.Int64
			tr.config.Now = func() time.Time { return time.Now().Add(time.Duration(asleep.Load())) }
			cut := tr.cutAfter(tr.cut, true)
			tr.times(1, func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				asleep.Store(int64(10 * time.Minute))
				return cut(i, o, rw, r)
			})
		}, want: Done},
		{name: "22 clock a day off", arm: func(tr *trial) {
			tr.config.Now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
		}, want: Done},
		{name: "23 other certificate", arm: func(tr *trial) {
			srv := httptest.NewUnstartedServer(http.NotFoundHandler())
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			tr.t.Cleanup(srv.Close)
			host := srv.Listener.Addr().String()
			tr.config.S3Hosts = []string{host}
			tr.onItem = func(it *api.ReleaseItem) {
				it.URL = "https://" + host + it.URL[len(tr.srv.URL):]
			}
		}, want: Failed, err: ErrNetwork},
		{name: "24 a proxy that swaps content", min: 1, arm: func(tr *trial) {
			tr.times(1e9, tr.altered(func(rec *httptest.ResponseRecorder) []byte {
				return random(99, rec.Body.Len())
			}))
		}, want: Failed, err: ErrIntegrity},
		{name: "25 session ends", cuts: true, min: 70_000, arm: func(tr *trial) {
			cut := tr.cutAfter(tr.cut, true)
			tr.onGet = func(i int, o *object, rw http.ResponseWriter, r *http.Request) bool {
				switch tr.calls.Add(1) {
				case 1:
					return cut(i, o, rw, r)
				case 2:
					return status(403, "AccessDenied")(i, o, rw, r)
				}
				return false
			}
			var out atomic.Bool
			tr.onRelease = func(n int, _ api.ReleaseRequest) error {
				if n == 2 {
					out.Store(true)
				}
				if out.CompareAndSwap(true, false) {
					return &api.Error{Code: api.SessionRevoked}
				}
				return nil
			}
		}, then: func(t *testing.T, tr *trial) {
			eventually(t, "waiting for a sign-in", func() bool { return find(t, tr.engine, tr.id).State == WaitingSignIn })
			tr.engine.SignedIn()
			eventually(t, "going on", func() bool { return find(t, tr.engine, tr.id).State != WaitingSignIn })
		}, want: Done},
		{name: "26 two at one place", stalls: true, min: 70_000, arm: func(tr *trial) { tr.times(1, tr.hang(4095, false)) },
			then: func(t *testing.T, tr *trial) {
				e, err := New(tr.config)
				must(t, err)
				defer e.Close()
				id := e.Add(tr.request(path, tr.dir))[0]
				wait(t, e)
				if got := find(t, e, id); got.State != Done && got.State != Skipped {
					t.Errorf("the second: %v, %v", got.State, got.Err)
				}
			}, want: Done, also: Skipped},
		{name: "27 sidecar damaged", min: 1, arm: func(tr *trial) {
			name := filepath.Join(tr.dir, partName("b", "dir/file.bin", tr.obj.etag))
			os.WriteFile(name, random(5, tr.size), 0o600)
			os.WriteFile(name+".json", []byte(`{"format":1,"bucket":"b","key":"dir/file.bin","etag":`), 0o600)
		}, want: Done},
		{name: "27 sidecar lies", min: 1, arm: func(tr *trial) {
			name := filepath.Join(tr.dir, partName("b", "dir/file.bin", tr.obj.etag))
			os.WriteFile(name, make([]byte, tr.size), 0o600)
			os.WriteFile(name+".json", fmt.Appendf(nil, `{"format":1,"bucket":"b","key":"dir/file.bin","etag":%q,"size":%d,"crc":"CRC64NVME","ranges":[{"from":0,"to":%d,"sum":"1234"}]}`,
				tr.obj.etag, tr.size, tr.size), 0o600)
		}, want: Done},
		{name: "28 part is a link", arm: func(tr *trial) {
			os.Symlink(filepath.Join(tr.dir, "mine"), filepath.Join(tr.dir, partName("b", "dir/file.bin", tr.obj.etag)))
		}, want: Failed, err: ErrLink},
		{name: "28 part is a hard link", arm: func(tr *trial) {
			os.Link(filepath.Join(tr.dir, "mine"), filepath.Join(tr.dir, partName("b", "dir/file.bin", tr.obj.etag)))
		}, want: Failed, err: ErrLink},
		{name: "29 not recorded twice", arm: func(tr *trial) {
			tr.onRelease = func(n int, _ api.ReleaseRequest) error {
				if n <= 2 {
					return &api.Error{Code: api.AuditUnavailable}
				}
				return nil
			}
		}, want: Done},
		{name: "29 never recorded", arm: func(tr *trial) {
			tr.onRelease = func(int, api.ReleaseRequest) error { return &api.Error{Code: api.AuditUnavailable} }
		}, want: Paused, err: &api.Error{Code: api.AuditUnavailable}},
		{name: "the server is away for a moment", arm: func(tr *trial) {
			tr.onRelease = func(n int, _ api.ReleaseRequest) error {
				if n <= 3 {
					return fmt.Errorf("asking: %w", context.DeadlineExceeded)
				}
				return nil
			}
		}, want: Done},
		{name: "too many requests", arm: func(tr *trial) {
			tr.onRelease = func(n int, _ api.ReleaseRequest) error {
				if n <= 7 {
					return &api.Error{Code: api.RateLimited}
				}
				return nil
			}
		}, want: Done},
		{name: "not granted", arm: func(tr *trial) { tr.denied[path] = true }, want: Denied, err: denied},
	}
}
