package fetch

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// storage is an http.RoundTripper whose body has one byte after each of pauses.
// Its pauses end with the request.
type storage struct {
	head   time.Duration // before the response
	pauses []time.Duration
}

func (s storage) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if err := pause(ctx, s.head); err != nil {
		return nil, err
	}
	return &http.Response{Body: &pausing{ctx, s.pauses}}, nil
}

type pausing struct {
	ctx    context.Context
	pauses []time.Duration
}

func (b *pausing) Read(p []byte) (int, error) {
	if len(b.pauses) == 0 {
		return 0, io.EOF
	}
	if err := pause(b.ctx, b.pauses[0]); err != nil {
		return 0, errors.New("the connection was closed")
	}
	b.pauses = b.pauses[1:]
	p[0] = 'x'
	return 1, nil
}

func (b *pausing) Close() error { return nil }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func repeat(n int, d time.Duration) (all []time.Duration) {
	for range n {
		all = append(all, d)
	}
	return all
}

// play requests the body and reads it, with a pause after each read.
func play(ctx context.Context, rt http.RoundTripper, between time.Duration) (n int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://storage.test/", nil)
	if err != nil {
		return 0, err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for {
		m, err := resp.Body.Read(make([]byte, 1))
		if n += m; err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		time.Sleep(between)
	}
}

// The watchdog cuts a connection without bytes or with too few, and not one that
// its reader holds back. The cause of the caller's context stays.
func TestWatchdog(t *testing.T) {
	const idle = time.Second
	left := errors.New("the caller left")
	for _, row := range []struct {
		name    string
		storage storage
		between time.Duration
		leave   time.Duration // after which the caller leaves; 0: never
		want    error
		bytes   int
	}{
		{"all at once", storage{0, repeat(3, 0)}, 0, 0, nil, 3},
		{"no response", storage{time.Hour, nil}, 0, 0, ErrStalled, 0},
		{"no byte", storage{0, repeat(1, time.Hour)}, 0, 0, ErrStalled, 0},
		{"no byte after two", storage{0, []time.Duration{0, idle - 1, time.Hour}}, 0, 0, ErrStalled, 2},
		{"a byte just in time", storage{idle - 1, repeat(4, idle-1)}, 0, 0, nil, 4},
		{"a slow reader", storage{0, repeat(3, idle/2)}, 10 * idle, 0, nil, 3},
		{"too few bytes", storage{0, repeat(100, idle-1)}, 0, 0, ErrTooSlow, 11},
		{"a slow reader of few bytes", storage{0, repeat(100, idle/100)}, idle, 0, nil, 100},
		{"the caller leaves", storage{0, repeat(1, time.Hour)}, 0, idle / 2, left, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, leave := context.WithCancelCause(t.Context())
				defer leave(nil)
				if row.leave > 0 {
					time.AfterFunc(row.leave, func() { leave(left) })
				}
				d := &watchdog{row.storage, Timeouts{Idle: idle, RateWindow: 10 * idle, MinRate: 2}}
				n, err := play(ctx, d, row.between)
				if n != row.bytes || !errors.Is(err, row.want) || row.want == nil && err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
			})
		})
	}
}

// The limiter delays reads, its delays are no stall, and the end of the request
// ends a delay.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &limited{&watchdog{storage{0, repeat(41, 0)}, Timeouts{Idle: time.Second, RateWindow: time.Second, MinRate: 5}}, newLimit(1)}
		began := time.Now()
		if n, err := play(t.Context(), slow, 0); n != 41 || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		if took := time.Since(began); took != 40*time.Second { // the first one needs no wait
			t.Errorf("41 bytes at 1 a second took %v", took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		left := errors.New("the caller left")
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(3500*time.Millisecond, func() { leave(left) })
		if n, err := play(ctx, &limited{storage{0, repeat(100, 0)}, newLimit(1)}, 0); !errors.Is(err, left) || n > 5 {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
}

// A change of the limit holds for a body that is being read, also while it waits.
func TestLimitChanges(t *testing.T) {
	for _, row := range []struct {
		from, to int64
		took     time.Duration
	}{
		{1, 0, 3500 * time.Millisecond},                // the rest is here at once
		{1, 2, 3500*time.Millisecond + 17*time.Second}, // of 38 bytes, 2 come at once
		{0, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := newLimit(row.from)
			time.AfterFunc(3500*time.Millisecond, func() { l.set(row.to) })
			began := time.Now()
			n, err := play(t.Context(), &limited{storage{0, repeat(41, 0)}, l}, 0)
			if took := time.Since(began); n != 41 || err != nil || took > row.took+time.Second || took < row.took-time.Second {
				t.Errorf("from %d to %d bytes a second: %d bytes, %v, in %v, want %v", row.from, row.to, n, err, took, row.took)
			}
			time.Sleep(4 * time.Second)
			if bytes, _, _ := l.now(); bytes != row.to {
				t.Errorf("the limit is %d", bytes)
			}
		})
	}
}
