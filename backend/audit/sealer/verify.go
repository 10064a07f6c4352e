package sealer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"usher/backend/audit/checkpoint"
	"usher/backend/audit/tiles"
	"usher/backend/audit/tree"
)

// The kinds of faults.
const (
	FaultChanged    = "changed"    // an event differs from the sealed one
	FaultMissing    = "missing"    // a sealed event is not in the log
	FaultUnreadable = "unreadable" // a batch or an object cannot be read
	FaultTree       = "tree"       // objects differ from the signed root
	FaultCheckpoint = "checkpoint" // a checkpoint is missing, has no valid signature, or is of another tree
)

// Fault is one fault of a log.
type Fault struct {
	Kind   string
	Index  int64  // number of the first event in the tree, from 1; 0: none in particular
	Count  int64  // of adjacent events; 0: none in particular
	ID     string // of the first event or batch, if there is one
	Detail string
}

const maxFaults = 100

// Report is the result of a verification.
type Report struct {
	Head        tree.Head // of the latest checkpoint
	Whole       int64     // the sealed events up to this number have no fault
	Unsealed    int64     // events of the log that no checkpoint covers
	Strays      int64     // sealed events out of the order of ids
	Expired     int64     // sealed events that have left the log at their expiry
	Checkpoints int64     // that were verified
	Policy      bool      // cosignatures were verified
	Witnessed   int64     // number of events that a checkpoint proves which satisfies the policy
	Faults      []Fault   // the first 100
	FaultCount  int
}

// fault adds a fault. Adjacent events of one kind are one fault.
func (r *Report) fault(f Fault) {
	if f.Index > 0 {
		r.Whole = min(r.Whole, f.Index-1)
		f.Count = max(f.Count, 1)
	}
	if last := len(r.Faults) - 1; last >= 0 && f.Index > 0 && r.Faults[last].Kind == f.Kind && r.Faults[last].Index+r.Faults[last].Count == f.Index {
		r.Faults[last].Count += f.Count
		return
	}
	r.FaultCount++
	if len(r.Faults) < maxFaults {
		r.Faults = append(r.Faults, f)
	}
}

// VerifyConfig has the parts of a verification.
type VerifyConfig struct {
	Log     Log
	Objects tiles.Objects
	Key     *checkpoint.Verifier
	Now     func() time.Time
	// Known are further heads that the tree must contain, such as those of clients
	// and witnesses.
	Known []tree.Head
	// Names returns the names of all stored checkpoints. nil: the latest one alone.
	Names func(ctx context.Context) iter.Seq2[string, error]
	// Cosigned returns the names of all stored checkpoints with cosignatures. nil:
	// none.
	Cosigned func(ctx context.Context) iter.Seq2[string, error]
	// Policy is that of the witnesses. nil: cosignatures are not verified.
	Policy *checkpoint.Policy
	// Expired reports whether an event of a time may have left the log.
	Expired func(time.Time) bool
	// Event gets every event: the sealed ones with their number from 1, in the order
	// of the tree, and then the others with the number 0. nil: no call.
	Event func(n int64, line []byte)
}

// Verify reads the whole log and everything that is sealed, and compares both with
// the checkpoints. The error is one of reading; the Report has the faults.
func Verify(ctx context.Context, c VerifyConfig) (Report, error) {
	if c.Log == nil || c.Objects == nil || c.Key == nil || c.Now == nil || c.Expired == nil {
		return Report{}, errors.New("sealer: a verification needs log, objects, key, clock and expiry")
	}
	v := &verification{c: c, strays: map[tree.Hash]numbered{}, pending: map[tree.Hash]Event{}, witnessed: map[tree.Head]bool{}}
	if err := v.run(ctx); err != nil {
		return v.report, fmt.Errorf("verifying the sealed log: %w", err)
	}
	return v.report, nil
}

type numbered struct {
	n  int64
	id string
}

