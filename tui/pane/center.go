package pane

import (
	"strings"

	"usher/tui/format"
)

// Center places lines in an area of w by h cells, left-aligned with each other and
// slightly above the middle. It returns h lines.
func Center(lines []string, w, h int) []string {
	wide := 0
	for _, l := range lines {
		wide = max(wide, format.Width(l))
	}
	indent := strings.Repeat(" ", max(0, (w-wide)/2))
	out := make([]string, max(0, (h-len(lines))/2-1), max(h, len(lines)))
	for _, l := range lines {
		out = append(out, indent+l)
	}
	for len(out) < h {
		out = append(out, "")
	}
	return out[:max(0, h)]
}
