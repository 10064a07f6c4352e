package transfers

import (
	"path/filepath"
	"strings"

	"usher/client/download"
	localname "usher/client/download/name"
)

// Below returns a request with a path below the root: folders for its bucket and
// its prefix.
func Below(root string, r download.Request) download.Request {
	r.Dir, r.Whole = root, true
	return r
}

// Folder returns the local folder of a prefix below the root, for display. The
// engine may have to choose another name.
func Folder(root, bucket, prefix string) string {
	dir := filepath.Join(root, filepath.FromSlash(localname.Local(bucket)))
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		dir = filepath.Join(dir, filepath.FromSlash(localname.Local(prefix)))
	}
	return dir
}
