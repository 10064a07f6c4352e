// Package cells measures and cuts text in terminal cells.
//
// Terminals differ in the width of a character. Some add the widths of its code
// points (wcwidth, as tmux and xterm do), some measure the whole (mode 2027), and the
// tables of both have versions. Width is the larger of both measures, so that a text
// has enough room in either terminal. Text after one of uncertain width (Uncertain)
// needs an absolute column (tui/paint, and the tables of client/cli on a terminal).
//
// Escapes are left to safetext, and columns on the screen to tui/paint.
package cells
