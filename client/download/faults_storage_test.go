package download

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

// storageFaults are faults 10 to 16: errors and redirects of S3.
func storageFaults() []fault {
	// The transfer ends in time only if it pauses for Retry-After instead.
	longBackoff := func(tr *trial) {
		tr.config.Timeouts.BackoffMin, tr.config.Timeouts.BackoffMax = time.Hour, time.Hour
	}
	redirect := func(tr *trial, location string) {
		tr.script(anyGET(status(307, "TemporaryRedirect", "Location", location)))
	}
	rows := []fault{
		{
			name:     "10 URL expired",
			atOffset: true,
			min:      1,
			setup:    func(tr *trial) { tr.script(tr.closeAt(tr.offset, true), anyGET(expired), noFault) },
			want:     Done,
			check:    releasedAgain,
		},
		{
			name:     "10 URL refused",
			atOffset: true,
			min:      1,
			setup: func(tr *trial) {
				tr.script(tr.closeAt(tr.offset, true), anyGET(status(403, "AccessDenied")), noFault)
			},
			want:  Done,
			check: releasedAgain,
		},
		{
			name:  "11 fresh URL refused",
			setup: func(tr *trial) { tr.script(anyGET(status(403, "AccessDenied"))) },
			want:  Failed,
			err:   refused,
			exit:  api.ExitUnavailable,
		},
		{
			name:  "11 archived meanwhile",
			setup: func(tr *trial) { tr.script(anyGET(status(403, "InvalidObjectState"))) },
			want:  Failed,
			err:   archived,
			exit:  api.ExitNotFound,
		},
		{
			name:  "11 encrypted with the customer's key",
			setup: func(tr *trial) { tr.script(anyGET(status(400, "InvalidRequest"))) },
			want:  Failed,
			err:   refused,
			exit:  api.ExitUnavailable,
		},
		{
			name:  "11 in another region",
			setup: func(tr *trial) { tr.script(anyGET(status(301, "PermanentRedirect"))) },
			want:  Failed,
			err:   refused,
			exit:  api.ExitUnavailable,
		},
		{
			name:     "11 fresh URL refused mid-way",
			atOffset: true,
			min:      1,
			setup: func(tr *trial) {
				tr.script(tr.closeAt(tr.offset, true), anyGET(status(403, "AccessDenied")))
			},
			want:  Failed,
			err:   refused,
			exit:  api.ExitUnavailable,
			check: partKept,
		},
		{
			name:     "12 changed",
			atOffset: true,
			min:      70_000,
			setup:    func(tr *trial) { tr.script(tr.actAt(tr.offset, tr.change), noFault) },
			want:     Failed,
			err:      ErrChanged,
			exit:     api.ExitIntegrity,
			check:    partGone,
		},
		{
			name:     "12 changed, and started again",
			atOffset: true,
			min:      70_000,
			setup:    func(tr *trial) { tr.script(tr.actAt(tr.offset, tr.change), noFault) },
			then: func(t *testing.T, tr *trial) {
				wait(t, tr.engine)
				tr.engine.Retry(tr.id)
			},
			refetches: 1,
			want:      Done,
		},
		{
			name:     "12 changed, with the old ETag",
			atOffset: true,
			min:      70_000,
			sum:      "none",
			setup:    changeWithOldETag,
			want:     Failed,
			err:      ErrChanged,
		},
		{
			name:     "13 deleted",
			atOffset: true,
			min:      1,
			setup: func(tr *trial) {
				tr.script(tr.actAt(tr.offset, func() { tr.remove(tr.path) }), noFault)
			},
			want:  Denied,
			err:   denied,
			exit:  api.ExitNotFound,
			check: partKept,
		},
		{
			name: "14 slow down with Retry-After",
			setup: func(tr *trial) {
				longBackoff(tr)
				tr.script(repeat(3, anyGET(status(503, "SlowDown", "Retry-After", "1")))...)
			},
			want:  Done,
			check: retried,
		},
		{
			name:  "14 slow down",
			setup: func(tr *trial) { tr.script(repeat(3, anyGET(status(503, "SlowDown")))...) },
			want:  Done,
			check: retried,
		},
		{
			name:     "14 slow down mid-way",
			atOffset: true,
			min:      70_000,
			setup: func(tr *trial) {
				longBackoff(tr)
				slowDowns := repeat(3, anyGET(status(503, "SlowDown", "Retry-After", "1")))
				tr.script(slices.Concat([]step{tr.closeAt(tr.offset, true)}, slowDowns)...)
			},
			want:  Done,
			check: retried,
		},
		{
			name:  "15 500 always",
			setup: func(tr *trial) { tr.script(anyGET(status(500, "InternalError"))) },
			want:  Failed,
			err:   &api.Error{Code: api.StorageUnavailable},
			exit:  api.ExitUnavailable,
		},
		{
			name:  "16 redirected to another host",
			setup: func(tr *trial) { redirect(tr, "http://169.254.169.254/latest/meta-data") },
			want:  Failed,
			err:   ErrBadURL,
		},
		// usher follows no redirect, not even within the storage: S3 redirects only
		// to a bucket's own region, where the URL's signature is not valid.
		{
			name: "16 redirected to an allowed host",
			setup: func(tr *trial) {
				srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tr.visited.Add(1) }))
				tr.t.Cleanup(srv.Close)
				host := srv.Listener.Addr().String()
				tr.config.S3Hosts = append(tr.config.S3Hosts, host)
				redirect(tr, srv.URL+"/b/dir/file.bin")
			},
			want: Failed,
			err:  ErrBadURL,
			check: func(tr *trial, _ Transfer) error {
				if tr.visited.Load() > 0 {
					return errors.New("the client followed the redirect")
				}
				return nil
			},
		},
	}
	if soak() {
		rows = append(rows, fault{
			name:  "10 URL expires by the clock",
			min:   70_000,
			max:   70_000,
			setup: waitForExpiry,
			then: func(t *testing.T, tr *trial) {
				select {
				case <-tr.reached:
				case <-time.After(4 * patience):
					t.Error("the URL did not expire")
				}
			},
			want:  Done,
			check: releasedAgain,
			skip:  map[string]string{"fake": "the rows above cover its made-up expiry"},
		})
	}
	for _, code := range []int{500, 502, 504} {
		rows = append(rows, fault{
			name:  fmt.Sprint("15 ", code),
			setup: func(tr *trial) { tr.script(repeat(2, anyGET(status(code, "InternalError")))...) },
			want:  Done,
			check: retried,
		})
	}
	return rows
}

