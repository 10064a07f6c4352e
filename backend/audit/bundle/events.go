package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"usher/backend/audit/tree"
	"usher/backend/event"
)

// maxLine is the greatest size of an event in bytes.
const maxLine = 1 << 20

// find reads the record of the export: the last line of events.jsonl.
func (v *verification) find() error {
	e := v.all[nameEvents]
	tail := make([]byte, min(e.size, maxLine))
	if _, err := v.r.ReadAt(tail, e.at+e.size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the export: %w", err)
	}
	line := bytes.TrimSuffix(tail, []byte("\n"))
	line = line[bytes.LastIndexByte(line, '\n')+1:]
	found, err := event.Parse(line)
	if v.known = err == nil && found.Action == event.AuditExport && found.Outcome == event.Allowed; !v.known {
		v.report.fault(FaultManifest, 0, "the last event of the archive is not the record of an export")
		return nil
	}
	v.export = found
	return nil
}

// events compares each event with its leaf, and events.csv with the events.
func (v *verification) events() error {
	filter, err := filterOf(v.export)
	if v.known && err != nil {
		v.report.fault(FaultQuery, 0, "%v", err)
	}
	sheet := sha256.New()
	var size counter
	t, err := newTable(io.MultiWriter(sheet, &size))
	if err != nil {
		return err
	}
	if err := v.lines(filter, t); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	have := sha256.New()
	if _, err := io.Copy(have, v.open(nameCSV)); err != nil {
		return fmt.Errorf("reading the export: %w", err)
	}
	if int64(size) != v.all[nameCSV].size || !bytes.Equal(have.Sum(nil), sheet.Sum(nil)) {
		v.report.fault(FaultCSV, 0, "%s differs from the events that match the query", nameCSV)
	}
	return nil
}

// lines compares the lines of events.jsonl with those of index.txt.
func (v *verification) lines(filter event.Filter, t *table) error {
	leaves, err := peek(v.leafs())
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(v.open(nameEvents), 256<<10)
	n, done := int64(0), int64(0)
	for ; ; n++ {
		line, err := readLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			v.report.fault(FaultForm, 0, "%s: %v", nameEvents, err)
			break
		}
		if !leaves.more {
			v.report.fault(FaultProof, 0, "%s has more events than %s", nameEvents, nameIndex)
			break
		}
		if done += int64(len(line)) + 1; v.check.Progress != nil && n%1000 == 0 {
			v.check.Progress(done, v.all[nameEvents].size)
		}
		if err := v.event(leaves.head, line, filter, t); err != nil {
			return err
		}
		if err := leaves.advance(); err != nil {
			return err
		}
	}
	if v.report.Events = n; leaves.more {
		v.report.fault(FaultMissing, leaves.head.Index+1, "%s ends before this event", nameEvents)
	}
	for leaves.more {
		if err := leaves.advance(); err != nil {
			return err
		}
	}
	return nil
}

// leafs reads index.txt up to a malformed line, which is a fault, and counts its lines.
func (v *verification) leafs() Next[Leaf] {
	next := v.index()
	return func() (Leaf, bool, error) {
		l, ok, err := next()
		if errors.Is(err, errMalformed) {
			v.report.fault(FaultForm, 0, "%s is malformed after %d events", nameIndex, v.leaves)
			return l, false, nil
		}
		if ok {
			v.leaves++
			v.lastLeaf = l.Index
		}
		return l, ok, err
	}
}

// readLine returns a line without its end. A line without an end is an error.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF) && len(line) == 0:
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, errors.New("the last line has no end")
		case len(line) > maxLine:
			return nil, errors.New("a line is too long")
		}
	}
}

// event compares one event with its leaf.
func (v *verification) event(l Leaf, line []byte, filter event.Filter, t *table) error {
	record := l.Index + 1
	if tree.Leaf(line) != l.Hash {
		v.report.fault(FaultChanged, record, "the event has other content than its hash")
	}
	e, err := event.Parse(line)
	if err != nil {
		v.report.fault(FaultForm, record, "%v", err)
		return nil
	}
	if v.check.Event != nil {
		if err := v.check.Event(event.Record{Index: l.Index, Canonical: line, Event: e}); err != nil {
			return err
		}
	}
	if e.Groups != "" && len(e.GroupNames) > 0 && v.stated[e.Groups] == 0 {
		v.stated[e.Groups] = record
	}
	if e.Action == event.RetentionApplied {
		v.expiredTo, v.expired = max(v.expiredTo, e.LastRecord), max(v.expired, e.Records)
	}
	if !v.known || e.ID == v.export.ID {
		return nil
	}
	if e.Policy != "" {
		v.policies[e.Policy] = true
		if v.used[e.Groups] == 0 {
			v.used[e.Groups] = record
		}
	}
	inside := record >= v.export.FirstRecord && record <= v.export.LastRecord
	if inside {
		if v.newest = e.Time; !v.some {
			v.oldest, v.some = e.Time, true
		}
	}
	matches := inside && filter.Match(e)
	// The event that proves the deletions in a complete range can be behind the range.
	proves := v.export.Reason == WithRange && e.Action == event.RetentionApplied && record > v.export.LastRecord
	if !inside && !proves || inside && !matches && v.export.Reason != WithRange {
		v.report.fault(FaultQuery, record, "the event does not belong to the export")
	}
	if matches {
		v.report.Matches++
		return t.add(record, e)
	}
	return nil
}

// complete checks that no event of a complete range is missing.
func (v *verification) complete() error {
	m := v.report.Manifest
	if !m.Complete {
		return nil
	}
	first, last := m.Range()
	next := first
	gap := func(to int64) { // the records next to to are absent
		if to <= next {
			return
		}
		if to <= v.expiredTo {
			v.report.Expired += to - next
			return
		}
		v.report.fault(FaultMissing, next+1, "%d events of the range are not in the export", to-next)
	}
	for leaf := v.index(); ; {
		l, ok, err := leaf()
		if err != nil && !errors.Is(err, errMalformed) {
			return err
		}
		if !ok || l.Index >= last {
			break
		}
		if l.Index >= first {
			gap(l.Index)
			next = l.Index + 1
		}
	}
	gap(last)
	if v.report.Expired > v.expired { // events under a hold stay
		v.report.fault(FaultMissing, 0, "the export lacks %d events as expired, and the retention had deleted %d", v.report.Expired, v.expired)
	}
	v.spans(first, last)
	return nil
}

// spans checks that no event outside of a complete range can match the query.
func (v *verification) spans(first, last int64) {
	filter, err := filterOf(v.export)
	if err != nil {
		return // reported before
	}
	since, until := Span(filter)
	before := first > 0 && (since.IsZero() || !v.oldest.Before(since.Add(-Late)))
	after := last < v.report.Manifest.Records && (until.IsZero() || v.newest.Before(until.Add(Late)))
	if before || after {
		v.report.fault(FaultMissing, 0, "the range does not have all events of the query's time")
	}
}
