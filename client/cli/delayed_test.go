package cli

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// writes records the data of each write.
type writes struct {
	mu  sync.Mutex
	all []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, string(p))
	return len(p), nil
}

func (w *writes) got() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

func TestDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to writes
		l := &delayed{to: &to}
		write := func(s string) { _, _ = l.Write([]byte(s)) }
		write("one\n")
		time.Sleep(maxDelay / 2)
		write("two\n")
		if got := to.got(); len(got) != 0 {
			t.Errorf("%q at once", got)
		}
		time.Sleep(maxDelay/2 + time.Millisecond)
		synctest.Wait()
		if got := to.got(); len(got) != 1 || got[0] != "one\ntwo\n" {
			t.Errorf("%q after a while", got)
		}
		write("three\n")
		l.flush()
		l.flush()
		if got := to.got(); len(got) != 2 || got[1] != "three\n" {
			t.Errorf("%q at the end", got)
		}
		write(strings.Repeat("x", maxBuffered))
		if got := to.got(); len(got) != 3 {
			t.Errorf("%d bytes are held", maxBuffered)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got := to.got(); len(got) != 3 {
			t.Errorf("%d writes", len(got))
		}
	})
}
