package browse

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/backend/api"
)

// builds returns the entries i to n of a large folder.
func builds(i, n int) []api.Entry {
	var out []api.Entry
	for ; i < n; i++ {
		at := time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC).Add(time.Duration(i) * 104729 % 1000003 * time.Second)
		e := api.Entry{Name: fmt.Sprintf("Usher-%07d-linux-amd64.tar.gz", i), Kind: api.KindObject, Size: int64(i*7919) % 1000003, Modified: &at, ETag: `"0123456789abcdef0123456789abcdef"`}
		if i%10 == 3 {
			e.Name, e.Kind, e.Size = fmt.Sprintf("Usher-%07d/", i), api.KindFolder, 0
		}
		out = append(out, e)
	}
	return out
}

// filled returns a complete listing of n rows.
func filled(n int) *listing {
	l, at := &listing{}, where{}
	for i := 0; i < n; i += api.MaxList {
		next := ""
		if i+api.MaxList < n {
			next = fmt.Sprint(i)
		}
		l.add(pack(builds(i, min(n, i+api.MaxList))), at, next)
		at = at.after(next)
	}
	return l
}

func (l *listing) names(view []int32) []string {
	var out []string
	for _, r := range view {
		if r >= 0 {
			out = append(out, l.name(r))
		}
	}
	return out
}

// A row of a large folder needs at most 200 bytes, with its places in an order and in a
// filtered view.
func TestMemoryOfARow(t *testing.T) {
	const n = 100_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	l := filled(n)
	view := l.arrange(arrangement{by: by{order: bySize}, words: words("sh")})
	used := (heap() - before) / n
	t.Logf("%d bytes a row", used)
	if used > 200 {
		t.Errorf("a row needs %d bytes", used)
	}
	if !l.complete() || len(view) != n {
		t.Errorf("%d of %d rows", len(view), n)
	}
	runtime.KeepAlive(l)
}

// Jumps, filled gaps and pages in any order give each name once, in order.
func TestSegments(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		n := 1 + rng.IntN(120)
		all := builds(0, n)
		slices.SortFunc(all, func(a, b api.Entry) int { return strings.Compare(a.Name, b.Name) })
		per := 1 + rng.IntN(9)
		// A page of a server, with the index behind it as its cursor.
		page := func(from int) ([]*page, string) {
			to := min(len(all), from+per)
			if to == len(all) {
				return pack(all[from:]), ""
			}
			return pack(all[from:to]), fmt.Sprint(to)
		}
		l := &listing{}
		pages, next := page(0)
		l.add(pages, where{}, next)
		for range 200 {
			if rng.IntN(3) == 0 {
				name := all[rng.IntN(n)].Name
				if rng.IntN(4) == 0 {
					name = name[:rng.IntN(len(name))] + "~"
				}
				if !l.covers(name) {
					start := before(name)
					from, _ := slices.BinarySearchFunc(all, start+"\x00", func(e api.Entry, s string) int { return strings.Compare(e.Name, s) })
					pages, next := page(from)
					l.add(pages, where{start: start}, next)
				}
				if !l.covers(name) {
					t.Fatalf("round %d: the place of %q is not loaded", round, name)
				}
				continue
			}
			var open []where
			for _, s := range l.segments {
				if s.next != (where{}) {
					open = append(open, s.next)
				}
			}
			if len(open) == 0 {
				break
			}
			at := open[rng.IntN(len(open))]
			from := 0
			fmt.Sscan(at.cursor, &from)
			pages, next := page(from)
			l.add(pages, at, next)
			if l.add(pages, where{cursor: at.cursor + "0000"}, next) {
				t.Fatal("a page of an unknown cursor was added")
			}
		}
		for !l.complete() {
			from := 0
			fmt.Sscan(l.next().cursor, &from)
			pages, next := page(from)
			l.add(pages, l.next(), next)
		}
		var want []string
		for _, e := range all {
			want = append(want, e.Name)
		}
		got := l.names(l.arrange(arrangement{}))
		slices.Sort(got) // folders are first
		if !slices.Equal(got, want) || len(l.segments) != 1 || l.n != n || !l.sorted {
			t.Fatalf("round %d, %d names, pages of %d: %d segments, %d rows, sorted %t, %d names", round, n, per, len(l.segments), l.n, l.sorted, len(got))
		}
	}
}

// The order of a large folder is that of a plain sort.
func TestOrders(t *testing.T) {
	l := filled(5000)
	for o := byName; o <= byKind; o++ {
		for _, reverse := range []bool{false, true} {
			got := l.arrange(arrangement{by: by{o, reverse}})
			if want := naive(l, arrangement{by: by{o, reverse}, facts: &facts{}}); !slices.Equal(got, want) {
				t.Errorf("order %d, reverse %t", o, reverse)
			}
		}
	}
}

