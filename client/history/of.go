package history

import (
	"time"

	"usher/client/download"
)

// Of returns the entry of an ended transfer, and false for one that has no place in
// the history: a folder, a file that was already here, a cancelled or paused one.
func Of(t download.Transfer, at time.Time) (Entry, bool) {
	ends := map[download.State]End{download.Done: Done, download.Failed: Failed, download.Denied: Denied}
	end, ok := ends[t.State]
	if !ok || t.Folder {
		return Entry{}, false
	}
	e := Entry{Bucket: t.Bucket, Key: t.Key, At: at.UTC().Truncate(time.Millisecond), End: end, Size: t.Size, Event: t.AuditID}
	if end == Done {
		e.Verified = t.Verified
	}
	return e, true
}
