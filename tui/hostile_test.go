package tui_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/tui/tuitest"
)

func TestTitleNeverNamesAFile(t *testing.T) {
	play(t, nil, func(t *testing.T, w *program) {
		var out bytes.Buffer
		w.Log(&out)
		w.Press("a", "d")
		w.Wait(time.Second)
		w.Press("enter")
		w.Wait(5 * time.Second)
		titles := 0
		for _, part := range strings.Split(out.String(), "\x1b]")[1:] {
			seq, _, _ := strings.Cut(strings.ReplaceAll(part, "\x1b\\", "\a"), "\a")
			switch {
			case strings.HasPrefix(seq, "2;"):
				titles++
				if strings.Contains(seq, ".pdf") || !strings.Contains(seq, "usher") {
					t.Errorf("title %q", seq)
				}
			case !strings.HasPrefix(seq, "9;4;"):
				t.Errorf("an OSC that usher does not use: %q", seq)
			}
		}
		if titles == 0 {
			t.Error("no title was set")
		}
	})
}

// No name reaches the terminal with a control character, after any key, and no line
// is wider than the window.
func TestHostileNamesTouchNothing(t *testing.T) {
	for _, width := range []int{72, 120} {
		synctest.Test(t, func(t *testing.T) {
			w := newProgram(hostile)
			var out bytes.Buffer
			w.open(t, width, 24, colorprofile.TrueColor)
			w.Log(&out)
			for range len(tuitest.HostileNames()) {
				w.Press("space")
				w.Wait(200 * time.Millisecond)
				for y, l := range strings.Split(w.Text(), "\n") {
					if ansi.StringWidth(l) > width {
						t.Fatalf("line %d: %d cells of %d: %q", y, ansi.StringWidth(l), width, l)
					}
				}
			}
			w.Press("g", "j", "j", "j", "j", "j", "y", "p", "d")
			w.Wait(time.Second)
			w.Press("esc", "t")
			for _, bad := range []string{"\a", "\x1b[2J", "\x1b]0;", "\x1b]8", "\x1b]7;", "\x1b]1337", "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bc", "\x1b(0", "\x1b#8", "\x0e", "\x0f", "\u009b", "\u202e", "\u200b", "\u2028", "\ufeff", "\x9b2J"} {
				if s := clean(out.String()); strings.Contains(s, bad) {
					t.Errorf("%q reached the terminal", bad)
				}
			}
		})
	}
}

// A sentence on the status line escapes a hostile name once.
func TestStatusLineEscapesANameOnce(t *testing.T) {
	const name, shown = "a\x1b[2Jb", `a\u{1b}[2Jb`
	play(t, func(w *program) {
		w.server.Put("datasets/"+name+"/inside", 12, "2026-01-02 03:04")
		w.deps.Start = tuitest.At("datasets/" + name + "/")
	}, func(t *testing.T, w *program) {
		w.Press("y", "p")
		w.Want(t, "Sent to the clipboard: datasets/"+shown+"/inside")
		w.server.Put("datasets/other", 12, "2026-01-02 03:04")
		w.server.Hide("datasets/" + name)
		w.Press("ctrl+r")
		w.Wait(time.Second)
		w.Want(t, shown+"/ is no longer available")
		w.Not(t, `\\u{1b}`)
	})
}

// The negative control: the names contain the sequences of the test above.
func TestHostileNamesAreHostile(t *testing.T) {
	all := strings.Join(tuitest.HostileNames(), "")
	for _, bad := range []string{"\a", "\x1b[2J", "\x1b]0;", "\x1b]8", "\x1bP", "\x1bc", "\u009b", "\u202e", "\u200b", "\x9b2J"} {
		if !strings.Contains(clean(all), bad) {
			t.Errorf("no name contains %q", bad)
		}
	}
	if n := len(tuitest.HostileNames()); n < 46 {
		t.Errorf("only %d classes of names", n)
	}
}

// clean removes the sequences of the program itself: title, progress and clipboard,
// all of which end in BEL.
func clean(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.Index(s, "\x1b]")
		if i < 0 {
			return b.String() + s
		}
		b.WriteString(s[:i])
		s = s[i:]
		own := strings.HasPrefix(s, "\x1b]2;usher") || strings.HasPrefix(s, "\x1b]9;4;") || strings.HasPrefix(s, "\x1b]52;c;")
		end := strings.IndexAny(s, "\a")
		if !own || end < 0 {
			b.WriteString(s[:2])
			s = s[2:]
			continue
		}
		s = s[end+1:]
	}
	return b.String()
}
