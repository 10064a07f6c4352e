//go:build !unix

package ledger

import "io/fs"

// MarkOf returns the mark of a file: its size and time.
func MarkOf(info fs.FileInfo) Mark {
	return Mark{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
