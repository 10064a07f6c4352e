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

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// Errors of Open.
var (
	// ErrLocked: another process writes this log.
	ErrLocked = errors.New("another usher process is writing this audit log; use one log per server")
	// ErrForeign: the file is not an audit log.
	ErrForeign = errors.New("this file is not an usher audit log; choose another path")
	// ErrNewer: the file's layout is unknown.
	ErrNewer = errors.New("this audit log was written by a newer usher; use that version")
	// ErrOlder: the file's layout is no longer supported.
	ErrOlder = errors.New("this audit log was written by an older usher; keep the file, and start a new log at another path")
	// ErrDamaged: records are unreadable or do not match their tree.
	ErrDamaged = errors.New("this audit log is damaged; keep the file, and restore a copy or start a new one at another path")
)

var (
	errClosed = errors.New("the audit log is closed")
	// errSync: after a failed sync the kernel may report the next one as a
	// success although pages were lost. Every write fails until a restart.
	errSync = errors.New("the disk failed to sync the audit log; check it and restart usher")
)

// Numbers of connections. A release makes a lookup, which must not wait for
// searches.
const (
	readers = 4 // for searches by people
	lookups = 4 // for queries by usher itself
)

// Store is an audit.Store in one file.
type Store struct {
	path   string
	lock   *flock.Flock
	guard  *guard
	write  *sql.DB
	signer *checkpoint.Signer // or nil
	head   *headFile
	lost   error     // accepted loss of records, found at the start
	conn   *sql.Conn // of write; used by the writer goroutine only

	reader        // for searches by people
	lookup reader // for queries by usher itself

	deleting sync.RWMutex // a verification reads the log without deletions

	queue   chan *pending
	closing chan struct{} // closed by Close; further appends are refused
	stopped chan struct{} // closed by the writer goroutine at its end
	once    sync.Once
	writer  *writer
}

// Config configures Open.
type Config struct {
	Path string
	// Signer signs checkpoints: within a second of each commit, and at the end.
	// Without it the log has no checkpoints.
	Signer *checkpoint.Signer
	// AcceptLost opens a log in spite of ErrBehind and ErrNoHead. Lost returns the loss.
	AcceptLost bool
}

// Open opens the log at c.Path or creates one with mode 0600. The directory must
// exist. Open returns ErrLocked if another process writes the file, ErrForeign,
// ErrOlder or ErrNewer if it is not a log of this version, ErrDamaged, ErrIndex or
// ErrTampered if its last records are damaged or do not match their tree, index or
// checkpoints, ErrBehind if it has lost records, and ErrNoHead if it has checkpoints
// and no head file. Verify checks all records. Open signs the records that a crash left
// unsigned.
// After an error, Open removes the files that it created.
func Open(c Config) (*Store, error) {
	s, err := open(c)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", replaced(c.Path, err))
	}
	return s, nil
}

// Lost returns the ErrBehind or ErrNoHead that Config.AcceptLost accepted, or nil.
func (s *Store) Lost() error { return s.lost }

func open(c Config) (_ *Store, err error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, err
	}
	if err := checkPath(path, c.AcceptLost); err != nil {
		return nil, err
	}
	noLock := absent(path + ".lock")
	// The lock is a separate file: SQLite's locks on the log are released when
	// this process closes any other handle to it.
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	s := &Store{path: path, lock: lock, signer: c.Signer, queue: make(chan *pending, maxGroup),
		closing: make(chan struct{}), stopped: make(chan struct{})}
	if got, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !got {
		return nil, ErrLocked
	}
	// Under the lock, no other usher process creates any of these files.
	created := append(absent(path, path+"-wal", path+"-shm", path+headSuffix), noLock...)
	defer func() {
		if err != nil {
			// The files of an existing log may have records and are kept.
			if !errors.Is(err, ErrForeign) && !slices.Contains(created, path) {
				created = nil
			}
			s.release(created)
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
	// Before the checks, so later changes by other programs are found.
	version, err := dataVersion(ctx, s.conn)
	if err != nil {
		return nil, explain(err)
	}
	if s.reader, err = openReader(path, readers); err != nil {
		return nil, err
	}
	if s.lookup, err = openReader(path, lookups); err != nil {
		return nil, err
	}
	if err := s.checkTail(ctx, verifier(c.Signer)); err != nil {
		return nil, explain(err)
	}
	if err := s.checkHead(ctx, c.AcceptLost); err != nil {
		return nil, explain(err)
	}
	if s.guard, err = newGuard(path); err != nil {
		return nil, err
	}
	if s.writer, err = newWriter(ctx, s.conn, s.guard, s.head); err != nil {
		return nil, explain(err)
	}
	if s.writer.tree, err = s.sealed(ctx, c.Signer, version); err != nil {
		return nil, explain(err)
	}
	// Before other events, so unsigned records are always those of one run.
	if err := s.writer.sign(); err != nil {
		return nil, explain(err)
	}
	s.writer.filesBack = func() { s.reader.reconnect(); s.lookup.reconnect() }
	go s.run()
	return s, nil
}

// sealed returns the state of the writer at the start.
func (s *Store) sealed(ctx context.Context, signer *checkpoint.Signer, version int64) (t sealed, err error) {
	t = sealed{signer: signer, version: version}
	if t.frontier, err = readFrontier(ctx, s.conn); err != nil {
		return t, err
	}
	err = s.conn.QueryRowContext(ctx, "SELECT count(*), coalesce(max(size), 0) FROM checkpoints").Scan(&t.checkpoints, &t.signed)
	return t, err
}

// openReader returns a reader with at most n connections, all read-only.
// mode=rw never creates the file: SQLite deletes the write-ahead log beside an
// empty database.
// SPEC: https://www.sqlite.org/uri.html, "mode".
func openReader(path string, n int) (reader, error) {
	db, err := sql.Open("sqlite", dsn(path, "mode=rw", "_query_only=1", "_pragma=cache_size(-8000)"))
	if err != nil {
		return reader{}, err
	}
	db.SetMaxOpenConns(n)
	db.SetMaxIdleConns(n)
	return reader{db, n, pageWork(), newTexts()}, nil
}

// reconnect closes the idle connections. A connection that was opened during an
// absence of the log's files can belong to other files.
func (s reader) reconnect() {
	s.db.SetMaxIdleConns(0)
	s.db.SetMaxIdleConns(s.conns)
}

// dsn returns path and parameters as a URL. The driver cuts it at the first
// "?", so the path is escaped.
func dsn(path string, params ...string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path)}
	s := u.String() + "?_busy_timeout=1000&_defensive=1&_dqs=0"
	for _, p := range params {
		s += "&" + p
	}
	return s
}

