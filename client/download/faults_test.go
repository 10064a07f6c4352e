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
	for _, some := range [][]fault{brokenOff(), wrongAnswers(), otherAnswers(), wrongPlace(), onTheWay(), onThisMachine(), inAChild(), fromTheBackend()} {
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
func again(n int, s step) []step {
	var all []step
	for range n {
		all = append(all, s)
	}
	return append(all, proper)
}

// asksAnew wants a second release, of the same chain of events.
func asksAnew(tr *trial, got Transfer) error {
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
func brokenOff() []fault {
	return []fault{
		{name: "00 nothing", arm: func(*trial) {}, want: Done, check: func(tr *trial, got Transfer) error {
			more := got.Fetched - int64(tr.size) // where connections share the end, some may take over what another asked for
			if more > 0 && tr.size <= smallObject || more > minPart || got.Retries != 0 {
				return errors.New("more was done than needed")
			}
			return nil
		}},
		{name: "01 reset", cuts: true, min: 1, arm: func(tr *trial) { tr.script(again(2, tr.cutAt(tr.cut, true))...) }, want: Done, check: retried},
		// On a connection that was opened ahead it goes unnoticed: the request is sent on another.
		{name: "01 reset without an answer", arm: func(tr *trial) { tr.script(again(3, each(unanswered))...) }, want: Done},
		{name: "02 early end", cuts: true, min: 1, arm: func(tr *trial) { tr.script(again(2, tr.cutAt(tr.cut, false))...) }, want: Done, check: retried},
		{name: "02 early end, in order", cuts: true, min: 1, arm: func(tr *trial) { tr.script(again(2, tr.short(tr.cut))...) }, want: Done, check: retried},
		{name: "03 stall", stalls: true, cuts: true, min: 1, arm: func(tr *trial) { tr.script(tr.stallAt(tr.cut, false), proper) }, want: Done, check: retried},
		{name: "04 drip", stalls: true, cuts: true, min: 70_000, arm: func(tr *trial) { tr.script(tr.stallAt(tr.cut, true), proper) }, want: Done, check: func(tr *trial, got Transfer) error {
			if tr.size-tr.cut < 100 {
				return nil // so little comes to its end
			}
			return retried(tr, got)
		}},
		{name: "05 flipped bit once", cuts: true, min: 1, arm: func(tr *trial) { tr.script(tr.flip(tr.cut), proper) }, again: 1, want: Done, check: retried},
		{name: "05 flipped bit always", cuts: true, min: 1, arm: func(tr *trial) { tr.script(tr.flip(tr.cut)) }, again: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "05 flipped bit always, SHA-256", min: 1, sum: "SHA256", arm: func(tr *trial) { tr.script(tr.flip(0)) }, again: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
		{name: "05 flipped bit always, summed by parts", min: 8<<20 + 1, sum: "CRC32C/5242880", arm: func(tr *trial) { tr.script(tr.flip(tr.size / 2)) }, again: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
		{name: "05 flipped bit always, MD5", min: 8<<20 + 1, sum: "MD5", arm: func(tr *trial) { tr.script(tr.flip(tr.size / 2)) }, again: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
	}
}

// wrongAnswers are faults 6 to 9: bytes that were not asked for.
func wrongAnswers() []fault {
	// A small file is fetched whole the second time, which is honest.
	otherRange := func(tr *trial) {
		tr.script(tr.cutAt(4095, true), each(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				r.Header.Set("Range", "bytes=0-99")
			}
			return false
		}))
	}
	otherTotal := func(tr *trial) {
		tr.script(tr.cutAt(4095, true), each(tr.altered(func(_ *http.Request, resp *http.Response) {
			if spec := resp.Header.Get("Content-Range"); spec != "" {
				span, _, _ := strings.Cut(spec, "/")
				resp.Header.Set("Content-Range", span+"/"+strconv.Itoa(tr.size+1))
			}
		})))
	}
	const small, large = 8 << 20, 8<<20 + 1
	return []fault{
		{name: "06 extra bytes", arm: func(tr *trial) { tr.script(tr.more(false)) }, again: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "06 longer than listed", arm: func(tr *trial) { tr.script(tr.more(true)) }, again: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "07 whole for a range", cuts: true, min: 70_000, arm: func(tr *trial) {
			tr.script(tr.cutAt(max(tr.cut, 1), true), each(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
				r.Header.Del("Range")
				return false
			}))
		}, again: 2, want: Done},
		{name: "08 another range", min: 70_000, max: small, arm: otherRange, again: 2, want: Done},
		{name: "08 another range, in parallel", min: large, arm: otherRange, again: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "08 another total", min: 70_000, max: small, arm: otherTotal, again: 2, want: Done},
		{name: "08 another total, in parallel", min: large, arm: otherTotal, again: 2, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "09 not satisfiable once", arm: func(tr *trial) { tr.script(each(status(416, "InvalidRange")), proper) }, want: Done, check: asksAnew},
		{name: "09 not satisfiable mid-way", cuts: true, min: 1, arm: func(tr *trial) {
			tr.script(tr.cutAt(tr.cut, true), each(status(416, "InvalidRange")), proper)
		}, again: 1, want: Done, check: asksAnew},
		{name: "09 not satisfiable", arm: func(tr *trial) { tr.script(each(status(416, "InvalidRange"))) }, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity},
	}
}

// otherAnswers are faults 10 to 16: S3 says something else.
func otherAnswers() []fault {
	// Only the pause that is asked for ends before the test does.
	patient := func(tr *trial) { tr.config.Timeouts.BackoffMin, tr.config.Timeouts.BackoffMax = time.Hour, time.Hour }
	elsewhere := func(tr *trial, location string) {
		tr.script(each(status(307, "TemporaryRedirect", "Location", location)))
	}
	rows := []fault{
		{name: "10 URL expired", cuts: true, min: 1, arm: func(tr *trial) { tr.script(tr.cutAt(tr.cut, true), each(expired), proper) }, want: Done, check: asksAnew},
		{name: "10 URL refused", cuts: true, min: 1, arm: func(tr *trial) {
			tr.script(tr.cutAt(tr.cut, true), each(status(403, "AccessDenied")), proper)
		}, want: Done, check: asksAnew},
		{name: "11 fresh URL refused", arm: func(tr *trial) { tr.script(each(status(403, "AccessDenied"))) }, want: Failed, err: refused, exit: api.ExitUnavailable},
		{name: "11 archived meanwhile", arm: func(tr *trial) { tr.script(each(status(403, "InvalidObjectState"))) }, want: Failed, err: archived, exit: api.ExitNotFound},
		{name: "11 under a customer's key", arm: func(tr *trial) { tr.script(each(status(400, "InvalidRequest"))) }, want: Failed, err: refused, exit: api.ExitUnavailable},
		{name: "11 in another region", arm: func(tr *trial) { tr.script(each(status(301, "PermanentRedirect"))) }, want: Failed, err: refused, exit: api.ExitUnavailable},
		{name: "11 fresh URL refused mid-way", cuts: true, min: 1, arm: func(tr *trial) {
			tr.script(tr.cutAt(tr.cut, true), each(status(403, "AccessDenied")))
		}, want: Failed, err: refused, exit: api.ExitUnavailable, check: partKept},
		{name: "12 changed", cuts: true, min: 70_000, arm: func(tr *trial) { tr.script(tr.breakAt(tr.cut, tr.change), proper) },
			want: Failed, err: ErrChanged, exit: api.ExitIntegrity, check: partGone},
		{name: "12 changed, and started again", cuts: true, min: 70_000, arm: func(tr *trial) { tr.script(tr.breakAt(tr.cut, tr.change), proper) },
			then: func(t *testing.T, tr *trial) {
				wait(t, tr.engine)
				tr.engine.Retry(tr.id)
			}, again: 1, want: Done},
		{name: "12 changed, and nobody says so", cuts: true, min: 70_000, sum: "none", arm: changesUnseen, want: Failed, err: ErrChanged},
		{name: "13 gone", cuts: true, min: 1, arm: func(tr *trial) {
			tr.script(tr.breakAt(tr.cut, func() { tr.remove(tr.path) }), proper)
		}, want: Denied, err: denied, exit: api.ExitNotFound, check: partKept},
		{name: "14 slow down, and how long", arm: func(tr *trial) {
			patient(tr)
			tr.script(again(3, each(status(503, "SlowDown", "Retry-After", "1")))...)
		}, want: Done, check: retried},
		{name: "14 slow down", arm: func(tr *trial) { tr.script(again(3, each(status(503, "SlowDown")))...) }, want: Done, check: retried},
		{name: "14 slow down mid-way", cuts: true, min: 70_000, arm: func(tr *trial) {
			patient(tr)
			tr.script(append([]step{tr.cutAt(tr.cut, true)}, again(3, each(status(503, "SlowDown", "Retry-After", "1")))...)...)
		}, want: Done, check: retried},
		{name: "15 500 for ever", arm: func(tr *trial) { tr.script(each(status(500, "InternalError"))) }, want: Failed, err: &api.Error{Code: api.StorageUnavailable}, exit: api.ExitUnavailable},
		{name: "16 redirected to another host", arm: func(tr *trial) { elsewhere(tr, "http://169.254.169.254/latest/meta-data") }, want: Failed, err: ErrBadURL},
		// The plan would follow within the storage. usher follows nowhere: S3
		// redirects only for a bucket in another region, where no signature holds.
		{name: "16 redirected to an allowed host", arm: func(tr *trial) {
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
		rows = append(rows, fault{name: "10 URL expires for real", min: 70_000, max: 70_000, arm: outlives, then: func(t *testing.T, tr *trial) {
			select {
			case <-tr.reached:
			case <-time.After(4 * patience):
				t.Error("the URL did not expire")
			}
		}, want: Done, check: asksAnew, nowhere: map[string]string{"fake": "there a life is made up, as in the rows above"}})
	}
	for _, code := range []int{500, 502, 504} {
		rows = append(rows, fault{name: fmt.Sprint("15 ", code), arm: func(tr *trial) { tr.script(again(2, each(status(code, "InternalError")))...) }, want: Done, check: retried})
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
	tr.script(cut, proper)
}

// changesUnseen replaces the object mid-way, and a proxy keeps the first ETag:
// only If-Match can tell. The URL signs no header, so that it is the client's own
// If-Match that is tried, and not the signature over it.
func changesUnseen(tr *trial) {
	tr.asLink = true
	tr.script(tr.breakAt(max(tr.cut, 1), tr.change), each(tr.altered(func(_ *http.Request, resp *http.Response) { resp.Header.Set("ETag", tr.obj.etag) })))
}

// breakAt sends up to byte n, does something and ends the connection.
func (tr *trial) breakAt(n int, act func()) step {
	return tr.holdAt(n, func(*http.Request, func(int64) error) { act() })
}

// change replaces the object by another of the same size.
func (tr *trial) change() { tr.put(tr.path, random(77, tr.size), tr.obj.sum) }

// wrongPlace is fault 24: something on the way answers with another object.
func wrongPlace() []fault {
	swap := func(etag func(*trial) string) func(*trial) {
		return func(tr *trial) {
			tr.put(tr.place+"other.bin", random(99, tr.size), tr.obj.sum)
			tr.script(each(tr.altered(func(r *http.Request, resp *http.Response) {
				from, to := asked(r)
				resp.Header.Set("ETag", etag(tr))
				resp.Body = io.NopCloser(bytes.NewReader(random(99, tr.size)[min(from, tr.size):min(to, tr.size)]))
			})))
		}
	}
	return []fault{
		{name: "24 a proxy that swaps content", min: 1, arm: swap(func(tr *trial) string { return tr.obj.etag }), again: 1, want: Failed, err: ErrIntegrity, exit: api.ExitIntegrity, check: partGone},
		{name: "24 a proxy that answers with another object", min: 1, arm: swap(func(tr *trial) string { return tr.object(tr.place + "other.bin").etag }), want: Failed, err: ErrChanged, exit: api.ExitIntegrity},
		{name: "24 a proxy that cleans the path", min: 1, key: "dir/../file.bin", arm: func(tr *trial) {
			tr.put(tr.place+"file.bin", random(99, tr.size), tr.obj.sum)
			tr.script(each(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
				r.URL.Path, r.URL.RawPath = strings.Replace(r.URL.Path, "dir/../", "", 1), ""
				return false
			}))
		}, want: Failed, err: refused, exit: api.ExitUnavailable, nowhere: map[string]string{"versitygw": "the backend releases no such name where objects are files"}},
	}
}