// waitForExpiry closes the connection once S3 refuses the URL. The client's
// clock does not advance: otherwise it would request a new URL before that.
func waitForExpiry(tr *trial) {
	began := time.Now()
	tr.config.Now = func() time.Time { return began }
	tr.config.Timeouts.Idle = 4 * patience
	cut := tr.holdAt(tr.size/2, func(r *http.Request, _ func(int64) error) {
		defer close(tr.reached)
		for r.Context().Err() == nil {
			resp := tr.answer(r)
			resp.Body.Close()
			if resp.StatusCode == http.StatusForbidden {
				return
			}
			<-time.After(250 * time.Millisecond)
		}
	})
	tr.script(cut, noFault)
}

// changeWithOldETag replaces the object during the download, while a proxy sends
// the old ETag: only If-Match reveals the change. The URL signs no header, so
// that the row tests the client's own If-Match and not a signed one.
func changeWithOldETag(tr *trial) {
	tr.asLink = true
	keepETag := tr.modify(func(_ *http.Request, resp *http.Response) { resp.Header.Set("ETag", tr.obj.etag) })
	tr.script(tr.actAt(max(tr.offset, 1), tr.change), anyGET(keepETag))
}

// actAt sends the object up to byte n, calls act and closes the connection.
func (tr *trial) actAt(n int, act func()) step {
	return tr.holdAt(n, func(*http.Request, func(int64) error) { act() })
}

// change replaces the object with another one of the same size.
func (tr *trial) change() { tr.put(tr.path, random(77, tr.size), tr.obj.sum) }

// proxyFaults are fault 24: a proxy returns another object.
func proxyFaults() []fault {
	swap := func(etag func(*trial) string) func(*trial) {
		return func(tr *trial) {
			tr.put(tr.root+"other.bin", random(99, tr.size), tr.obj.sum)
			tr.script(anyGET(tr.modify(func(r *http.Request, resp *http.Response) {
				from, to := requestedRange(r)
				resp.Header.Set("ETag", etag(tr))
				resp.Body = io.NopCloser(bytes.NewReader(random(99, tr.size)[min(from, tr.size):min(to, tr.size)]))
			})))
		}
	}
	return []fault{
		{
			name:      "24 another content with the same ETag",
			min:       1,
			setup:     swap(func(tr *trial) string { return tr.obj.etag }),
			refetches: 1,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
			check:     partGone,
		},
		{
			name:  "24 another object",
			min:   1,
			setup: swap(func(tr *trial) string { return tr.object(tr.root + "other.bin").etag }),
			want:  Failed,
			err:   ErrChanged,
			exit:  api.ExitIntegrity,
		},
		{
			name: "24 a cleaned path",
			min:  1,
			key:  "dir/../file.bin",
			setup: func(tr *trial) {
				tr.put(tr.root+"file.bin", random(99, tr.size), tr.obj.sum)
				tr.script(anyGET(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
					r.URL.Path, r.URL.RawPath = strings.Replace(r.URL.Path, "dir/../", "", 1), ""
					return false
				}))
			},
			want: Failed,
			err:  refused,
			exit: api.ExitUnavailable,
			skip: map[string]string{"versitygw": "the backend releases no such key if objects are files"},
		},
	}
}
