package backend

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"usher/backend/api"
	"usher/backend/audit"
	"usher/backend/audit/bundle"
	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tree"
	"usher/backend/event"
)

// Bounds of one answer with events.
const (
	exportEvents = 1000
	exportBytes  = 2 << 20
	// blockLeaves is the number of leaves in a subtree that is read as a whole.
	blockLeaves = 1 << tree.Step
)

// auditExport makes one step of an export. The export is recorded with its query and
// its number of events before the first event leaves.
func (b *Backend) auditExport(r *request) (any, error) {
	var in api.AuditExportRequest
	if err := r.decode(&in); err != nil {
		return nil, err
	}
	e := r.event(event.AuditRead, "", "")
	e.Reason = "export: " + in.Filter
	if err := r.auditor(&e); err != nil {
		return nil, err
	}
	if err := b.provable(); err != nil {
		return nil, err
	}
	s, at, err := r.scanOf(in.Filter, in.Cursor, strconv.FormatBool(in.Complete))
	if err != nil {
		return nil, err
	}
	s.Complete = in.Complete
	out := api.AuditExportResponse{}
	switch {
	case in.Policy != "":
		err = r.policy(s, in.Policy, &out)
	case in.Groups != "":
		err = r.namesOf(s, in.Groups, in.Session, &out)
	case s.Event == "":
		err = r.exportCount(s, e, &out)
	case s.Place < 0:
		err = r.exportWait(s, &out)
	default:
		err = r.search(func() error { return r.exportRead(s, &out) })
	}
	if err != nil {
		return nil, err
	}
	out.Events, out.Event = int64(s.Count), s.Event
	if out.Cursor, err = r.seal(s, at); err != nil {
		return nil, err
	}
	return out, nil
}

// exportCount counts, and records the export at the end.
func (r *request) exportCount(s *scan, e event.Event, out *api.AuditExportResponse) error {
	done := false
	err := r.search(func() (err error) {
		done, err = s.count(r.ctx, r.b.c.Records)
		return err
	})
	out.Stage, out.Done, out.Total = api.StageCounting, s.At-s.First, s.Last-s.First
	if err != nil || !done {
		return err
	}
	e.Action, e.Query, e.Reason, e.Count, e.Records = event.AuditExport, s.Query, "", s.Count, s.Size
	e.FirstRecord, e.LastRecord = s.records()
	if s.Complete {
		e.Reason = bundle.WithRange
	}
	if err := r.record(e); err != nil {
		return err
	}
	s.Event, s.At = e.ID, s.Size
	return nil
}

// exportWait looks for the record of the export below a checkpoint.
func (r *request) exportWait(s *scan, out *api.AuditExportResponse) error {
	out.Stage, out.Total = api.StageWaiting, 1
	return r.search(func() error {
		answer, head, err := r.latest()
		if err != nil {
			return err
		}
		for rec, err := range r.b.c.Records.Between(r.ctx, s.At, head.Size) {
			if err != nil {
				return err
			}
			if s.At = rec.Index + 1; rec.Event.ID == s.Event {
				s.Place, s.Tree = rec.Index, head.Size
				if err := r.retained(s); err != nil {
					return err
				}
				s.At = s.windows()[0].lo
				out.Stage, out.Checkpoint = api.StageReading, answer
				return nil
			}
		}
		return nil
	})
}

// retained finds the retention's last event for a complete export whose range lacks
// deleted records. The event proves the deletion, and can be behind the range.
func (r *request) retained(s *scan) error {
	if !s.Complete {
		return nil
	}
	applied := event.Filter{Terms: []event.Term{{Field: event.ByAction, Value: event.RetentionApplied}}}
	found, err := r.b.c.Audit.Query(r.ctx, applied, audit.Page{Limit: 1})
	if err != nil || len(found.Events) == 0 || len(found.Records) == 0 {
		return err
	}
	if at := found.Records[0] - 1; s.First < found.Events[0].LastRecord && at >= s.Last && at < s.Place {
		s.Gone = at + 1
	}
	return nil
}

