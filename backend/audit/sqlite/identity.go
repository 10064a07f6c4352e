//go:build !linux

package sqlite

import "os"

// identity identifies a file.
type identity struct{ info os.FileInfo }

func (i identity) same(other identity) bool { return os.SameFile(i.info, other.info) }

// identify returns the identity of the file at path.
func identify(path string) (identity, error) {
	info, err := os.Stat(path)
	return identity{info}, err
}
