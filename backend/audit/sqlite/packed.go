package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"usher/backend/audit/compact"
	"usher/backend/event"
)

// A stored record is the number of its dictionary as a varint, and the compressed
// canonical bytes. Number 0 is no dictionary: the bytes themselves follow. The hash of
// a record is of its canonical bytes.

// Bounds in bytes.
const (
	maxRecord   = 4 << 20 // of a stored record
	trainedSize = 32 << 10
)

// Numbers of records.
const (
	sampled    = 1024   // for the training of a dictionary
	trainEvery = 32_768 // between dictionaries; the second one comes earlier
)

// maxDictionaries bounds the dictionaries in memory.
const maxDictionaries = 64

// keptMembers are the members of events that a dictionary has. Names, addresses and
// object names are not among them: a dictionary stays in the log after the events
// have expired.
func keptMembers() compact.Members {
	return compact.Members{
		Whole: []string{"action", "bound", "bucket", "grant", "groups", "implausible", "outcome", "policy", "purpose", "user_agent", "verified", "way"},
		Start: []string{"continues", "id", "request_id", "signed_in", "time"},
	}
}

// firstDictionary returns the dictionary of the first records of a log.
func firstDictionary() []byte {
	size, seconds := int64(1), 0.5
	release := event.Event{
		Action: event.Download, Bucket: "b", ETag: `"`, Grant: "allow ", Groups: "g", Policy: "p", Purpose: "download", Outcome: event.Allowed, Size: &size,
		User: event.User{Sub: "s", Username: "u", Email: "e"}, Session: "s-", UserAgent: "usher/1.0.0 linux/amd64", Time: time.Unix(1793527200, 0),
	}
	denied, list, start, done := release, release, release, release
	denied.Outcome, denied.Grant, denied.ETag, denied.Size, denied.Reason = event.Denied, "", "", nil, "r"
	list.Action, list.Purpose, list.ETag, list.Size, list.Entries, list.EntriesHash, list.Reason = event.List, "", "", nil, 1, "h", "r"
	start.Action, start.Purpose, start.ETag, start.Size, start.Policy, start.Grant = event.SessionStart, "", "", nil, "", ""
	start.GroupNames, start.SignedIn, start.Way = []string{"g"}, &release.Time, event.WaySSO
	done.Action, done.Policy, done.Groups, done.Grant, done.Continues = event.Completed, "", "", "", "0"
	done.Bytes, done.Seconds, done.Verified, done.Reason = &size, &seconds, "crc64nvme", "done"
	var sample [][]byte
	for _, e := range []event.Event{release, denied, list, start, done} {
		for range compact.Least {
			sample = append(sample, event.Canonical(e))
		}
	}
	return compact.Train(sample, keptMembers(), trainedSize)
}

// texts expands stored records.
type texts struct {
	mu   sync.Mutex
	open map[int64]*compact.Dictionary
	most int // dictionaries in memory
}

func newTexts() *texts { return &texts{open: map[int64]*compact.Dictionary{}, most: maxDictionaries} }

// expand appends the canonical bytes of a stored record to to. It returns ErrDamaged
// for a record that has none. A database of one connection must have no open rows.
func (t *texts) expand(ctx context.Context, q queryer, to, stored []byte) ([]byte, error) {
	n, size := binary.Uvarint(stored)
	switch {
	case size <= 0:
		return to, fmt.Errorf("%w: a record has no text", ErrDamaged)
	case n == 0:
		return append(to, stored[size:]...), nil
	}
	d, err := t.dictionary(ctx, q, int64(n))
	if err != nil {
		return to, err
	}
	all, err := d.Expand(to, stored[size:])
	if err != nil {
		return to, fmt.Errorf("%w: a compressed record is malformed", ErrDamaged)
	}
	return all, nil
}

// dictionary returns a dictionary of the log. The error is ErrDamaged for one that is
// missing or malformed.
func (t *texts) dictionary(ctx context.Context, q queryer, n int64) (*compact.Dictionary, error) {
	t.mu.Lock()
	d := t.open[n]
	t.mu.Unlock()
	if d != nil {
		return d, nil
	}
	text, err := readDictionary(ctx, q, n)
	if err != nil {
		return nil, err
	}
	if d, err = compact.Open(text); err != nil {
		return nil, fmt.Errorf("%w: its dictionary %d is malformed", ErrDamaged, n)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= t.most {
		clear(t.open)
	}
	t.open[n] = d
	return d, nil
}

func readDictionary(ctx context.Context, q queryer, n int64) ([]byte, error) {
	var text []byte
	const query = "SELECT text FROM dictionaries WHERE n = ? AND length(text) <= ?"
	err := q.QueryRowContext(ctx, query, n, compact.MaxDictionary).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: its dictionary %d is missing or malformed", ErrDamaged, n)
	}
	return text, err
}

// packer compresses the records of the writer. It is a value: a transaction changes a
// copy, which replaces the writer's after the commit.
type packer struct {
	n       int64 // number of the dictionary
	after   int64 // number of records before it
	with    *compact.Dictionary
	trained chan []byte // receives the text of the next dictionary; nil: none is in training
}

// loadPacker returns the packer with the last dictionary of the log.
func loadPacker(ctx context.Context, q queryer) (p packer, err error) {
	switch err := q.QueryRowContext(ctx, "SELECT n, after FROM dictionaries ORDER BY n DESC LIMIT 1").Scan(&p.n, &p.after); {
	case errors.Is(err, sql.ErrNoRows):
		return p, fmt.Errorf("%w: its dictionaries are missing", ErrDamaged)
	case err != nil:
		return p, err
	}
	text, err := readDictionary(ctx, q, p.n)
	if err != nil {
		return p, err
	}
	if p.with, err = compact.New(text); err != nil {
		return p, fmt.Errorf("%w: its dictionary %d is malformed", ErrDamaged, p.n)
	}
	return p, nil
}

// pack appends the stored form of canonical bytes to to. It expands the form again, so
// a record is never lost.
func (p *packer) pack(to, canonical []byte) []byte {
	begin := len(to)
	to = binary.AppendUvarint(to, uint64(p.n))
	head := len(to)
	if packed, shorter := p.with.Compress(to, canonical); shorter && p.with.Expands(packed[head:], canonical) {
		return packed
	}
	return append(append(to[:begin], 0), canonical...)
}

// due reports whether a training has to begin.
func (p *packer) due(size int64) bool {
	every := int64(trainEvery)
	if p.n == 1 {
		every = sampled
	}
	return p.trained == nil && size-p.after >= every
}

// train begins the training of the next dictionary with the last records. It runs
// beside the writer.
func (p *packer) train(ctx context.Context, t *texts, q queryer, size int64) error {
	recent, err := records(ctx, source{q, t}, max(0, size-sampled))
	if err != nil {
		return err
	}
	var sample [][]byte
	for _, r := range recent {
		if r.bad == nil {
			sample = append(sample, r.Canonical)
		}
	}
	done := make(chan []byte, 1)
	go func() { done <- compact.Train(sample, keptMembers(), trainedSize) }()
	p.trained = done
	return nil
}

// next stores the next dictionary inside a transaction, if its training has ended.
func (p *packer) next(ctx context.Context, conn *sql.Conn, size int64) error {
	select {
	case text := <-p.trained:
		with, err := compact.New(text)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, "INSERT INTO dictionaries (n, after, text) VALUES (?, ?, ?)", p.n+1, size, text); err != nil {
			return err
		}
		*p = packer{n: p.n + 1, after: size, with: with}
	default:
	}
	return nil
}
