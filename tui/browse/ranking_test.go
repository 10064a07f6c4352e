package browse

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"usher/backend/api"
	"usher/client/download"
	"usher/client/usage"
)

// naive returns the visible rows, filtered and sorted by the plain definitions.
func naive(l *listing, a arrangement) []int32 {
	var rows []int32
	for r := range l.ids {
		name := l.name(r)
		if (!a.hidden || !strings.HasPrefix(name, ".")) && (len(a.words) == 0 || fits(name, a.words)) {
			rows = append(rows, r)
		}
	}
	if a.byPage() && !l.complete() {
		return rows
	}
	slices.SortFunc(rows, func(x, y int32) int {
		p, q := l.row(x), l.row(y)
		if folder := p.kind != object; folder != (q.kind != object) {
			return map[bool]int{true: -1, false: 1}[folder]
		}
		names := strings.Compare(l.name(x), l.name(y))
		if a.by.reverse {
			names = -names
		}
		return cmp.Or(naiveOrder(l, x, y, a, a.by), naiveOrder(l, x, y, a, a.then), names)
	})
	return rows
}

func naiveOrder(l *listing, x, y int32, a arrangement, b by) int {
	p, q := l.row(x), l.row(y)
	c := 0
	switch {
	case b.order == bySize && p.kind != object:
		c = cmp.Compare(a.facts.sums[l.name(y)], a.facts.sums[l.name(x)])
	case b.order == bySize:
		c = cmp.Compare(q.size, p.size)
	case b.order == byModified:
		c = cmp.Compare(q.mod, p.mod)
	case b.order == byKind && p.kind == object:
		c = strings.Compare(kindOf(l.name(x)), kindOf(l.name(y)))
	case b.order == byLocal:
		c = cmp.Compare(a.facts.local[l.name(y)], a.facts.local[l.name(x)])
	}
	if b.reverse {
		return -c
	}
	return c
}

