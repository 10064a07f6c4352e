// Package sqlite keeps the audit log in one SQLite file: the store for a
// single machine, with nothing to install. (modernc.org/sqlite is SQLite
// translated to Go.)
//
// What it promises is audit.Store's contract; how it keeps it:
//
//   - Durable. The journal is a write-ahead log with synchronous=FULL: the WAL
//     is synced to disk by every commit, and Append answers after the commit
//     (https://www.sqlite.org/pragma.html#pragma_synchronous; with NORMAL a
//     power cut could take back the last commits). One goroutine writes, and
//     all appends that arrived while the disk was busy share the next commit,
//     so that many writers cost one sync and nobody waits for company.
//   - Fail closed. A full disk, a file that is no longer where it was, a WAL
//     that somebody removed: the commit does not count, Append is an error.
//   - One writer. A second process that opens the log is refused.
//   - Nothing is lost unseen. A file beside the log keeps its last number and
//     hash; a log that ends before it is refused (ErrBehind).
//   - A chain. Each record carries its number, the hash of the one before it
//     and its own (event.Hash), computed in the transaction that writes it.
//
// The table records is the log. The others are an index over it for queries,
// each row derived from one record; Links compares the two while it reads.
//
// The package leaves deciding, deadlines and retries to audit.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/gofrs/flock"
	_ "modernc.org/sqlite" // registers "sqlite"; its errors carry SQLite's codes
	codes "modernc.org/sqlite/lib"

	"usher/backend/event"
)

// Errors of Open.
var (
	// ErrLocked says that another process writes this log.
	ErrLocked = errors.New("another usher is already writing this audit log; one log has one server")
	// ErrForeign says that the file is not an audit log.
	ErrForeign = errors.New("this file is not an usher audit log; choose another path")
	// ErrNewer says that the file's layout is unknown.
	ErrNewer = errors.New("this audit log was written by a newer usher; use that version")
	// ErrDamaged says that the file's end does not read as it was written.
	ErrDamaged = errors.New("this audit log is damaged; keep the file, and restore a copy or start a new one at another path")
)

var (
	errClosed = errors.New("the audit log is closed")
	// errSync: after a failed sync the kernel may call the next one a success
	// although pages were lost, so nothing is believed until a restart.
	errSync = errors.New("the disk failed to sync the audit log; check it and restart usher")
)

// Connections for people's searches, and those for lookups of usher's own. A
// release makes a lookup, and must not wait behind searches.
const (
	readers = 4
	lookups = 4
)

// Store is an audit.Store in one file.
type Store struct {
	path  string
	lock  *flock.Flock
	guard *guard
	write *sql.DB
	head  *headFile
	lost  error     // records that were missing at the start, and accepted
	conn  *sql.Conn // the one of write, used by the writer goroutine alone

	reader        // for people's searches
	lookup reader // for usher's own questions

	queue   chan *pending
	closing chan struct{} // closed by Close: nothing more is taken
	stopped chan struct{} // closed by the writer when it is done
	once    sync.Once
	writer  *writer
}

// Open opens the log at path or makes a new one, readable by its owner alone.
// The directory must exist. It refuses a file that another process writes
// (ErrLocked), that is something else (ErrForeign, ErrNewer), or whose last
// records are not whole (ErrDamaged), or that has lost records (ErrBehind); the
// rest of the chain is for Verify. A path that cannot hold a log is left as it is.
func Open(path string) (*Store, error) { return opened(open(path, false)) }

// OpenLossy is Open for a log that has lost records, when that is known and
// accepted. Lost has the loss.
func OpenLossy(path string) (*Store, error) { return opened(open(path, true)) }

func opened(s *Store, err error) (*Store, error) {
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return s, nil
}

// Lost is the ErrBehind that OpenLossy accepted, or nil.
func (s *Store) Lost() error { return s.lost }

func open(path string, lossy bool) (_ *Store, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := before(path, lossy); err != nil {
		return nil, err
	}
	noLock := absent(path + ".lock")
	// The lock is a file of its own: SQLite's locks on the log vanish when
	// this process closes any other handle on it.
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	s := &Store{path: path, lock: lock, queue: make(chan *pending, maxGroup),
		closing: make(chan struct{}), stopped: make(chan struct{})}
	if got, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !got {
		return nil, ErrLocked
	}
	// Behind the lock: no other usher makes any of them now.
	made := append(absent(path, path+"-wal", path+"-shm", path+headSuffix), noLock...)
	defer func() {
		if err != nil {
			// A log that was there keeps its files: they may hold records.
			if !errors.Is(err, ErrForeign) && !slices.Contains(made, path) {
				made = nil
			}
			s.release(made)
		}
	}()
	if err := private(path); err != nil {
		return nil, err
	}
	if s.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate", "_pragma=synchronous(FULL)",
		"_pragma=wal_autocheckpoint(4000)", "_pragma=journal_size_limit(67108864)", "_pragma=cache_size(-16000)")); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	ctx := context.Background()
	if s.conn, err = s.write.Conn(ctx); err != nil {
		return nil, explain(err)
	}
	if err := prepareFile(ctx, s.conn); err != nil {
		return nil, explain(err)
	}
	if s.reader, err = openReader(path, readers); err != nil {
		return nil, err
	}
	if s.lookup, err = openReader(path, lookups); err != nil {
		return nil, err
	}
	if err := s.checkTail(ctx); err != nil {
		return nil, explain(err)
	}
	if err := s.checkHead(ctx, lossy); err != nil {
		return nil, explain(err)
	}
	if s.guard, err = watch(path); err != nil {
		return nil, err
	}
	if s.writer, err = newWriter(ctx, s.conn, s.guard, s.head); err != nil {
		return nil, explain(err)
	}
	go s.run()
	return s, nil
}

