// Package qr draws a QR code for a terminal, two modules in a cell.
//
// The code is black on white whatever the colors of the terminal are, and has
// a margin of two modules on each side. A terminal without colors cannot show
// one: callers test for colors first.
package qr

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// Ink is the sequence for black on white in a terminal with 256 colors.
const Ink = "\x1b[38;5;16;48;5;231m"

const (
	margin = 2 // modules; a scanner needs a quiet zone
	reset  = "\x1b[0m"
)

// Draw gives the lines of a code for text, all of one width. Each line begins
// with ink, a sequence that sets both colors, and ends with a reset. Text that
// is too long for a code is an error, which does not quote it.
func Draw(text, ink string) ([]string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return nil, fmt.Errorf("drawing a QR code of %d bytes: %w", len(text), err)
	}
	var lines []string
	for y := -margin; y < code.Size+margin; y += 2 {
		var b strings.Builder
		b.WriteString(ink)
		for x := -margin; x < code.Size+margin; x++ {
			b.WriteString(cell(code.Black(x, y), code.Black(x, y+1)))
		}
		b.WriteString(reset)
		lines = append(lines, b.String())
	}
	return lines, nil
}

// cell is one cell for an upper and a lower module.
func cell(up, low bool) string {
	switch {
	case up && low:
		return "█"
	case up:
		return "▀"
	case low:
		return "▄"
	}
	return " "
}
