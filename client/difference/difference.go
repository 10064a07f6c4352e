// Package difference compares a folder of the server with a local copy of it. The
// command usher sync and the comparison in the browser share its decisions: a file is
// the same on both sides, new, changed, or only here. The package lists nothing,
// fetches nothing and writes nothing.
package difference

import (
	"errors"

	"usher/client/download"
)

// Kind is the result for one file.
type Kind int

const (
	Same     Kind = iota
	New           // there is no local file
	Changed       // a sync has put the local file there, from another version
	Conflict      // the local file differs, and is not an unchanged file of a sync
	Unsure        // the local file has the same size, and its content is not compared yet
	Failed        // it cannot be saved
	OnlyHere      // the server has no such file, or the person cannot see it
)

// Facts are the state of one file of the server on the disk.
type Facts struct {
	Presence download.Presence
	Err      error // why the download would fail; nil
	Freed    bool  // the file in the place of its folder will be removed
	Ours     bool  // a sync has put the local file there, and it is unchanged since
	Current  bool  // that sync has put the present version there
	Content  bool  // only a comparison of contents counts, and no note of a download
}

// Kept reports whether a sync has put the present version there, and needs no look at
// its content.
func (f Facts) Kept() bool { return f.Ours && f.Current && !f.Content }

// Kind decides about a file that is not kept.
func (f Facts) Kind() Kind {
	switch {
	case errors.Is(f.Err, download.ErrNoFolder) && f.Freed:
		return New
	case errors.Is(f.Err, download.ErrExists):
		return Conflict
	case f.Err != nil:
		return Failed
	case f.Ours && f.Current: // and not kept
		return Unsure
	case f.Ours:
		return Changed
	case f.Presence == download.Absent || f.Presence == download.HerePartial:
		return New
	case f.Presence == download.Here && !f.Content:
		return Same
	case f.Presence == download.HereOther:
		return Conflict
	}
	return Unsure
}
