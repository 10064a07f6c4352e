package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	codes "modernc.org/sqlite/lib"

	"usher/backend/audit"
	"usher/backend/event"
)

// Bounds of one transaction: appends, and events in them (an append is never
// split).
const (
	maxGroup  = 128
	maxEvents = 4000
)

// maxPeople bounds the writer's memory of who has which number.
const maxPeople = 10_000

// pending is one Append on its way to the writer.
type pending struct {
	ctx       context.Context
	events    []event.Event
	canonical [][]byte
	probe     bool       // no events, but a commit that writes
	done      chan error // holds one
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	w := &pending{ctx: ctx, events: events, canonical: make([][]byte, len(events)), done: make(chan error, 1)}
	for i, e := range events {
		w.canonical[i] = event.Canonical(e)
	}
	return s.enqueue(ctx, w)
}

// Check implements audit.Store.
func (s *Store) Check(ctx context.Context) error {
	return s.enqueue(ctx, &pending{ctx: ctx, probe: true, done: make(chan error, 1)})
}

func (s *Store) enqueue(ctx context.Context, w *pending) error {
	select {
	case <-s.closing:
		return errClosed
	default:
	}
	select {
	case s.queue <- w:
	case <-s.closing:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		select {
		case err := <-w.done:
			return err
		default:
			return errClosed
		}
	}
}

// run is the writer: it takes what waits and commits it together. The sync of
// one commit is the time in which the next group gathers.
func (s *Store) run() {
	defer close(s.stopped)
	for {
		var group []*pending
		select {
		case w := <-s.queue:
			group = s.gather(w)
		case <-s.closing:
			select {
			case w := <-s.queue:
				group = s.gather(w)
			default:
				return
			}
		}
		s.writer.commit(group)
	}
}

func (s *Store) gather(first *pending) []*pending {
	group, events := []*pending{first}, len(first.events)
	for len(group) < maxGroup && events < maxEvents {
		select {
		case w := <-s.queue:
			group = append(group, w)
			events += len(w.events)
		default:
			return group
		}
	}
	return group
}

// writer owns the one connection that writes.
type writer struct {
	conn   *sql.Conn
	guard  *guard
	mark   *headFile
	broken error // set once nothing can be believed any more
	people map[event.User]int64

	prepared []*sql.Stmt

	head, known, addPerson, findPerson, addRecord, addEvent, addHour, addHourPerson *sql.Stmt
}

func newWriter(ctx context.Context, conn *sql.Conn, g *guard, mark *headFile) (*writer, error) {
	w := &writer{conn: conn, guard: g, mark: mark, people: map[event.User]int64{}}
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&w.head, "SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1"},
		{&w.known, "SELECT r.event FROM events e JOIN records r USING (seq) WHERE e.id = ?"},
		{&w.addPerson, "INSERT INTO people (sub, username) VALUES (?, ?) ON CONFLICT DO NOTHING"},
		{&w.findPerson, "SELECT person FROM people WHERE sub = ? AND username = ?"},
		{&w.addRecord, "INSERT INTO records (seq, prev, hash, event) VALUES (?, ?, ?, ?)"},
		{&w.addEvent, `INSERT INTO events (seq, id, time, person, session, action, outcome, bucket, object, ip, request, continues)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING
			ON CONFLICT (continues) WHERE action = 'completed' DO NOTHING`},
		{&w.addHour, `INSERT INTO hours (start, events, denied, downloads) VALUES (?, ?, ?, ?)
			ON CONFLICT (start) DO UPDATE SET events = events + excluded.events,
				denied = denied + excluded.denied, downloads = downloads + excluded.downloads`},
		{&w.addHourPerson, "INSERT INTO hour_people (start, person) VALUES (?, ?) ON CONFLICT DO NOTHING"},
	} {
		var err error
		if *p.to, err = conn.PrepareContext(ctx, p.sql); err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.prepared = append(w.prepared, *p.to)
	}
	return w, nil
}

// close gives the statements back: SQLite keeps a connection open for them.
func (w *writer) close() error {
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// commit writes a group in one transaction and answers each of its appends.
// Where the writing itself fails (not the commit), each is tried alone, so
// that an append in conflict cannot take its neighbours down.
func (w *writer) commit(group []*pending) {
	results, err := w.transaction(group)
	if err != nil && results == nil && len(group) > 1 && w.broken == nil {
		for _, one := range group {
			w.commit([]*pending{one})
		}
		return
	}
	for i, one := range group {
		switch {
		case err != nil:
			one.done <- fmt.Errorf("writing the audit log: %w", err)
		default:
			one.done <- results[i]
		}
	}
}

// transaction gives a result for each append of the group, or an error for
// all of them: without results where it came before the commit.
func (w *writer) transaction(group []*pending) (results []error, err error) {
	if w.broken != nil {
		return nil, w.broken
	}
	if err := w.guard.check(); err != nil {
		return nil, err
	}
	ctx := context.Background() // a commit is never left half-way; whoever waits has a deadline
	if _, err := w.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.rollback(ctx, err)
		}
	}()
	g := grouped{w: w, hours: map[int64]audit.Summary{}, seen: map[hourPerson]bool{}}
	if g.head, err = w.readHead(ctx); err != nil {
		return nil, err
	}
	answers := make([]error, len(group))
	for i, one := range group {
		if answers[i] = one.ctx.Err(); answers[i] != nil {
			continue // nobody waits for it any more
		}
		if one.probe { // the same value again: the page is written, and nothing changes
			if _, err := w.conn.ExecContext(ctx, pragma("user_version", version)); err != nil {
				return nil, err
			}
		}
		if err := g.append(ctx, one); err != nil {
			return nil, err
		}
	}
	if err := g.finish(ctx); err != nil {
		return nil, err
	}
	if _, err := w.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return answers, err
	}
	if err := w.guard.check(); err != nil {
		return answers, err
	}
	return answers, w.mark.write(g.head) // after the commit: it claims no more than is durable
}

