package preview_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"usher/client/preview"
)

// bombs are files that unpack, nest or claim more than they have.
func bombs(t testing.TB) map[string][]byte {
	zeros := func(w io.Writer, n int) {
		for range n {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}
	var gz, tgz, zst, wide bytes.Buffer
	g := gzip.NewWriter(&gz)
	zeros(g, 20)
	_ = g.Close()
	g = gzip.NewWriter(&tgz)
	_, _ = g.Write(tarred(1)[:1024])
	zeros(g, 150)
	_ = g.Close()
	for out, window := range map[*bytes.Buffer]int{&zst: 1 << 20, &wide: 16 << 20} {
		z, err := zstd.NewWriter(out, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		zeros(z, 20)
		_ = z.Close()
	}
	huge := bytes.Clone(good(t)["a.png"])
	binary.BigEndian.PutUint32(huge[16:], 60_000)
	binary.BigEndian.PutUint32(huge[20:], 60_000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	footer := bytes.Clone(good(t)["a.parquet"])
	binary.LittleEndian.PutUint32(footer[len(footer)-8:], 1<<31-1)
	ends := bytes.Clone(good(t)["a.zip"])
	binary.LittleEndian.PutUint32(ends[len(ends)-10:], 1<<31)
	return map[string][]byte{
		"bomb.txt.gz": gz.Bytes(), "bomb.tar.gz": tgz.Bytes(), "bomb.csv.zst": zst.Bytes(), "window.txt.zst": wide.Bytes(),
		"deep.json": []byte(strings.Repeat("[", 3<<20)), "keys.json": []byte(strings.Repeat(`{"a":`, 1<<20)), "many.json": []byte("[" + strings.Repeat("1,", 2<<20) + "1]"),
		"line.txt": bytes.Repeat([]byte("x"), 8<<20), "line.csv": bytes.Repeat([]byte("x,"), 4<<20), "quote.csv": append([]byte(`a,"`), bytes.Repeat([]byte("x\n"), 4<<20)...),
		"lines.txt": bytes.Repeat([]byte("\n"), 8<<20), "line.jsonl": bytes.Repeat([]byte(`{"a":1,`), 1<<20), "line.go": bytes.Repeat([]byte("/*"), 4<<20), "links.md": bytes.Repeat([]byte("[["), 4<<20),
		"huge.png": huge, "footer.parquet": footer, "ends.zip": ends, "many.zip": zipped(30_000),
	}
}

// broken returns seeded mutations of a good file.
func broken(r *rand.Rand, data []byte, n int) [][]byte {
	var out [][]byte
	for i := range n {
		b := bytes.Clone(data)
		if len(b) == 0 {
			continue
		}
		switch i % 4 {
		case 0:
			b = b[:r.IntN(len(b))]
		case 1:
			for range 1 + r.IntN(8) {
				b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
			}
		case 2: // lengths of the end
			for range 4 {
				b[len(b)-1-r.IntN(min(len(b), 64))] = byte(r.IntN(256))
			}
		case 3:
			from := r.IntN(len(b))
			b = append(b[:from:from], b[from+r.IntN(len(b)-from):]...)
		}
		out = append(out, b)
	}
	return out
}

// mostMemory bounds everything that one step allocates.
const mostMemory = 64 << 20

// counted is a file in memory that counts its reads.
type counted struct {
	memory
	requests int
	bytes    int64
}

func (c *counted) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	raw, err := c.memory.ReadRange(ctx, off, n)
	c.requests, c.bytes = c.requests+1, c.bytes+int64(len(raw))
	return raw, err
}

// hangs is the time after which a file counts as one that never opens.
const hangs = 2 * time.Minute

// allocated returns the bytes that do has allocated, freed ones too.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Control: the bound of the memory notices one allocation above it, also a freed one.
func TestAllocatedCounts(t *testing.T) {
	var sink []byte
	for _, n := range []int{1 << 10, mostMemory + 1} {
		if used := allocated(func() { sink = make([]byte, n); sink = nil }); (used > mostMemory) != (n > mostMemory) {
			t.Errorf("%d bytes are counted as %d", n, used)
		}
	}
	_ = sink
}

// An archive that is listed in its first part has a sentence about that part.
func TestTarInItsFirstPart(t *testing.T) {
	sentence := regexp.MustCompile(`^The listing is of the first [0-9.]+ [kM]?B of the file\.$`)
	total := regexp.MustCompile(`^10 files, 1 folder, 60 B of content\.$`)
	cut := regexp.MustCompile(`^The archive is damaged or ends after the listed entries\.$`)
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.NoCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = z.Write(tarred(6_000))
	_ = z.Close()
	for name, c := range map[string]struct {
		data []byte
		want *regexp.Regexp
	}{
		"long.tar":    {tarred(6_000), sentence},
		"long.tar.gz": {packed.Bytes(), sentence},
		"cut.tar":     {tarred(10)[:5*512+100], cut},
		"short.tar":   {tarred(10), total},
	} {
		d, _, err := opened(t, preview.NewRanges(memory(c.data), int64(len(c.data))), name, preview.First)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !slices.ContainsFunc(d.Notes, c.want.MatchString) || c.want == total && len(d.Notes) > 1:
			t.Errorf("%s: the sentences are %q", name, d.Notes)
		}
	}
}

// opened opens a file, and returns the bytes that this has allocated. A hang is a
// failure with the name of the file, also if the code ignores its context.
func opened(t *testing.T, from *preview.Ranges, name string, want int64) (d *preview.Doc, used uint64, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		used = allocated(func() { d, err = preview.Open(ctx, from, name, want) })
	}()
	select {
	case <-done:
	case <-time.After(hangs + time.Minute): // the end of the context is not the end of the work
		t.Fatalf("%s (%d bytes) hangs", name, from.Size())
	}
	if ctx.Err() != nil {
		t.Fatalf("%s (%d bytes) hangs until its context ends", name, from.Size())
	}
	return d, used, err
}

