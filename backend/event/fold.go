package event

import (
	"slices"
	"time"
)

// Row is what a person reads as one act: a folder listed over several pages,
// a file fetched over several URLs and the client's word on how that ended.
type Row struct {
	Event     Event     // the first event of the chain, of those given
	Last      time.Time // of the newest one
	Events    int       // how many were folded
	URLs      int       // released download URLs among them
	Completed *Event    // the newest report by the client, if there is one
	Outcome   string    // the worst that the server decided in it: a refusal must not hide behind what was allowed
	Members   []int     // places in the events given, the oldest event first
}

// Fold makes rows of events in any order, the row with the newest event
// first. An event joins the one that it continues, directly or over others,
// but only where both are by the same person, on the same object, and of the
// same kind (or a download and its completion): Continues is what a client
// sent, and must not hide one file's download in another's row.
func Fold(events []Event) []Row {
	places := make([]int, len(events))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return events[a].Time.Compare(events[b].Time) })
	order := make([]Event, len(events))
	for i, at := range places {
		order[i] = events[at]
	}

	parent := make([]int, len(order)) // a forest over indexes, roots point at themselves
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
			parent[max(i, j)] = min(i, j) // the older one stays the root
		}
	}
	orphans := map[subject]map[string]int{} // events whose first event is not among those given
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
	place := map[int]int{} // root → index in rows
	for i := len(order) - 1; i >= 0; i-- {
		e, r := order[i], root(i)
		at, ok := place[r]
		if !ok {
			at = len(rows)
			place[r] = at
			rows = append(rows, Row{Event: order[r], Last: e.Time, Outcome: order[r].Outcome})
		}
		row := &rows[at]
		row.Events++
		row.Members = append(row.Members, places[i])
		if e.Action != Completed && badness(e.Outcome) > badness(row.Outcome) {
			row.Outcome = e.Outcome
		}
		if e.Action == Download && e.Outcome == Allowed {
			row.URLs++
		}
		if e.Action == Completed && row.Completed == nil {
			row.Completed = &order[i]
		}
	}
	for i := range rows {
		slices.Reverse(rows[i].Members)
	}
	return rows
}

// badness orders outcomes.
func badness(outcome string) int {
	switch outcome {
	case Denied:
		return 2
	case Failed:
		return 1
	}
	return 0
}

// subject is what all events of one row have in common.
type subject struct{ sub, bucket, key, kind string }

func subjectOf(e Event) subject {
	kind := e.Action
	if kind == Completed {
		kind = Download
	}
	return subject{e.User.Sub, e.Bucket, e.Key, kind}
}
