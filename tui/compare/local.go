package compare

import (
	"context"
	"path/filepath"

	"usher/backend/safetext"
	"usher/client/difference"
)

// mostSeen is the largest number of local files of a comparison. Above it, the files
// that are only here are not shown.
const mostSeen = 500_000

// onlyHere returns the local files that the server does not have.
func onlyHere(ctx context.Context, here *difference.Copy, seen map[string]bool) (out []row) {
	for name, info := range here.Files(ctx) {
		if seen[name] {
			continue
		}
		out = append(out, row{kind: difference.OnlyHere, name: safetext.New(filepath.ToSlash(name)), size: info.Size(), at: info.ModTime()})
		if len(out) > mostRows {
			break
		}
	}
	return out
}
