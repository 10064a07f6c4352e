package tui_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/tui"
	"usher/tui/tuitest"
)

// builds is a folder for a watch, with n objects.
func builds(n int) func(*program) {
	return func(w *program) {
		for i := range n {
			w.server.Put("builds/nightly/b-"+string(rune('a'+i))+".tar.gz", 1000, "2026-11-22 02:00")
		}
		w.server.Put("builds/other/x", 1, "2026-11-22 02:00")
		w.deps.Start = tuitest.At("builds/nightly/")
	}
}

// titles are sequences with a text; their end is a BEL too.
var titles = regexp.MustCompile("\x1b\\][^\a\x1b]*\a")

// bells returns the number of bells in an output.
func bells(out string) int { return strings.Count(titles.ReplaceAllString(out, ""), "\a") }

// TestWatch checks that new and changed objects of a watched folder appear by
// themselves, with a bell, that the cursor stays on its row, and that the listings are
// counted on the screen.
func TestWatch(t *testing.T) {
	for _, at := range []func(*testing.T, func(*program), func(*testing.T, *program)){at80, play} {
		at(t, builds(3), func(t *testing.T, w *program) {
			var out bytes.Buffer
			w.Press("G")
			w.Press("f")
			w.Want(t, "watch, and download new:", "enter watch", "esc cancel")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "watching every 30 s, 1 listing recorded")
			before := len(w.server.Lists())
			w.Log(&out)
			w.Wait(31 * time.Second)
			w.Want(t, "2 listings recorded", "row 3 of 3, ")
			if n := len(w.server.Lists()) - before; n != 1 || bells(out.String()) != 0 {
				t.Errorf("%d listings in 31 s, %d bells without an arrival", n, bells(out.String()))
			}
			w.server.Put("builds/nightly/a-first.tar.gz", 1000, "2026-11-23 02:00")
			w.Wait(31 * time.Second)
			w.Want(t, "1 new name in builds/nightly/: a-first.tar.gz", "row 4 of 4, 100%", "2026-11-23")
			if row := line(w.Text(), "a-first.tar.gz  "); !strings.Contains(row, " new") {
				t.Errorf("the row is %q", row)
			}
			if bells(out.String()) != 1 {
				t.Errorf("%d bells for an arrival", bells(out.String()))
			}
			w.Press("h") // the watch goes on elsewhere
			w.Wait(time.Second)
			w.Want(t, "watching nightly every 30 s")
			w.server.Put("builds/nightly/z-last.tar.gz", 1000, "2026-11-23 02:00")
			w.Wait(31 * time.Second)
			w.Want(t, "1 new name in builds/nightly/: z-last.tar.gz")
			w.Press("enter")
			w.Wait(time.Second)
			w.Want(t, "of 5, ", "z-last.tar.gz")
			w.Press("f")
			w.Want(t, "The folder is no longer watched. 4 listings were recorded.")
			before = len(w.server.Lists())
			w.Wait(5 * time.Minute)
			if n := len(w.server.Lists()) - before; n != 0 {
				t.Errorf("%d listings after the end of the watch", n)
			}
		})
	}
}

// line returns the first line of a screen that contains a text.
func line(screen, text string) string {
	for l := range strings.SplitSeq(screen, "\n") {
		if strings.Contains(l, text) {
			return l
		}
	}
	return ""
}

// TestWatchDownloads checks that new objects that match a pattern are downloaded, and
// no others.
func TestWatchDownloads(t *testing.T) {
	play(t, builds(2), func(t *testing.T, w *program) {
		w.Press("f")
		w.Type("[")
		w.Press("enter")
		w.Want(t, "pattern is not closed", "watch, and download new:")
		w.Press("ctrl+u")
		w.Type("*.gz *.sig")
		w.Press("enter")
		w.Wait(time.Second)
		w.Want(t, "downloads *.gz *.sig")
		w.server.Put("builds/nightly/c.tar.gz", 1000, "2026-11-23 02:00")
		w.server.Put("builds/nightly/c.sig", 10, "2026-11-23 02:00")
		w.server.Put("builds/nightly/c.log", 10, "2026-11-23 02:00")
		w.server.Put("builds/nightly/sub/c.sig", 10, "2026-11-23 02:00")
		w.Wait(31 * time.Second)
		w.Want(t, "of 6, ")
		w.Wait(5 * time.Second)
		var got []string
		for _, x := range w.engine.Snapshot().Transfers {
			got = append(got, x.Key+" "+x.State.String())
		}
		slices.Sort(got)
		if want := []string{"nightly/c.sig " + download.Done.String(), "nightly/c.tar.gz " + download.Done.String()}; !slices.Equal(got, want) {
			t.Errorf("downloaded %q, want %q", got, want)
		}
	})
}

