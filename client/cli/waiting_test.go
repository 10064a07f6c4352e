package cli

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"usher/backend/api"
	"usher/client"
	"usher/client/download"
)

const storageWaits = "The storage does not answer the server. usher waits and tries again."

// A terminal shows a note after two seconds of retries, until the next output.
func TestWaitNote(t *testing.T) {
	for name, write := range map[string]func(*waitNote, *output){
		"stdout": func(_ *waitNote, o *output) { _, _ = o.Write([]byte("x\n")) },
		"stderr": func(n *waitNote, _ *output) { _, _ = n.Write([]byte("x\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var term strings.Builder
				n := newWaitNote(&term, time.Now)
				shown := func() string { // the timer of the note writes too
					n.mu.Lock()
					defer n.mu.Unlock()
					return term.String()
				}
				out := &output{to: &term, before: n.end}
				a := &app{note: n}
				a.waits(client.Wait{Code: api.StorageUnavailable, For: time.Second})
				time.Sleep(quietWait - time.Millisecond)
				synctest.Wait()
				if got := shown(); got != "" {
					t.Errorf("early: %q", got)
				}
				time.Sleep(time.Millisecond)
				synctest.Wait()
				a.waits(client.Wait{Code: api.StorageUnavailable, For: time.Second})
				if got := shown(); got != storageWaits {
					t.Errorf("%q", got)
				}
				write(n, out)
				if got := shown(); got != storageWaits+"\r\x1b[Kx\n" {
					t.Errorf("%q", got)
				}
				a.waits(client.Wait{Code: api.RateLimited, For: time.Second})
				n.end() // before the note is due
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := shown(); strings.Contains(got, "busy") {
					t.Errorf("after the end: %q", got)
				}
			})
		})
	}
}

// JSON and other outputs than a terminal have no note.
func TestNoWaitNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term strings.Builder
		for _, a := range []*app{{note: newWaitNote(&term, time.Now), json: true}, {}} {
			a.waits(client.Wait{Code: api.StorageUnavailable, For: time.Second})
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if term.Len() > 0 {
			t.Errorf("%q", term.String())
		}
	})
}

// Progress lines show the note above them, and nothing of it remains.
func TestWaitNoteAboveProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term strings.Builder
		n := newWaitNote(&term, time.Now)
		r := &report{app: &app{note: n, Program: Program{Err: n, ErrTTY: true, Getenv: func(string) string { return "" }}}}
		show := func() string {
			term.Reset()
			r.show(download.Snapshot{Counting: 1})
			return term.String()
		}
		show()
		n.report(client.Wait{Code: api.StorageUnavailable, For: 4 * time.Second})
		if got := show(); strings.Contains(got, "waits") {
			t.Errorf("early: %q", got)
		}
		time.Sleep(quietWait)
		if got := show(); !strings.Contains(got, storageWaits) || !strings.Contains(got, "counting") {
			t.Errorf("%q", got)
		}
		time.Sleep(time.Minute)
		if got := show(); strings.Contains(got, "waits") {
			t.Errorf("after the wait: %q", got)
		}
		r.stopWatching()
		if _, _ = n.Write([]byte("end\n")); !strings.HasSuffix(term.String(), "\x1b[Jend\n") {
			t.Errorf("%q", term.String())
		}
	})
}

// After three seconds a call to the sign-in service has a note, which its end
// removes. A shorter call has none.
func TestSlowCallNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term strings.Builder
		n := newWaitNote(&term, time.Now)
		shown := func() string {
			n.mu.Lock()
			defer n.mu.Unlock()
			return term.String()
		}
		done := n.waiting("idp.example.com")
		time.Sleep(slowCall - time.Millisecond)
		done()
		time.Sleep(time.Minute)
		if got := shown(); got != "" {
			t.Errorf("a short call: %q", got)
		}
		done = n.waiting("idp.example.com")
		time.Sleep(slowCall)
		synctest.Wait()
		const want = "Waiting for the sign-in service at idp.example.com. Ctrl-C stops it."
		if got := shown(); got != want {
			t.Errorf("a long call: %q", got)
		}
		done()
		if got := shown(); got != want+"\r\x1b[K" {
			t.Errorf("after it: %q", got)
		}
	})
}

// While a screen is open, the note is on the screen, and other output waits for its end.
func TestWaitNoteOnAScreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var term strings.Builder
		n := newWaitNote(&term, time.Now)
		var shown []string
		n.hold(func(text string) { shown = append(shown, text) })
		a := &app{note: n}
		a.waits(client.Wait{Code: api.StorageUnavailable, For: time.Second})
		time.Sleep(quietWait)
		synctest.Wait()
		n.Write([]byte("old\n"))
		done := n.waiting("idp.example.com")
		time.Sleep(slowCall)
		synctest.Wait()
		done()
		if want := []string{storageWaits, "", waitingFor("idp.example.com"), ""}; !slices.Equal(shown, want) {
			t.Errorf("the screen showed %q, want %q", shown, want)
		}
		if got := term.String(); got != "" {
			t.Errorf("beside the screen: %q", got)
		}
		n.Write(make([]byte, mostKept))
		n.release()
		if got := term.String(); !strings.HasPrefix(got, "old\n") || len(got) != mostKept {
			t.Errorf("after the screen: %d bytes, %.9q", len(got), got)
		}
		n.Write([]byte("new\n"))
		if got := term.String(); !strings.HasSuffix(got, "new\n") {
			t.Errorf("no output after the screen")
		}
	})
	var none *waitNote // no terminal
	none.hold(nil)
	none.release()
}
