package qr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	upstream "rsc.io/qr"

	"usher/client/qr"
)

// The drawing has every module of the code and a white margin.
func TestDraw(t *testing.T) {
	const text = "otpauth://totp/usher:ada?secret=JBSWY3DPEHPK3PXP&issuer=Example"
	lines, err := qr.Draw(text, qr.Ink)
	if err != nil {
		t.Fatal(err)
	}
	code, err := upstream.Encode(text, upstream.L)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lines {
		l, ok := strings.CutPrefix(l, qr.Ink)
		if !ok || !strings.HasSuffix(l, "\x1b[0m") {
			t.Fatalf("line %d does not set and reset its colors: %q", i, l)
		}
		cells := []rune(strings.TrimSuffix(l, "\x1b[0m"))
		if len(cells) != code.Size+4 {
			t.Fatalf("line %d has %d cells, want %d", i, len(cells), code.Size+4)
		}
		for x, c := range cells {
			up := c == '█' || c == '▀'
			low := c == '█' || c == '▄'
			if y := 2*i - 2; up != code.Black(x-2, y) || low != code.Black(x-2, y+1) {
				t.Fatalf("cell %d of line %d is %q", x, i, c)
			}
		}
	}
	if want := (code.Size + 4 + 1) / 2; len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
}

// The error for a text that is too long does not contain it: it may be a secret.
func TestDrawTooLong(t *testing.T) {
	long := strings.Repeat("secret", 1000)
	lines, err := qr.Draw(long, qr.Ink)
	if err == nil || lines != nil {
		t.Fatalf("%d lines, error %v", len(lines), err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error quotes the text: %v", err)
	}
}

// The code of the longest otpauth address of a sign-in fits 80x24, with the
// prompt below it.
func TestDrawFits(t *testing.T) {
	lines, err := qr.Draw("otpauth://totp/"+strings.Repeat("x", 91), qr.Ink)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) > 21 || ansi.StringWidth(lines[0]) > 80 {
		t.Errorf("%d lines of %d cells", len(lines), ansi.StringWidth(lines[0]))
	}
}

func ExampleDraw() {
	lines, err := qr.Draw("https://files.example.com", qr.Ink)
	fmt.Println(len(lines), err)
	// Output: 15 <nil>
}