type verification struct {
	c      VerifyConfig
	report Report
	heads  []tree.Head // of further checkpoints, by size

	witnessed map[tree.Head]bool // heads with cosignatures that satisfy the policy

	// strays are sealed events out of order that have not been found in the log.
	strays map[tree.Hash]numbered
	// pending are events of the log that have not been found among the sealed ones.
	pending map[tree.Hash]Event
	// gone are sealed events that have not been found in the log.
	gone []numbered
}

func (v *verification) run(ctx context.Context) error {
	r := &v.report
	note, err := v.c.Objects.Get(ctx, tiles.Checkpoint)
	switch {
	case errors.Is(err, tiles.ErrMissing):
		r.Head = (&tree.Frontier{}).Head()
	case err != nil:
		return fmt.Errorf("reading the latest checkpoint: %w", err)
	default:
		if r.Head, err = v.c.Key.Open(note); err != nil {
			r.fault(Fault{Kind: FaultCheckpoint, Detail: err.Error()})
			return nil
		}
		if v.c.Names == nil { // otherwise it is one of them
			r.Checkpoints++
		}
	}
	r.Whole, r.Policy = r.Head.Size, v.c.Policy != nil
	if err := v.checkpoints(ctx); err != nil {
		return err
	}
	if err := v.compare(ctx); err != nil {
		return err
	}
	v.settle()
	slices.SortStableFunc(r.Faults, func(a, b Fault) int { return cmp.Compare(a.Index, b.Index) })
	return nil
}

// readers bounds the concurrent reads of checkpoints.
const readers = 16

// checkpoints verifies the stored checkpoints and collects their heads.
func (v *verification) checkpoints(ctx context.Context) error {
	v.heads = slices.Clone(v.c.Known)
	err := v.notes(ctx, v.c.Names, func(name string, head tree.Head, _ []byte) bool {
		if name != tiles.CheckpointOf(head.Size) {
			return false
		}
		v.report.Checkpoints++
		return true
	})
	if err != nil {
		return err
	}
	err = v.notes(ctx, v.c.Cosigned, func(name string, head tree.Head, note []byte) bool {
		if v.c.Policy != nil && v.c.Policy.Satisfied(note) {
			v.witnessed[head] = true
		}
		return strings.HasPrefix(name, tiles.CosignedOf(head.Size, ""))
	})
	if err != nil {
		return err
	}
	slices.SortFunc(v.heads, func(a, b tree.Head) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), bytes.Compare(a.Root[:], b.Root[:]))
	})
	v.heads = slices.Compact(v.heads)
	return nil
}

// notes reads stored checkpoints and verifies their signatures. use gets each of
// them, one at a time, and returns whether its name is right.
func (v *verification) notes(ctx context.Context, names func(context.Context) iter.Seq2[string, error], use func(name string, head tree.Head, note []byte) bool) error {
	if names == nil {
		return nil
	}
	var mu sync.Mutex
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for name, err := range names(reading) {
		if err != nil {
			return errors.Join(fmt.Errorf("listing the checkpoints: %w", err), group.Wait())
		}
		group.Go(func() error {
			note, err := v.c.Objects.Get(reading, name)
			if err != nil {
				return fmt.Errorf("reading %s: %w", name, err)
			}
			head, err := v.c.Key.Open(note)
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !use(name, head, note) {
				v.report.fault(Fault{Kind: FaultCheckpoint, Detail: name + " has no valid signature of its size"})
				return nil
			}
			v.heads = append(v.heads, head)
			return nil
		})
	}
	return group.Wait()
}

