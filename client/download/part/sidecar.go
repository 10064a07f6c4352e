package part

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"usher/backend/api"
	localname "usher/client/download/name"
	"usher/client/download/verify"
)

// Sidecar is the content of "<part>.json": the object of the part and
// which of them are there. It is believed only if it names the same content,
// and its ranges only after the part was read and their CRCs agree.
type Sidecar struct {
	Format   int           `json:"format"`
	Bucket   string        `json:"bucket"`
	Key      string        `json:"key"`
	ETag     string        `json:"etag"`
	Version  string        `json:"version,omitempty"`
	Size     int64         `json:"size"`
	Modified time.Time     `json:"modified,omitzero"`
	Checksum *api.Checksum `json:"checksum,omitempty"`
	Parts    *api.Parts    `json:"parts,omitempty"`
	Event    string        `json:"event,omitempty"` // the first audit event of the transfer
	EventAt  time.Time     `json:"event_at,omitzero"`
	CRC      string        `json:"crc"` // of the ranges
	Ranges   []RangeSum    `json:"ranges"`
}

const (
	sidecarFormat = 1
	maxSidecar    = 1 << 20 // bytes
)

// RangeSum is one range [From, To) and its CRC in hexadecimal.
type RangeSum struct {
	From int64  `json:"from"`
	To   int64  `json:"to"`
	Sum  string `json:"sum"`
}

// have counts the bytes that the ranges hold.
func (s Sidecar) Have() (n int64) {
	for _, r := range s.Ranges {
		n += r.To - r.From
	}
	return n
}

// Sane reports whether the ranges are in order and within the size.
func (s Sidecar) Sane() bool {
	if s.Format != sidecarFormat || s.Size < 0 || verify.CRCFor(s.CRC) == nil {
		return false
	}
	var at int64
	for _, r := range s.Ranges {
		if r.From < at || r.To <= r.From || r.To > s.Size {
			return false
		}
		at = r.To
	}
	return true
}

// notes reads a sidecar. Anything odd about it reads as none.
func (f *Folder) notes(name string) (Sidecar, bool) {
	seen, err := f.root.Lstat(name + ".json")
	if err != nil || !f.ownPart(seen) {
		return Sidecar{}, false
	}
	file, err := f.root.OpenFile(name+".json", os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return Sidecar{}, false
	}
	defer file.Close()
	if opened, err := file.Stat(); err != nil || !os.SameFile(opened, seen) || !f.ownPart(opened) {
		return Sidecar{}, false
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSidecar))
	var s Sidecar
	if err != nil || json.Unmarshal(data, &s) != nil || !s.Sane() {
		return Sidecar{}, false
	}
	return s, true
}

// Notes returns the part's sidecar.
func (p *File) Notes() (Sidecar, bool) { return p.folder.notes(p.name) }

// Note writes the sidecar, whole or not at all.
func (p *File) Note(s Sidecar) error {
	if p.name == "" {
		return nil
	}
	s.Format = sidecarFormat
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	root, name := p.folder.root, p.name+".json"
	root.Remove(name + ".new")
	file, err := root.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, Mode)
	if err != nil {
		return diskError(filepath.Join(p.folder.path, name), err)
	}
	_, err = file.Write(data)
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = root.Rename(name+".new", name)
	}
	if err != nil {
		root.Remove(name + ".new")
		return diskError(filepath.Join(p.folder.path, name), err)
	}
	p.hasNotes = true
	return nil
}

// OldParts finds parts of the same object with another content than etag, left
// by an earlier run: the object changed since. It also returns the parts of that
// content, and whether there is anything under the name current.
func (f *Folder) OldParts(bucket, key, etag, current string) (old, same []string, some bool) {
	f.scanned()
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for name, s := range f.leftovers {
		switch {
		case name == current:
			some = true
		case s.Bucket != bucket || s.Key != key:
		case s.ETag == etag:
			same, some = append(same, name), true
		default:
			old = append(old, name)
			delete(f.leftovers, name)
		}
	}
	return old, same, some
}

// Leftover returns an earlier run's sidecar of an object.
func (f *Folder) Leftover(bucket, key string) (Sidecar, bool) {
	f.scanned()
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	for _, s := range f.leftovers {
		if s.Bucket == bucket && s.Key == key {
			return s, true
		}
	}
	return Sidecar{}, false
}

// DropParts removes all parts of an object that is complete:
// an earlier run may have ended between the file's name and its sidecar's end.
func (f *Folder) DropParts(bucket, key, etag string) {
	current := Name(bucket, key, etag)
	old, same, some := f.OldParts(bucket, key, etag, current)
	if some {
		old = append(append(old, same...), current)
	}
	for _, name := range old {
		f.DropPart(name)
	}
}

// scanned reads once which parts lie in the folder.
func (f *Folder) scanned() {
	f.scan.Do(func() {
		found := f.Scan()
		f.disk.mu.Lock()
		f.leftovers = found
		f.disk.mu.Unlock()
	})
}

// Scan looks for parts in the folder and reads their sidecars; a part
// without a valid sidecar has an empty one.
func (f *Folder) Scan() map[string]Sidecar {
	found := map[string]Sidecar{}
	dir, err := f.root.Open(".")
	if err != nil {
		return found
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, n := range names {
			name := strings.TrimSuffix(strings.TrimSuffix(n, ".new"), ".json")
			_, seen := found[name]
			if seen || !strings.HasPrefix(name, localname.PartMark) || len(name) != len(localname.PartMark)+16 || len(found) > 10_000 {
				continue
			}
			s, _ := f.notes(name)
			s.Ranges = []RangeSum{{To: s.Have()}} // the sum is all that is asked of it
			found[name] = s
		}
		if err != nil || len(names) == 0 {
			return found
		}
	}
}

// Pieces reads a sidecar's ranges, splitting none: a range that crosses the
// border of a part is of no use and dropped.
func Pieces(sums []RangeSum, border int64) ([]verify.Range, error) {
	var out []verify.Range
	for _, s := range sums {
		crc, err := strconv.ParseUint(s.Sum, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("reading a sidecar's sum: %w", err)
		}
		if r := (verify.Range{Off: s.From, End: s.To, CRC: crc}); r.Within(border) {
			out = append(out, r)
		}
	}
	return out, nil
}

// Sums returns pieces in the form of a sidecar.
func Sums(pieces []verify.Range) []RangeSum {
	out := make([]RangeSum, len(pieces))
	for i, p := range pieces {
		out[i] = RangeSum{p.Off, p.End, strconv.FormatUint(p.CRC, 16)}
	}
	return out
}