// latest returns the latest checkpoint, with the cosigned one.
func (r *request) latest() (*api.CheckpointResponse, tree.Head, error) {
	if err := r.sign(); err != nil {
		return nil, tree.Head{}, err
	}
	out, err := proofOf(r.ctx, r.b.c.Checkpoints, r.b.c.Witnesses, 0)
	if err != nil {
		return nil, tree.Head{}, err
	}
	_, head, err := checkpoint.Unverified([]byte(out.Checkpoint))
	return &out, head, err
}

// window is a range of leaves that an export reads: whole blocks, up to the end of the
// tree.
type window struct{ lo, hi int64 }

func (s *scan) window(first, last int64) window {
	if first >= last {
		return window{}
	}
	return window{first / blockLeaves * blockLeaves, min(s.Tree, (last+blockLeaves-1)/blockLeaves*blockLeaves)}
}

// windows returns the windows of the range, of the retention's event and of the record
// of the export. Two in one block are one window.
func (s *scan) windows() (all []window) {
	parts := []window{s.window(s.First, s.Last), s.window(s.Place, s.Place+1)}
	if s.Gone > 0 {
		parts = slices.Insert(parts, 1, s.window(s.Gone-1, s.Gone))
	}
	for _, w := range parts {
		switch n := len(all); {
		case w.hi == 0:
		case n > 0 && w.lo < all[n-1].hi:
			all[n-1].hi = max(all[n-1].hi, w.hi)
		default:
			all = append(all, w)
		}
	}
	return all
}

// outside returns the subtrees outside of the windows.
func (s *scan) outside() (all []bundle.Node) {
	at := int64(0)
	for _, w := range s.windows() {
		all = append(all, bundle.Cover(at, w.lo)...)
		at = w.hi
	}
	return append(all, bundle.Cover(at, s.Tree)...)
}

// selects reports whether an export has a record.
func (s *scan) selects(rec event.Record) bool {
	if rec.Index == s.Place || rec.Index == s.Gone-1 {
		return true
	}
	return rec.Index >= s.First && rec.Index < s.Last && (s.Complete || s.filter.Match(rec.Event))
}

// exportRead returns the events and hashes of the next blocks.
func (r *request) exportRead(s *scan, out *api.AuditExportResponse) error {
	hashes := r.b.c.Checkpoints.Hashes(r.ctx)
	if !s.Opened {
		if err := read(hashes, s.outside(), out); err != nil {
			return err
		}
		s.Opened = true
	}
	begin, bytes := time.Now(), 0
	var total, done int64
	for _, w := range s.windows() {
		total += w.hi - w.lo
		more := func() bool {
			return s.At < w.hi && len(out.Records) < exportEvents && bytes < exportBytes && time.Since(begin) < scanTime
		}
		if more() {
			s.At = max(s.At, w.lo)
			records := pull(r.b.c.Records.Between(r.ctx, s.At, w.hi))
			for more() {
				n, err := s.block(records, min(s.At+blockLeaves, w.hi), hashes, out)
				if err != nil {
					records.stop()
					return err
				}
				bytes += n
				s.At = min(s.At+blockLeaves, w.hi)
			}
			records.stop()
		}
		done += max(0, min(s.At, w.hi)-w.lo)
	}
	out.Stage, out.Done, out.Total = api.StageReading, done, total
	if done == total {
		out.Stage = api.StageDone
	}
	return nil
}

// read adds the hashes of nodes to an answer.
func read(hashes tlog.HashReader, nodes []bundle.Node, out *api.AuditExportResponse) error {
	indexes := make([]int64, len(nodes))
	for i, n := range nodes {
		indexes[i] = n.StoredIndex()
	}
	found, err := hashes.ReadHashes(indexes)
	if err != nil {
		return fmt.Errorf("reading hashes of the tree: %w", err)
	}
	for i, n := range nodes {
		out.Nodes = append(out.Nodes, api.ExportNode{Lo: n.Lo, Hi: n.Hi, Hash: found[i][:]})
	}
	return nil
}

