package textdiff_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"usher/client/preview"
	"usher/client/textdiff"
)

// file is a file in memory that counts its bytes.
type file struct {
	data  string
	sum   string
	err   error
	bytes atomic.Int64
}

func (f *file) Size(context.Context) (int64, error) { return int64(len(f.data)), f.err }
func (f *file) Sum() string                         { return f.sum }

func (f *file) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	n = min(n, int64(len(f.data))-off)
	f.bytes.Add(n)
	return []byte(f.data[off : off+n]), ctx.Err()
}

const binary = "\x00\x01\x02"

func TestOutcomes(t *testing.T) {
	wide := func(s string) string { // UTF-16 with a byte order mark
		out := "\xff\xfe"
		for _, r := range s {
			out += string([]byte{byte(r), 0})
		}
		return out
	}
	large := binary + strings.Repeat("\x00", int(preview.First)) // the end is not read
	for name, c := range map[string]struct {
		old, next *file
		want      textdiff.Outcome
		notes     string
	}{
		"texts":            {&file{data: "a\nb\n"}, &file{data: "a\nc\n"}, textdiff.Differ, ""},
		"same":             {&file{data: "a\n"}, &file{data: "a\n"}, textdiff.Same, ""},
		"both empty":       {&file{}, &file{}, textdiff.Same, ""},
		"one empty":        {&file{}, &file{data: "a"}, textdiff.Differ, ""},
		"with a mark":      {&file{data: "a\n"}, &file{data: "\xef\xbb\xbfa\n"}, textdiff.SameText, ""},
		"another encoding": {&file{data: "a\n"}, &file{data: wide("a\n")}, textdiff.SameText, "The text is in UTF-16."},
		"both UTF-16":      {&file{data: wide("a\n")}, &file{data: wide("b\n")}, textdiff.Differ, "The text is in UTF-16."},
		"not UTF-8":        {&file{data: "a\n"}, &file{data: "caf\xe9\n"}, textdiff.Differ, "Bytes that are not UTF-8 are shown as escapes."},
		"UTF-16, large":    {&file{data: "a\n"}, &file{data: "\xff\xfe" + strings.Repeat("a\x00", 3<<20)}, textdiff.TooLarge, ""},
		"too many lines":   {&file{data: strings.Repeat("\n", textdiff.MostLines+1)}, &file{data: "a\n"}, textdiff.TooLarge, ""},
		"too large":        {&file{data: strings.Repeat("a line\n", 2<<20)}, &file{data: "a\n"}, textdiff.TooLarge, ""},
		"binary":           {&file{data: binary}, &file{data: binary + "a"}, textdiff.NotText, ""},
		"binary and text":  {&file{data: "a\n"}, &file{data: binary}, textdiff.NotText, ""},
		"large binary":     {&file{data: binary + strings.Repeat("a", 20<<20)}, &file{data: "a\n"}, textdiff.NotText, ""},
		"large, same sum":  {&file{data: large, sum: "CRC32 AAAA"}, &file{data: large, sum: "CRC32 AAAA"}, textdiff.Same, ""},
		"large, other sum": {&file{data: large + "a", sum: "CRC32 AAAA"}, &file{data: large + "b", sum: "CRC32 BBBB"}, textdiff.NotText, ""},
		"two algorithms":   {&file{data: large, sum: "CRC32 AAAA"}, &file{data: large, sum: "SHA1 BBBB"}, textdiff.Unknown, ""},
		"sums of parts":    {&file{data: large, sum: "CRC32 AAAA-2"}, &file{data: large, sum: "CRC32 BBBB-3"}, textdiff.Unknown, ""},
		"no sums":          {&file{data: large}, &file{data: large}, textdiff.Unknown, ""},
		"other beginning":  {&file{data: "a" + large}, &file{data: "b" + large}, textdiff.NotText, ""},
		"small, no sums":   {&file{data: binary}, &file{data: binary}, textdiff.Same, ""},
		"small, parts":     {&file{data: binary, sum: "CRC32 AAAA-2"}, &file{data: binary, sum: "CRC32 BBBB-3"}, textdiff.Same, ""},
		"small, other":     {&file{data: binary}, &file{data: binary[1:] + "b"}, textdiff.NotText, ""},
	} {
		p := textdiff.NewPair(c.old, c.next)
		p.Allow()
		got, err := p.Compare(t.Context())
		if err != nil || got.Outcome != c.want || (got.Diff != nil) != (c.want == textdiff.Differ) || strings.Join(got.Notes, " ") != c.notes {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if n := max(c.old.bytes.Load(), c.next.bytes.Load()); n > preview.Most {
			t.Errorf("%s: %d bytes of one file", name, n)
		}
		if (c.want == textdiff.NotText || c.want == textdiff.Unknown || name == "too large") && p.Bytes() > 2*preview.First {
			t.Errorf("%s: %d bytes are read", name, p.Bytes())
		}
	}
}

// More than preview.Free bytes of both files together are read only after Allow, and no
// byte is read twice.
func TestPairHolds(t *testing.T) {
	line := "the same line\n"
	old := &file{data: strings.Repeat(line, int(preview.Free)/2/len(line)+1)}
	next := &file{data: old.data + "one more\n"}
	p := textdiff.NewPair(old, next)
	for range 2 {
		got, err := p.Compare(t.Context())
		if err != nil || got.Outcome != textdiff.Held || got.More != int64(len(old.data)+len(next.data))-2*preview.First {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if n := old.bytes.Load() + next.bytes.Load(); n != 2*preview.First || p.Requests() != 2 || p.Bytes() != n {
		t.Errorf("%d bytes are read before the consent, in %d ranges", n, p.Requests())
	}
	p.Allow()
	got, err := p.Compare(t.Context())
	if err != nil || got.Outcome != textdiff.Differ || got.Diff.Added != 1 || got.Diff.Removed != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := old.bytes.Load() + next.bytes.Load(); n != p.Size() || p.Requests() != 4 || p.Sizes() != [2]int64{int64(len(old.data)), int64(len(next.data))} {
		t.Errorf("%d bytes of %d in %d ranges", n, p.Size(), p.Requests())
	}

	small := &file{data: old.data[:len(old.data)-2*len(line)]}
	if got, err := textdiff.NewPair(small, &file{data: line}).Compare(t.Context()); err != nil || got.Outcome != textdiff.Differ {
		t.Errorf("two files below the limit: %+v, %v", got, err)
	}
}

func TestPairFails(t *testing.T) {
	lost := errors.New("lost")
	for _, files := range [][2]*file{{{err: lost}, {data: "a"}}, {{data: "a"}, {err: lost}}} {
		p := textdiff.NewPair(files[0], files[1])
		if _, err := p.Compare(t.Context()); !errors.Is(err, lost) {
			t.Errorf("%v", err)
		}
		files[0].err, files[1].err = nil, nil
		files[0].data = "b"
		if _, err := p.Compare(t.Context()); err != nil {
			t.Errorf("again: %v", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := textdiff.NewPair(&file{data: "a"}, &file{data: "b"}).Compare(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Texts of the largest size without a common line take memory in proportion to them.
func TestMemory(t *testing.T) {
	width := int(preview.Most)/textdiff.MostLines - 2
	text := func(sign string) *file {
		return &file{data: lines(textdiff.MostLines, func(i int) string { return fmt.Sprintf("%s%*d", sign, width, i) })}
	}
	p := textdiff.NewPair(text("-"), text("+"))
	p.Allow()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := p.Compare(t.Context())
	runtime.ReadMemStats(&after)
	if err != nil || got.Diff == nil || got.Diff.Removed != textdiff.MostLines {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 320<<20 {
		t.Errorf("the comparison allocates %d MiB", n>>20)
	} else {
		t.Logf("the comparison allocates %d MiB for %d MiB", n>>20, p.Size()>>20)
	}
}