// folderOfAll returns entries with different names, in the order of the names, in which
// many sizes, times and kinds are equal.
func folderOfAll(rng *rand.Rand, n int) []api.Entry {
	var all []api.Entry
	for i := range n {
		e := api.Entry{Kind: api.KindObject, Size: rng.Int64N(5)}
		stem := []string{"", ".", "A", "é", "log-", "e\u0301"}[rng.IntN(6)]
		e.Name = fmt.Sprintf("%s%d-%d", stem, rng.IntN(50), i) + []string{".csv", ".md", ".tar.gz", "", ".JPG"}[rng.IntN(5)]
		if rng.IntN(4) == 0 {
			e.Kind, e.Name, e.Size = api.KindFolder, e.Name+"/", 0
		}
		if at := time.Unix(rng.Int64N(4), 0); rng.IntN(5) > 0 {
			e.Modified = &at
		}
		if rng.IntN(50) == 0 {
			e.Size = math.MaxInt64
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b api.Entry) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// someArrangement returns a random order and filter. The facts stay the same in most calls.
func someArrangement(rng *rand.Rand, l *listing, a arrangement) arrangement {
	if rng.IntN(3) == 0 {
		a.by, a.then = by{order(rng.IntN(5)), rng.IntN(2) == 0}, by{}
		if a.by.order != byName && rng.IntN(2) == 0 {
			a.then = by{order(rng.IntN(5)), rng.IntN(2) == 0}
		}
	}
	if a.facts == nil || rng.IntN(6) == 0 {
		a.facts = &facts{sums: map[string]int64{}, local: map[string]int64{}}
		for r := range l.ids {
			if l.row(r).kind != object {
				a.facts.sums[l.name(r)] = rng.Int64N(3)
			} else {
				a.facts.local[l.name(r)] = rng.Int64N(3)
			}
		}
	}
	queries := []string{"", "1", "e", "É", "log 2", "*.csv", "A*", "3 .md", "nothing at all"}
	a.words, a.hidden = words(queries[rng.IntN(len(queries))]), rng.IntN(3) == 0
	return a
}

// arrivals adds the pages of a folder one by one, of a folder of the server or, with
// jumps, in any order, and calls each after each of them.
func arrivals(rng *rand.Rand, all []api.Entry, jumps bool, each func(l *listing)) {
	per := 1 + rng.IntN(40)
	page := func(from int) ([]*page, string) {
		if from+per >= len(all) {
			return pack(all[from:]), ""
		}
		return pack(all[from : from+per]), fmt.Sprint(from + per)
	}
	l := &listing{}
	pages, next := page(0)
	l.add(pages, where{}, next)
	for each(l); !l.complete(); each(l) {
		if name := all[rng.IntN(len(all))].Name; jumps && rng.IntN(2) == 0 && !l.covers(name) {
			start := before(name)
			from, _ := slices.BinarySearchFunc(all, start+"\x00", func(e api.Entry, s string) int { return strings.Compare(e.Name, s) })
			pages, next := page(from)
			l.add(pages, where{start: start}, next)
			continue
		}
		at, from := l.next(), 0
		fmt.Sscan(at.cursor, &from)
		pages, next := page(from)
		l.add(pages, at, next)
	}
}

// In each order, filtered rows are those of a plain filter and sort, also while pages
// arrive, with gaps, and for a copy from before the last pages.
func TestRankings(t *testing.T) {
	checks := 0
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		all := folderOfAll(rng, 1+rng.IntN(600))
		if seed%5 == 4 { // a server with another order
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		var copies []*listing
		var a arrangement
		arrivals(rng, all, seed%5 < 2, func(l *listing) {
			copies = append(copies, l.copied())
			for range 4 {
				a = someArrangement(rng, l, a)
				for _, of := range []*listing{l, copies[rng.IntN(len(copies))], l.head(100)} {
					got := slices.DeleteFunc(slices.Clone(of.arrange(a)), func(r int32) bool { return r < 0 })
					if want := naive(of, a); !slices.Equal(got, want) {
						t.Fatalf("seed %d, %d of %d rows, by %s, then by %s, words %v, hidden %t:\n%q\nwant\n%q", seed, of.n, len(all), a.by.word(), a.then.word(), a.words, a.hidden, of.names(got), of.names(want))
					}
					checks++
				}
			}
		})
	}
	t.Logf("%d arrangements", checks)
}

// A filter does not sort again, and a page that arrives is merged into the sorted rows.
func TestFilterSortsOnce(t *testing.T) {
	l := filled(5000)
	first := l.arrange(arrangement{by: by{order: bySize}})
	for _, query := range []string{"9", "99", "99 linux", "*7*", ""} {
		if view := l.arrange(arrangement{by: by{order: bySize}, words: words(query)}); query == "" && &view[0] != &first[0] {
			t.Error("all rows are not those that were sorted")
		}
		if &l.ranking.rows[0] != &first[0] {
			t.Fatalf("%q sorted the rows again", query)
		}
	}
	if l.arrange(arrangement{by: by{bySize, true}}); &l.ranking.rows[0] == &first[0] {
		t.Error("another order has the same rows")
	}
}

// A key of a filter changes no fact of the order, and neither does a page that arrives, so
// that the rows stay sorted. A count and a look at the disk change them.
func TestFactsStay(t *testing.T) {
	here := location{bucket: "b", prefix: "a/"}
	p := &Pane{here: visit{location: here}, sizes: map[location]*count{}, local: map[location]Local{}}
	p.arr.by, p.arr.then = by{order: bySize}, by{order: byLocal}
	p.learn()
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"a count", func() { p.sizes[location{bucket: "b", prefix: "a/c/"}] = &count{sum: usage.Sum{Bytes: 7}} }},
		{"a look at the disk", func() { p.local[location{bucket: "b", prefix: "a/d"}] = Local{Presence: download.Here} }},
		{"an order without them", func() { p.arr.by, p.arr.then = by{order: byModified}, by{} }},
	} {
		known := p.arr.facts
		if p.learn(); p.arr.facts != known {
			t.Error("facts without a change are new")
		}
		c.change()
		if p.learn(); p.arr.facts == known {
			t.Errorf("after %s the facts are the same", c.name)
		}
	}
}

// Commands on copies of a listing share its ranking while pages arrive.
func TestRankingAtTheSameTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	all := folderOfAll(rng, 3000)
	var commands sync.WaitGroup
	arrivals(rng, all, false, func(l *listing) {
		for range 2 {
			c, a := l.copied(), arrangement{by: by{order(rng.IntN(4)), false}, words: words("1")}
			a.facts = &facts{}
			commands.Go(func() {
				if got := c.arrange(a); (a.by != by{} || c.complete()) && !slices.Equal(got, naive(c, a)) {
					t.Errorf("%d rows by %s", c.n, a.by.word())
				}
			})
		}
	})
	commands.Wait()
}
