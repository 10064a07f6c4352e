package event

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
)

// hashDomain keeps a chain hash apart from any other SHA-256, and names the
// version of the canonical form.
const hashDomain = "usher event v1\n"

// Hash links a record to the one before it: SHA-256 over the text "usher
// event v1" and a line feed, prev, seq as eight bytes big-endian, and the
// canonical bytes. The first record has seq 1 and a prev of zeros.
func Hash(prev [32]byte, seq uint64, canonical []byte) [32]byte {
	b := make([]byte, 0, len(hashDomain)+len(prev)+8+len(canonical))
	b = append(b, hashDomain...)
	b = append(b, prev[:]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = append(b, canonical...)
	return sha256.Sum256(b)
}

// Link is one record of a chain.
type Link struct {
	Seq   uint64
	Prev  [32]byte
	Hash  [32]byte
	Event Event
}

// Next is the link that records e after the link that h names.
func (h Head) Next(e Event) Link {
	seq := h.Seq + 1
	return Link{Seq: seq, Prev: h.Hash, Hash: Hash(h.Hash, seq, Canonical(e)), Event: Clean(e)}
}

// Head names a place in a chain. The zero Head is the place before the first
// record. Somebody who keeps a Head can later tell whether the log that led
// to it is still the same.
type Head struct {
	Seq  uint64
	Hash [32]byte
}

// FaultKind is what is wrong at one place of a chain.
type FaultKind string

// Faults that VerifyChain finds.
const (
	FaultChanged   FaultKind = "changed"   // the record is not the one that was hashed
	FaultMissing   FaultKind = "missing"   // Fault.Count records from Seq on are not there
	FaultReordered FaultKind = "reordered" // the record comes later than its number says
	FaultInserted  FaultKind = "inserted"  // the number was there already, or comes before the start
	FaultUnlinked  FaultKind = "unlinked"  // the record was hashed after another one than the one before it
	FaultForked    FaultKind = "forked"    // a kept Head disagrees with the log, or lies past its end
)

// Fault is one place where a chain is not whole.
type Fault struct {
	Kind  FaultKind
	Seq   uint64
	Count uint64 // records concerned
}

func (f Fault) String() string {
	if f.Count > 1 {
		return fmt.Sprintf("%s: records %d to %d", f.Kind, f.Seq, f.Seq+f.Count-1)
	}
	return fmt.Sprintf("%s: record %d", f.Kind, f.Seq)
}

// MaxFaults is how many faults a Report lists one by one.
const MaxFaults = 100

// Report says what VerifyChain read.
type Report struct {
	Events     uint64  // records read
	Head       Head    // the last record in order
	Faults     []Fault // the first MaxFaults
	FaultCount int
}

// Whole says that nothing was found wrong.
func (r Report) Whole() bool { return r.FaultCount == 0 }

func (r *Report) fault(kind FaultKind, seq, count uint64) {
	r.FaultCount++
	if len(r.Faults) < MaxFaults {
		r.Faults = append(r.Faults, Fault{kind, seq, count})
	}
}

// VerifyChain reads records in their order, beginning after from, and reports
// each that was changed, dropped, moved or put in. A chain alone cannot show
// that its end was cut off, or that all of it was written anew: that takes
// heads kept elsewhere, given as known; each of them has to be met. A gap is
// one fault; verification goes on behind it. The error is the source's.
func VerifyChain(from Head, known []Head, links iter.Seq2[Link, error]) (Report, error) {
	r := Report{Head: from}
	kept := map[uint64][]Head{}
	for _, h := range known {
		if h.Seq > from.Seq {
			kept[h.Seq] = append(kept[h.Seq], h)
		} else if h.Seq == from.Seq && h.Hash != from.Hash {
			r.fault(FaultForked, h.Seq, 1)
		}
	}
	var gaps gaps
	for link, err := range links {
		if err != nil {
			return r, err
		}
		r.Events++
		if link.Hash != Hash(link.Prev, link.Seq, Canonical(link.Event)) {
			r.fault(FaultChanged, link.Seq, 1)
		}
		expected := r.Head.Seq + 1
		switch {
		case link.Seq < expected:
			if gaps.take(link.Seq) {
				r.fault(FaultReordered, link.Seq, 1)
			} else {
				r.fault(FaultInserted, link.Seq, 1)
			}
			continue // the chain goes on where it was
		case link.Seq > expected:
			r.fault(FaultMissing, expected, link.Seq-expected)
			gaps.add(expected, link.Seq)
		case link.Prev != r.Head.Hash:
			r.fault(FaultUnlinked, link.Seq, 1)
		}
		for _, h := range kept[link.Seq] {
			if h.Hash != link.Hash {
				r.fault(FaultForked, h.Seq, 1)
			}
		}
		delete(kept, link.Seq)
		r.Head = Head{Seq: link.Seq, Hash: link.Hash}
	}
	rest := make([]uint64, 0, len(kept))
	for seq := range kept {
		rest = append(rest, seq)
	}
	slices.Sort(rest)
	for _, seq := range rest {
		r.fault(FaultForked, seq, 1)
	}
	return r, nil
}

// gaps remembers which numbers were passed over, so that a record that turns
// up late reads as moved and not as put in. It holds a bounded number of
// ranges; past them a moved record reads as put in, which is as loud.
type gaps []gap

type gap struct{ from, to uint64 } // to is not in it

const maxGaps = 1024

func (g *gaps) add(from, to uint64) {
	if len(*g) < maxGaps {
		*g = append(*g, gap{from, to})
	}
}

func (g *gaps) take(seq uint64) bool {
	for i, r := range *g {
		if seq < r.from || seq >= r.to {
			continue
		}
		*g = slices.Delete(*g, i, i+1)
		if r.from < seq {
			g.add(r.from, seq)
		}
		if seq+1 < r.to {
			g.add(seq+1, r.to)
		}
		return true
	}
	return false
}
