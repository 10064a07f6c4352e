package transfers

import (
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

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

// splitKey returns the prefix and the last part of a key.
func splitKey(key string) (prefix, name string) {
	i := strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/') + 1
	return key[:i], key[i:]
}

// stamped returns the local name of an object with a text before its extension. The
// name of an object that needs folders of its own, because it is too long, is cut.
func stamped(name, stamp string) string {
	ext := path.Ext(name)
	if ext == name || len(ext) > 20 {
		ext = ""
	}
	stem := strings.TrimSuffix(name, ext)
	for {
		local := localname.Local(stem + " " + stamp + ext)
		if !strings.Contains(local, "/") || stem == "" {
			return path.Base(local)
		}
		_, n := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-n]
	}
}
