package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"usher/backend/api"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/cursor"
	"usher/backend/event"
)

// Bounds of one step of a scan of the log.
const (
	scanRecords = 20_000
	scanTime    = time.Second
)

// scan is a scan of the log in steps, for an export or a review. It reads the records
// and not the index. Its state is in the cursor.
type scan struct {
	Query    string `json:"q"` // with absolute times
	Complete bool   `json:"c,omitempty"`
	Size     int64  `json:"s"` // events of the checkpoint before the scan
	Root     string `json:"h"` // of this checkpoint
	First    int64  `json:"a"` // index of the first record of the range
	Last     int64  `json:"b"` // exclusive
	At       int64  `json:"p"` // next record
	Count    int    `json:"n"` // events that match

	// The state of an export.
	Event  string `json:"e,omitempty"` // id of its record; "": the scan counts
	Place  int64  `json:"x"`           // index of its record; -1: not found yet
	Tree   int64  `json:"t,omitempty"` // events of its checkpoint
	Opened bool   `json:"o,omitempty"` // the nodes outside of the scan have left
	Gone   int64  `json:"g,omitempty"` // number of the retention's last event, for a complete range without its deleted records; 0: none

	filter event.Filter
}

// scanOf returns the scan of a request: a new one, or that of its cursor.
func (r *request) scanOf(text, sealed string, more ...string) (*scan, cursor.Cursor, error) {
	at := cursor.Cursor{Verb: r.verb, Sub: r.claims.Sub, Hash: cursor.Hash(append(more, text)...)}
	if sealed == "" {
		s, err := r.beginScan(text)
		return s, at, err
	}
	have, err := r.b.c.Cursors.Open(sealed, at, r.now)
	if err != nil {
		return nil, at, fail(api.BadCursor, err)
	}
	var s scan
	if err := json.Unmarshal([]byte(have.Token), &s); err != nil {
		return nil, at, fail(api.BadCursor, err)
	}
	if s.filter, err = event.ParseFilter(s.Query, r.now); err != nil {
		return nil, at, fail(api.BadCursor, err)
	}
	return &s, at, nil
}

// seal returns the cursor of a scan.
func (r *request) seal(s *scan, at cursor.Cursor) (string, error) {
	token, err := json.Marshal(s)
	if err != nil {
		return "", fail(api.Internal, err)
	}
	at.Token, at.Expires = string(token), r.now.Add(cursor.Life)
	text, err := r.b.c.Cursors.Seal(at)
	if err != nil {
		return "", fail(api.Internal, err)
	}
	return text, nil
}

// parseScan refuses a filter that does not fit with absolute times.
func (r *request) parseScan(text string) (event.Filter, error) {
	filter, err := event.ParseFilter(text, r.now)
	if err == nil {
		_, err = event.ParseFilter(filter.String(), r.now)
	}
	if err != nil {
		return filter, fail(api.BadRequest, errors.New("query"))
	}
	return filter, nil
}

// beginScan returns a new scan of the events of the latest checkpoint.
func (r *request) beginScan(text string) (*scan, error) {
	filter, err := r.parseScan(text)
	if err != nil {
		return nil, err
	}
	s := &scan{Query: filter.String(), Place: -1, filter: filter}
	err = r.search(func() error {
		_, head, err := r.latest()
		if err != nil {
			return err
		}
		s.Size, s.Root = head.Size, head.Root.String()
		s.First, s.Last, err = r.span(filter, head)
		s.At = s.First
		return err
	})
	return s, err
}

// signing is a log that signs a checkpoint of all its events at once. A sealed log signs
// later.
type signing interface {
	Checkpoint(ctx context.Context) (string, error)
}

// sign signs a checkpoint of all events, if the log can do it now.
func (r *request) sign() error {
	if log, ok := r.b.c.Checkpoints.(signing); ok {
		if _, err := log.Checkpoint(r.ctx); err != nil {
			return fmt.Errorf("signing a checkpoint: %w", err)
		}
	}
	return nil
}

// span returns the records that can match the times of a filter, with one record more
// on each side, which shows that the span is wide enough.
func (r *request) span(f event.Filter, head tree.Head) (first, last int64, err error) {
	since, until := bundle.Span(f)
	last = head.Size
	if !since.IsZero() {
		if first, err = event.FirstAt(r.ctx, r.b.c.Records.Between, since.Add(-bundle.Late), head.Size); err != nil {
			return 0, 0, err
		}
		first = max(0, first-1)
	}
	if !until.IsZero() {
		if last, err = event.FirstAt(r.ctx, r.b.c.Records.Between, until.Add(bundle.Late), head.Size); err != nil {
			return 0, 0, err
		}
		if last, err = r.through(last, head.Size); err != nil {
			return 0, 0, err
		}
	}
	return min(first, last), last, nil
}

// through returns the end of a range up to and with the next record from an index on,
// whose place can be that of an expired one.
func (r *request) through(from, size int64) (int64, error) {
	for rec, err := range r.b.c.Records.Between(r.ctx, from, size) {
		return rec.Index + 1, err
	}
	return size, nil
}

// count counts matching events of one step, and reports whether it is the last one.
func (s *scan) count(ctx context.Context, records Records) (done bool, err error) {
	begin, n := time.Now(), 0
	for rec, err := range records.Between(ctx, s.At, s.Last) {
		if err != nil {
			return false, err
		}
		if s.At = rec.Index + 1; s.filter.Match(rec.Event) {
			s.Count++
		}
		if n++; n >= scanRecords || n%256 == 0 && time.Since(begin) > scanTime {
			return s.At >= s.Last, nil
		}
	}
	s.At = s.Last
	return true, nil
}

// records returns the range for people: numbers from 1 on, 0 for an empty range.
func (s *scan) records() (first, last int64) {
	if s.First == s.Last {
		return 0, 0
	}
	return s.First + 1, s.Last
}

// provable refuses a log without checkpoints: its content cannot be proved.
func (b *Backend) provable() error {
	if b.c.Checkpoints == nil || b.c.Records == nil {
		return fail(api.NotFound, checkpoint.ErrNoCheckpoint)
	}
	return nil
}
