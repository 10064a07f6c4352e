package part

import (
	"os"
	"path/filepath"
	"strings"

	localname "usher/client/download/name"
)

// cases resolves names that a file system takes for one although the keys differ:
// README and readme, or é in two Unicode forms. The second key gets the strict
// form of its name, which reads back like any other.
// It is guarded by disk.mu, and empty where the file system keeps them apart.
type cases struct {
	fold  map[string]bool   // destination directory → its file system does not tell case apart
	taken map[string]string // folded path → its owner
}

// foldsAt finds out, once for each destination, whether its file system takes
// names that differ only in case for one: a file is asked for by another
// spelling. A mere look uses a file that is there; only for writing one is made.
func (d *Disk) foldsAt(dir string, create bool) bool {
	if d.options.Fold {
		return true
	}
	fold, known := d.cases.fold[dir]
	if known || create && os.MkdirAll(dir, 0o777) != nil {
		return fold
	}
	root, err := openRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	name := someName(root)
	if name == "" {
		if !create {
			return false // nothing is here, so nothing has collided
		}
		name = localname.PartMark + "case"
		file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|openNoFollow, 0o600)
		if err != nil {
			return false
		}
		file.Close()
		defer root.Remove(name)
	}
	mine, err1 := root.Lstat(name)
	other, err2 := root.Lstat(swapCase(name))
	fold = err1 == nil && err2 == nil && os.SameFile(mine, other)
	d.cases.fold[dir] = fold
	return fold
}

// someName is a name in the directory that has letters; "": none among the first.
func someName(root *os.Root) string {
	dir, err := root.Open(".")
	if err != nil {
		return ""
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(16)
	for _, n := range names {
		if swapCase(n) != n {
			return n
		}
	}
	return ""
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// claim gives an owner the name under dir, or the strict form if the name is taken.
func (c *cases) claim(dir, name, strict, who string) string {
	if localname.Composed(name) {
		name = strict
	}
	for _, try := range []string{name, strict} {
		id := localname.Fold(filepath.Join(dir, try))
		if owner, ok := c.taken[id]; !ok || owner == who {
			c.taken[id] = who
			return try
		}
	}
	return strict
}

// claimFolders claims each folder on the way down.
func (c *cases) claimFolders(dir string, rel []string) []string {
	used, who := make([]string, len(rel)), dir
	for i, name := range rel {
		who = filepath.Join(who, name)
		used[i] = c.claim(dir, name, strictName(name), who)
		dir = filepath.Join(dir, used[i])
	}
	return used
}

// claim gives a key its name in the folder.
func (f *Folder) Claim(name, key string) string {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if !f.fold {
		return name
	}
	return f.disk.cases.claim(f.path, name, strictName(name), key)
}

// strictName is the form of a local name that no other is taken for.
func strictName(name string) string {
	if key, err := localname.KeyOf(name); err == nil {
		return localname.In(localname.Strict, key)
	}
	return name
}
