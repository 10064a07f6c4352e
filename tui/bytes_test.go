package tui_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"
)

// Three running transfers cost few bytes a second over SSH, on their page and in the
// status line of the browser, and none after their end.
func TestBytesOfTransfers(t *testing.T) {
	if slow {
		t.Skip("not under the race detector")
	}
	const seconds = 20
	for _, c := range []struct {
		w, h int
		page bool
		most int64
	}{
		{80, 24, true, 150}, {120, 40, true, 150}, {200, 50, true, 150},
		{80, 24, false, 120}, {120, 40, false, 120}, {200, 50, false, 120},
	} {
		t.Run(fmt.Sprintf("%dx%d page %t", c.w, c.h, c.page), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newProgram(ledgers)
				w.engine.Speed, w.engine.Fail, w.deps.SSH = 3_000_000, nil, true
				w.open(t, c.w, c.h, colorprofile.TrueColor, "SSH_TTY=/dev/pts/1")
				w.Press("a", "d")
				w.Wait(time.Second)
				w.Press("enter")
				w.Wait(4 * time.Second)
				if c.page {
					w.Press("t")
				}
				w.Wait(2 * time.Second)
				before := w.Bytes()
				for i := range int64(seconds) { // no rate is constant
					w.engine.Speed = 3_000_000 + 97_000*(i*i%7)
					w.Wait(time.Second)
				}
				got := (w.Bytes() - before) / seconds
				t.Logf("%d bytes a second", got)
				if n := w.engine.Snapshot().Running; n != 3 || got > c.most {
					t.Errorf("%d bytes a second for %d transfers, want at most %d", got, n, c.most)
				}
				w.engine.Speed = 9_000_000_000
				w.Wait(20 * time.Second)
				before = w.Bytes()
				w.Wait(seconds * time.Second)
				if got := w.Bytes() - before; got != 0 || w.engine.Snapshot().Running != 0 {
					t.Errorf("%d bytes after the end of all transfers", got)
				}
			})
		})
	}
}
