package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"usher/backend/audit/compact"
	"usher/backend/audit/tree"
	"usher/backend/safetext"
)

// small are the tables that SQLite's own check reads quickly. The rows of the others
// are read one by one.
func small() []string {
	return []string{"head", "nodes", "checkpoints", "policies", "leaves", "dictionaries", "people", "hours", "hour_people"}
}

// compareRest compares the tables that are no part of one record: rows that nothing
// reads are another hand's too.
func (w *walk) compareRest(ctx context.Context, tx *sql.Tx, size int64) error {
	for _, name := range small() {
		// SPEC: https://www.sqlite.org/pragma.html#pragma_integrity_check
		var found string
		if err := tx.QueryRowContext(ctx, fmt.Sprintf("PRAGMA integrity_check('%s')", name)).Scan(&found); err != nil {
			return err
		}
		if found != "ok" {
			w.report.fault(Fault{Kind: FaultIndex, Detail: fmt.Sprintf("its table %s is malformed", name)})
		}
	}
	for _, compare := range []func(context.Context, *sql.Tx, int64) error{w.compareNodes, w.compareLeaves, w.compareDictionaries, w.compareNames, w.compareGrants} {
		if err := compare(ctx, tx, size); err != nil {
			return err
		}
	}
	return nil
}

// compareNodes compares the number of stored hashes with that of a tree of this size.
func (w *walk) compareNodes(ctx context.Context, tx *sql.Tx, size int64) error {
	var want, found, wrong int64
	for n := size >> tree.Step; n > 0; n >>= tree.Step {
		want += n
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(length(hash) <> 32), 0) FROM nodes").Scan(&found, &wrong); err != nil {
		return err
	}
	if found != want || wrong > 0 {
		w.report.fault(Fault{Kind: FaultTree, Detail: fmt.Sprintf("it has %d hashes, and a tree of %d records has %d", found, size, want)})
	}
	return nil
}

// compareLeaves compares the hashes of blocks with deleted records with the tree. They
// are those of the first blocks, without a gap.
func (w *walk) compareLeaves(ctx context.Context, tx *sql.Tx, size int64) (err error) {
	rows, err := tx.QueryContext(ctx, `SELECT l.n, l.hashes, coalesce(n.hash, x'')
		FROM leaves l LEFT JOIN nodes n ON n.level = ? AND n.n = l.n ORDER BY l.n`, tree.Step)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var next int64
	for ; rows.Next(); next++ {
		var n int64
		var raw, stored sql.RawBytes
		if err := rows.Scan(&n, &raw, &stored); err != nil {
			return err
		}
		if root, ok := rootOf(raw); n != next || !ok || string(root[:]) != string(stored) {
			w.report.fault(Fault{Kind: FaultTree, Detail: fmt.Sprintf("the hashes of its block %d differ", n)})
		}
	}
	w.leaves = next * block
	return rows.Err()
}

// rootOf returns the root of the hashes of a block.
func rootOf(raw []byte) (root tree.Hash, ok bool) {
	if len(raw) != block*len(root) {
		return root, false
	}
	var f tree.Frontier
	for ; len(raw) > 0; raw = raw[len(root):] {
		f.Append(tree.Hash(raw[:len(root)]), func(_ int, _ int64, h tree.Hash) { root = h })
	}
	return root, true
}

// compareDictionaries compares the numbers and the form of the dictionaries. The parts
// that records use are compared with these records.
func (w *walk) compareDictionaries(ctx context.Context, tx *sql.Tx, size int64) (err error) {
	rows, err := tx.QueryContext(ctx, "SELECT n, after, length(text), substr(text, 1, ?) FROM dictionaries ORDER BY n", compact.MaxDictionary)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	next, last := int64(1), int64(-1)
	for ; rows.Next(); next++ {
		var n, after, length int64
		var text sql.RawBytes
		if err := rows.Scan(&n, &after, &length, &text); err != nil {
			return err
		}
		if n != next || after <= last || (n == 1) != (after == 0) || after > size || length > compact.MaxDictionary {
			w.report.fault(Fault{Kind: FaultSchema, Detail: fmt.Sprintf("its dictionary %d was not made by usher", n)})
		}
		if !isDictionary(n, text) {
			w.report.fault(Fault{Kind: FaultSchema, Detail: fmt.Sprintf("the text of its dictionary %d was not made by usher", n)})
		}
		last = after
	}
	return rows.Err()
}

// isDictionary reports whether usher makes such a text. All logs have the same first
// dictionary; the others have the parts of events that a dictionary may have.
func isDictionary(n int64, text []byte) bool {
	if n == 1 {
		return bytes.Equal(text, firstDictionary())
	}
	return compact.Trained(text, keptMembers())
}

// compareNames reports people of no event.
func (w *walk) compareNames(ctx context.Context, tx *sql.Tx, _ int64) error {
	var n int64
	const query = "SELECT count(*) FROM people p WHERE NOT EXISTS (SELECT 1 FROM events e INDEXED BY events_person WHERE e.person = p.person)"
	err := tx.QueryRowContext(ctx, query).Scan(&n)
	if n > 0 {
		w.report.fault(Fault{Kind: FaultIndex, Detail: fmt.Sprintf("%d of its people have no event", n)})
	}
	return err
}

// compareGrants checks the text of each kept version of the grants.
func (w *walk) compareGrants(ctx context.Context, tx *sql.Tx, _ int64) (err error) {
	if w.grants == nil {
		return nil
	}
	rows, err := tx.QueryContext(ctx, "SELECT version, grants FROM policies ORDER BY version")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var version string
		var text []byte
		if err := rows.Scan(&version, &text); err != nil {
			return err
		}
		if w.grants(version, text) != nil {
			w.report.fault(Fault{Kind: FaultChanged, Detail: fmt.Sprintf("the kept grants of version %s", safetext.Line(version))})
		}
	}
	return rows.Err()
}