// TestWatchLargeFolder checks that only the last names of a large folder are listed,
// and that a folder that is too large is refused.
func TestWatchLargeFolder(t *testing.T) {
	large := func(pages int) func(*program) {
		return func(w *program) {
			builds(10)(w)
			w.server.PerPage = 1
			for i := range pages - 10 {
				w.server.Put("builds/nightly/c-"+string(rune('a'+i)), 1, "2026-11-22 02:00")
			}
		}
	}
	play(t, large(12), func(t *testing.T, w *program) {
		w.Press("f", "enter")
		w.Wait(time.Second)
		w.Want(t, "12 listings recorded", "names after c-a")
		before := len(w.server.Lists())
		w.server.Put("builds/nightly/d", 1, "2026-11-23 02:00")
		w.Wait(31 * time.Second)
		w.Want(t, "1 new name in builds/nightly/: d")
		if got := w.server.Lists()[before:]; !slices.Equal(got, []string{"builds/nightly/>c-a", "builds/nightly/>c-a+"}) {
			t.Errorf("listed %q", got)
		}
	})
	play(t, large(22), func(t *testing.T, w *program) {
		w.Press("f", "enter")
		w.Wait(time.Second)
		w.Want(t, "Watch: this folder has more than 20,000 names. Open a folder below it.")
		w.Not(t, "watching")
	})
}

// TestWatchEnds checks the end of a watch: the folder is no longer available, or the
// session has ended, after which it resumes.
func TestWatchEnds(t *testing.T) {
	play(t, builds(2), func(t *testing.T, w *program) {
		w.Press("f", "enter")
		w.Wait(time.Second)
		w.Press("h")
		w.Wait(time.Second)
		w.server.Hide("builds/nightly/")
		w.Wait(31 * time.Second)
		w.Want(t, "nightly/ is no longer watched: it was removed, or your access to it ended.")
		before := len(w.server.Lists())
		w.Wait(2 * time.Minute)
		for _, at := range w.server.Lists()[before:] {
			if strings.HasPrefix(at, "builds/nightly/") {
				t.Errorf("listed %q", at)
			}
		}
	})
	play(t, func(w *program) { builds(2)(w); w.deps.User = "ada" }, func(t *testing.T, w *program) {
		w.Press("f", "enter")
		w.Wait(time.Second)
		w.server.Fail(&api.Error{Code: api.TokenExpired})
		w.Wait(31 * time.Second)
		before := len(w.server.Lists())
		w.Wait(2 * time.Minute)
		if n := len(w.server.Lists()) - before; n != 0 {
			t.Errorf("%d listings without a session", n)
		}
		w.Want(t, "Your sign-in has ended")
	})
}

// TestNotice checks the signals of an arrival. A hostile name does not end the
// sequence.
func TestNotice(t *testing.T) {
	const name = "evil\x1b]52;c;aGk=\a\u009c;.gz"
	for notice, want := range map[tui.Notice]string{
		tui.NoticeOff: "", tui.NoticeBell: "\a",
		tui.NoticeOSC9:   "\x1b]9;usher: 1 new name in builds/nightly/: ",
		tui.NoticeOSC777: "\x1b]777;notify;usher;usher: 1 new name in builds/nightly/: ",
	} {
		play(t, func(w *program) { builds(1)(w); w.deps.Notice = notice }, func(t *testing.T, w *program) {
			w.Press("f", "enter")
			w.Wait(time.Second)
			var out bytes.Buffer
			w.Log(&out)
			w.server.Put("builds/nightly/"+name, 1, "2026-11-23 02:00")
			w.Wait(31 * time.Second)
			got := out.String()
			if !strings.Contains(got, want) || notice != tui.NoticeBell && bells(got) != 0 {
				t.Errorf("%d: %q", notice, got)
			}
			if notice == tui.NoticeOff && strings.Contains(got, "\x1b]9;") {
				t.Errorf("off: %q", got)
			}
			if strings.Contains(got, "\x1b]52") || strings.Contains(got, "\u009c") {
				t.Errorf("%d: the name acts: %q", notice, got)
			}
		})
	}
	for word, want := range map[string]tui.Notice{"": tui.NoticeBell, "bell": tui.NoticeBell, "off": tui.NoticeOff, "osc": tui.NoticeOSC9} {
		if got, err := tui.ParseNotice(word, "xterm-256color"); err != nil || got != want {
			t.Errorf("%q: %d, %v", word, got, err)
		}
	}
	if got, err := tui.ParseNotice("osc", "foot-extra"); err != nil || got != tui.NoticeOSC777 {
		t.Errorf("foot: %d, %v", got, err)
	}
	if _, err := tui.ParseNotice("loud", ""); err == nil {
		t.Error("loud is no signal")
	}
}

// TestEndOfLongBatchSignals checks that a long batch ends with a bell, and a short one
// without.
func TestEndOfLongBatchSignals(t *testing.T) {
	for filter, want := range map[string]int{"opinion": 0, "ledger": 1} {
		play(t, nil, func(t *testing.T, w *program) {
			var out bytes.Buffer
			w.Log(&out)
			w.fetch(filter)
			w.Wait(5 * time.Minute)
			w.Want(t, "verified")
			if got := bells(out.String()); got != want {
				t.Errorf("%s: %d bells, want %d", filter, got, want)
			}
		})
	}
}
