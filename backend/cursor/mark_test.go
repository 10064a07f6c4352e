package cursor

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"
)

func sealerWith(t testing.TB, keys ...byte) *Sealer {
	t.Helper()
	var all [][]byte
	for _, k := range keys {
		all = append(all, []byte(strings.Repeat(string(rune(k)), 32)))
	}
	s, err := NewSealer(rand.Reader, all...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A mark opens for its own object and size, with either key during a rotation.
func TestAMarkBelongsToItsObject(t *testing.T) {
	s, rotated, foreign := sealerWith(t, 'a'), sealerWith(t, 'b', 'a'), sealerWith(t, 'b')
	for _, size := range []int64{0, 1, 127, 118_000, 5 << 40, 1<<63 - 1} {
		mark := s.Mark("bkt", "annual/a.csv", `"abc"`, size)
		for _, opens := range []*Sealer{s, rotated} {
			if got, ok := opens.Size(mark, "bkt", "annual/a.csv", `"abc"`); !ok || got != size {
				t.Errorf("%d: %d, %v", size, got, ok)
			}
		}
		for name, ok := range map[string]bool{
			"another key":    is(foreign.Size(mark, "bkt", "annual/a.csv", `"abc"`)),
			"another object": is(s.Size(mark, "bkt", "annual/b.csv", `"abc"`)),
			"another ETag":   is(s.Size(mark, "bkt", "annual/a.csv", `"abd"`)),
			"another bucket": is(s.Size(mark, "bkt2", "annual/a.csv", `"abc"`)),
			"a moved border": is(s.Size(mark, "bktannual/a", ".csv", `"abc"`)),
			"an empty mark":  is(s.Size("", "bkt", "annual/a.csv", `"abc"`)),
			"a line end":     is(s.Size(mark+"\n", "bkt", "annual/a.csv", `"abc"`)),
		} {
			if ok {
				t.Errorf("%d opens for %s", size, name)
			}
		}
	}
}

func is(_ int64, ok bool) bool { return ok }

// No change of a byte of a mark is accepted.
func TestAChangedMarkIsRefused(t *testing.T) {
	s := sealerWith(t, 'a')
	mark := s.Mark("bkt", "k", `"abc"`, 118_000)
	for i := range mark {
		for _, c := range "ABCabc019-_" {
			changed := mark[:i] + string(c) + mark[i+1:]
			if size, ok := s.Size(changed, "bkt", "k", `"abc"`); ok && changed != mark {
				t.Fatalf("%q is accepted with the size %d", changed, size)
			}
		}
	}
}

func BenchmarkMark(b *testing.B) {
	s := sealerWith(b, 'a')
	m, err := s.Marks(time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m.Mark("company-reports", "annual/2026/letter.pdf", `"d41d8cd98f00b204e9800998ecf8427e"`, 118_000)
	}
}

func BenchmarkMarkSize(b *testing.B) {
	s := sealerWith(b, 'a')
	mark := s.Mark("company-reports", "annual/2026/letter.pdf", `"d41d8cd98f00b204e9800998ecf8427e"`, 118_000)
	for b.Loop() {
		s.Size(mark, "company-reports", "annual/2026/letter.pdf", `"d41d8cd98f00b204e9800998ecf8427e"`)
	}
}

// The alternative: the sizes of a listing in memory, which one instance has.
func BenchmarkRememberedSize(b *testing.B) {
	type object struct{ bucket, key, etag string }
	sizes := map[object]int64{}
	for b.Loop() {
		sizes[object{"company-reports", "annual/2026/letter.pdf", `"d41d8cd98f00b204e9800998ecf8427e"`}] = 118_000
	}
}
