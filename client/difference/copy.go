package difference

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	localname "usher/client/download/name"
)

// Copy is a local folder, which may be absent. It is not safe for concurrent use.
type Copy struct {
	dir   string
	root  *os.Root          // nil: the folder is absent
	links map[string]string // folders without links in their paths
}

// Open opens a local folder, by its whole path.
func Open(dir string) (*Copy, error) {
	c := &Copy{dir: dir, links: make(map[string]string)}
	root, err := os.OpenRoot(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the local folder: %w", err)
	}
	c.root = root
	return c, nil
}

// Root returns the folder, nil if it is absent.
func (c *Copy) Root() *os.Root { return c.root }

// Close ends the use of the folder.
func (c *Copy) Close() error {
	if c.root == nil {
		return nil
	}
	return c.root.Close()
}

// Name returns the name below the folder of a file with a whole path. The two paths
// can differ by links. It reports false for a file elsewhere.
func (c *Copy) Name(path string) (string, bool) {
	if name, err := filepath.Rel(c.dir, path); err == nil && filepath.IsLocal(name) {
		return name, name != "."
	}
	name, err := filepath.Rel(c.resolved(c.dir), filepath.Join(c.resolved(filepath.Dir(path)), filepath.Base(path)))
	return name, err == nil && filepath.IsLocal(name) && name != "."
}

// resolved returns the path of a folder without links. The part of it that is absent
// has none.
func (c *Copy) resolved(dir string) string {
	if to, ok := c.links[dir]; ok {
		return to
	}
	to, err := filepath.EvalSymlinks(dir)
	if up := filepath.Dir(dir); err != nil && up == dir {
		to = dir
	} else if err != nil {
		to = filepath.Join(c.resolved(up), filepath.Base(dir))
	}
	c.links[dir] = to
	return to
}

// Files yields the names and states of all local files, without the unfinished parts
// of downloads. It follows no link. A file that cannot be read is left out.
func (c *Copy) Files(ctx context.Context) iter.Seq2[string, fs.FileInfo] {
	return func(yield func(string, fs.FileInfo) bool) {
		if c.root == nil {
			return
		}
		_ = fs.WalkDir(c.root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return fs.SkipAll
			}
			if err != nil || d.IsDir() || localname.HasFoldPrefix(d.Name(), localname.PartMark) {
				return nil
			}
			info, err := d.Info()
			if err == nil && !yield(filepath.FromSlash(path), info) {
				return fs.SkipAll
			}
			return nil
		})
	}
}
