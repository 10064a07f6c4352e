package tui

import "usher/client/download"

// keeper is the engine with a word on whether it keeps its queue: yes, unless
// the engine itself knows better.
type keeper struct{ *download.Engine }

// Keeps reports whether what is unfinished will be known to the next run.
func (k keeper) Keeps() bool {
	e, ok := any(k.Engine).(interface{ Keeps() bool })
	return !ok || e.Keeps()
}
