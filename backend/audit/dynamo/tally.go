package dynamo

import (
	"crypto/sha256"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"usher/backend/audit"
	"usher/backend/dynamo"
	"usher/backend/event"
)

// person is a hash of a sub, by which distinct persons are counted.
type person [8]byte

// tally counts events.
type tally struct {
	events            int64
	denied, downloads int
	people            map[person]bool
}

func (t *tally) add(e event.Event) {
	t.events++
	t.denied += audit.Denials(e)
	t.downloads += audit.Releases(e)
	if e.User.Sub == "" {
		return
	}
	if t.people == nil {
		t.people = map[person]bool{}
	}
	sum := sha256.Sum256([]byte(e.User.Sub))
	t.people[person(sum[:8])] = true
}

// join adds the events of another tally.
func (t *tally) join(o *tally) {
	t.events += o.events
	t.denied += o.denied
	t.downloads += o.downloads
	for p := range o.people {
		if t.people == nil {
			t.people = map[person]bool{}
		}
		t.people[p] = true
	}
}

// attributes adds the counts to a row, without the people.
func (t *tally) attributes(row map[string]types.AttributeValue, expires int64) map[string]types.AttributeValue {
	row[attrCount] = dynamo.Number(t.events)
	row[attrDenied], row[attrDownloads] = dynamo.Number(int64(t.denied)), dynamo.Number(int64(t.downloads))
	if expires > 0 {
		row[dynamo.TTL] = dynamo.Number(expires)
	}
	return row
}

// packPeople returns the hashes in order, at most n in each part.
func (t *tally) packPeople(n int) [][]byte {
	all := make([]person, 0, len(t.people))
	for p := range t.people {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b person) int { return slices.Compare(a[:], b[:]) })
	var parts [][]byte
	for some := range slices.Chunk(all, n) {
		var part []byte
		for _, p := range some {
			part = append(part, p[:]...)
		}
		parts = append(parts, part)
	}
	return parts
}

// tallyOf reads a row of counts.
func tallyOf(row map[string]types.AttributeValue) *tally {
	t := &tally{
		events: dynamo.NumberOf(row, attrCount), denied: int(dynamo.NumberOf(row, attrDenied)),
		downloads: int(dynamo.NumberOf(row, attrDownloads)), people: map[person]bool{},
	}
	for packed := range slices.Chunk(dynamo.BytesOf(row, attrPeople), len(person{})) {
		if len(packed) == len(person{}) {
			t.people[person(packed)] = true
		}
	}
	return t
}
