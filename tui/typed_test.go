package tui_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/tui/keys"
	"usher/tui/tuitest"
)

// Keys that arrive at once, as over a slow connection, have the effects that they have
// one by one: a key behind one that changes the page is for the next page.
func TestKeysThatArriveAtOnce(t *testing.T) {
	at := func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }
	send := func(w *program, names ...string) {
		var all []tea.Msg
		for _, k := range names {
			all = append(all, tuitest.Key(k))
		}
		w.Send(all...)
		w.Wait(time.Second)
	}
	play(t, at, func(t *testing.T, w *program) {
		w.Press("t")
		send(w, "q", "j", "j", "j")
		w.Want(t, "row 4 of 33")
		send(w, "?", "esc", "k")
		w.Want(t, "row 3 of 33")
		send(w, "S", "esc", "t", "q", "k")
		w.Want(t, "row 2 of 33")
		send(w, "space", "M")
		w.Want(t, "Marked")
		send(w, "esc", "g", "t", "esc", "j", "j", "i", "esc", "j")
		w.Want(t, "row 4 of 33")
		send(w, "g", "j", "j", "j", "j", "d", "esc", "j")
		w.Want(t, "row 6 of 33")
		w.Press("t")
		w.Send(tuitest.Key("q"), tuitest.Key("/"), tea.PasteMsg{Content: "opinion"}, tuitest.Key("enter"))
		w.Wait(time.Second)
		w.Want(t, "/ opinion")
	})
}

// A key does not wait for a call to the server.
func TestKeysBehindACall(t *testing.T) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.server.Slow(time.Minute)
		w.Send(tuitest.Key("ctrl+r"), tuitest.Key("j"))
		w.Wait(100 * time.Millisecond)
		w.Want(t, "row 2 of 33")
	})
}

// afterKeys returns the screen after keys on a page, without the last lines: a later key
// removes their sentence. Without a gap the keys arrive at once.
func afterKeys(t *testing.T, open []string, gap time.Duration, names ...string) (text string) {
	play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
		w.Wait(time.Second)
		for _, k := range open {
			w.Press(k)
			w.Wait(time.Second)
		}
		var all []tea.Msg
		for _, k := range names {
			all = append(all, tuitest.Key(k))
			if gap > 0 {
				w.Send(all...)
				w.Wait(gap)
				all = nil
			}
		}
		w.Send(all...)
		w.Wait(2 * time.Second)
		lines := strings.Split(w.Text(), "\n")
		text = strings.Join(lines[:len(lines)-3], "\n")
	})
	return text
}

// atOnce checks that keys that arrive at once have the effects that they have one by one.
func atOnce(t *testing.T, open []string, names ...string) {
	t.Helper()
	got, want := afterKeys(t, open, 0, names...), afterKeys(t, open, 200*time.Millisecond, names...)
	if got != want {
		t.Errorf("%q, then %q at once:\n%s\none by one:\n%s", open, names, got, want)
	}
}

func TestRandomKeysAtOnce(t *testing.T) {
	all := []string{"t", "q", "esc", "j", "k", "g", "G", "space", "M", "?", "i", ":", "/", "y", "p", "s", "n", "R", "H", "=", "F", "+", "a", "A"}
	const seed = 19
	random := rand.New(rand.NewPCG(seed, seed))
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for range rounds {
		var names []string
		for range 2 + random.IntN(5) {
			names = append(names, all[random.IntN(len(all))])
		}
		atOnce(t, []string{"j", "j"}, names...)
	}
}

// On each page, each key and the key of the help arrive at once. The help is that of the
// page or dialog that the first key opens.
func TestHelpBehindEachKey(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of programs; the random keys are played")
	}
	m, err := keys.New(keys.Default()...)
	if err != nil {
		t.Fatal(err)
	}
	for c, open := range storms {
		for _, b := range m.All(c) {
			if len(b.Keys) > 0 && b.Action != keys.Suspend { // a bubble of synctest has no signals
				atOnce(t, open, b.Keys[0], "?")
			}
		}
	}
}
