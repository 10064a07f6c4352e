package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	codes "modernc.org/sqlite/lib"

	"usher/backend/audit"
	"usher/backend/event"
)

// Bounds of one transaction. An append is never split, so the last append may
// exceed maxEvents.
const (
	maxGroup  = 128  // appends
	maxEvents = 4000 // events
)

// filesFor is the time for which a check of the log's files is valid before a commit.
// Each commit is followed by another check.
const filesFor = 10 * time.Millisecond

// Bounds of the writer's caches: of person numbers, and of the people of hours.
const (
	maxPeople  = 10_000
	maxCounted = 10_000
)

// pending is an append in the writer's queue.
type pending struct {
	ctx       context.Context
	events    []event.Event
	canonical [][]byte
	probe     bool                                       // a check: a durable write without events
	seal      bool                                       // the signing of a checkpoint, without events
	also      func(ctx context.Context, g *openTx) error // further work of the transaction, or nil
	cosigned  *cosigned                                  // a checkpoint with cosignatures, without events
	done      chan error                                 // buffer of one
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, events []event.Event) error {
	if len(events) == 0 {
		return nil
	}
	w := &pending{ctx: ctx, events: events, canonical: make([][]byte, len(events)), done: make(chan error, 1)}
	for i, e := range events {
		w.canonical[i] = event.Canonical(e)
		if len(w.canonical[i]) >= maxRecord {
			return fmt.Errorf("writing the audit log: an event of %d bytes is too long", len(w.canonical[i]))
		}
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

// run is the writer goroutine. It commits all queued appends together. The next
// group accumulates while a commit is synced.
func (s *Store) run() {
	defer close(s.stopped)
	hourly := time.NewTicker(time.Hour)
	defer hourly.Stop()
	var due <-chan time.Time // of the next checkpoint
	for {
		select {
		case w := <-s.queue:
			s.writer.commit(s.gather(w))
		case <-due:
			_ = s.writer.sign() // repeated after the next commit
			due = nil
		case <-hourly.C:
			s.writer.compareSchema()
		case <-s.closing:
			select {
			case w := <-s.queue:
				s.writer.commit(s.gather(w))
			default:
				_ = s.writer.sign() // Verify reports the unsigned records
				return
			}
		}
		if due == nil && s.writer.unsigned() {
			due = time.After(signWithin)
		}
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

// writer owns the only connection with write access.
type writer struct {
	conn     *sql.Conn
	guard    *guard
	headFile *headFile
	broken   error // a failed sync, or a foreign write; every further write fails with it
	tree     sealed
	people   map[event.User]int64
	counted  map[hourPerson]bool // rows of hour_people that are durable
	texts    *texts              // of its own connection
	pack     packer

	filesGone bool      // result of the last check of the log's files
	filesSeen time.Time // of that check; zero: the files were gone
	filesBack func()    // called when the files are at their paths again

	prepared []*sql.Stmt

	begin, end, version, known, setHead, addNode, addCheckpoint, addPerson, findPerson, dropPerson, removeEvent, addHour, addHourPerson *sql.Stmt
	inserts                                                                                                                             []inserts // largest first
}

// inserts are statements that insert n rows each.
type inserts struct {
	n               int
	events, records *sql.Stmt
}

// insertSizes are the rows of one statement, the largest first. A statement costs
// as much CPU time as a row. SQLite allows 32,766 parameters. With OR FAIL a statement
// of several rows needs no journal of its own: after an error the transaction ends.
func insertSizes() []int { return []int{64, 8, 1} }

func newWriter(ctx context.Context, conn *sql.Conn, g *guard, head *headFile) (*writer, error) {
	w := &writer{conn: conn, guard: g, headFile: head, people: map[event.User]int64{}, counted: map[hourPerson]bool{}, texts: newTexts()}
	var err error
	if w.pack, err = loadPacker(ctx, conn); err != nil {
		return nil, err
	}
	type statement struct {
		to  **sql.Stmt
		sql string
	}
	statements := []statement{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.end, "COMMIT"},
		{&w.version, "PRAGMA data_version"},
		{&w.setHead, "UPDATE head SET size = ?, frontier = ? WHERE size = ?"},
		{&w.addNode, "INSERT INTO nodes (level, n, hash) VALUES (?, ?, ?)"},
		{&w.addCheckpoint, "INSERT INTO checkpoints (n, size, note) VALUES (?, ?, ?)"},
		{&w.known, "SELECT r.event FROM events e JOIN records r USING (seq) WHERE e.id = ?"},
		{&w.addPerson, "INSERT INTO people (sub, username) VALUES (?, ?) ON CONFLICT DO NOTHING"},
		{&w.findPerson, "SELECT person FROM people WHERE sub = ? AND username = ?"},
		{&w.dropPerson, "DELETE FROM people WHERE person = ? AND NOT EXISTS (SELECT 1 FROM events WHERE person = ?)"},
		{&w.removeEvent, "DELETE FROM events WHERE time = ? AND seq = ?"},
		{&w.addHour, `INSERT INTO hours (start, events, denied, downloads) VALUES (?, ?, ?, ?)
			ON CONFLICT (start) DO UPDATE SET events = events + excluded.events,
				denied = denied + excluded.denied, downloads = downloads + excluded.downloads`},
		{&w.addHourPerson, "INSERT INTO hour_people (start, person) VALUES (?, ?) ON CONFLICT DO NOTHING"},
	}
	w.inserts = make([]inserts, len(insertSizes()))
	for i, n := range insertSizes() {
		w.inserts[i].n = n
		statements = append(statements,
			statement{&w.inserts[i].records, "INSERT OR FAIL INTO records (seq, event) VALUES " + tuples(n, 2)},
			statement{&w.inserts[i].events, `INSERT OR FAIL INTO events (seq, id, time, person, session, action, outcome, bucket, object, ip, request, continues)
				VALUES ` + tuples(n, 12) + `
				ON CONFLICT (id) DO NOTHING
				ON CONFLICT (continues) WHERE action = 'completed' DO NOTHING`})
	}
	for _, p := range statements {
		if *p.to, err = conn.PrepareContext(ctx, p.sql); err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.prepared = append(w.prepared, *p.to)
	}
	return w, nil
}

// tuples returns n tuples of bound parameters.
func tuples(n, columns int) string {
	return strings.TrimSuffix(strings.Repeat("("+placeholders(columns)+"),", n), ",")
}

// close closes the prepared statements, which would keep the connection open.
func (w *writer) close() error {
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// commit writes a group in one transaction and sends each append its result. If
// a statement before the commit fails, each append is retried in a transaction
// of its own, so one bad append cannot fail the others.
func (w *writer) commit(group []*pending) {
	results, err := w.transaction(group)
	if err == nil && w.tree.times.over() { // of one append
		_ = w.sign() // repeated within signWithin
	}
	if err != nil && results == nil && len(group) > 1 && w.broken == nil {
		for _, one := range group {
			w.commit([]*pending{one})
		}
		return
	}
	for i, one := range group {
		switch {
		case err == nil && one.seal:
			one.done <- w.sign()
		case err != nil:
			one.done <- fmt.Errorf("writing the audit log: %w", err)
		default:
			one.done <- results[i]
		}
	}
}

// transaction returns a result for each append of the group. An error applies
// to all of them; results is nil if it occurred before the commit.
func (w *writer) transaction(group []*pending) (results []error, err error) {
	if w.broken != nil {
		return nil, w.broken
	}
	// The check after the last commit counts for this one too, for a short time.
	if time.Since(w.filesSeen) > filesFor {
		if err := w.checkFiles(); err != nil {
			return nil, err
		}
	}
	if err := w.signBefore(group); err != nil {
		return nil, err
	}
	ctx := context.Background() // callers have deadlines; a commit must not be interrupted
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.rollback(ctx, err)
		}
	}()
	if err := w.unchanged(ctx); err != nil {
		return nil, err
	}
	g := openTx{w: w, frontier: w.tree.frontier.Clone(), hours: map[int64]audit.Summary{}, seen: map[hourPerson]bool{}, pack: w.pack}
	if err := g.pack.next(ctx, w.conn, g.frontier.Size()); err != nil {
		return nil, err
	}
	results = make([]error, len(group))
	var all pending // the events of appends without further work, for few statements
	for i, one := range group {
		if one.seal {
			continue
		}
		if results[i] = one.ctx.Err(); results[i] != nil {
			continue // the caller has given up
		}
		if one.cosigned != nil {
			if err := one.cosigned.store(ctx, w.conn); err != nil {
				return nil, err
			}
			continue
		}
		if one.probe { // writes the page without a change of its content
			if _, err := w.conn.ExecContext(ctx, pragma("user_version", version)); err != nil {
				return nil, err
			}
		}
		if one.also != nil {
			if err := g.append(ctx, &all); err != nil {
				return nil, err
			}
			all.events, all.canonical = all.events[:0], all.canonical[:0]
			if err := one.also(ctx, &g); err != nil {
				return nil, err
			}
		}
		all.events, all.canonical = append(all.events, one.events...), append(all.canonical, one.canonical...)
	}
	if err := g.append(ctx, &all); err != nil {
		return nil, err
	}
	if err := g.finish(ctx); err != nil {
		return nil, err
	}
	if _, err := w.end.ExecContext(ctx); err != nil {
		return results, err
	}
	w.tree.frontier, w.pack = g.frontier, g.pack
	w.remember(g.seen)
	if size := g.frontier.Size(); w.pack.due(size) {
		if err := w.pack.train(ctx, w.texts, w.conn, size); err != nil {
			w.tree.uncertain = true // the next transaction reads the state of the file
		}
	}
	if err := w.checkFiles(); err != nil {
		return results, err
	}
	return results, w.headFile.write(w.claim()) // after the commit, so the head is durable
}

// checkFiles returns errFileGone unless the log's files are at their paths.
func (w *writer) checkFiles() error {
	err := w.guard.check()
	if err == nil && w.filesGone {
		w.filesBack()
	}
	w.filesGone, w.filesSeen = err != nil, time.Now()
	if w.filesGone {
		w.filesSeen = time.Time{}
	}
	return err
}

// remember notes durable rows of hour_people, so their insertion is not repeated.
func (w *writer) remember(seen map[hourPerson]bool) {
	if len(w.counted) >= maxCounted {
		clear(w.counted)
	}
	maps.Copy(w.counted, seen)
}

// rollback ends the transaction after any error.
func (w *writer) rollback(ctx context.Context, cause error) {
	clear(w.people) // may have numbers from this transaction
	w.tree.uncertain = true
	switch code(cause) {
	case codes.SQLITE_IOERR_FSYNC, codes.SQLITE_IOERR_DIR_FSYNC:
		w.broken = fmt.Errorf("%w: %w", errSync, cause)
	}
	// Fails harmlessly if no transaction is open, as after a commit.
	_, _ = w.conn.ExecContext(ctx, "ROLLBACK")
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

// drop removes a person without events: an event that was not inserted may have been
// the only one.
func (w *writer) drop(ctx context.Context, u event.User, person int64) error {
	delete(w.people, event.User{Sub: u.Sub, Username: u.Username})
	_, err := w.dropPerson.ExecContext(ctx, person, person)
	return err
}
