package compare

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"usher/backend/api"
	"usher/backend/safetext"
	localname "usher/client/download/name"
	"usher/tui/transfers"
)

// mostSeen is the largest number of local files of a comparison. Above it, the files
// that are only here are not shown.
const mostSeen = 500_000

// local returns the local files of the folder that the server does not have, without
// the unfinished parts of downloads. It follows no link.
func local(ctx context.Context, root string, folder api.Path, seen map[string]bool) (out []row) {
	dir := transfers.Folder(root, folder.Bucket, folder.Key)
	below, err := os.OpenRoot(dir)
	if err != nil {
		return nil // there is no local copy
	}
	defer func() { _ = below.Close() }()
	links := make(map[string]string)
	real := func(path string) string {
		return filepath.Join(resolved(links, filepath.Dir(path)), filepath.Base(path))
	}
	known := make(map[string]bool, len(seen)) // a path of the disk can differ from dir by links
	for path := range seen {
		known[real(path)] = true
	}
	_ = fs.WalkDir(below.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || d.IsDir() || localname.HasFoldPrefix(d.Name(), localname.PartMark) || len(out) > mostRows {
			return nil
		}
		whole := filepath.Join(dir, filepath.FromSlash(path))
		if known[real(whole)] {
			return nil
		}
		r := row{state: onlyHere, name: safetext.New(path)}
		if info, err := d.Info(); err == nil {
			r.size, r.at = info.Size(), info.ModTime()
		}
		out = append(out, r)
		return nil
	})
	return out
}

// resolved returns the path of a folder without links.
func resolved(known map[string]string, dir string) string {
	if to, ok := known[dir]; ok {
		return to
	}
	to, err := filepath.EvalSymlinks(dir)
	if err != nil {
		to = dir
	}
	known[dir] = to
	return to
}
