package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"usher/backend/audit"
)

// KeepPolicy implements audit.Policies.
func (s *Store) KeepPolicy(ctx context.Context, version string, text []byte) error {
	return s.enqueue(ctx, &pending{ctx: ctx, done: make(chan error, 1), also: func(ctx context.Context, g *openTx) error {
		_, err := g.w.conn.ExecContext(ctx, "INSERT INTO policies (version, grants) VALUES (?, ?) ON CONFLICT DO NOTHING", version, text)
		return err
	}})
}

// Policy implements audit.Policies.
func (s reader) Policy(ctx context.Context, version string) (text []byte, err error) {
	return policy(ctx, s.db, version)
}

// policy returns the text of a version of the grants.
func policy(ctx context.Context, q queryer, version string) (text []byte, err error) {
	err = q.QueryRowContext(ctx, "SELECT grants FROM policies WHERE version = ?", version).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, audit.ErrNoPolicy
	}
	return text, err
}

// ReadPolicy returns the text of a version of the grants from the log at path. A
// server may write the log meanwhile.
func ReadPolicy(ctx context.Context, path, version string) (text []byte, err error) {
	if err := isLog(path); err != nil {
		return nil, err
	}
	s, err := readOnly(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(explain(err), s.db.Close()) }()
	return s.Policy(ctx, version)
}
