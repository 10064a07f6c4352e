package textdiff

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"usher/client/preview"
)

// File is a file that is read by ranges (*download.Look).
type File interface {
	preview.Source
	Size(context.Context) (int64, error)
	// Sum returns the checksum that the storage has of the file: its algorithm, a space and
	// its value; "" for none. It is known after Size.
	Sum() string
}

// Outcome is the result of a comparison.
type Outcome int

const (
	Differ   Outcome = iota // Result.Diff has the lines
	Same                    // all bytes are equal
	SameText                // the lines are equal in other bytes
	NotText                 // a file is not text, and the files differ
	Unknown                 // a file is not text, and nothing shows whether the files differ
	TooLarge                // a file has more than preview.Most bytes, or a text more than MostLines lines
	Held                    // Allow is needed first, for Result.More bytes
)

// The sentences of a result, for the command and the browser.
const (
	SameTextSentence = "The lines are equal. The bytes differ: another encoding, or a byte order mark."
	CoarseSentence   = "The versions differ in too many lines for a full comparison: a change has lines that are in both versions."
)

// Result is a comparison of two files.
type Result struct {
	Outcome Outcome
	Diff    *Diff    // of Differ
	Notes   []string // sentences about the texts; they hold no text of a file
	More    int64    // of Held
}

// Pair is two files that are compared. It keeps all fetched bytes, so that no range is
// fetched twice. Its methods must not be called concurrently.
type Pair struct {
	files   [2]File // old, new
	ranges  [2]*preview.Ranges
	allowed bool
}

// NewPair returns a pair, without a call.
func NewPair(old, next File) *Pair { return &Pair{files: [2]File{old, next}} }

// Allow permits the fetch of both files as a whole.
func (p *Pair) Allow() { p.allowed = true }

// Requests returns the number of fetched ranges of both files.
func (p *Pair) Requests() int {
	return int(p.sum(func(r *preview.Ranges) int64 { return int64(r.Requests()) }))
}

// Bytes returns the number of fetched bytes of both files.
func (p *Pair) Bytes() int64 { return p.sum((*preview.Ranges).Bytes) }

// Size returns the size of both files together, as far as it is known.
func (p *Pair) Size() int64 { return p.sum((*preview.Ranges).Size) }

// Sizes returns the sizes of the old and of the new file, 0 for one that is not known.
func (p *Pair) Sizes() (sizes [2]int64) {
	for i, r := range p.ranges {
		if r != nil {
			sizes[i] = r.Size()
		}
	}
	return sizes
}

func (p *Pair) sum(of func(*preview.Ranges) int64) (n int64) {
	for _, r := range p.ranges {
		if r != nil {
			n += of(r)
		}
	}
	return n
}

// Compare reads the files as far as it needs to, and compares them. Errors are those of
// the files and of ctx.
func (p *Pair) Compare(ctx context.Context) (*Result, error) {
	heads, err := p.read(ctx, preview.First)
	if err != nil {
		return nil, err
	}
	sizes := p.Sizes()
	switch {
	case !preview.IsText(heads[0]) || !preview.IsText(heads[1]):
		return &Result{Outcome: p.withoutLines(heads)}, nil
	case max(sizes[0], sizes[1]) > preview.Most:
		return &Result{Outcome: TooLarge}, nil
	case p.Size() > preview.Free && !p.allowed:
		return &Result{Outcome: Held, More: p.Size() - p.Bytes()}, nil
	}
	whole, err := p.read(ctx, preview.Most)
	if err != nil {
		return nil, err
	}
	return compare(whole), nil
}

// read returns the first bytes of both files.
func (p *Pair) read(ctx context.Context, n int64) (out [2][]byte, err error) {
	group, ctx := errgroup.WithContext(ctx)
	for i, file := range p.files {
		group.Go(func() error {
			if p.ranges[i] == nil {
				size, err := file.Size(ctx)
				if err != nil {
					return err
				}
				p.ranges[i] = preview.NewRanges(file, size)
			}
			if p.allowed {
				p.ranges[i].Allow(preview.Most)
			}
			var err error
			out[i], err = p.ranges[i].Head(ctx, n)
			return err
		})
	}
	return out, group.Wait()
}

// withoutLines decides about files that are not both text, by their first bytes, sizes
// and checksums.
func (p *Pair) withoutLines(heads [2][]byte) Outcome {
	sizes, old, next := p.Sizes(), p.files[0].Sum(), p.files[1].Sum()
	switch {
	case sizes[0] != sizes[1] || !bytes.Equal(heads[0], heads[1]):
		return NotText
	case int64(len(heads[0])) == sizes[0] || old != "" && old == next:
		return Same
	case decisive(old, next):
		return NotText
	}
	return Unknown
}

// decisive reports whether different checksums mean different files: both are of one
// algorithm, and over the whole file. One over the checksums of parts ends in "-" and
// the number of parts, and depends on their sizes.
func decisive(old, next string) bool {
	a, oldValue, _ := strings.Cut(old, " ")
	b, nextValue, _ := strings.Cut(next, " ")
	return a != "" && a == b && !strings.Contains(oldValue+nextValue, "-")
}

// compare compares two whole files.
func compare(whole [2][]byte) *Result {
	if bytes.Equal(whole[0], whole[1]) {
		return &Result{Outcome: Same}
	}
	var texts [2]string
	var notes []string
	for i, data := range whole {
		text, about, ok := preview.WholeText(data)
		if !ok {
			return &Result{Outcome: TooLarge}
		}
		texts[i] = text
		for _, note := range about {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	if texts[0] == texts[1] {
		return &Result{Outcome: SameText, Notes: notes}
	}
	d := Compare(texts[0], texts[1])
	if d == nil {
		return &Result{Outcome: TooLarge}
	}
	return &Result{Outcome: Differ, Diff: d, Notes: notes}
}
