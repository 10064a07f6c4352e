package event

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
)

// hashDomain separates chain hashes from other uses of SHA-256. It contains the
// version of the canonical form.
const hashDomain = "usher event v1\n"

// Hash returns the hash that links a record to its predecessor. It is the SHA-256
// of "usher event v1", a line feed, prev, seq as eight bytes big-endian, and the
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

// Next returns the record of e that follows h.
func (h Head) Next(e Event) Link {
	seq := h.Seq + 1
	return Link{Seq: seq, Prev: h.Hash, Hash: Hash(h.Hash, seq, Canonical(e)), Event: Clean(e)}
}

// Head is a position in a chain. The zero Head is the position before the first
// record. A stored Head proves later whether the records up to it are unchanged.
type Head struct {
	Seq  uint64
	Hash [32]byte
}

// FaultKind is the kind of a fault in a chain.
type FaultKind string

// Faults that VerifyChain finds.
const (
	FaultChanged   FaultKind = "changed"   // the record does not match its hash
	FaultMissing   FaultKind = "missing"   // Fault.Count records from Seq on are missing
	FaultReordered FaultKind = "reordered" // the record is later than its number
	FaultInserted  FaultKind = "inserted"  // the number is a repetition, or before the start
	FaultUnlinked  FaultKind = "unlinked"  // the record's Prev is not the hash of its predecessor
	FaultForked    FaultKind = "forked"    // a stored Head differs from the log, or is after its end
)

// Fault is one fault in a chain.
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

// MaxFaults is the maximum number of faults in a Report.
const MaxFaults = 100

// Report is the result of VerifyChain.
type Report struct {
	Events     uint64  // records read
	Head       Head    // the last record in order
	Faults     []Fault // the first MaxFaults
	FaultCount int     // number of all faults
}

// Whole reports whether no fault was found.
func (r Report) Whole() bool { return r.FaultCount == 0 }

func (r *Report) fault(kind FaultKind, seq, count uint64) {
	r.FaultCount++
	if len(r.Faults) < MaxFaults {
		r.Faults = append(r.Faults, Fault{kind, seq, count})
	}
}

// VerifyChain checks the records after from, and reports each record that was
// changed, dropped, moved or inserted. A chain alone cannot show that its end was
// cut off or that it was rewritten completely. Heads stored elsewhere can: known
// lists them, and each must match. A gap is one fault, and verification continues
// behind it. The error is an error of links.
func VerifyChain(from Head, known []Head, links iter.Seq2[Link, error]) (Report, error) {
	r := Report{Head: from}
	unmet := map[uint64][]Head{} // known heads to be matched, by Seq
	for _, h := range known {
		if h.Seq > from.Seq {
			unmet[h.Seq] = append(unmet[h.Seq], h)
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
			continue // the expected number stays the same
		case link.Seq > expected:
			r.fault(FaultMissing, expected, link.Seq-expected)
			gaps.add(expected, link.Seq)
		case link.Prev != r.Head.Hash:
			r.fault(FaultUnlinked, link.Seq, 1)
		}
		for _, h := range unmet[link.Seq] {
			if h.Hash != link.Hash {
				r.fault(FaultForked, h.Seq, 1)
			}
		}
		delete(unmet, link.Seq)
		r.Head = Head{Seq: link.Seq, Hash: link.Hash}
	}
	rest := make([]uint64, 0, len(unmet))
	for seq := range unmet {
		rest = append(rest, seq)
	}
	slices.Sort(rest)
	for _, seq := range rest {
		r.fault(FaultForked, seq, 1)
	}
	return r, nil
}

// gaps is the list of missing numbers. It distinguishes a moved record from an
// inserted one. The list is bounded: beyond maxGaps a moved record is reported as
// inserted, which is a fault too.
type gaps []gap

type gap struct{ from, to uint64 } // from inclusive, to exclusive

const maxGaps = 1024

func (g *gaps) add(from, to uint64) {
	if len(*g) < maxGaps {
		*g = append(*g, gap{from, to})
	}
}

// take removes a number from the gaps, and reports whether it was missing.
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
