// Package linear shows a program as lines of text, one after the other: for screen
// readers, and for terminals that cannot move a cursor.
//
// Front runs the same model as the full-screen program, with the same keys. After each
// message it compares the words of the page in front (Words) with those before, and
// prints only the difference: one line for a move. It prints no escape sequence, and no
// line is ever changed.
//
// Pages and dialogs describe themselves. The package has no text of a page.
package linear

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"usher/client/quantity"
)

// Words is a page or a dialog in words. All texts are safe to print. Styles are removed.
type Words struct {
	Title string   // "Folder builds/usher/"
	State string   // announced at each change: "listing", the reason of an empty page
	Info  []string // announced once it is there; each change of a part after a key: "17 rows", "by name"
	Place string   // announced with the title, and by the key that repeats: "line 40 of 779"
	Text  []string // each new line is announced
	Lines Lines    // of a document
	Row   Row
	Field Field
	Keys  string // announced once
	// Choice is true if the keys are the choices of a dialog or menu. They are announced
	// each time.
	Choice bool
}

// Lines is the window over a document, from line From on.
type Lines struct {
	From int
	Text []string
}

// Row is the row with the cursor. The row of another ID is announced. The same row is
// announced again if its text changes after a key.
type Row struct{ ID, Text string }

// Field is the open text field. Its value is announced at its end.
type Field struct {
	Label  string // "Filter"; "": no field is open
	Value  string // "" if hidden
	Hidden bool
}

// Scene is the whole program in words.
type Scene struct {
	Words             // of the dialog, else of the page in front
	Page     string   // context of the keys of the page, behind a dialog too; "": the sign-in
	Dialog   bool     // a dialog is open
	Say      string   // the last sentence
	Alerts   []string // lasting conditions, each announced when it begins
	Progress Progress
}

// Progress is the progress of the downloads.
type Progress struct {
	Active  bool
	Percent int
	Text    string // "3 downloads"
	Held    string // the reason that nothing moves; announced when it changes
}

// Position is a row in words: "file 3 of 17: report.csv, 118 kB". It omits empty parts.
func Position(kind string, at, of int, parts ...string) string {
	return PositionOf(kind, at, quantity.Count(of), parts...)
}

// PositionOf is Position with the number of rows in words.
func PositionOf(kind string, at int, of string, parts ...string) string {
	return kind + " " + quantity.Count(at) + " of " + of + ": " + Join(parts...)
}

// Join joins texts with commas, and omits empty ones.
func Join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

// Hints are keys with their effects: "enter open, space mark".
func Hints(pairs [][2]string) string {
	var out []string
	for _, p := range pairs {
		out = append(out, strings.TrimSpace(p[0]+" "+p[1]))
	}
	return strings.Join(out, ", ")
}

// Infos are the parts of an Info, without styles and without empty ones.
func Infos(parts ...string) []string {
	var out []string
	for _, p := range parts {
		if p = Plain(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// Plain removes styles, and joins runs of spaces.
func Plain(s string) string { return strings.Join(strings.Fields(ansi.Strip(s)), " ") }

// PlainLines removes styles from lines, and drops the empty ones.
func PlainLines(lines []string) []string {
	var out []string
	for _, l := range lines {
		for _, part := range strings.Split(l, "\n") {
			if part = Plain(part); strings.Trim(part, "─━│┃-=") != "" {
				out = append(out, part)
			}
		}
	}
	return out
}
