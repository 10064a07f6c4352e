package transfers

import (
	"path/filepath"
	"strings"

	"usher/client/download"
)

// Place gives a request its folder below the root.
func Place(root string, r download.Request) download.Request {
	up, _ := cutLast(strings.TrimSuffix(r.Key, "/"))
	r.Dir = Folder(root, r.Bucket, up)
	if r.Folder && r.Key == "" {
		r.Dir = root // the engine puts a whole share into a folder of its name
	}
	return r
}

// Path is where a placed file lies once it is complete.
func Path(r download.Request) string {
	_, name := cutLast(r.Key)
	return filepath.Join(r.Dir, filepath.FromSlash(download.LocalName(name)))
}

// Folder is where a prefix's files land below the root.
func Folder(root, bucket, prefix string) string {
	dir := filepath.Join(root, filepath.FromSlash(download.LocalName(bucket)))
	if prefix = strings.TrimSuffix(prefix, "/"); prefix != "" {
		dir = filepath.Join(dir, filepath.FromSlash(download.LocalName(prefix)))
	}
	return dir
}

func cutLast(key string) (up, name string) {
	i := strings.LastIndexByte(key, '/') + 1
	return key[:i], key[i:]
}
