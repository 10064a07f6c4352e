// Package qr draws a QR code for a terminal, two modules in a cell.
//
// The code is black on white in every color scheme and has a margin of two
// modules on each side. A terminal without colors cannot show it: callers test
// for colors first.
package qr

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// Ink is the escape sequence for black on white in a terminal with 256 colors.
const Ink = "\x1b[38;5;16;48;5;231m"

const (
	margin = 2 // modules; a scanner needs a quiet zone
	reset  = "\x1b[0m"
)

// Draw returns the lines of a QR code for text, all of one width. Each line
// starts with ink, an escape sequence that sets both colors, and ends with a
// reset. The error for a text that is too long does not quote it.
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

// cell returns the character for an upper and a lower module.
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