// sealedEvents hashes all sealed events, and compares the roots at the sizes of
// the checkpoints.
func (v *verification) sealedEvents(ctx context.Context) iter.Seq2[numbered, []byte] {
	return func(yield func(numbered, []byte) bool) {
		r := &v.report
		var f tree.Frontier
		var other []tree.Head // that the events contradict
		heads := v.heads
		check := func() {
			for ; len(heads) > 0 && heads[0].Size <= f.Size(); heads = heads[1:] {
				if heads[0].Root != f.Root() {
					other = append(other, heads[0])
				} else if v.witnessed[heads[0]] {
					r.Witnessed = heads[0].Size
				}
			}
		}
		check()
		for line, err := range tiles.Events(ctx, v.c.Objects, r.Head.Size, 0, r.Head.Size) {
			if err != nil {
				r.fault(Fault{Kind: FaultUnreadable, Index: f.Size() + 1, Count: r.Head.Size - f.Size(), Detail: err.Error()})
				return
			}
			f.Append(tree.Leaf(line), func(int, int64, tree.Hash) {})
			check()
			if !yield(numbered{f.Size(), IDOf(line)}, line) {
				return
			}
		}
		if f.Head() != r.Head {
			other = v.locate(ctx, other)
		}
		for _, h := range other {
			r.fault(Fault{Kind: FaultCheckpoint, Detail: fmt.Sprintf("a checkpoint of %d events is of another tree", h.Size)})
		}
		if last := len(heads) - 1; last >= 0 {
			r.fault(Fault{Kind: FaultCheckpoint, Detail: fmt.Sprintf("a checkpoint of %d events is known, and the latest one has %d", heads[last].Size, r.Head.Size)})
		}
	}
}

// locate finds the sealed events that differ from the hashes of the signed tree.
// It returns those of the heads that the hashes contradict too.
func (v *verification) locate(ctx context.Context, heads []tree.Head) (contradicted []tree.Head) {
	r := &v.report
	hashes := tiles.HashesOf(ctx, v.c.Objects, r.Head)
	for _, h := range heads {
		if root, err := tlog.TreeHash(h.Size, hashes); err == nil && root != h.Root {
			contradicted = append(contradicted, h)
		}
	}
	found := false
	n := int64(0)
	for line, err := range tiles.Events(ctx, v.c.Objects, r.Head.Size, 0, r.Head.Size) {
		if err != nil {
			break
		}
		stored, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err != nil {
			r.fault(Fault{Kind: FaultTree, Index: n + 1, Count: r.Head.Size - n, Detail: err.Error()})
			return contradicted
		}
		if n++; stored[0] != tree.Leaf(line) {
			found = true
			r.fault(Fault{Kind: FaultChanged, Index: n, ID: IDOf(line), Detail: "the sealed event differs from the signed tree"})
		}
	}
	if !found {
		r.fault(Fault{Kind: FaultTree, Detail: "the sealed events have another root than the latest checkpoint"})
	}
	return contradicted
}

// unsealed counts an event of the log that is not sealed yet.
func (v *verification) unsealed(line []byte) {
	v.report.Unsealed++
	if v.c.Event != nil {
		v.c.Event(0, line)
	}
}

// settle compares the leftovers: late events on one side with strays on the other,
// and changed events on both.
func (v *verification) settle() {
	r := &v.report
	left := map[string]Event{}
	for leaf, e := range v.pending {
		if _, ok := v.strays[leaf]; ok {
			delete(v.strays, leaf)
			continue
		}
		left[e.ID] = e
	}
	for _, s := range v.strays {
		v.gone = append(v.gone, s)
	}
	slices.SortFunc(v.gone, func(a, b numbered) int { return cmp.Compare(a.n, b.n) })
	for _, g := range v.gone {
		at, ok := timeOf(g.id)
		_, changed := left[g.id]
		switch {
		case changed: // it is the sealed event, with another content
			delete(left, g.id)
			r.fault(Fault{Kind: FaultChanged, Index: g.n, ID: g.id})
		case ok && v.c.Expired(at):
			r.Expired++
		default:
			r.fault(Fault{Kind: FaultMissing, Index: g.n, ID: g.id})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		v.unsealed(left[id].Line)
	}
}
