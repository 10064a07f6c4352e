package transfers

import (
	"path/filepath"
	"strings"

	"usher/client/download"
	localname "usher/client/download/name"
)

// Place puts a request below the root, in folders named after its bucket and
// prefix.
func Place(root string, r download.Request) download.Request {
	r.Dir, r.Whole = root, true
	return r
}

// Folder is where a prefix's files land below the root, for the eye: the engine
// may have to give a folder another name.
func Folder(root, bucket, prefix string) string {
	dir := filepath.Join(root, filepath.FromSlash(localname.Local(bucket)))
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		dir = filepath.Join(dir, filepath.FromSlash(localname.Local(prefix)))
	}
	return dir
}
