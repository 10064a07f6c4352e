package tui

import (
	"strings"
	"testing"
)

func TestPasted(t *testing.T) {
	for in, want := range map[string]string{
		"abc":                            "abc",
		"\x1b[A\x1bOP\x1b":               "\x1b[A\x1bOP\x1b",
		"\x1b[200~a\x1b[201~b":           "\x1b[200~a\x1b[201~b",
		"\x1b[200~\x1b]0;open\x1b[201~q": "\x1b[200~]0;open\x1b[201~q",
		"\x1b[200~\x1bPopen\x1b[201~q":   "\x1b[200~Popen\x1b[201~q",
		"\x1b[200~a\x1b\x1b[201~q":       "\x1b[200~a\x1b[201~q",
		"\x1b[200~a\x1b[20x\x1b[201~":    "\x1b[200~a[20x\x1b[201~",
		"\x1b[200~\x9d0;open\x1b[201~q":  "\x1b[200~0;open\x1b[201~q",
		"\x1b[200~“é😝”\n\t\x1b[201~\x1b": "\x1b[200~“é😝”\n\t\x1b[201~\x1b",
		"\x1b[200~a\x1b[200~b\x1b[201~c": "\x1b[200~a[200~b\x1b[201~c",
		"\x1b\x1b[200~\x1b]\x1b[201~":    "\x1b\x1b[200~]\x1b[201~",
	} {
		// The parts of a read do not matter.
		for size := 1; size <= len(in); size++ {
			var p pasted
			var out []byte
			for rest := in; rest != ""; rest = rest[min(size, len(rest)):] {
				out = p.appendTo(out, []byte(rest[:min(size, len(rest))]))
			}
			if string(out) != want {
				t.Errorf("%q, %d bytes a read: %q, want %q", in, size, out, want)
			}
		}
	}
}

// Keys without a paste do not change.
func TestPastedNothing(t *testing.T) {
	in := strings.Repeat("\x1b[2J\x1b[201\x1b", 1000)
	var p pasted
	if out := string(p.appendTo(nil, []byte(in))); out != in {
		t.Errorf("keys have changed: %.40q", out)
	}
}
