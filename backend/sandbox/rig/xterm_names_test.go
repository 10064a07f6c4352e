package rig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"usher/backend/safetext/safetexttest"
)

// TestXtermNames shows random names in the real program, a page at a time: 400 of
// them, with USHER_SOAK=1 100,000.
func TestXtermNames(t *testing.T) {
	t.Parallel()
	count := 400
	if os.Getenv("USHER_SOAK") != "" {
		count = 100_000
	}
	random := rand.New(rand.NewPCG(19, 6))
	names := map[string]bool{}
	for len(names) < count {
		names[fmt.Sprintf("%s%d", randomName(random), len(names))] = true
	}
	var all []string
	for name := range names {
		all = append(all, name)
	}
	p := ada(t, all)
	sizes := layouts
	if count > 1000 {
		sizes = layouts[2:] // most rows a page
	}
	pages, shown := 0, map[string]bool{}
	for _, size := range sizes {
		w := watch(p, size, "company-reports/annual/names/")
		w.until("the first page", inColumns)
		for last := ""; ; {
			at := ""
			pressed := time.Now()
			w.until("a page", func(s cellsOf) error {
				m := position.FindStringSubmatch(s.String())
				end := m != nil && strings.HasSuffix(m[0], " "+m[1]+" of "+m[1])
				if m != nil && m[1] == last && !end && time.Since(pressed) > time.Second {
					w.press(pageDown) // at the last row before the next part of the list
					pressed = time.Now()
				}
				if m == nil || m[1] == last && !end {
					return fmt.Errorf("no further page than %s", last)
				}
				at = m[1]
				if end {
					at = "end"
				}
				return inColumns(s)
			})
			for _, row := range rowOf.FindAllStringSubmatch(w.own().String(), -1) {
				shown[row[1]] = true
			}
			pages++
			if at == "end" {
				break
			}
			last = at
			w.press(pageDown)
		}
	}
	t.Logf("TERMINAL world=pty names=%d shown=%d pages=%d emulators=4 control_bytes=0 columns_out_of_place=0 alike=0", count, len(shown), pages)
}

const pageDown = "\x1b[6~"

// rowOf is a row of a name: its number and its size.
var rowOf = regexp.MustCompile(`(\d+) +[\d.,]+ k?B  \d{4}-`)

var position = regexp.MustCompile(`row ([\d,]+) of [\d,]*\d( and more)?`)

// randomName returns a name that a bucket takes: any text but NUL and "/".
func randomName(random *rand.Rand) string {
	scripts := []*unicode.RangeTable{unicode.Devanagari, unicode.Bengali, unicode.Tamil, unicode.Thai, unicode.Khmer, unicode.Tibetan, unicode.Myanmar, unicode.Arabic, unicode.Hangul, unicode.Han, unicode.Mn, unicode.Mc, unicode.So, unicode.L, unicode.Cf}
	payloads := safetexttest.Payloads()
	var b strings.Builder
	for range 1 + random.IntN(8) {
		switch random.IntN(5) {
		case 0:
			b.WriteString(payloads[random.IntN(len(payloads))].Text)
		case 1:
			b.WriteRune(rune(random.IntN(0x2fff)))
		case 2:
			b.WriteString("file-")
		default:
			table := scripts[random.IntN(len(scripts))]
			for range 1 + random.IntN(5) {
				b.WriteRune(in(table, random))
			}
		}
	}
	name := strings.ToValidUTF8(b.String(), "?")
	return strings.NewReplacer("\x00", "", "/", "").Replace(name)
}

// in returns a character of a table.
func in(table *unicode.RangeTable, random *rand.Rand) rune {
	n := random.IntN(len(table.R16) + len(table.R32))
	if n < len(table.R16) {
		r := table.R16[n]
		return rune(r.Lo) + rune(random.IntN(int(r.Hi-r.Lo)/int(r.Stride)+1))*rune(r.Stride)
	}
	r := table.R32[n-len(table.R16)]
	return rune(r.Lo) + rune(random.IntN(int(r.Hi-r.Lo)/int(r.Stride)+1))*rune(r.Stride)
}

// TestXtermControls: the checks find unescaped texts, and names that only have the
// cells of one measure.
func TestXtermControls(t *testing.T) {
	t.Parallel()
	sequences := regexp.MustCompile(drawing.String()[1:])
	for _, p := range safetexttest.Payloads() {
		var control parser
		err := control.read([]byte("\x1b[1;1Hname " + p.Text + "\x1b[m "))
		// The program itself has sequences that draw.
		drawn := strings.NewReplacer("\b", "", "\r", "", "\n", "", "\t", "").Replace(sequences.ReplaceAllString(p.Text, ""))
		if err == nil && safetexttest.Leaks(drawn) != nil {
			t.Errorf("%s is not found", p.Name)
		}
	}
	// As many spaces as the name has cells in x/vt, which measures characters.
	w := newEmulators(t, layout{80, 6})
	head := "   Name" + strings.Repeat(" ", 25) + "Size  Modified\r\n"
	row := "   मौसम-रिपोर्ट.csv" + strings.Repeat(" ", 18) + "12 B  2026-07-10\r\n\r\n"
	if err := w.write([]byte(head + row)); err != nil {
		t.Fatal(err)
	}
	screens := w.screens()
	for name, screen := range screens {
		err := inColumns(screen)
		if name == "x/vt" && err != nil || (name == "6" || name == "11") && err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sameLines(screens); err != nil {
		t.Error(err)
	}
	// The parts of a character come in two writes.
	for _, part := range []string{"\x1b[3;1Ha\xe2\x80", "\xa6│"} {
		if err := w.write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sameLines(w.screens()); err != nil {
		t.Error(err)
	}
	if err := w.write([]byte("\x1b[4;1H" + strings.Repeat("x", 81))); err != nil {
		t.Fatal(err)
	}
	if err := sameLines(w.screens()); !errors.Is(err, errFault) {
		t.Errorf("a row of 81 cells: %v", err)
	}
}
