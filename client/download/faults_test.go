package download

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

// faults are the rows of the matrix: the 29 faults of the plan, which are
// numbered, and a few more.
func faults() []fault {
	var rows []fault
	for _, some := range [][]fault{connectionFaults(), contentFaults(), storageFaults(), proxyFaults(), networkFaults(), localFaults(), processFaults(), backendFaults()} {
		rows = append(rows, some...)
	}
	return rows
}

var (
	denied   = &api.Error{Code: api.NotFound}
	refused  = &api.Error{Code: api.StorageRefused}
	archived = &api.Error{Code: api.ObjectArchived}
)

// again is a step that a row repeats.
func repeat(n int, s step) []step {
	var all []step
	for range n {
		all = append(all, s)
	}
	return append(all, noFault)
}

// asksAnew wants a second release, of the same chain of events.
func releasedAgain(tr *trial, got Transfer) error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.chains) < 2 || tr.chains[0] != "" || got.AuditID == "" || tr.chains[1] != got.AuditID {
		return fmt.Errorf("releases that continue %q, and the first event is %q", tr.chains, got.AuditID)
	}
	return nil
}

// retried wants that it was noticed.
func retried(_ *trial, got Transfer) error {
	if got.Retries == 0 {
		return errors.New("nothing was tried again")
	}
	return nil
}

// partKept wants that what was fetched can be gone on from: what is less than a
// buffer has no name to lie under.
func partKept(tr *trial, got Transfer) error {
	if left := leftovers(tr.t, tr.dir); got.Fetched > 64<<10 && tr.size > bufferSize && len(left) == 0 {
		return errors.New("the part is gone")
	}
	return nil
}

func partGone(tr *trial, _ Transfer) error {
	if left := leftovers(tr.t, tr.dir); len(left) > 0 {
		return fmt.Errorf("left behind: %v", left)
	}
	return nil
}

