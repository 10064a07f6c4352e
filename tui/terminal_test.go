package tui_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"usher/backend/api"
	"usher/backend/safetext"
	"usher/backend/safetext/safetexttest"
	"usher/tui/tuitest"
)

// Each hostile text of the corpus is used as object, folder, organization, group,
// person and content. Each page that shows it is drawn at three widths. No text has
// an effect on the terminal, and no row is wider than the window.
func TestTerminal(t *testing.T) {
	renders, leaks, overflow := 0, 0, 0
	sizes := []struct{ w, h int }{{72, 20}, {80, 24}, {120, 40}}
	payloads := safetexttest.Payloads()
	for i, p := range payloads {
		if testing.Short() && i%4 != 0 {
			continue
		}
		for _, size := range sizes {
			synctest.Test(t, func(t *testing.T) {
				w := newProgram(func(w *program) { everywhere(w, p.Text) })
				w.open(t, size.w, size.h, colorprofile.TrueColor)
				var out bytes.Buffer
				w.Log(&out)
				for _, page := range [][]string{
					{"ctrl+r"}, {"j"}, {"space"}, {"tab"}, {"v"}, {"w"}, {"v"}, {"esc"}, {"enter"}, {"h"}, {"i"}, {"esc"}, {"d"}, {"enter"}, {"t"}, {"esc"}, {":"}, {"esc"}, {"?"}, {"esc"},
				} {
					w.Press(page...)
					w.Wait(500 * time.Millisecond)
					renders++
					for y, l := range strings.Split(w.Text(), "\n") {
						if n := ansi.StringWidth(l); n > size.w {
							overflow++
							t.Errorf("%s at %dx%d after %q: row %d has %d cells: %q", p.Name, size.w, size.h, page, y, n, l)
						}
					}
					if err := acts(out.String(), p.Text); err != nil {
						leaks++
						t.Errorf("%s at %dx%d after %q: %v", p.Name, size.w, size.h, page, err)
					}
					out.Reset()
				}
			})
		}
	}
	t.Logf("TERMINAL world=browser payloads=%d renders=%d control_bytes_leaked=%d overflow=%d", len(payloads), renders, leaks, overflow)
	if renders == 0 {
		t.Error("nothing was drawn")
	}
}

// everywhere puts a text into each untrusted field of the browser.
func everywhere(w *program, text string) {
	w.deps.Start = tuitest.At("datasets/public/hostile/")
	w.deps.Organisation = safetext.New(text)
	w.server.Me.Groups = append(w.server.Me.Groups, text)
	w.server.Me.Person = api.Person{Sub: "sub-mallory", Username: text, Email: text}
	w.server.Put("datasets/public/hostile/"+text, 12, "2026-01-02 03:04")
	w.server.Put("datasets/public/hostile/"+text+".txt", 12, "2026-01-02 03:04")
	w.server.Put("datasets/public/hostile/"+text+"/inside", 12, "2026-01-02 03:04")
	w.text = text + "\n" + text
}

// acts returns an error for output with an effect other than drawing: a control
// character, an unused sequence, or the text itself.
func acts(stream, text string) error {
	if strings.Contains(stream, "\x1b]52;") { // the test copies nothing
		return fmt.Errorf("the clipboard is used")
	}
	stream = clean(stream)
	if safetexttest.Leaks(text) != nil && !strings.HasPrefix(text, "\x1b[31m") && strings.Contains(stream, text) {
		return fmt.Errorf("the text itself was sent")
	}
	for i := 0; i < len(stream); {
		rest := stream[i:]
		r, n := utf8.DecodeRuneInString(rest)
		i += n
		switch {
		case r == '\x1b':
			seq, ok := csi(rest)
			if !ok {
				return fmt.Errorf("a sequence of no use: %.20q", rest)
			}
			i += len(seq) - n
		case r == '\r' || r == '\n' || r == '\b' || r == '\t': // the renderer moves with these
		case r == utf8.RuneError && n == 1:
			return fmt.Errorf("a byte that is not UTF-8: %.20q", rest)
		case r < ' ' || r == '\x7f' || r >= 0x80 && r < 0xa0:
			return fmt.Errorf("a control character: %.20q", rest)
		case unicode.Is(unicode.Bidi_Control, r):
			return fmt.Errorf("a character that reorders: %U", r)
		}
	}
	return nil
}

// csi returns the control sequence at the start of the output, and reports whether it
// is for drawing: colors, moves, erasing and scrolling (ECMA-48), and modes.
func csi(s string) (string, bool) {
	if !strings.HasPrefix(s, "\x1b[") {
		return s[:min(2, len(s))], strings.HasPrefix(s, "\x1bM")
	}
	for i := 2; i < len(s); i++ {
		c := s[i]
		if c >= 0x40 && c <= 0x7e {
			return s[:i+1], strings.IndexByte("mABCDEFGHdJKXLMPST@hlruqbI", c) >= 0
		}
		if c < 0x20 || c > 0x3f {
			break
		}
	}
	return "", false
}

// The negative control: the check finds each unescaped text of the corpus, except
// those that only need space.
func TestTerminalCheckSeesEachText(t *testing.T) {
	for _, p := range safetexttest.Payloads() {
		if err := acts("\x1b[1;1H"+p.Text+"\x1b[m", p.Text); err == nil && !strings.HasPrefix(p.Text, "\x1b[31m") {
			t.Errorf("%s is not found", p.Name)
		}
	}
}
