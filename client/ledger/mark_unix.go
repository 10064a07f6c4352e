//go:build unix

package ledger

import (
	"io/fs"
	"syscall"
)

// MarkOf returns the mark of a file.
func MarkOf(info fs.FileInfo) Mark {
	m := Mark{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		m.Inode, m.Changed = s.Ino, changed(s)
	}
	return m
}