// openReader prepares at most n connections that cannot write.
func openReader(path string, n int) (reader, error) {
	db, err := sql.Open("sqlite", dsn(path, "_query_only=1", "_pragma=cache_size(-8000)"))
	if err != nil {
		return reader{}, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return reader{db}, nil
}

// dsn is path with parameters, for a driver that cuts at the first "?".
func dsn(path string, params ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	s := u.String() + "?_busy_timeout=1000&_defensive=1&_dqs=0"
	for _, p := range params {
		s += "&" + p
	}
	return s
}

// Close takes no more appends, finishes those it has, and gives the file free.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		<-s.stopped
		err = s.release(nil)
	})
	return err
}

// release closes all, removes files, and unlocks last: no other usher opens a
// log whose files are being removed.
func (s *Store) release(made files) error {
	var errs []error
	for _, db := range []*sql.DB{s.db, s.lookup.db} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.head != nil {
		errs = append(errs, s.head.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.conn != nil { // the last to close folds the WAL into the file
		errs = append(errs, s.conn.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	made.remove()
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// before looks at a path before anything is made there. It refuses what is no
// log, and a log that is gone though its head file is there.
func before(path string, lossy bool) error {
	err := isLog(path)
	if !errors.Is(err, ErrNoLog) {
		return err
	}
	claimed, _, err := readHead(path + headSuffix)
	if err != nil || lossy {
		return err
	}
	return behind(claimed, event.Head{}, event.Head{})
}

func absent(paths ...string) (a files) {
	for _, p := range paths {
		if _, err := os.Lstat(p); errors.Is(err, fs.ErrNotExist) {
			a = append(a, p)
		}
	}
	return a
}

// files are those of a log that were not there before Open.
type files []string

// remove takes away what a failed Open made.
func (f files) remove() {
	for _, p := range f {
		_ = os.Remove(p)
	}
}

// explain turns SQLite's codes for a file that is no database, or a broken
// one, into sentences.
func explain(err error) error {
	switch code(err) & 0xff {
	case codes.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case codes.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

// code is SQLite's extended result code, 0 where there is none.
func code(err error) int {
	var e interface{ Code() int } // as the driver's errors have
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// tail is how many of the last records are verified at the start, which takes
// a fraction of a second; Verify reads all of them.
const tail = 20_000

// checkTail reads the last records: what a crash or a clumsy copy would hurt.
func (s *Store) checkTail(ctx context.Context) error {
	head, err := s.Head(ctx)
	if err != nil {
		return err
	}
	var from event.Head
	if head.Seq > tail {
		if from, err = s.headAt(ctx, head.Seq-tail); err != nil {
			return err
		}
	}
	report, err := event.VerifyChain(from, nil, s.Links(ctx, from.Seq))
	if err != nil {
		return err
	}
	return damage(report, head)
}

// damage is the first fault of a chain that should end at head, or later.
func damage(report event.Report, head event.Head) error {
	switch {
	case !report.Whole():
		return fmt.Errorf("%w (%s)", ErrDamaged, report.Faults[0])
	case report.Head.Seq < head.Seq:
		return fmt.Errorf("%w (it reads up to record %d of %d)", ErrDamaged, report.Head.Seq, head.Seq)
	}
	return nil
}

// Verify reads the chain from its first record and compares each with the
// index: nil, ErrDamaged or ErrIndex, or the end of ctx. It may take minutes,
// during which the log can be written and queried. pause is called after each
// thousand records.
func (s *Store) Verify(ctx context.Context, pause func(context.Context)) error {
	head, err := s.Head(ctx)
	if err != nil {
		return explain(err)
	}
	links := func(yield func(event.Link, error) bool) {
		n := 0
		for l, err := range s.Links(ctx, 0) {
			if !yield(l, err) {
				return
			}
			if n++; n%piece == 0 {
				pause(ctx)
			}
		}
	}
	report, err := event.VerifyChain(event.Head{}, nil, links)
	if err != nil {
		return explain(err)
	}
	return damage(report, head)
}

// checkHead compares the log with its head file, and opens that for writing.
func (s *Store) checkHead(ctx context.Context, lossy bool) error {
	claimed, next, err := readHead(s.path + headSuffix)
	if err != nil {
		return err
	}
	end, err := s.Head(ctx)
	if err != nil {
		return err
	}
	at, err := s.headAt(ctx, claimed.Seq)
	if err != nil {
		return err
	}
	if s.lost = behind(claimed, end, at); s.lost != nil && !lossy {
		return s.lost
	}
	if s.head, err = openHead(s.path+headSuffix, next); err != nil {
		return err
	}
	if s.lost != nil {
		return s.head.reset(end)
	}
	return s.head.write(end)
}
