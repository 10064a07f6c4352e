package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"usher/backend/event"
)

// applicationID marks the file in SQLite's header: "ushA".
const applicationID = 0x75736841

// version is the layout's version, in SQLite's user_version.
const version = 2

// schema: records is the log, and the other tables are an index of it. The rows
// of events are short and in the order of time, so a filter without an index
// needs one fast scan. Each index implicitly ends with the primary key, so the
// events of one person, for example, are read newest first without sorting.
// Objects are BLOBs, because their ranges are ranges of bytes.
const schema = `
CREATE TABLE records (
	seq   INTEGER PRIMARY KEY,
	prev  BLOB NOT NULL,
	hash  BLOB NOT NULL,
	event BLOB NOT NULL -- canonical bytes
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
	id        TEXT NOT NULL,
	person    INTEGER NOT NULL,
	session   TEXT NOT NULL,
	action    TEXT NOT NULL,
	outcome   TEXT NOT NULL,
	bucket    TEXT NOT NULL,
	object    BLOB NOT NULL, -- bucket/key
	ip        TEXT NOT NULL,
	request   TEXT NOT NULL,
	continues TEXT NOT NULL,
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

// fromVersion1 converts a log of version 1, which had indexes of all actions and
// outcomes, and one of the numbers.
const fromVersion1 = `
DROP INDEX events_seq;
DROP INDEX events_action;
DROP INDEX events_outcome;
` + rareIndexes

// errNoWAL is returned because SQLite would silently fall back to another
// journal on a file system without shared memory.
var errNoWAL = errors.New("this file system does not support SQLite's write-ahead log; put the audit log on a local disk")

func pragma(name string, value int) string { return fmt.Sprintf("PRAGMA %s = %d", name, value) }

// prepareFile creates the schema in an empty file, and converts a log of an
// earlier version. It returns ErrForeign or ErrNewer for any other file.
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
	case app == applicationID && (user == version || user == 1):
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
	if app == applicationID && user == version {
		return nil
	}
	layout := schema
	if app == applicationID {
		layout = fromVersion1
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, q := range []string{layout, pragma("application_id", applicationID), pragma("user_version", version)} {
		if _, err := tx.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// columns are the indexed fields of an event, except the person.
type columns struct {
	id, session, action, outcome, bucket, ip, request, continues string
	time                                                         int64
	object                                                       string
}

func columnsOf(e event.Event) columns {
	return columns{
		id: e.ID, session: e.Session, action: e.Action, outcome: e.Outcome, bucket: e.Bucket,
		ip: e.SourceIP, request: e.RequestID, continues: e.Continues,
		time: e.Time.UnixMilli(), object: e.Path(),
	}
}