// brokenOff are faults 1 to 5: connections that end, stand still, or lie.
func connectionFaults() []fault {
	return []fault{
		{name: "00 nothing", setup: func(*trial) {}, want: Done, check: func(tr *trial, got Transfer) error {
			more := got.Fetched - int64(tr.size) // where connections share the end, some may take over what another asked for
			if more > 0 && tr.size <= smallObject || more > minPart || got.Retries != 0 {
				return errors.New("more was done than needed")
			}
			return nil
		}},
		{name: "01 reset", atOffset: true, min: 1, setup: func(tr *trial) { tr.script(repeat(2, tr.closeAt(tr.cut, true))...) }, want: Done, check: retried},
		// On a connection that was opened ahead it goes unnoticed: the request is sent on another.
		{name: "01 reset without an answer", setup: func(tr *trial) { tr.script(repeat(3, anyGET(unanswered))...) }, want: Done},
		{name: "02 early end", atOffset: true, min: 1, setup: func(tr *trial) { tr.script(repeat(2, tr.closeAt(tr.cut, false))...) }, want: Done, check: retried},
		{name: "02 early end, in order", atOffset: true, min: 1, setup: func(tr *trial) { tr.script(repeat(2, tr.truncateAt(tr.cut))...) }, want: Done, check: retried},
		{name: "03 stall", stalls: true, atOffset: true, min: 1, setup: func(tr *trial) { tr.script(tr.stallAt(tr.cut, false), noFault) }, want: Done, check: retried},
		{name: "04 drip", stalls: true, atOffset: true, min: 70_000, setup: func(tr *trial) { tr.script(tr.stallAt(tr.cut, true), noFault) }, want: Done, check: func(tr *trial, got Transfer) error {
			if tr.size-tr.cut < 100 {
				return nil // so little comes to its end
			}
			return retried(tr, got)
		}},
		{name: "05 flipped bit once", atOffset: true, min: 1, setup: func(tr *trial) { tr.script(tr.flipBit(tr.cut), noFault) }, refetches: 1, want: Done, check: retried},
		{name: "05 flipped bit always", atOffset: true, min: 1, setup: func(tr *trial) { tr.script(tr.flipBit(tr.cut)) }, refetches: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "05 flipped bit always, SHA-256", min: 1, sum: "SHA256", setup: func(tr *trial) { tr.script(tr.flipBit(0)) }, refetches: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
		{name: "05 flipped bit always, summed by parts", min: 8<<20 + 1, sum: "CRC32C/5242880", setup: func(tr *trial) { tr.script(tr.flipBit(tr.size / 2)) }, refetches: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
		{name: "05 flipped bit always, MD5", min: 8<<20 + 1, sum: "MD5", setup: func(tr *trial) { tr.script(tr.flipBit(tr.size / 2)) }, refetches: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
	}
}

// wrongAnswers are faults 6 to 9: bytes that were not asked for.
func contentFaults() []fault {
	// A small file is fetched whole the second time, which is honest.
	otherRange := func(tr *trial) {
		tr.script(tr.closeAt(4095, true), anyGET(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				r.Header.Set("Range", "bytes=0-99")
			}
			return false
		}))
	}
	otherTotal := func(tr *trial) {
		tr.script(tr.closeAt(4095, true), anyGET(tr.modify(func(_ *http.Request, resp *http.Response) {
			if spec := resp.Header.Get("Content-Range"); spec != "" {
				span, _, _ := strings.Cut(spec, "/")
				resp.Header.Set("Content-Range", span+"/"+strconv.Itoa(tr.size+1))
			}
		})))
	}
	const small, large = 8 << 20, 8<<20 + 1
	return []fault{
		{name: "06 extra bytes", setup: func(tr *trial) { tr.script(tr.extraBytes(false)) }, refetches: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "06 longer than listed", setup: func(tr *trial) { tr.script(tr.extraBytes(true)) }, refetches: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "07 whole for a range", atOffset: true, min: 70_000, setup: func(tr *trial) {
			tr.script(tr.closeAt(max(tr.cut, 1), true), anyGET(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
				r.Header.Del("Range")
				return false
			}))
		}, refetches: 2, want: Done},
		{name: "08 another range", min: 70_000, max: small, setup: otherRange, refetches: 2, want: Done},
		{name: "08 another range, in parallel", min: large, setup: otherRange, refetches: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "08 another total", min: 70_000, max: small, setup: otherTotal, refetches: 2, want: Done},
		{name: "08 another total, in parallel", min: large, setup: otherTotal, refetches: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "09 not satisfiable once", setup: func(tr *trial) { tr.script(anyGET(status(416, "InvalidRange")), noFault) }, want: Done, check: releasedAgain},
		{name: "09 not satisfiable mid-way", atOffset: true, min: 1, setup: func(tr *trial) {
			tr.script(tr.closeAt(tr.cut, true), anyGET(status(416, "InvalidRange")), noFault)
		}, refetches: 1, want: Done, check: releasedAgain},
		{name: "09 not satisfiable", setup: func(tr *trial) { tr.script(anyGET(status(416, "InvalidRange"))) }, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
	}
}

// otherAnswers are faults 10 to 16: S3 says something else.
func storageFaults() []fault {
	// Only the pause that is asked for ends before the test does.
	patient := func(tr *trial) { tr.config.Timeouts.BackoffMin, tr.config.Timeouts.BackoffMax = time.Hour, time.Hour }
	elsewhere := func(tr *trial, location string) {
		tr.script(anyGET(status(307, "TemporaryRedirect", "Location", location)))
	}
	rows := []fault{
		{name: "10 URL expired", atOffset: true, min: 1, setup: func(tr *trial) { tr.script(tr.closeAt(tr.cut, true), anyGET(expired), noFault) }, want: Done, check: releasedAgain},
		{name: "10 URL refused", atOffset: true, min: 1, setup: func(tr *trial) {
			tr.script(tr.closeAt(tr.cut, true), anyGET(status(403, "AccessDenied")), noFault)
		}, want: Done, check: releasedAgain},
		{name: "11 fresh URL refused", setup: func(tr *trial) { tr.script(anyGET(status(403, "AccessDenied"))) }, want: Failed, err: refused, exit: api.ExitUnavailable},
		{name: "11 archived meanwhile", setup: func(tr *trial) { tr.script(anyGET(status(403, "InvalidObjectState"))) }, want: Failed, err: archived, exit: api.ExitNotFound},
		{name: "11 under a customer's key", setup: func(tr *trial) { tr.script(anyGET(status(400, "InvalidRequest"))) }, want: Failed, err: refused, exit: api.ExitUnavailable},
		{name: "11 in another region", setup: func(tr *trial) { tr.script(anyGET(status(301, "PermanentRedirect"))) }, want: Failed, err: refused, exit: api.ExitUnavailable},
		{name: "11 fresh URL refused mid-way", atOffset: true, min: 1, setup: func(tr *trial) {
			tr.script(tr.closeAt(tr.cut, true), anyGET(status(403, "AccessDenied")))
		}, want: Failed, err: refused, exit: api.ExitUnavailable, check: partKept},
		{name: "12 changed", atOffset: true, min: 70_000, setup: func(tr *trial) { tr.script(tr.actAt(tr.cut, tr.change), noFault) },
			want: Failed, err: ErrChanged, exit: api.ExitIntegrity, check: partGone},
		{name: "12 changed, and started again", atOffset: true, min: 70_000, setup: func(tr *trial) { tr.script(tr.actAt(tr.cut, tr.change), noFault) },
			then: func(t *testing.T, tr *trial) {
				wait(t, tr.engine)
				tr.engine.Retry(tr.id)
			}, refetches: 1, want: Done},
		{name: "12 changed, and nobody says so", atOffset: true, min: 70_000, sum: "none", setup: changesUnseen, want: Failed, err: ErrChanged},
		{name: "13 gone", atOffset: true, min: 1, setup: func(tr *trial) {
			tr.script(tr.actAt(tr.cut, func() { tr.remove(tr.path) }), noFault)
		}, want: Denied, err: denied, exit: api.ExitNotFound, check: partKept},
		{name: "14 slow down, and how long", setup: func(tr *trial) {
			patient(tr)
			tr.script(repeat(3, anyGET(status(503, "SlowDown", "Retry-After", "1")))...)
		}, want: Done, check: retried},
		{name: "14 slow down", setup: func(tr *trial) { tr.script(repeat(3, anyGET(status(503, "SlowDown")))...) }, want: Done, check: retried},
		{name: "14 slow down mid-way", atOffset: true, min: 70_000, setup: func(tr *trial) {
			patient(tr)
			tr.script(append([]step{tr.closeAt(tr.cut, true)}, repeat(3, anyGET(status(503, "SlowDown", "Retry-After", "1")))...)...)
		}, want: Done, check: retried},
		{name: "15 500 for ever", setup: func(tr *trial) { tr.script(anyGET(status(500, "InternalError"))) }, want: Failed, err: &api.Error{Code: api.StorageUnavailable}, exit: api.ExitUnavailable},
		{name: "16 redirected to another host", setup: func(tr *trial) { elsewhere(tr, "http://169.254.169.254/latest/meta-data") }, want: Failed, err: ErrBadURL},
		// The plan would follow within the storage. usher follows nowhere: S3
		// redirects only for a bucket in another region, where no signature holds.
		{name: "16 redirected to an allowed host", setup: func(tr *trial) {
			srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { tr.visited.Add(1) }))
			tr.t.Cleanup(srv.Close)
			host := srv.Listener.Addr().String()
			tr.config.S3Hosts = append(tr.config.S3Hosts, host)
			elsewhere(tr, srv.URL+"/b/dir/file.bin")
		}, want: Failed, err: ErrBadURL, check: func(tr *trial, _ Transfer) error {
			if tr.visited.Load() > 0 {
				return errors.New("it was followed")
			}
			return nil
		}},
	}
	if soak() {
		rows = append(rows, fault{name: "10 URL expires for real", min: 70_000, max: 70_000, setup: outlives, then: func(t *testing.T, tr *trial) {
			select {
			case <-tr.reached:
			case <-time.After(4 * patience):
				t.Error("the URL did not expire")
			}
		}, want: Done, check: releasedAgain, skip: map[string]string{"fake": "there a life is made up, as in the rows above"}})
	}
	for _, code := range []int{500, 502, 504} {
		rows = append(rows, fault{name: fmt.Sprint("15 ", code), setup: func(tr *trial) { tr.script(repeat(2, anyGET(status(code, "InternalError")))...) }, want: Done, check: retried})
	}
	return rows
}

