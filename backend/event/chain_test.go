package event

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func chain(n int) []Link {
	var links []Link
	var head Head
	for i := range n {
		e := full()
		e.ID = fmt.Sprint(i)
		l := head.Next(e)
		links = append(links, l)
		head = Head{l.Seq, l.Hash}
	}
	return links
}

func headOf(l Link) Head { return Head{l.Seq, l.Hash} }

func sequence(links []Link) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		for _, l := range links {
			if !yield(l, nil) {
				return
			}
		}
	}
}

func verify(t *testing.T, from Head, known []Head, links []Link) Report {
	t.Helper()
	r, err := VerifyChain(from, known, sequence(links))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyChainWhole(t *testing.T) {
	links := chain(20)
	known := []Head{headOf(links[0]), headOf(links[9]), headOf(links[19])}
	if r := verify(t, Head{}, known, links); !r.Whole() || r.Events != 20 || r.Head != known[2] {
		t.Errorf("%+v", r)
	}
	if r := verify(t, known[1], known, links[10:]); !r.Whole() || r.Events != 10 {
		t.Errorf("from the middle: %+v", r)
	}
	if r := verify(t, Head{}, nil, nil); !r.Whole() {
		t.Errorf("an empty chain: %+v", r)
	}
}

func TestVerifyChainFindsEachKindOfDamage(t *testing.T) {
	const n = 20
	last := headOf(chain(n)[n-1])
	rewrite := func(links []Link) []Link { // hashes every record again
		var head Head
		var all []Link
		for _, l := range links {
			l = head.Next(l.Event)
			head = headOf(l)
			all = append(all, l)
		}
		return all
	}
	for name, test := range map[string]struct {
		damage func([]Link) []Link
		known  []Head
		want   string
	}{
		"a field changed": {func(l []Link) []Link {
			l[4].Event.Key = "other"
			return l
		}, nil, "changed: record 5"},
		"a field changed and its record hashed again": {func(l []Link) []Link {
			l[4].Event.Key = "other"
			l[4] = Head{l[4].Seq - 1, l[4].Prev}.Next(l[4].Event)
			return l
		}, nil, "unlinked: record 6"},
		"one dropped":       {func(l []Link) []Link { return slices.Delete(l, 4, 5) }, nil, "missing: record 5"},
		"the first dropped": {func(l []Link) []Link { return l[1:] }, nil, "missing: record 1"},
		"three dropped":     {func(l []Link) []Link { return slices.Delete(l, 4, 7) }, nil, "missing: records 5 to 7"},
		"one dropped and the rest renumbered": {func(l []Link) []Link {
			l = slices.Delete(l, 4, 5)
			for i := range l[4:] {
				l[4+i].Seq--
			}
			return l
		}, nil, "changed: record 5; unlinked: record 5; changed: record 6; " +
			"changed: record 7; changed: record 8; changed: record 9; changed: record 10; changed: record 11; changed: record 12; " +
			"changed: record 13; changed: record 14; changed: record 15; changed: record 16; changed: record 17; changed: record 18; changed: record 19"},
		"two neighbors swapped": {func(l []Link) []Link {
			l[4], l[5] = l[5], l[4]
			return l
		}, nil, "missing: record 5; reordered: record 5"},
		"one moved to the end": {func(l []Link) []Link {
			return append(slices.Delete(slices.Clone(l), 4, 5), l[4])
		}, nil, "missing: record 5; reordered: record 5"},
		"one repeated": {func(l []Link) []Link { return slices.Insert(l, 5, l[4]) }, nil, "inserted: record 5"},
		"another inserted with an existing number": {func(l []Link) []Link {
			return slices.Insert(l, 5, Head{3, l[3].Prev}.Next(l[7].Event))
		}, nil, "inserted: record 4"},
		"one inserted and the rest renumbered": {func(l []Link) []Link {
			x := headOf(l[4]).Next(l[7].Event)
			l = slices.Insert(l, 5, x)
			for i := range l[6:] {
				l[6+i].Seq++
			}
			return l[:7]
		}, nil, "changed: record 7; unlinked: record 7"},
		"the end cut off, no stored head": {func(l []Link) []Link { return l[:15] }, nil, ""},
		"the end cut off, a stored head":  {func(l []Link) []Link { return l[:15] }, []Head{last}, "forked: record 20"},
		"rewritten, no stored head":       {func(l []Link) []Link { l[4].Event.Key = "other"; return rewrite(l) }, nil, ""},
		"rewritten, a stored head":        {func(l []Link) []Link { l[4].Event.Key = "other"; return rewrite(l) }, []Head{last}, "forked: record 20"},
		"rewritten, a later stored head":  {func(l []Link) []Link { l[4].Event.Key = "other"; return rewrite(l) }, []Head{{21, last.Hash}}, "forked: record 21"},
		"all removed, a stored head":      {func(l []Link) []Link { return nil }, []Head{last}, "forked: record 20"},
	} {
		var got []string
		r := verify(t, Head{}, test.known, test.damage(chain(n)))
		for _, f := range r.Faults {
			got = append(got, f.String())
		}
		if s := strings.Join(got, "; "); s != test.want || r.FaultCount != len(got) {
			t.Errorf("%s: found %q, want %q", name, s, test.want)
		}
	}
}

// Any single change before the last record is found.
func TestVerifyChainFindsRandomDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	good := chain(12)
	for range 3000 {
		links := slices.Clone(good)
		i, j := r.IntN(11), r.IntN(11)
		switch r.IntN(5) {
		case 0:
			links[i].Hash[r.IntN(32)] ^= 1 << r.IntN(8)
		case 1:
			links[i].Prev[r.IntN(32)] ^= 1 << r.IntN(8)
		case 2:
			links[i].Event.Key += "x"
		case 3:
			links = slices.Delete(links, i, i+1)
		case 4:
			if i == j {
				continue
			}
			links[i], links[j] = links[j], links[i]
		}
		if verify(t, Head{}, nil, links).Whole() {
			t.Fatal("damage was not found")
		}
	}
}

func TestVerifyChainReturnsTheSourcesError(t *testing.T) {
	broken := errors.New("disk")
	_, err := VerifyChain(Head{}, nil, func(yield func(Link, error) bool) { yield(Link{}, broken) })
	if !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestVerifyChainListsABoundedNumberOfFaults(t *testing.T) {
	links := chain(3 * MaxFaults)
	for i := range links {
		links[i].Event.Key = "other"
	}
	if r := verify(t, Head{}, nil, links); r.FaultCount != 3*MaxFaults || len(r.Faults) != MaxFaults {
		t.Errorf("%d faults, %d listed", r.FaultCount, len(r.Faults))
	}
}
