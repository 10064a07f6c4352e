// Package difference compares a folder of the server with a local copy of it. The
// command usher sync and the comparison in the browser share its decisions: a file is
// the same on both sides, new, changed, different, or only here. It has the names of
// these states too. The package lists nothing, fetches nothing and writes nothing.
package difference

import (
	"errors"

	"usher/client/download"
)

// Kind is the result for one file.
type Kind int

const (
	Same      Kind = iota
	New            // there is no local file
	Changed        // a sync has put the local file there, from another version
	Differs        // the local file differs, and is not an unchanged file of a sync
	Unchecked      // the local file has the same size, and its content is not compared yet
	Failed         // it cannot be saved
	OnlyHere       // the server has no such file, or the person cannot see it
	Kinds          // their number
)

// String returns the name of a kind, on the screen and in the output of commands.
func (k Kind) String() string {
	return [...]string{"same", "new", "changed", "differs", "unchecked", "failed", "only here"}[k]
}

// Facts are the state of one file of the server on the disk.
type Facts struct {
	Presence download.Presence
	Err      error // why the download would fail; nil
	Freed    bool  // another file is in the place of its folder, and the sync removes it
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
	case f.Freed && (f.Err == nil || errors.Is(f.Err, download.ErrExists)):
		return New
	case errors.Is(f.Err, download.ErrExists):
		return Differs
	case f.Err != nil:
		return Failed
	case f.Ours && f.Current: // and not kept
		return Unchecked
	case f.Ours:
		return Changed
	case f.Presence == download.Absent || f.Presence == download.HerePartial:
		return New
	case f.Presence == download.Here && !f.Content:
		return Same
	case f.Presence == download.HereOther:
		return Differs
	}
	return Unchecked
}
