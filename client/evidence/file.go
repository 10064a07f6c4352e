package evidence

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/event"
)

// File is a verified export. It answers the same requests as a server, without one. Its
// events are those of the export; the record of the export itself is one of them. Queries
// may run concurrently.
type File struct {
	file   *os.File
	events int64 // place of events.jsonl
	rows   []row // oldest first
	Report bundle.Report
}

// row is the place of an event, in 40 bytes: an export can have millions of events.
type row struct {
	at     int64 // in milliseconds, as events have it
	index  int64
	from   int64 // in the file
	size   int32
	random [10]byte // of the id, a ULID; the order of events of a millisecond
}

// rowOf returns the time and the random part of an id.
func rowOf(id string, at time.Time) row {
	r := row{at: at.UnixMilli()}
	if u, err := ulid.ParseStrict(id); err == nil {
		copy(r.random[:], u[6:])
	}
	return r
}

// compare orders rows as event.Compare orders events.
func (r row) compare(o row) int {
	return cmp.Or(cmp.Compare(r.at, o.at), bytes.Compare(r.random[:], o.random[:]))
}

// pageRows is the number of rows that one answer looks at.
const pageRows = 100_000

// OpenFile verifies an export and opens it. key is the public key of the log; nil
// accepts the key of the export. A fault of the export is an *Error with the exit code
// of a failed check.
func OpenFile(ctx context.Context, path string, key *checkpoint.Verifier, progress func(done, bytes int64)) (_ *File, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, diskError("opening the export", err)
	}
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, diskError("opening the export", err)
	}
	f := &File{file: file}
	var most int64
	if f.events, most, err = bundle.EventsAt(file, info.Size()); err != nil && !errors.Is(err, bundle.ErrNotBundle) {
		return nil, err
	}
	f.rows = make([]row, 0, most) // a slice that grows has a copy at each step
	var at int64
	f.Report, err = bundle.Verify(ctx, file, info.Size(), bundle.Check{Key: key, Progress: progress, Event: func(r event.Record) error {
		k := rowOf(r.Event.ID, r.Event.Time)
		k.index, k.from, k.size = r.Index, at, int32(len(r.Canonical))
		f.rows = append(f.rows, k)
		at += int64(len(r.Canonical)) + 1
		return nil
	}})
	if err != nil {
		return nil, err
	}
	if f.Report.FaultCount > 0 {
		return nil, &Error{fmt.Sprintf("This export does not prove its events (%s). usher audit verify shows all faults.", f.Report.Faults[0]), api.ExitIntegrity}
	}
	slices.SortStableFunc(f.rows, row.compare)
	return f, nil
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// AuditQuery answers a query of the log from the export.
func (f *File) AuditQuery(ctx context.Context, in api.AuditQueryRequest) (api.AuditQueryResponse, error) {
	filter, err := event.ParseFilter(in.Filter, f.Report.Manifest.At)
	if err != nil {
		return api.AuditQueryResponse{}, err
	}
	at, ascending, err := f.start(in)
	if err != nil {
		return api.AuditQueryResponse{}, err
	}
	limit := in.Limit
	if limit <= 0 || limit > api.MaxAuditPage {
		limit = api.MaxAuditPage
	}
	out := api.AuditQueryResponse{Events: []event.Event{}}
	step := -1
	if ascending {
		step = 1
	}
	for looked := 0; at >= 0 && at < len(f.rows); looked++ {
		if len(out.Events) == limit || looked == pageRows {
			out.Cursor = strconv.Itoa(at)
			if ascending {
				out.Cursor = "+" + out.Cursor
			}
			reached := time.UnixMilli(f.rows[at-step].at).UTC()
			out.Reached = &reached
			break
		}
		if err := ctx.Err(); err != nil {
			return out, context.Cause(ctx)
		}
		e, err := f.event(f.rows[at])
		if err != nil {
			return out, err
		}
		if filter.Match(e) {
			out.Events, out.Records = append(out.Events, e), append(out.Records, f.rows[at].index+1)
		}
		at += step
	}
	return out, nil
}

// start returns the first row of a page and its direction.
func (f *File) start(in api.AuditQueryRequest) (at int, ascending bool, err error) {
	switch {
	case in.Cursor != "":
		number, ascending := strings.CutPrefix(in.Cursor, "+")
		at, err := strconv.Atoi(number)
		if err != nil || at < 0 || at >= len(f.rows) {
			return 0, false, &Error{"This cursor is not one of this file.", api.ExitUsage}
		}
		return at, ascending, nil
	case in.Oldest:
		return 0, true, nil
	case in.After != "":
		at, err := f.place(in.After)
		return at + 1, true, err
	case in.Before != "":
		at, err := f.place(in.Before)
		return at - 1, false, err
	}
	return len(f.rows) - 1, false, nil
}

// place returns the row of an event; that of the end for an unknown one.
func (f *File) place(id string) (int, error) {
	is := func(at int) (bool, error) {
		e, err := f.event(f.rows[at])
		return e.ID == id, err
	}
	// The time of an id is that of its event, but for events that were recorded late.
	var near row
	if u, err := ulid.ParseStrict(id); err == nil {
		near = rowOf(id, ulid.Time(u.Time()))
	}
	if at, found := slices.BinarySearchFunc(f.rows, near, row.compare); found {
		if ok, err := is(at); ok || err != nil {
			return at, err
		}
	}
	for at := range f.rows {
		if f.rows[at].random != near.random {
			continue
		}
		if ok, err := is(at); ok || err != nil {
			return at, err
		}
	}
	return len(f.rows), nil
}

// Len returns the number of events.
func (f *File) Len() int { return len(f.rows) }

// event reads an event.
func (f *File) event(r row) (event.Event, error) {
	line := make([]byte, r.size)
	if _, err := f.file.ReadAt(line, f.events+r.from); err != nil || bytes.ContainsRune(line, '\n') {
		return event.Event{}, &Error{"The file of the export has changed since it was opened.", api.ExitIntegrity}
	}
	e, err := event.Parse(line)
	if err != nil {
		return e, &Error{"The file of the export has changed since it was opened.", api.ExitIntegrity}
	}
	return e, nil
}
