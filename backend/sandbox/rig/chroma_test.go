package rig

import (
	"runtime"
	"strings"
	"testing"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"

	"usher/client/preview"
)

// mostAllocated bounds the memory of one step of a preview.
const mostAllocated = 64 << 20

// chroma allocates more for 64 KiB of short words than a preview may for any file.
func TestChroma(t *testing.T) {
	source := strings.Repeat("a(", 32<<10)
	lexer := lexers.Get("go")
	tokens := 0
	theirs := allocated(func() {
		next, err := lexer.Tokenise(nil, source)
		if err != nil {
			t.Fatal(err)
		}
		for token := next(); token != chroma.EOF; token = next() {
			tokens++
		}
	})
	file := &fileInMemory{data: []byte(source)}
	var d *preview.Doc
	ours := allocated(func() {
		var err error
		if d, err = preview.Open(t.Context(), preview.NewRanges(file, int64(len(source))), "a.go", preview.First); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("PREVIEW source bytes=%d usher_allocates=%d chroma_allocates=%d tokens=%d", len(source), ours, theirs, tokens)
	if d.Views[0].Name() != "source" || ours > mostAllocated {
		t.Errorf("usher allocates %d bytes for %s", ours, d.Views[0].Name())
	}
	if theirs <= mostAllocated {
		t.Errorf("chroma allocates %d bytes: it could replace the scanner of client/preview", theirs)
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
