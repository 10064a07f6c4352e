package pane

import (
	"charm.land/bubbles/v2/viewport"

	"usher/tui/keys"
)

// Scroll scrolls a viewport for a movement action. Other actions do nothing.
func Scroll(port *viewport.Model, a keys.Action) {
	switch a {
	case keys.Down:
		port.ScrollDown(1)
	case keys.Up:
		port.ScrollUp(1)
	case keys.HalfDown:
		port.HalfPageDown()
	case keys.HalfUp:
		port.HalfPageUp()
	case keys.PageDown:
		port.PageDown()
	case keys.PageUp:
		port.PageUp()
	case keys.First:
		port.GotoTop()
	case keys.Last:
		port.GotoBottom()
	}
}
