package dynamo

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"usher/backend/event"
)

// kind is the kind of a row of the index.
type kind string

// The kinds of rows. A person is found by sub and by username with one kind.
const (
	byWho     kind = "who"
	bySession kind = "session"
	byIP      kind = "ip"
	byRequest kind = "request"
	byObject  kind = "object"
	byFolder  kind = "folder" // each folder above an object, and its bucket
	byAction  kind = "action" // rare actions
	byOutcome kind = "outcome"
	notOK     kind = "not-allowed"
)

// maxDepth is the depth down to which folders have rows. Deeper folders are found
// through the folder of this depth above them.
const maxDepth = 32

// hashed returns the partition of a value in the index. A path can be longer than
// a key, so values are hashed.
func hashed(k kind, value string) string {
	sum := sha256.Sum256([]byte(string(k) + "\x00" + value))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// Rows returns the partitions of the index in which an item has a row. It is a
// pure function of the events: writing a row twice, late or out of order changes
// nothing.
func Rows(events []event.Event) []string {
	seen := map[string]bool{}
	var rows []string
	add := func(k kind, value string) {
		if pk := hashed(k, value); value != "" && !seen[pk] {
			seen[pk] = true
			rows = append(rows, pk)
		}
	}
	for _, e := range events {
		add(byWho, e.User.Sub)
		add(byWho, e.User.Username)
		add(bySession, e.Session)
		add(byIP, e.SourceIP)
		add(byRequest, e.RequestID)
		if path := e.Path(); path != "" {
			add(byObject, path)
			for at, depth := 0, 0; depth < maxDepth; depth++ {
				slash := strings.IndexByte(path[at:], '/')
				if slash < 0 {
					break
				}
				at += slash + 1
				add(byFolder, path[:at])
			}
		}
		if rare(e.Action) {
			add(byAction, e.Action)
		}
		if e.Outcome != event.Allowed {
			add(byOutcome, e.Outcome)
			add(notOK, "x")
		}
	}
	return rows
}

// rare reports whether an action has rows. The frequent ones are in most items.
func rare(action string) bool {
	return action != event.Download && action != event.List && action != event.Completed
}

// folderOf returns the deepest folder with rows that has all paths with a prefix,
// or "".
func folderOf(prefix string) string {
	at := 0
	for depth := 0; depth < maxDepth; depth++ {
		slash := strings.IndexByte(prefix[at:], '/')
		if slash < 0 {
			break
		}
		at += slash + 1
	}
	return prefix[:at]
}

// choices returns the sets of partitions of the index that a filter can be
// answered from: each set alone has rows for all items with matching events. The
// most selective kinds come first.
func choices(f event.Filter) [][]string {
	var all [][]string
	if set := listings(f); len(set) > 0 {
		all = append(all, set)
	}
	f, _ = f.Split()
	for _, field := range []event.Field{event.ByRequest, event.ByPath, event.BySession, event.ByWho, event.ByIP, event.ByOutcome, event.ByAction, event.ByBucket} {
		if set := choice(f, field); len(set) > 0 {
			all = append(all, set)
		}
	}
	return all
}

// listings returns the set of touched terms: the rows of their paths and of the
// folders above.
func listings(f event.Filter) (set []string) {
	for _, t := range f.Terms {
		if t.Field == event.ByTouched && !t.Not {
			for _, path := range t.Listings() {
				set = append(set, hashed(byObject, path))
			}
		}
	}
	return set
}

// choice returns the set of one field, or nil if a value has no rows.
func choice(f event.Filter, field event.Field) []string {
	var set []string
	for _, t := range f.Terms {
		if t.Field != field {
			continue
		}
		if t.Not {
			if field == event.ByOutcome && t.Value == event.Allowed {
				return []string{hashed(notOK, "x")}
			}
			continue
		}
		k, value := rowOf(t)
		if value == "" {
			return nil
		}
		set = append(set, hashed(k, value))
	}
	return set
}

// rowOf returns the row of a term, with "" for a term without one.
func rowOf(t event.Term) (k kind, value string) {
	switch t.Field {
	case event.ByWho:
		return byWho, t.Value
	case event.BySession:
		return bySession, t.Value
	case event.ByIP:
		return byIP, t.Value
	case event.ByRequest:
		return byRequest, t.Value
	case event.ByBucket:
		if t.Value != "" {
			return byFolder, folderOf(t.Value + "/")
		}
	case event.ByPath:
		if t.Exact {
			return byObject, t.Value
		}
		return byFolder, folderOf(t.Value)
	case event.ByAction:
		if rare(t.Value) {
			return byAction, t.Value
		}
	case event.ByOutcome:
		if t.Value != event.Allowed {
			return byOutcome, t.Value
		}
	}
	return "", ""
}