// Rows that are equal in an order have the order of the second key, in its direction.
func TestSecondKey(t *testing.T) {
	l := &listing{}
	var all []api.Entry
	for i := range 300 {
		kind := []string{".csv", ".pdf", ".log"}[i%3]
		all = append(all, api.Entry{Name: fmt.Sprintf("%03d%s", i, kind), Kind: api.KindObject, Size: int64(i * 37 % 11)})
	}
	l.add(pack(all), where{}, "")
	for _, first := range []by{{byKind, false}, {byKind, true}} {
		for _, then := range []by{{bySize, false}, {bySize, true}} {
			got := l.arrange(arrangement{by: first, then: then})
			want := slices.Clone(got)
			slices.SortFunc(want, func(x, y int32) int {
				kinds, sizes := strings.Compare(kindOf(l.name(x)), kindOf(l.name(y))), cmp.Compare(l.row(y).size, l.row(x).size)
				names := strings.Compare(l.name(x), l.name(y))
				if first.reverse {
					kinds, names = -kinds, -names
				}
				if then.reverse {
					sizes = -sizes
				}
				return cmp.Or(kinds, sizes, names)
			})
			if !slices.Equal(got, want) {
				t.Errorf("by %s, then by %s: %q", first.word(), then.word(), l.names(got))
			}
		}
	}
}

// The order before is the second key of the next one. An order by name has none.
func TestChosenOrders(t *testing.T) {
	var a arrangement
	for _, step := range []struct {
		o        order
		by, then by
	}{
		{bySize, by{order: bySize}, by{}},
		{bySize, by{bySize, true}, by{}},
		{byKind, by{order: byKind}, by{bySize, true}},
		{byKind, by{byKind, true}, by{bySize, true}},
		{bySize, by{order: bySize}, by{byKind, true}},
		{byLocal, by{order: byLocal}, by{order: bySize}},
		{byName, by{}, by{}},
		{byName, by{byName, true}, by{}},
		{byModified, by{order: byModified}, by{}},
	} {
		if a.by, a.then = a.chosen(step.o); a.by != step.by || a.then != step.then {
			t.Fatalf("after %s: %+v, then %+v", orderWords[step.o], a.by, a.then)
		}
	}
}

// The search in a page with plain names has the result of the general comparison.
func TestPlainNames(t *testing.T) {
	names := []string{"Usher-01.tar.gz", "README.md", "a b", "_", "AZaz[`{", "-", ".gz", "gz", "x.GZ"}
	var all []api.Entry
	for _, n := range names {
		all = append(all, api.Entry{Name: n, Kind: api.KindObject, ETag: "gz"})
	}
	l := &listing{}
	l.add(pack(all), where{}, "")
	for _, query := range []string{"usher", "USH", "é", "read me", "md", "gz ar", "*", "*.gz", "*.GZ", "u?her*", "[", "`", "z[", "aZ", "?", "z", "GZ gz", "-* r", "x\x00"} {
		var want []string
		for _, n := range names {
			if fits(n, words(query)) {
				want = append(want, n)
			}
		}
		slices.Sort(want)
		got := l.names(l.arrange(arrangement{words: words(query)}))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", query, got, want)
		}
	}
}

// A filter finds no name that was cut off a page.
func TestFilterOfACutPage(t *testing.T) {
	pages := pack([]api.Entry{{Name: "a1", Kind: api.KindObject}, {Name: "b2", Kind: api.KindObject}, {Name: "c3", Kind: api.KindObject}})
	for _, c := range []struct{ after, query, want string }{{"a1", "1", ""}, {"a1", "a1 1", ""}, {"a1", "3", "c3"}, {"a1", "*", "b2 c3"}, {"", "1", "a1"}} {
		l := &listing{}
		l.add(behind(pages, c.after), where{}, "")
		if got := strings.Join(l.names(l.arrange(arrangement{words: words(c.query)})), " "); got != c.want {
			t.Errorf("after %q, %q finds %q", c.after, c.query, got)
		}
	}
	l := &listing{}
	l.add(upTo(pages, "c"), where{}, "")
	if got := l.names(l.arrange(arrangement{words: words("3")})); len(got) > 0 {
		t.Errorf("a name behind the page: %q", got)
	}
}

// In every order a filter selects from rows that are sorted once.
func BenchmarkFilter(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		l := filled(n)
		for o := byName; o <= byKind; o++ {
			a := arrangement{by: by{order: o}}
			l.arrange(a)
			for _, query := range []string{"9999", "linux amd64", "*99-linux*"} {
				b.Run(fmt.Sprintf("%d/by %s/%s", n, orderWords[o], query), func(b *testing.B) {
					a.words = words(query)
					for b.Loop() {
						l.arrange(a)
					}
				})
			}
		}
	}
}

// The first arrangement in an order sorts all rows.
func BenchmarkSort(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		l := filled(n)
		for o := bySize; o <= byKind; o++ {
			b.Run(fmt.Sprintf("%d/by %s", n, orderWords[o]), func(b *testing.B) {
				for b.Loop() {
					l.ranking = &ranking{}
					l.arrange(arrangement{by: by{order: o}})
				}
			})
		}
	}
}

// A filter right after a page has arrived also merges its rows.
func BenchmarkFilterWhileLoading(b *testing.B) {
	l := filled(1_000_000)
	before, a := l.copied(), arrangement{by: by{order: bySize}}
	before.pages = l.pages[:len(l.pages)-1]
	before.segments[0].pages = before.segments[0].pages[:len(before.pages)]
	before.arrange(a)
	rows := before.ranking.rows
	a.words = words("9999")
	for b.Loop() {
		l.ranking = &ranking{order: ordering{by: a.by}, pages: len(before.pages), rows: rows}
		l.arrange(a)
	}
}
