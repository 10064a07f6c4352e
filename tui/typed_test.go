package tui_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"usher/tui/tuitest"
)

// Keys that arrive at once, as over a slow connection, have the effects that they have
// one by one: a key behind one that changes the page is for the next page.
func TestKeysThatArriveAtOnce(t *testing.T) {
	at := func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }
	send := func(w *program, keys ...string) {
		var all []tea.Msg
		for _, k := range keys {
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

// Random keys that arrive at once have the effects that they have one by one.
func TestKeysAtOnceAsOneByOne(t *testing.T) {
	all := []string{"t", "q", "esc", "j", "k", "g", "G", "space", "M", "?", "i", ":", "/", "y", "p", "s", "n", "R", "H", "=", "F", "+", "a", "A"}
	const seed = 19
	random := rand.New(rand.NewPCG(seed, seed))
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for range rounds {
		var keys []string
		for range 2 + random.IntN(5) {
			keys = append(keys, all[random.IntN(len(all))])
		}
		var text [2]string
		for i, gap := range []time.Duration{0, 200 * time.Millisecond} {
			play(t, func(w *program) { w.deps.Start = tuitest.At("company-reports/annual/audited/") }, func(t *testing.T, w *program) {
				w.Wait(time.Second)
				w.Press("j", "j")
				w.Wait(time.Second)
				if gap == 0 {
					var msgs []tea.Msg
					for _, k := range keys {
						msgs = append(msgs, tuitest.Key(k))
					}
					w.Send(msgs...)
				} else {
					for _, k := range keys {
						w.Press(k)
						w.Wait(gap)
					}
				}
				w.Wait(2 * time.Second)
				lines := strings.Split(w.Text(), "\n")
				text[i] = strings.Join(lines[:len(lines)-3], "\n") // without the sentence, which a later key removes
			})
		}
		if text[0] != text[1] {
			t.Errorf("%q:\n%s\n---\n%s", keys, text[0], text[1])
		}
	}
}
