package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"usher/backend/audit/tree"
	"usher/backend/event"
	"usher/backend/safetext"
)

// applicationID marks the file in SQLite's header: "ushA".
const applicationID = 0x75736841

// version is the layout's version, in SQLite's user_version.
const version = 5

// schema: records is the log, compressed with dictionaries; head and nodes are its
// tree, and checkpoints are its signed heads. policies are the grants that decided, and leaves the hashes of
// deleted records. The other tables are an index of the log. The rows
// of events are short and in the order of time, so a filter without an index
// needs one fast scan. Each index implicitly ends with the primary key, so the
// events of one person, for example, are read newest first without sorting.
// Objects are BLOBs, because their ranges are ranges of bytes.
const schema = `
CREATE TABLE records (
	seq   INTEGER PRIMARY KEY, -- 1, 2, 3 and so on
	event BLOB NOT NULL CHECK (length(event) > 1) -- canonical bytes, compressed
) STRICT;
CREATE TABLE dictionaries (
	n     INTEGER PRIMARY KEY, -- 1, 2, 3 and so on
	after INTEGER NOT NULL,    -- number of records before it
	text  BLOB NOT NULL        -- parts of events, for compressed records
) STRICT;
CREATE TABLE head (
	id       INTEGER PRIMARY KEY CHECK (id = 1),
	size     INTEGER NOT NULL, -- number of records
	frontier BLOB NOT NULL     -- of their tree
) STRICT;
CREATE TABLE nodes (
	level INTEGER NOT NULL, -- 8, 16, 24 and so on
	n     INTEGER NOT NULL,
	hash  BLOB NOT NULL,
	PRIMARY KEY (level, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (
	n    INTEGER PRIMARY KEY, -- 1, 2, 3 and so on
	size INTEGER NOT NULL,    -- number of records
	note TEXT NOT NULL
) STRICT;
CREATE TABLE policies (
	version TEXT PRIMARY KEY, -- of the grants
	grants  BLOB NOT NULL     -- their text
) STRICT, WITHOUT ROWID;
CREATE TABLE leaves (
	n      INTEGER PRIMARY KEY, -- block of 256 records, from 0, whose expired records were deleted
	hashes BLOB NOT NULL        -- of its 256 records
) STRICT;
CREATE TABLE people (
	person   INTEGER PRIMARY KEY,
	sub      TEXT NOT NULL,
	username TEXT NOT NULL,
	UNIQUE (sub, username)
) STRICT;
CREATE INDEX people_username ON people (username);
CREATE TABLE events (
	time      INTEGER NOT NULL, -- milliseconds since 1970
	seq       INTEGER NOT NULL,
	id        ANY NOT NULL, -- as in key.go, like the next ANY columns
	person    INTEGER NOT NULL,
	session   ANY NOT NULL,
	action    TEXT NOT NULL,
	outcome   TEXT NOT NULL,
	bucket    TEXT NOT NULL,
	object    BLOB NOT NULL, -- bucket/key
	ip        ANY NOT NULL,
	request   ANY NOT NULL,
	continues ANY NOT NULL,
	PRIMARY KEY (time, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_id ON events (id);
CREATE UNIQUE INDEX events_completed ON events (continues) WHERE action = 'completed';
CREATE INDEX events_person  ON events (person);
CREATE INDEX events_session ON events (session);
CREATE INDEX events_object  ON events (object);
CREATE INDEX events_ip      ON events (ip);
CREATE INDEX events_request ON events (request);
CREATE TABLE hours (
	start     INTEGER PRIMARY KEY, -- hours since 1970
	events    INTEGER NOT NULL,
	denied    INTEGER NOT NULL,
	downloads INTEGER NOT NULL
) STRICT;
CREATE TABLE hour_people (
	start  INTEGER NOT NULL,
	person INTEGER NOT NULL,
	PRIMARY KEY (start, person)
) STRICT, WITHOUT ROWID;
` + rareIndexes

