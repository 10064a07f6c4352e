package download

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"usher/backend/api"
	"usher/client/download/fetch"
)

// faults returns all rows of the matrix: those of the 29 numbered faults, and
// additional rows without a number.
func faults() []fault {
	return slices.Concat(
		connectionFaults(), contentFaults(), storageFaults(), proxyFaults(),
		networkFaults(), localFaults(), processFaults(), backendFaults())
}

var (
	denied   = &api.Error{Code: api.NotFound}
	refused  = &api.Error{Code: api.StorageRefused}
	archived = &api.Error{Code: api.ObjectArchived}
)

// repeat returns n steps s, followed by noFault.
func repeat(n int, s step) []step {
	var all []step
	for range n {
		all = append(all, s)
	}
	return append(all, noFault)
}

// releasedAgain checks for a second release that continues the first event.
func releasedAgain(tr *trial, got Transfer) error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.chains) < 2 || tr.chains[0] != "" || got.AuditID == "" || tr.chains[1] != got.AuditID {
		return fmt.Errorf("the releases continue %q; the first event is %q", tr.chains, got.AuditID)
	}
	return nil
}

// retried checks that the transfer counts a retry.
func retried(_ *trial, got Transfer) error {
	if got.Retries == 0 {
		return errors.New("no retry was counted")
	}
	return nil
}

// partKept checks that a later run can resume. A file of one buffer or less has
// no part file.
func partKept(tr *trial, got Transfer) error {
	if left := leftovers(tr.t, tr.dir); got.Fetched > 64<<10 && tr.size > fetch.BufferSize && len(left) == 0 {
		return errors.New("the part is gone")
	}
	return nil
}

// partGone checks that the transfer left no part file.
func partGone(tr *trial, _ Transfer) error {
	if left := leftovers(tr.t, tr.dir); len(left) > 0 {
		return fmt.Errorf("left behind: %v", left)
	}
	return nil
}

// connectionFaults are faults 1 to 5: connections that end or stall, and bytes
// that change on the way.
func connectionFaults() []fault {
	return []fault{
		{
			name:  "00 no fault",
			setup: func(*trial) {},
			want:  Done,
			check: func(tr *trial, got Transfer) error {
				// Of several connections, an idle one may fetch the end of another's range.
				more := got.Fetched - int64(tr.size)
				if more > 0 && tr.size <= smallObject || more > fetch.MinPart || got.Retries != 0 {
					return errors.New("needless bytes or retries")
				}
				return nil
			},
		},
		{
			name:     "01 reset",
			atOffset: true,
			min:      1,
			setup:    func(tr *trial) { tr.script(repeat(2, tr.closeAt(tr.offset, true))...) },
			want:     Done,
			check:    retried,
		},
		// On a connection opened ahead this counts as no retry: the request moves to another one.
		{
			name:  "01 reset before the response",
			setup: func(tr *trial) { tr.script(repeat(3, anyGET(unanswered))...) },
			want:  Done,
		},
		{
			name:     "02 early end",
			atOffset: true,
			min:      1,
			setup:    func(tr *trial) { tr.script(repeat(2, tr.closeAt(tr.offset, false))...) },
			want:     Done,
			check:    retried,
		},
		{
			name:     "02 early end without a length",
			atOffset: true,
			min:      1,
			setup:    func(tr *trial) { tr.script(repeat(2, tr.truncateAt(tr.offset))...) },
			want:     Done,
			check:    retried,
		},
		{
			name:     "03 stall",
			stalls:   true,
			atOffset: true,
			min:      1,
			setup:    func(tr *trial) { tr.script(tr.stallAt(tr.offset, false), noFault) },
			want:     Done,
			check:    retried,
		},
		{
			name:     "04 drip",
			stalls:   true,
			atOffset: true,
			min:      70_000,
			setup:    func(tr *trial) { tr.script(tr.stallAt(tr.offset, true), noFault) },
			want:     Done,
			check: func(tr *trial, got Transfer) error {
				if tr.size-tr.offset < 100 {
					return nil // the rest arrives before the timeout
				}
				return retried(tr, got)
			},
		},
		{
			name:      "05 flipped bit once",
			atOffset:  true,
			min:       1,
			setup:     func(tr *trial) { tr.script(tr.flipBit(tr.offset), noFault) },
			refetches: 1,
			want:      Done,
			check:     retried,
		},
		{
			name:      "05 flipped bit always",
			atOffset:  true,
			min:       1,
			setup:     func(tr *trial) { tr.script(tr.flipBit(tr.offset)) },
			refetches: 1,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
			check:     partGone,
		},
		{
			name:      "05 flipped bit always, SHA-256",
			min:       1,
			sum:       "SHA256",
			setup:     func(tr *trial) { tr.script(tr.flipBit(0)) },
			refetches: 1,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
		},
		{
			name:      "05 flipped bit always, composite checksum",
			min:       8<<20 + 1,
			sum:       "CRC32C/5242880",
			setup:     func(tr *trial) { tr.script(tr.flipBit(tr.size / 2)) },
			refetches: 1,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
		},
		{
			name:      "05 flipped bit always, MD5",
			min:       8<<20 + 1,
			sum:       "MD5",
			setup:     func(tr *trial) { tr.script(tr.flipBit(tr.size / 2)) },
			refetches: 1,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
		},
	}
}

// contentFaults are faults 6 to 9: bytes that were not requested.
func contentFaults() []fault {
	// The second attempt at a small file requests no range, so that it succeeds.
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
		{
			name:      "06 extra bytes",
			setup:     func(tr *trial) { tr.script(tr.extraBytes(false)) },
			refetches: 2,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
			check:     partGone,
		},
		{
			name:      "06 longer than listed",
			setup:     func(tr *trial) { tr.script(tr.extraBytes(true)) },
			refetches: 2,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
			check:     partGone,
		},
		{
			name:     "07 whole object for a range",
			atOffset: true,
			min:      70_000,
			setup: func(tr *trial) {
				tr.script(tr.closeAt(max(tr.offset, 1), true), anyGET(func(_ int, _ *object, _ http.ResponseWriter, r *http.Request) bool {
					r.Header.Del("Range")
					return false
				}))
			},
			refetches: 2,
			want:      Done,
		},
		{name: "08 another range", min: 70_000, max: small, setup: otherRange, refetches: 2, want: Done},
		{
			name:      "08 another range, in parallel",
			min:       large,
			setup:     otherRange,
			refetches: 2,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
			check:     partGone,
		},
		{name: "08 another total", min: 70_000, max: small, setup: otherTotal, refetches: 2, want: Done},
		{
			name:      "08 another total, in parallel",
			min:       large,
			setup:     otherTotal,
			refetches: 2,
			want:      Failed,
			err:       ErrIntegrity,
			exit:      api.ExitIntegrity,
			check:     partGone,
		},
		{
			name:  "09 not satisfiable once",
			setup: func(tr *trial) { tr.script(anyGET(status(416, "InvalidRange")), noFault) },
			want:  Done,
			check: releasedAgain,
		},
		{
			name:     "09 not satisfiable mid-way",
			atOffset: true,
			min:      1,
			setup: func(tr *trial) {
				tr.script(tr.closeAt(tr.offset, true), anyGET(status(416, "InvalidRange")), noFault)
			},
			refetches: 1,
			want:      Done,
			check:     releasedAgain,
		},
		{
			name:  "09 not satisfiable",
			setup: func(tr *trial) { tr.script(anyGET(status(416, "InvalidRange"))) },
			want:  Failed,
			err:   ErrIntegrity,
			exit:  api.ExitIntegrity,
		},
	}
}