// Close refuses further appends, finishes the pending ones, and releases the
// lock.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.closing)
		<-s.stopped
		err = s.release(nil)
	})
	return err
}

// release closes everything, removes files, and unlocks last: no other usher
// process can open a log during the removal of its files.
func (s *Store) release(created files) error {
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
	if s.conn != nil { // closing the last connection merges the WAL into the file
		errs = append(errs, s.conn.Close())
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	created.remove()
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// checkPath checks a path before any file is created. It refuses a file that is
// no log, and a missing log with a head file.
func checkPath(path string, lossy bool) error {
	err := isLog(path)
	if !errors.Is(err, ErrNoLog) {
		return err
	}
	claimed, err := readHead(path + headSuffix)
	if err != nil || lossy {
		return err
	}
	return compareHeads(claimed, claim{}, tree.Head{})
}

// replaced returns ErrDamaged in place of ErrForeign for a path whose head file has
// records.
func replaced(path string, err error) error {
	if !errors.Is(err, ErrForeign) {
		return err
	}
	if claimed, herr := readHead(path + headSuffix); herr == nil && claimed.Size > 0 {
		return fmt.Errorf("%w: the file is no database, and %d records were written to it", ErrDamaged, claimed.Size)
	}
	return err
}

func absent(paths ...string) (a files) {
	for _, p := range paths {
		if _, err := os.Lstat(p); errors.Is(err, fs.ErrNotExist) {
			a = append(a, p)
		}
	}
	return a
}

// files are files of a log that did not exist before Open.
type files []string

// remove deletes the files after a failed Open.
func (f files) remove() {
	for _, p := range f {
		_ = os.Remove(p)
	}
}

// explain maps SQLite's codes for other files and broken databases to
// ErrForeign and ErrDamaged, and that for a full disk to a *fs.PathError.
func explain(err error) error {
	switch code(err) & 0xff {
	case codes.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case codes.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case codes.SQLITE_FULL:
		return &fs.PathError{Op: "writing", Path: "the database", Err: err}
	}
	return err
}

// code returns SQLite's extended result code, or 0.
func code(err error) int {
	var e interface{ Code() int } // implemented by the driver's errors
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// end returns what the head file must claim.
func (s reader) end(ctx context.Context) (c claim, err error) {
	if c.Head, err = s.Head(ctx); err != nil {
		return c, err
	}
	err = s.db.QueryRowContext(ctx, "SELECT coalesce(max(n), 0) FROM checkpoints").Scan(&c.checkpoints)
	return c, err
}

// compareHead returns the log's end, and in lost the reason why the claim of a
// head file does not belong to this log, if it does not.
func (s reader) compareHead(ctx context.Context, claimed storedClaim) (end claim, lost, err error) {
	if end, err = s.end(ctx); err != nil {
		return end, nil, err
	}
	at := claimed.Head
	if claimed.Size > 0 && claimed.Size <= end.Size {
		if at, err = proofs(ctx, s.on(s.db)).At(claimed.Size); err != nil {
			return end, nil, err
		}
	}
	return end, compareHeads(claimed, end, at), nil
}

// checkHead compares the log with its head file, then opens the head file for
// writing.
func (s *Store) checkHead(ctx context.Context, lossy bool) error {
	claimed, err := readHead(s.path + headSuffix)
	if err != nil {
		return err
	}
	end, lost, err := s.compareHead(ctx, claimed)
	if err != nil {
		return err
	}
	if s.lost = lost; s.lost != nil && !lossy {
		return s.lost
	}
	if s.head, err = openHead(s.path+headSuffix, claimed.next); err != nil {
		return err
	}
	if s.lost != nil {
		err = s.head.reset(end)
	} else {
		err = s.head.write(end)
	}
	// Durable before the first checkpoint: beside checkpoints, a file without a head is
	// not the result of a power failure.
	return errors.Join(err, s.head.sync())
}
