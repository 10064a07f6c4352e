package question

import (
	"usher/backend/event"
	"usher/client/quantity"
)

// notCounted is the text of a count whose events the filter leaves out.
const notCounted = "-"

// None is the text of a property that the events of a group do not have.
const None = "none"

// Cells are the texts of the counts of a group.
type Cells struct{ Files, Released, Reported, Denied string }

// CellsOf returns the texts of a group's counts.
func CellsOf(c event.Columns, g event.Group) Cells {
	out := Cells{notCounted, notCounted, notCounted, notCounted}
	if c.Released {
		out.Files, out.Released = quantity.Count(g.Files), quantity.Size(g.ReleasedBytes)
	}
	if c.Reported {
		out.Reported = quantity.Size(g.ReportedBytes)
	}
	if c.Denied {
		out.Denied = quantity.Count(g.Denied)
	}
	return out
}
