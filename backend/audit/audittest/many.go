package audittest

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"usher/backend/event"
)

// ManyGroups is the number of groups in Many: group-00 and so on. The group with a
// number may read the folder dept-NN/ of the bucket company-reports with the same
// number, and nothing else.
const ManyGroups = 50

// Many returns n events of 500 people in 90 days: the same ones at each call. policy
// is the version of the grants that decided (see ManyGroups), so every decision can
// be made again. Most events are downloads with their completions.
func Many(policy string, n int) iter.Seq[event.Event] {
	const people, span = 500, 90 * 24 * time.Hour
	return func(yield func(event.Event) bool) {
		r, id := rand.New(rand.NewPCG(13, 17)), mint(9)
		began := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
		started := make([]bool, people)
		var last event.Event // the last release
		for i := range n {
			at := began.Add(time.Duration(float64(span) * float64(i) / float64(n))).Truncate(time.Millisecond)
			p := r.IntN(people)
			group := fmt.Sprintf("group-%02d", p%ManyGroups)
			e := event.Event{
				ID: id(at), Time: at, User: event.User{Sub: subOf(p), Username: fmt.Sprintf("person.%03d", p), Email: fmt.Sprintf("person.%03d@example.com", p)},
				Session: event.SessionName(fmt.Sprint(p)), SourceIP: fmt.Sprintf("192.0.2.%d", p%250), UserAgent: "usher/1.0.0 linux/amd64",
				RequestID: id(at), Groups: event.HashGroups([]string{group}), Outcome: event.Allowed,
			}
			folder := fmt.Sprintf("dept-%02d/", p%ManyGroups)
			e.Bucket, e.Key = "company-reports", fmt.Sprintf("%s2026/%02d/report-%06d.csv", folder, 1+r.IntN(12), r.IntN(200_000))
			size := r.Int64N(1 << 22)
			switch kind := r.IntN(100); {
			case !started[p]:
				started[p] = true
				e.Action, e.Bucket, e.Key, e.Way, e.SignedIn, e.GroupNames = event.SessionStart, "", "", event.WaySSO, &at, []string{group}
			case kind < 26 && last.ID != "": // the report of the last release
				bytes, seconds := *last.Size, float64(r.IntN(5000))/1000
				e.User, e.Session, e.SourceIP, e.Groups = last.User, last.Session, last.SourceIP, ""
				e.Action, e.Bucket, e.Key, e.ETag, e.Size, e.Continues = event.Completed, last.Bucket, last.Key, last.ETag, last.Size, last.ID
				e.Purpose, e.Reason, e.Bytes, e.Seconds, e.Verified = "download", "done", &bytes, &seconds, "crc64nvme"
				last = event.Event{}
			case kind < 34:
				e.Action, e.Key, e.Policy, e.Grant = event.List, folder, policy, "allow "+group+" company-reports/"+folder
				e.Reason, e.Entries, e.EntriesHash = "recursive", 1+r.IntN(1000), event.HashNames([]string{e.ID})
			case kind < 36:
				e.Key = fmt.Sprintf("dept-%02d/x.csv", (p+1)%ManyGroups)
				e.Action, e.Policy, e.Outcome, e.Reason, e.Purpose = event.Download, policy, event.Denied, "no grant allows it", "download"
			case kind < 38:
				e.Action, e.Policy, e.Grant, e.ETag, e.Size = event.Stat, policy, "allow "+group+" company-reports/"+folder, fmt.Sprintf(`"%032x"`, r.Uint64()), &size
			default:
				e.Action, e.Policy, e.Grant, e.ETag, e.Size, e.Purpose = event.Download, policy, "allow "+group+" company-reports/"+folder, fmt.Sprintf(`"%016x%016x"`, r.Uint64(), r.Uint64()), &size, "download"
				last = e
			}
			if !yield(event.Clean(e)) {
				return
			}
		}
	}
}

// subOf returns the sub of a person: a UUID of random bytes, as in Cognito.
func subOf(p int) string {
	h := sha256.Sum256(fmt.Append(nil, "sub ", p))
	return fmt.Sprintf("%x-%x-4%s-a%s-%x", h[:4], h[4:6], fmt.Sprintf("%x", h[6:8])[:3], fmt.Sprintf("%x", h[8:10])[:3], h[10:16])
}
