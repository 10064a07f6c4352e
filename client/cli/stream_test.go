package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/selection"
)

// huge is a folder of n objects in 100 subfolders. It watches the live heap.
type huge struct {
	n     int
	calls int
	after func(call int) // called with each listing; nil: nothing
	high  uint64         // largest live heap, in bytes
}

func (h *huge) List(ctx context.Context, req api.ListRequest) (out api.ListResponse, err error) {
	if h.calls++; h.after != nil {
		h.after(h.calls)
	}
	if err := ctx.Err(); err != nil {
		return out, err
	}
	if h.calls%100 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		h.high = max(h.high, m.HeapAlloc)
	}
	at := 0
	if req.Cursor != "" {
		if _, err := fmt.Sscan(req.Cursor, &at); err != nil {
			return out, err
		}
	}
	modified := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for i := at; i < min(at+api.MaxList, h.n); i++ {
		out.Entries = append(out.Entries, api.Entry{Name: fmt.Sprintf("%02d/a-name-of-usual-length-%09d.csv", i*100/h.n, i), Kind: api.KindObject,
			Size: int64(i), ETag: `"0123456789abcdef0123456789abcdef"`, Modified: &modified})
	}
	if at+api.MaxList < h.n {
		out.Cursor = fmt.Sprint(at + api.MaxList)
	}
	return out, nil
}

// lineCounter counts lines, and fails after some bytes if it has a limit.
type lineCounter struct {
	n     int
	limit int // bytes; 0: none
	bytes int
}

func (l *lineCounter) Write(p []byte) (int, error) {
	if l.bytes += len(p); l.limit > 0 && l.bytes > l.limit {
		return 0, syscall.EPIPE
	}
	l.n += strings.Count(string(p), "\n")
	return len(p), nil
}

// Lists, filters and sums of a million objects need no more memory than those of a
// page, and stop after the page at which the reader of the output leaves or the
// command is interrupted.
func TestStreams(t *testing.T) {
	n := 100_000
	if os.Getenv("USHER_SOAK") != "" {
		n = 1_000_000
	}
	const bound = 24 << 20 // bytes of live heap, with the test's own
	filter, err := selection.New([]selection.Rule{{Pattern: "*7.csv", Include: true}}, selection.Bounds{Min: 10})
	if err != nil {
		t.Fatal(err)
	}
	list := func(a *app, o *objects) error {
		l := &ls{app: a, recursive: true, long: true, out: bufio.NewWriter(a.Out)}
		o.paged = l.flush
		return l.show(t.Context(), o, target{Path: api.Path{Bucket: "lab", Key: "all/"}})
	}
	for name, row := range map[string]struct {
		sel  *selection.Selection
		run  func(a *app, o *objects) error
		want int // lines
	}{
		"ls":   {nil, list, n},
		"json": {nil, func(a *app, o *objects) error { a.json = true; return list(a, o) }, n},
		"find": {filter, list, n/10 - 1},
		"du": {nil, func(a *app, o *objects) error {
			d := &du{app: a, depth: 1, out: bufio.NewWriter(a.Out)}
			o.paged = d.unwritten
			if err := d.sum(t.Context(), o, target{Path: api.Path{Bucket: "lab", Key: "all/"}}); err != nil {
				return err
			}
			return d.out.Flush()
		}, 101},
	} {
		t.Run(name, func(t *testing.T) {
			from, out := &huge{n: n}, &lineCounter{}
			a := &app{Program: Program{Out: &output{to: out}, Err: io.Discard}}
			if err := row.run(a, &objects{from: from, sel: row.sel, recursive: true}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d objects in %d pages: %d lines, at most %.1f MiB of live heap", n, from.calls, out.n, float64(from.high)/(1<<20))
			if from.high > bound || from.high == 0 {
				t.Errorf("%d bytes of live heap, more than %d", from.high, bound)
			}
			if out.n != row.want {
				t.Errorf("%d lines, want %d", out.n, row.want)
			}
		})
	}
	t.Run("a closed pipe", func(t *testing.T) {
		from := &huge{n: n}
		a := &app{Program: Program{Out: &output{to: &lineCounter{limit: 100_000}}, Err: io.Discard}}
		if err := list(a, &objects{from: from, recursive: true}); err == nil || from.calls > 3 {
			t.Errorf("%d pages after the reader left, %v", from.calls, err)
		}
	})
	t.Run("an interrupt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		from := &huge{n: n, after: func(call int) {
			if call == 3 {
				cancel()
			}
		}}
		a := &app{Program: Program{Out: &output{to: &lineCounter{}}, Err: io.Discard}}
		l := &ls{app: a, recursive: true, out: bufio.NewWriter(a.Out)}
		err := l.show(ctx, &objects{from: from, recursive: true, paged: l.flush}, target{Path: api.Path{Bucket: "lab", Key: "all/"}})
		if err == nil || from.calls != 3 {
			t.Errorf("%d pages after the interrupt in the third, %v", from.calls, err)
		}
	})
}
