package event

import (
	"slices"
	"time"
)

// Row is a group of events that a person reads as one action: the pages of one
// listing, or the URLs of one download with the client's report.
type Row struct {
	Event     Event     // the oldest event of the row
	Last      time.Time // instant of the newest event
	Events    int       // number of events
	URLs      int       // number of released download URLs
	Completed *Event    // the client's report on its newest reported release, the first one of it, or nil
	Outcome   string    // the worst outcome decided by the server: an allowed event must not hide a refusal
	Members   []int     // indexes into the events given to Fold, oldest event first
}

// Fold groups events into rows. The events may be in any order; the row with the
// newest event is first. An event joins the row of the event that it continues,
// directly or through others. Both must have the same person, object and kind (a
// download and its completion are one kind). The client chooses the field
// Continues, and must not hide the download of one file in the row of another.
func Fold(events []Event) []Row {
	indexes := make([]int, len(events))
	for i := range indexes {
		indexes[i] = i
	}
	slices.SortStableFunc(indexes, func(a, b int) int { return Compare(events[a], events[b]) })
	order := make([]Event, len(events))
	for i, at := range indexes {
		order[i] = events[at]
	}

	parent := make([]int, len(order)) // union-find over indexes; a root is its own parent
	byID := make(map[string]int, len(order))
	for i, e := range order {
		parent[i] = i
		if e.ID != "" {
			byID[e.ID] = i
		}
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	join := func(i, j int) {
		if i, j = root(i), root(j); i != j {
			parent[max(i, j)] = min(i, j) // the older event stays the root
		}
	}
	orphans := map[subject]map[string]int{} // events without their first event, by its id
	for i, e := range order {
		if e.Continues == "" {
			continue
		}
		if j, ok := byID[e.Continues]; ok {
			if subjectOf(e) == subjectOf(order[j]) {
				join(i, j)
			}
			continue
		}
		byFirst := orphans[subjectOf(e)]
		if byFirst == nil {
			byFirst = map[string]int{}
			orphans[subjectOf(e)] = byFirst
		}
		if j, ok := byFirst[e.Continues]; ok {
			join(i, j)
		} else {
			byFirst[e.Continues] = i
		}
	}

	var rows []Row
	rowOf := map[int]int{} // root → index in rows
	for i := len(order) - 1; i >= 0; i-- {
		e, r := order[i], root(i)
		at, ok := rowOf[r]
		if !ok {
			at = len(rows)
			rowOf[r] = at
			rows = append(rows, Row{Event: order[r], Last: e.Time, Outcome: order[r].Outcome})
		}
		row := &rows[at]
		row.Events++
		row.Members = append(row.Members, indexes[i])
		if e.Action != Completed && severity(e.Outcome) > severity(row.Outcome) {
			row.Outcome = e.Outcome
		}
		if e.Action == Download && e.Outcome == Allowed {
			row.URLs++
		}
		if e.Action == Completed && (row.Completed == nil || row.Completed.Continues == e.Continues) {
			row.Completed = &order[i] // the first report of the newest reported release
		}
	}
	for i := range rows {
		slices.Reverse(rows[i].Members)
	}
	return rows
}

// severity orders outcomes.
func severity(outcome string) int {
	switch outcome {
	case Denied:
		return 2
	case Failed:
		return 1
	}
	return 0
}

// subject is common to all events of one row.
type subject struct{ sub, bucket, key, kind string }

func subjectOf(e Event) subject {
	kind := e.Action
	if kind == Completed {
		kind = Download
	}
	return subject{e.User.Sub, e.Bucket, e.Key, kind}
}
