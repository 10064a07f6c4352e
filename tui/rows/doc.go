// Package rows is the list of the full-screen program: a cursor and a window over
// any number of rows. The browser, the tree, transfers, the audit log and the
// access page use it.
//
// The cost of a frame depends on the visible rows, not on all rows: the list draws
// only the rows of the window, and caches each drawn row until Changed. A source
// that loads rows on demand returns a command from Need, which does no I/O itself.
//
// Over SSH the list jumps two thirds of a page when the cursor leaves the window
// (Config.Jump). Panes side by side cannot use the terminal's scroll regions, so
// each scrolled line would repaint the whole list.
//
//	l := rows.New(src, rows.Config{Jump: env.Jump})
//	l.Resize(w, h)
//	if l.Move(action) { … }   // true if the action was a movement
//	frame := l.View()
package rows