// rareIndexes are without the values of most events. An index of those would
// cost each event an insertion, and a scan in the order of time finds them as fast.
// A query uses such an index if it contains the condition of the index literally.
// SPEC: https://www.sqlite.org/partialindex.html, "Queries Using Partial Indexes".
const rareIndexes = `
CREATE INDEX events_action  ON events (action)  WHERE action <> 'download' AND action <> 'completed';
CREATE INDEX events_outcome ON events (outcome) WHERE outcome <> 'allowed';
`

// errNoWAL is returned because SQLite would silently fall back to another
// journal on a file system without shared memory.
var errNoWAL = errors.New("this file system does not support SQLite's write-ahead log; put the audit log on a local disk")

func pragma(name string, value int) string { return fmt.Sprintf("PRAGMA %s = %d", name, value) }

// prepareFile creates the schema in an empty file. It returns ErrForeign, ErrOlder
// or ErrNewer for a file that is no log of this version.
func prepareFile(ctx context.Context, conn *sql.Conn) error {
	var app, user, tables int
	for _, q := range []struct {
		sql string
		to  *int
	}{
		{"PRAGMA application_id", &app},
		{"PRAGMA user_version", &user},
		{"SELECT count(*) FROM sqlite_schema", &tables},
	} {
		if err := conn.QueryRowContext(ctx, q.sql).Scan(q.to); err != nil {
			return err
		}
	}
	switch {
	case app == applicationID && user == version:
	case app == applicationID && user < version:
		return ErrOlder
	case app == applicationID:
		return ErrNewer
	case app != 0 || user != 0 || tables != 0:
		return ErrForeign
	}
	var mode string
	if err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return errNoWAL
	}
	if app == applicationID {
		return nil
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, q := range []string{schema, pragma("application_id", applicationID), pragma("user_version", version)} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO head (id, size, frontier) VALUES (1, 0, ?)", (&tree.Frontier{}).Marshal()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO dictionaries (n, after, text) VALUES (1, 0, ?)", firstDictionary()); err != nil {
		return err
	}
	return tx.Commit()
}

// columns are the indexed fields of an event, except the person: the bytes that a
// query returns.
type columns struct {
	id, session, action, outcome, bucket, ip, request, continues string
	time                                                         int64
	object                                                       string
}

func columnsOf(e event.Event) columns {
	return columns{
		id: plain(idKey(e.ID)), session: plain(sessionKey(e.Session)), action: e.Action, outcome: e.Outcome, bucket: e.Bucket,
		ip: plain(ipKey(e.SourceIP)), request: plain(idKey(e.RequestID)), continues: plain(idKey(e.Continues)),
		time: e.Time.UnixMilli(), object: e.Path(),
	}
}

// schemaOf returns the statements of a database's schema, by name.
func schemaOf(ctx context.Context, q queryer) (_ map[string]string, err error) {
	rows, err := q.QueryContext(ctx, "SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	all := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		all[name] = text
	}
	return all, rows.Err()
}

// freshSchema returns the schema of a new log.
func freshSchema(ctx context.Context) (_ map[string]string, err error) {
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // each connection has a database of its own
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, err
	}
	return schemaOf(ctx, db)
}

// checkSchema returns ErrTampered for a database with another schema than a new
// log, such as one with a trigger that deletes records.
func checkSchema(ctx context.Context, q queryer) error {
	found, err := schemaOf(ctx, q)
	if err != nil {
		return err
	}
	want, err := freshSchema(ctx)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: it has no tables", ErrTampered)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if text, ok := want[name]; !ok {
			return fmt.Errorf("%w: it has a %s, which usher did not create", ErrTampered, safetext.Line(name))
		} else if text != found[name] {
			return fmt.Errorf("%w: its %s has another definition", ErrTampered, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := found[name]; !ok {
			return fmt.Errorf("%w: its %s is missing", ErrTampered, name)
		}
	}
	return nil
}

// queryer runs queries: a database, a connection or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