// Damaged files of each kind, and files with wrong names, have a view within bounded
// memory. Bombs stop with a sentence.
func TestBrokenFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	files, ranges, bytesRead, most := 0, 0, int64(0), uint64(0)
	check := func(name string, data []byte, want int64) (*preview.Doc, error) {
		t.Helper()
		source := &counted{memory: data}
		from := preview.NewRanges(source, int64(len(data)))
		d, used, err := opened(t, from, name, want)
		files, ranges, bytesRead = files+1, ranges+source.requests, bytesRead+source.bytes
		most = max(most, used)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case len(d.Views) == 0:
			t.Errorf("%s has no view", name)
		case from.Requests() != source.requests || from.Bytes() != source.bytes || len(data) > 0 && source.bytes == 0:
			t.Errorf("%s: %d ranges and %d bytes were read, %d and %d are shown", name, source.requests, source.bytes, from.Requests(), from.Bytes())
		case source.bytes > preview.Free:
			t.Errorf("%s: %d bytes were fetched", name, source.bytes)
		case used > mostMemory:
			t.Errorf("%s: %d bytes were allocated (%q)", name, used, d.Notes)
		}
		return d, err
	}
	all := good(t)
	each := 24
	if testing.Short() {
		each = 12
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, data := range broken(r, all[name], each) {
			check(name, data, preview.First)
		}
		for _, other := range []string{"x.json", "x.csv", "x.parquet", "x.zip", "x.md", "x.go", "x"} {
			check(other, all[name], preview.First)
		}
	}
	for name, data := range bombs(t) {
		for _, want := range []int64{preview.First, preview.Free} {
			d, err := check(name, data, want)
			if err == nil && want == preview.Free && len(d.Notes) == 0 {
				t.Errorf("%s has no sentence", name)
			}
		}
	}
	t.Logf("PREVIEW broken=%d ranges=%d bytes=%d most_allocated=%d of=%d", files, ranges, bytesRead, most, mostMemory)
	if files < 200 {
		t.Errorf("only %d files", files)
	}
}

// FuzzPreview opens any bytes under a name of each kind.
func FuzzPreview(f *testing.F) {
	all := good(f)
	for name, data := range all {
		f.Add(name, data)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r := preview.NewRanges(memory(data), int64(len(data)))
		d, err := preview.Open(t.Context(), r, name, preview.First)
		if err != nil || len(d.Views) == 0 {
			t.Errorf("%q: %v", name, err)
		}
	})
}
