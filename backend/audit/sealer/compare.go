package sealer

import (
	"bytes"
	"context"
	"iter"
	"time"

	"usher/backend/audit/tree"
)

// IDOf returns the id in the canonical bytes of an event, or "". The form is fixed:
// "id" is a member of the outermost object, and no member before it is an object.
func IDOf(line []byte) string {
	const name = `"id":"`
	at := bytes.Index(line, []byte(name))
	if at < 0 {
		return ""
	}
	rest := line[at+len(name):]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return ""
	}
	return string(rest[:end])
}

// compare merges the events of the log with the sealed ones, both in order. The
// memory is bounded by the strays, the unsealed events before the last sealed one,
// and the faults.
func (v *verification) compare(ctx context.Context) error {
	next, stop := iter.Pull2(v.sealedEvents(ctx))
	defer stop()
	m := &merging{v: v, next: next}
	m.pull()
	oldest, err := v.c.Log.Oldest(ctx)
	if err != nil {
		return err
	}
	var group []Batch // of one millisecond
	flush := func() {
		for _, e := range ordered(group) {
			m.event(e.Event)
		}
		group = group[:0]
	}
	var at time.Time
	if !oldest.IsZero() {
		err = v.c.Log.Batches(ctx, oldest.Truncate(time.Hour), v.c.Now().Add(time.Hour), func(b Batch) bool {
			if b = usable(b); b.Damage != nil {
				v.report.fault(Fault{Kind: FaultUnreadable, ID: b.ID, Detail: b.Damage.Error()})
				return true
			}
			if t, _ := timeOf(b.ID); !t.Equal(at) {
				flush()
				at = t
			}
			group = append(group, b)
			return true
		})
	}
	flush()
	m.rest()
	return err
}

// merging is the sealed side of compare.
type merging struct {
	v    *verification
	next func() (numbered, []byte, bool)

	ok      bool
	current numbered
	line    []byte
	highest Event // of the sealed events in order
}

// pull reads the next sealed event in order. Strays are put aside.
func (m *merging) pull() {
	for {
		if m.current, m.line, m.ok = m.next(); !m.ok {
			return
		}
		if m.v.c.Event != nil {
			m.v.c.Event(m.current.n, m.line)
		}
		e := Event{m.current.id, m.line}
		if m.highest.ID == "" || compare(e, m.highest) > 0 {
			m.highest = e
			return
		}
		m.v.report.Strays++
		m.v.strays[tree.Leaf(m.line)] = m.current
	}
}

// event compares one event of the log.
func (m *merging) event(e Event) {
	for m.ok && compare(Event{m.current.id, m.line}, e) < 0 {
		m.v.gone = append(m.v.gone, m.current)
		m.pull()
	}
	if m.ok && compare(Event{m.current.id, m.line}, e) == 0 {
		m.pull()
		return
	}
	if compare(e, m.highest) > 0 && e.ID != m.highest.ID {
		m.v.unsealed(e.Line)
		return
	}
	m.v.pending[tree.Leaf(e.Line)] = e // it is a stray, a changed event, or not sealed yet
}

// rest takes the sealed events behind the last event of the log.
func (m *merging) rest() {
	for m.ok {
		m.v.gone = append(m.v.gone, m.current)
		m.pull()
	}
}
