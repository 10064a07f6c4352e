package bundle

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"usher/backend/audit/tree"
)

// ErrNotBundle: a file is no bundle.
var ErrNotBundle = errors.New("it is no export of an usher audit log")

const (
	blockSize = 512
	// maxSmall bounds an entry that is read as a whole; a version of the grants that
	// decides again is the largest.
	maxSmall = 64 << 20
	// maxEntries bounds the number of entries: the fixed ones, and the versions of the
	// grants.
	maxEntries = 100_000
)

// entry is the place of an entry in a tar file.
type entry struct {
	name     string
	at, size int64 // of the content
}

// Is reports whether a file begins like a bundle.
func Is(r io.ReaderAt) bool {
	first := make([]byte, blockSize)
	if _, err := r.ReadAt(first, 0); err != nil {
		return false
	}
	h, err := tar.NewReader(bytes.NewReader(first)).Next()
	return err == nil && h.Name == nameReadme
}

// layout returns the entries of a tar file, and a description of each place that
// Write would write in another way. It returns ErrNotBundle if it cannot read the
// entries.
func layout(r io.ReaderAt, size int64) (all []entry, odd []string, err error) {
	block := make([]byte, blockSize)
	zero := make([]byte, blockSize)
	at := int64(0)
	for {
		if at+blockSize > size {
			return all, append(odd, "the end of the archive is missing"), nil
		}
		if _, err := r.ReadAt(block, at); err != nil {
			return nil, nil, fmt.Errorf("reading the export: %w", err)
		}
		if bytes.Equal(block, zero) {
			break
		}
		h, err := tar.NewReader(bytes.NewReader(block)).Next()
		if err != nil || h.Size < 0 || h.Size > size-at-blockSize || len(all) == maxEntries {
			return all, append(odd, fmt.Sprintf("the entry at byte %d is damaged", at)), nil
		}
		e := entry{name: h.Name, at: at + blockSize, size: h.Size}
		all = append(all, e)
		at = e.at + (e.size+blockSize-1)/blockSize*blockSize
		if at > size {
			return all, append(odd, "the end of the archive is missing"), nil
		}
		padding := make([]byte, at-e.at-e.size)
		if _, err := r.ReadAt(padding, e.at+e.size); err != nil {
			return nil, nil, fmt.Errorf("reading the export: %w", err)
		}
		if !bytes.Equal(padding, zero[:len(padding)]) {
			odd = append(odd, e.name+" has bytes behind its end")
		}
	}
	if size != at+2*blockSize {
		return all, append(odd, "the archive has another length"), nil
	}
	if _, err := r.ReadAt(block, at+blockSize); err != nil {
		return nil, nil, fmt.Errorf("reading the export: %w", err)
	}
	if !bytes.Equal(block, zero) {
		odd = append(odd, "the end of the archive is changed")
	}
	return all, odd, nil
}

// ordered checks the names of the entries of a form and their order.
func ordered(all []entry, format string) bool {
	rest := all
	next := func(name string) bool {
		if len(rest) == 0 || rest[0].name != name {
			return false
		}
		rest = rest[1:]
		return true
	}
	if !next(nameReadme) || !next(nameManifest) || !next(nameKey) || !next(nameCheckpoint) {
		return false
	}
	if next(nameCosigned) && (!next(nameWitnesses) || !next(nameCosignedProof)) {
		return false
	}
	for last := ""; len(rest) > 0 && strings.HasPrefix(rest[0].name, policyFolder); rest = rest[1:] {
		if rest[0].name <= last {
			return false
		}
		last = rest[0].name
	}
	if format != FormatV1 && !next(nameGroups) {
		return false
	}
	return next(nameEvents) && next(nameIndex) && next(nameProof) && next(nameCSV) && len(rest) == 0
}

// sameHeader reports whether an entry has the header that Write gives it.
func (c contents) sameHeader(e entry, at time.Time) (bool, error) {
	block := make([]byte, blockSize)
	if _, err := c.r.ReadAt(block, e.at-blockSize); err != nil {
		return false, fmt.Errorf("reading the export: %w", err)
	}
	var b bytes.Buffer
	if tar.NewWriter(&b).WriteHeader(header(e.name, e.size, at)) != nil {
		return false, nil
	}
	return bytes.Equal(b.Bytes(), block), nil
}

// contents reads entries of a bundle.
type contents struct {
	r   io.ReaderAt
	all map[string]entry
}

func (c contents) has(name string) bool { _, ok := c.all[name]; return ok }

// read returns a small entry; nil for one that is missing or too large.
func (c contents) read(name string) ([]byte, error) {
	e, ok := c.all[name]
	if !ok || e.size > maxSmall {
		return nil, nil
	}
	b := make([]byte, e.size)
	if _, err := c.r.ReadAt(b, e.at); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s of the export: %w", name, err)
	}
	return b, nil
}

func (c contents) open(name string) *io.SectionReader {
	e := c.all[name]
	return io.NewSectionReader(c.r, e.at, e.size)
}

// find returns an entry of a bundle.
func find(r io.ReaderAt, size int64, name string) (entry, error) {
	all, _, err := layout(r, size)
	if err != nil {
		return entry{}, err
	}
	for _, e := range all {
		if e.name == name {
			return e, nil
		}
	}
	return entry{}, ErrNotBundle
}

// leastLeaf is the least length of a line of index.txt.
const leastLeaf = int64(len("0 ") + 2*len(tree.Hash{}) + len("\n"))

// EventsAt returns the place of events.jsonl in a bundle, and the greatest number of
// events that it can have: their exact number is not known before all are read.
func EventsAt(r io.ReaderAt, size int64) (at, most int64, err error) {
	events, err := find(r, size, nameEvents)
	if err != nil {
		return 0, 0, err
	}
	index, err := find(r, size, nameIndex)
	return events.at, index.size / leastLeaf, err
}

// Policy returns the grants of a version in a bundle, or nil.
func Policy(r io.ReaderAt, size int64, version string) ([]byte, error) {
	e, err := find(r, size, policyName(version))
	if errors.Is(err, ErrNotBundle) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return contents{r, map[string]entry{e.name: e}}.read(e.name)
}
