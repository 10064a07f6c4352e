package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"usher/backend/audit/tree"
)

// pruned returns the leaf hashes of a block whose expired records were deleted, and
// false for any other block.
func pruned(ctx context.Context, q queryer, n int64) ([]tree.Hash, bool, error) {
	var raw []byte
	err := q.QueryRowContext(ctx, "SELECT hashes FROM leaves WHERE n = ?", n).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if len(raw) != block*len(tree.Hash{}) {
		return nil, false, fmt.Errorf("%w: the hashes of deleted records are malformed", ErrDamaged)
	}
	all := make([]tree.Hash, block)
	for i := range all {
		all[i] = tree.Hash(raw[i*len(tree.Hash{}):])
	}
	return all, true, nil
}

// leafHashes returns the leaves from number from up to and without number to,
// counted from 0: of the records, and of the deleted ones.
func leafHashes(ctx context.Context, q source, from, to int64) (_ []tree.Hash, err error) {
	records, err := recordsBetween(ctx, q, from, to)
	if err != nil {
		return nil, err
	}
	all, known := make([]tree.Hash, to-from), make([]bool, to-from)
	for _, r := range records {
		if r.bad != nil {
			return nil, fmt.Errorf("record %d: %w", r.Seq, r.bad)
		}
		all[r.Seq-from-1], known[r.Seq-from-1] = tree.Leaf(r.Canonical), true
	}
	if int64(len(records)) == to-from {
		return all, nil
	}
	for n := from / block; n*block < to; n++ {
		hashes, ok, err := pruned(ctx, q, n)
		if err != nil {
			return nil, err
		}
		for i := max(from, n*block); i < min(to, n*block+block); i++ {
			switch {
			case known[i-from]:
			case !ok:
				return nil, fmt.Errorf("%w: hashes of its tree are missing", ErrDamaged)
			default:
				all[i-from] = hashes[i-n*block]
			}
		}
	}
	return all, nil
}

// expiredCount returns the number of records that retention deleted.
func expiredCount(ctx context.Context, q queryer) (n int64, err error) {
	const query = `SELECT 256 * count(*) - (SELECT count(*) FROM records WHERE seq <= 256 * (SELECT count(*) FROM leaves)) FROM leaves`
	err = q.QueryRowContext(ctx, query).Scan(&n)
	return n, err
}
