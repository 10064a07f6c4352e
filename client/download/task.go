package download

import (
	"container/list"
	"context"
	"time"

	"usher/client/download/fetch"
)

// transfer is the engine's side of a Transfer. Fields are guarded by
// Engine.mu unless said otherwise.
type transfer struct {
	id      ID
	req     Request
	parent  *transfer
	segs    []string // local path below req.Dir; fixed
	refused error    // a failure that is known beforehand; without segs it is that of the local name

	state   State // see transition
	phase   phase
	err     error
	event   string
	result  result
	size    int64 // -1: unknown
	added   time.Time
	started time.Time

	chain    chain
	slot     slot
	progress fetch.Progress
	counted  bool         // in its folder's totals
	batched  bool         // in the engine's totals
	folder   *folderState // nil: a file
}

// result is the local end of a transfer.
type result struct {
	dest     string // see Transfer.Dest
	verified string // see Transfer.Verified
	differs  bool   // see Transfer.Differs
	anew     bool   // an earlier run had begun another content
}

// chain is the series of audit events that one transfer begins and continues.
type chain struct {
	first, last string // events
	at          time.Time
	offer       offer // the URL that came with the listing
}

// slot is a transfer's place in the queue or in the window.
type slot struct {
	cancel context.CancelCauseFunc // while admitted
	elem   *list.Element           // in waitSmall or waitLarge
	drops  bool                    // a person removes it: its work ends as Cancelled
	weight int                     // in largeIn
	yields bool                    // goes back to its place in the list, not to the end of the queue
	meter  meter
	moved  int64 // of progress.Fetched, in the sums of groups
}

// folderState is the part of a transfer that only a folder has.
type folderState struct {
	without  map[string]bool // of req.Without
	taken    int             // of req.Listed
	walkedTo string          // the last name that was taken
	names    sorter          // of the names up to there
	urls     bool            // the next page is requested with URLs: see expect
	omitted  int             // names that the server left out
	files    totals
	gauge          // of its files
	children int   // not finished
	firstErr error // of its files
	walkErr  error // of the walk
}

// unnamed is the reason why a transfer has no local name; nil: it has one.
func (t *transfer) unnamed() error {
	if len(t.segs) == 0 {
		return t.refused
	}
	return nil
}

// isSmall reports whether one request fetches the whole object.
func (t *transfer) isSmall() bool { return t.req.ETag != "" && t.req.Size <= smallObject }
