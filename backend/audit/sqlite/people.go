package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"hash/maphash"

	"usher/backend/audit/btree"
	"usher/backend/event"
)

// hourUser is a person with an event in an hour.
type hourUser struct {
	hour int64
	user event.User // sub and user name
}

// personSum returns the part of a person in the sum of an hour.
func (w *walk) personSum(hour int64, u event.User) uint64 {
	w.buffer = appendText(appendText(binary.AppendVarint(w.buffer[:0], hour), u.Sub), u.Username)
	return maphash.Bytes(w.seed, w.buffer)
}

// see notes the person of a record that the scan did not read.
func (w *walk) see(e *event.Event) {
	if e.User.Sub != "" {
		w.later[hourUser{hourOf(e.Time.UnixMilli()), event.User{Sub: e.User.Sub, Username: e.User.Username}}] = true
	}
}

// addLater adds the people of later records, unless the scan has counted them in the
// same hour.
func (w *walk) addLater(ctx context.Context, tx *sql.Tx) error {
	const query = `SELECT EXISTS (SELECT 1 FROM events e INDEXED BY events_person JOIN people p USING (person)
		WHERE p.sub = ? AND p.username = ? AND e.time >= ? AND e.time < ? AND e.seq <= ?)`
	const hour = 3_600_000
	for l := range w.later {
		var counted bool
		if w.scanned > 0 {
			err := tx.QueryRowContext(ctx, query, l.user.Sub, l.user.Username, l.hour*hour, (l.hour+1)*hour, w.scanned).Scan(&counted)
			if err != nil {
				return err
			}
		}
		if !counted {
			w.people[l.hour] += w.personSum(l.hour, l.user)
		}
	}
	return nil
}

// comparePeople compares the people of each hour with the table hour_people.
func (w *walk) comparePeople(ctx context.Context, tx *sql.Tx) error {
	if err := w.addLater(ctx, tx); err != nil {
		return err
	}
	t, err := newTables(ctx, tx, new(btree.Buffers))
	if err != nil {
		return err
	}
	people, last := newRoster(), indexPlace{time: -1 << 62}
	found := map[int64]uint64{}
	columns := make([]btree.Value, 2)
	err = t.Index(t.roots["hour_people"], func(btree.Row) (bool, error) { return false, nil }, func(row btree.Row) (bool, error) {
		if err := btree.Columns(row.Payload, columns); err != nil {
			return false, err
		}
		at := placeOf(columns) // hour and person
		if !at.after(last) {
			return false, errOrder
		}
		last = at
		who, err := people.of(ctx, tx, at.seq)
		found[at.time] += w.personSum(at.time, who)
		return true, err
	})
	if err != nil {
		return damaged(err)
	}
	for hour := range w.people {
		if found[hour] != w.people[hour] {
			w.wrongPeople(hour)
		}
		delete(found, hour)
	}
	for hour := range found {
		w.wrongPeople(hour)
	}
	return nil
}

func (w *walk) wrongPeople(hour int64) {
	w.report.fault(Fault{Kind: FaultCounts, Detail: "the people of the hour from " + hourText(hour) + " on"})
}