// rollback leaves the connection without a transaction, whatever happened.
func (w *writer) rollback(ctx context.Context, cause error) {
	clear(w.people) // some may have been numbered in this transaction
	switch code(cause) {
	case codes.SQLITE_IOERR_FSYNC, codes.SQLITE_IOERR_DIR_FSYNC:
		w.broken = fmt.Errorf("%w: %w", errSync, cause)
	}
	// After some errors, and after a commit, there is none to roll back.
	_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
}

func (w *writer) readHead(ctx context.Context) (event.Head, error) {
	return scanHead(w.head.QueryRowContext(ctx))
}

func (w *writer) person(ctx context.Context, u event.User) (int64, error) {
	key := event.User{Sub: u.Sub, Username: u.Username}
	if n, ok := w.people[key]; ok {
		return n, nil
	}
	if _, err := w.addPerson.ExecContext(ctx, u.Sub, u.Username); err != nil {
		return 0, err
	}
	var n int64
	if err := w.findPerson.QueryRowContext(ctx, u.Sub, u.Username).Scan(&n); err != nil {
		return 0, err
	}
	if len(w.people) >= maxPeople {
		clear(w.people)
	}
	w.people[key] = n
	return n, nil
}

// grouped is one transaction under way.
type grouped struct {
	w     *writer
	head  event.Head
	hours map[int64]audit.Summary
	seen  map[hourPerson]bool
}

type hourPerson struct{ start, person int64 }

// append writes one append's events.
func (g *grouped) append(ctx context.Context, one *pending) error {
	for i, e := range one.events {
		person, err := g.w.person(ctx, e.User)
		if err != nil {
			return err
		}
		fresh, err := g.insert(ctx, e, one.canonical[i], person)
		if err != nil {
			return err
		}
		if fresh {
			g.count(e, person)
		}
	}
	return nil
}

// insert adds one event to the chain, or finds that it is there.
func (g *grouped) insert(ctx context.Context, e event.Event, canonical []byte, person int64) (fresh bool, err error) {
	seq, c := g.head.Seq+1, columnsOf(e)
	result, err := g.w.addEvent.ExecContext(ctx, seq, c.id, c.time, person, c.session, c.action, c.outcome,
		c.bucket, []byte(c.object), c.ip, c.request, c.continues)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil {
		return false, err
	} else if n == 0 {
		return false, g.known(ctx, e, canonical)
	}
	hash := event.Hash(g.head.Hash, seq, canonical)
	if _, err := g.w.addRecord.ExecContext(ctx, seq, g.head.Hash[:], hash[:], canonical); err != nil {
		return false, err
	}
	g.head = event.Head{Seq: seq, Hash: hash}
	return true, nil
}

// known says whether an event that was not added need not be.
func (g *grouped) known(ctx context.Context, e event.Event, canonical []byte) error {
	var there []byte
	switch err := g.w.known.QueryRowContext(ctx, e.ID).Scan(&there); {
	case errors.Is(err, sql.ErrNoRows) && e.Action == event.Completed:
		return nil // another report of the same completion
	case err != nil:
		return err
	case !bytes.Equal(there, canonical):
		return audit.ErrConflict
	}
	return nil
}

func (g *grouped) count(e event.Event, person int64) {
	start := hourOf(e.Time.UnixMilli())
	h := g.hours[start]
	h.Events++
	h.Denied += audit.Denials(e)
	h.Downloads += audit.Releases(e)
	g.hours[start] = h
	if e.User.Sub != "" {
		g.seen[hourPerson{start, person}] = true
	}
}

// finish writes what the whole group adds to the counts per hour.
func (g *grouped) finish(ctx context.Context) error {
	for start, h := range g.hours {
		if _, err := g.w.addHour.ExecContext(ctx, start, h.Events, h.Denied, h.Downloads); err != nil {
			return err
		}
	}
	for s := range g.seen {
		if _, err := g.w.addHourPerson.ExecContext(ctx, s.start, s.person); err != nil {
			return err
		}
	}
	return nil
}
