package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
)

// ErrTampered: another program changed the log.
var ErrTampered = errors.New("another program changed the audit log")

// signWithin is the maximum time between a commit and its checkpoint.
const signWithin = 900 * time.Millisecond

// node is a complete subtree of a stored level.
type node struct {
	level int
	n     int64
	hash  tree.Hash
}

// sealed is the writer's knowledge of the log's tree. It is changed only after a
// commit, and compared with the file before each one.
type sealed struct {
	frontier    tree.Frontier
	checkpoints int64 // number of stored checkpoints
	signed      int64 // number of records in the last one
	signer      *checkpoint.Signer
	version     int64 // SQLite's data_version of the writer's connection
	uncertain   bool  // the last transaction failed, and may or may not be durable
	times       span  // of the unsigned records, and possibly of refused ones
}

func (w *writer) claim() claim { return claim{w.tree.frontier.Head(), w.tree.checkpoints} }

// unsigned reports whether a checkpoint is due.
func (w *writer) unsigned() bool {
	return w.tree.signer != nil && w.broken == nil && w.tree.frontier.Size() > w.tree.signed
}

// dataVersion changes with each commit of another connection, and not with one's
// own. SPEC: https://www.sqlite.org/pragma.html#pragma_data_version
func dataVersion(ctx context.Context, q queryer) (v int64, err error) {
	err = q.QueryRowContext(ctx, "PRAGMA data_version").Scan(&v)
	return v, err
}

// unchanged checks, inside a transaction, that nothing else wrote to the file
// since the last commit. Otherwise all further writes fail.
func (w *writer) unchanged(ctx context.Context) error {
	var version int64
	err := w.version.QueryRowContext(ctx).Scan(&version)
	if err != nil {
		return err
	}
	if w.tree.uncertain {
		// SQLite also changes the version if it discards its cache after an error.
		if err := w.reload(ctx); err != nil {
			return w.foreign(err)
		}
		w.tree.version, w.tree.uncertain = version, false
		return nil
	}
	if version != w.tree.version {
		return w.foreign(w.diagnose(ctx))
	}
	return nil
}

// foreign makes an ErrTampered permanent.
func (w *writer) foreign(err error) error {
	if errors.Is(err, ErrTampered) {
		w.broken = fmt.Errorf("%w; nothing is listed or released before a restart of usher: keep the file, and run usher audit verify", err)
		return w.broken
	}
	return err
}

// reload reads the head after a failed transaction. The file has either the head
// before it or the one after it.
func (w *writer) reload(ctx context.Context) error {
	if err := checkSchema(ctx, w.conn); err != nil {
		return err
	}
	f, err := readFrontier(ctx, w.conn)
	if err != nil {
		return err
	}
	var last, checkpoints, signed int64
	const query = `SELECT (SELECT coalesce(max(seq), 0) FROM records), count(*), coalesce(max(size), 0) FROM checkpoints`
	if err := w.conn.QueryRowContext(ctx, query).Scan(&last, &checkpoints, &signed); err != nil {
		return err
	}
	before := w.claim()
	if f.Size() < before.Size || last != f.Size() || f.Size() == before.Size && f.Head() != before.Head || checkpoints < before.checkpoints {
		return fmt.Errorf("%w: its head is not the one that was written", ErrTampered)
	}
	pack, err := loadPacker(ctx, w.conn)
	if err != nil {
		return err
	}
	w.tree.frontier, w.tree.checkpoints, w.tree.signed = f, checkpoints, signed
	w.pack, w.texts = pack, newTexts()
	return nil
}

// diagnose returns an ErrTampered that names the change, if a quick look finds it.
func (w *writer) diagnose(ctx context.Context) error {
	if err := checkSchema(ctx, w.conn); err != nil {
		return err
	}
	var records, rows, checkpoints int64
	const query = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM events), (SELECT count(*) FROM checkpoints)"
	if err := w.conn.QueryRowContext(ctx, query).Scan(&records, &rows, &checkpoints); err != nil {
		return err
	}
	gone, err := expiredCount(ctx, w.conn)
	if err != nil {
		return err
	}
	records, rows = records+gone, rows+gone
	switch size := w.tree.frontier.Size(); {
	case records < size:
		return fmt.Errorf("%w: %d of %d records are missing", ErrTampered, size-records, size)
	case records > size:
		return fmt.Errorf("%w: it has %d records, and usher wrote %d", ErrTampered, records, size)
	case rows != size:
		return fmt.Errorf("%w: its index has %d rows for %d records", ErrTampered, rows, size)
	case checkpoints != w.tree.checkpoints:
		return fmt.Errorf("%w: it has %d checkpoints, and usher wrote %d", ErrTampered, checkpoints, w.tree.checkpoints)
	}
	return fmt.Errorf("%w while usher was running", ErrTampered)
}

// compareSchema makes a changed schema a permanent error.
func (w *writer) compareSchema() {
	if w.broken == nil {
		_ = w.foreign(checkSchema(context.Background(), w.conn))
	}
}

// storeTree writes the head and the completed subtrees of a transaction.
func (g *openTx) storeTree(ctx context.Context) error {
	before, after := g.w.tree.frontier.Size(), g.frontier.Size()
	if before == after {
		return nil
	}
	for _, n := range g.nodes {
		if _, err := g.w.addNode.ExecContext(ctx, n.level, n.n, n.hash[:]); err != nil {
			return err
		}
	}
	result, err := g.w.setHead.ExecContext(ctx, after, g.frontier.Marshal(), before)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%w: its head is not the one that was written", ErrTampered))
	}
	return nil
}

// sign stores a checkpoint of the last commit. It is signed only after the commit
// and stored before any reader has it: after a crash the log has all records of
// every checkpoint.
func (w *writer) sign() error {
	if !w.unsigned() {
		return w.broken
	}
	if err := w.storeCheckpoint(context.Background()); err != nil {
		return fmt.Errorf("writing a checkpoint of the audit log: %w", err)
	}
	return nil
}

func (w *writer) storeCheckpoint(ctx context.Context) (err error) {
	if err := w.checkFiles(); err != nil {
		return err
	}
	head := w.tree.frontier.Head()
	if _, err := w.begin.ExecContext(ctx); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.rollback(ctx, err)
		}
	}()
	if err := w.unchanged(ctx); err != nil {
		return err
	}
	if w.tree.frontier.Head() != head {
		return errors.New("the head was read again; the next checkpoint has it")
	}
	signed, err := w.tree.signer.Sign(head)
	if err != nil {
		return err
	}
	if _, err := w.addCheckpoint.ExecContext(ctx, w.tree.checkpoints+1, head.Size, string(signed)); err != nil {
		return err
	}
	if _, err := w.end.ExecContext(ctx); err != nil {
		return err
	}
	w.tree.checkpoints++
	w.tree.signed, w.tree.times = head.Size, span{}
	return w.headFile.write(w.claim())
}

// Checkpoint signs all records that are durable now, and returns the signed note.
// It returns "" for a log that is opened without a Signer, or has no records.
func (s *Store) Checkpoint(ctx context.Context) (string, error) {
	if err := s.enqueue(ctx, &pending{ctx: ctx, seal: true, done: make(chan error, 1)}); err != nil {
		return "", err
	}
	return s.lastNote(ctx)
}
