package event

// Columns are the counts of a Group that the events of a filter can have. Another count
// is 0 because the filter leaves its events out, and not because nothing happened.
type Columns struct {
	Released bool // files, releases and their bytes
	Reported bool // reports of clients and their bytes
	Denied   bool

	grant int // the index of the property grant; -1: none
}

// decided are the actions with decisions.
var decided = []string{
	SessionStart, List, Search, Stat, Versions, Download, Explain, GrantsChanged, AccessRequested, AccessWithdrawn, AuditRead, Suppressed, DeviceRefused, AuditExport, AuditVerify, AuditReview,
}

// ColumnsOf returns the columns of a count of the events that a filter selects.
func ColumnsOf(f Filter, by []By) Columns {
	c := Columns{
		Released: f.admits(Event{Action: Download, Outcome: Allowed}, ByAction, ByOutcome),
		// A report has no grant. Its size is that of the object.
		Reported: f.admits(Event{Action: Completed, Outcome: Allowed}, ByAction, ByOutcome, ByGrant, ByGroup) ||
			f.admits(Event{Action: Completed, Outcome: Failed}, ByAction, ByOutcome, ByGrant, ByGroup),
		grant: -1,
	}
	for _, action := range decided { // S3 is not asked for the size of a denied object
		c.Denied = c.Denied || f.admits(Event{Action: action, Outcome: Denied}, ByAction, ByOutcome, BySize)
	}
	for i, b := range by {
		if b == PerGrant {
			c.grant = i
		}
	}
	return c
}

// Of returns the columns of a group: that of a grant has no reports.
func (c Columns) Of(g Group) Columns {
	if c.grant >= 0 && c.grant < len(g.Keys) && g.Keys[c.grant] != "" {
		c.Reported = false
	}
	return c
}

// admits reports whether the terms of some fields select an event with these fields.
func (f Filter) admits(e Event, fields ...Field) bool {
	var part Filter
	for _, t := range f.Terms {
		for _, field := range fields {
			if t.Field == field {
				part.Terms = append(part.Terms, t)
			}
		}
	}
	return part.Match(e)
}
