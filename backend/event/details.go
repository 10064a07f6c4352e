package event

import (
	"strconv"
	"strings"
	"time"
)

// Detail is a labeled fact of an event beside its path, person and source. Its value
// has untrusted text; screens show it through safetext.
type Detail struct{ Label, Value string }

// CountWords returns the words for one and for several of the things in the field Count
// of an action, or "" for an action without one.
func CountWords(action string) (one, many string) {
	switch action {
	case Suppressed:
		return "denial", "denials"
	case Versions:
		return "version", "versions"
	case Alarm:
		return "object", "objects"
	case TokenRefused:
		return "request", "requests"
	case AuditGap:
		return "refused event", "refused events"
	case RetentionApplied:
		return "deleted event", "deleted events"
	case AuditExport, AuditReview, Alert:
		return "event", "events"
	case AuditVerify:
		return "fault", "faults"
	}
	return "", ""
}

// Asked returns the query of an export, a review or an alert, "all events" for an empty
// one, and "" for another action.
func (e Event) Asked() string {
	switch {
	case e.Action != AuditExport && e.Action != AuditReview && e.Action != Alert:
		return ""
	case e.Query == "":
		return "all events"
	}
	return e.Query
}

// Details returns the facts that only some actions have, in the order of their
// display.
func Details(e Event) (all []Detail) {
	add := func(label, value string) {
		if value != "" {
			all = append(all, Detail{label, value})
		}
	}
	at := func(label string, t *time.Time) {
		if t != nil {
			add(label, t.UTC().Format(instant))
		}
	}
	number := func(label string, n int64) {
		if n != 0 {
			add(label, strconv.FormatInt(n, 10))
		}
	}
	add("Query", e.Asked())
	if e.Implausible {
		add("Doubt", "more bytes than the object has")
	}
	number("Names", int64(e.Entries))
	add("Name hash", e.EntriesHash)
	add("Sign-in", e.Way)
	at("Signed in", e.SignedIn)
	if e.Action == MembershipChanged {
		add("Before", groupText(e.GroupNamesBefore))
		add("Groups", groupText(e.GroupNames))
	} else {
		add("Groups", strings.Join(e.GroupNames, ", "))
	}
	add("Group hash", e.Groups)
	add("Policy", e.Policy)
	for i, line := range e.GrantsDiff {
		label := ""
		if i == 0 {
			label = "Change"
		}
		add(label, line)
	}
	at("Since", e.From)
	at("Until", e.Until)
	number("First", e.FirstRecord)
	number("Last", e.LastRecord)
	add("Root", e.Root)
	return all
}

func groupText(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Summary returns the facts of Details that a table shows in one line, or "".
func Summary(e Event) string {
	span := func() string {
		if e.From == nil || e.Until == nil {
			return ""
		}
		return e.From.UTC().Format(instant) + " to " + e.Until.UTC().Format(instant)
	}
	switch {
	case e.Asked() != "":
		return "query: " + e.Asked()
	case e.Action == MembershipChanged:
		return groupText(e.GroupNamesBefore) + " → " + groupText(e.GroupNames)
	case e.Action == AuditGap, e.Action == TokenRefused:
		return span()
	case e.Action == UncleanStop && e.From != nil:
		return "last event " + e.From.UTC().Format(instant)
	case e.Action == SessionStart && e.Way != "":
		return e.Way
	case e.Implausible:
		return "implausible: more bytes than the object has"
	case e.Action == List && e.Outcome == Allowed, e.Action == Search && e.Outcome == Allowed:
		if e.Entries == 1 {
			return "1 name"
		}
		return strconv.Itoa(e.Entries) + " names"
	}
	return ""
}