// outlives breaks the connection when S3 takes the URL no more. The client's
// clock stands still, so that it does not ask anew by itself.
func outlives(tr *trial) {
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

// changesUnseen replaces the object mid-way, and a proxy keeps the first ETag:
// only If-Match can tell. The URL signs no header, so that it is the client's own
// If-Match that is tried, and not the signature over it.
func changesUnseen(tr *trial) {
	tr.asLink = true
	tr.script(tr.actAt(max(tr.cut, 1), tr.change), anyGET(tr.modify(func(_ *http.Request, resp *http.Response) { resp.Header.Set("ETag", tr.obj.etag) })))
}

// breakAt sends up to byte n, does something and ends the connection.
func (tr *trial) actAt(n int, act func()) step {
	return tr.holdAt(n, func(*http.Request, func(int64) error) { act() })
}

// change replaces the object by another of the same size.
func (tr *trial) change() { tr.put(tr.path, random(77, tr.size), tr.obj.sum) }

// wrongPlace is fault 24: something on the way answers with another object.
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
		{name: "24 a proxy that swaps content", min: 1, setup: swap(func(tr *trial) string { return tr.obj.etag }), refetches: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "24 a proxy that answers with another object", min: 1, setup: swap(func(tr *trial) string { return tr.object(tr.root + "other.bin").etag }), want: Failed, err: ErrChanged, exit: api.ExitIntegrity},
		{name: "24 a proxy that cleans the path", min: 1, key: "dir/../file.bin", setup: func(tr *trial) {
			tr.put(tr.root+"file.bin", random(99, tr.size), tr.obj.sum)
			tr.script(anyGET(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
				r.URL.Path, r.URL.RawPath = strings.Replace(r.URL.Path, "dir/../", "", 1), ""
				return false
			}))
		}, want: Failed, err: refused, exit: api.ExitUnavailable, skip: map[string]string{"versitygw": "the backend releases no such name where objects are files"}},
	}
}