// block adds the events and hashes of the leaves from s.At to hi, and returns the bytes
// of the events.
func (s *scan) block(records *pulled, hi int64, hashes tlog.HashReader, out *api.AuditExportResponse) (bytes int, err error) {
	lo := s.At
	leaves := make([]tree.Hash, hi-lo)
	present, selected := make([]bool, hi-lo), make([]bool, hi-lo)
	some := false
	for {
		rec, ok, err := records.before(hi)
		if err != nil {
			return bytes, err
		}
		if !ok {
			break
		}
		at := rec.Index - lo
		leaves[at], present[at] = tree.Leaf(rec.Canonical), true
		if s.selects(rec) {
			selected[at], some = true, true
			out.Records = append(out.Records, api.ExportRecord{Index: rec.Index, Event: string(rec.Canonical)})
			bytes += len(rec.Canonical)
		}
	}
	if !some {
		return bytes, read(hashes, bundle.Cover(lo, hi), out)
	}
	for i := range leaves {
		if present[i] {
			continue
		}
		h, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, lo+int64(i))})
		if err != nil {
			return bytes, fmt.Errorf("reading the hash of an expired event: %w", err)
		}
		leaves[i] = h[0]
	}
	for _, n := range bundle.Bare(lo, leaves, func(i int64) bool { return selected[i-lo] }) {
		out.Nodes = append(out.Nodes, api.ExportNode{Lo: n.Lo, Hi: n.Hi, Hash: n.Hash[:]})
	}
	return bytes, nil
}

// policy adds the text of a version of the grants, for an export that is recorded.
func (r *request) policy(s *scan, version string, out *api.AuditExportResponse) error {
	if s.Place < 0 || r.b.c.Policies == nil {
		return fail(api.BadRequest, errors.New("policy"))
	}
	out.Stage = api.StageDone
	return r.search(func() error {
		set, err := r.b.c.Policies.Version(r.ctx, version)
		if err != nil {
			return fmt.Errorf("reading the version %.64q of the grants: %w", version, err)
		}
		out.Policy = set.Text()
		return nil
	})
}

// namesOf adds the names of the groups of a decision: those of an event of its session.
func (r *request) namesOf(s *scan, hash, session string, out *api.AuditExportResponse) error {
	if s.Place < 0 || session == "" {
		return fail(api.BadRequest, errors.New("groups"))
	}
	out.Stage = api.StageDone
	filter := event.Filter{Terms: []event.Term{
		{Field: event.BySession, Value: session}, {Field: event.ByAction, Value: event.SessionStart}, {Field: event.ByAction, Value: event.MembershipChanged},
	}}
	return r.search(func() error {
		page := audit.Page{Limit: audit.MaxPage, Ascending: true}
		for {
			found, err := r.b.c.Audit.Query(r.ctx, filter, page)
			if err != nil {
				return err
			}
			for _, e := range found.Events {
				if e.Groups == hash && e.Outcome == event.Allowed && event.HashGroups(e.GroupNames) == hash {
					out.GroupNames = e.GroupNames
					return nil
				}
			}
			if page.Position = found.Position; page.Position == "" {
				return nil
			}
		}
	})
}

// pulled are records that blocks take in turn.
type pulled struct {
	next func() (event.Record, error, bool)
	stop func()
	held *event.Record // read, and of a later block
}

func pull(all iter.Seq2[event.Record, error]) *pulled {
	next, stop := iter.Pull2(all)
	return &pulled{next: next, stop: stop}
}

// before returns the next record if it is before an index.
func (p *pulled) before(hi int64) (event.Record, bool, error) {
	if p.held == nil {
		rec, err, ok := p.next()
		if !ok || err != nil {
			return rec, false, err
		}
		p.held = &rec
	}
	if p.held.Index >= hi {
		return event.Record{}, false, nil
	}
	rec := *p.held
	p.held = nil
	return rec, true, nil
}
