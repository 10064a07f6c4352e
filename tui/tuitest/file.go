package tuitest

import (
	"context"
	"sync/atomic"
)

// File is a file in memory for the page that shows its contents.
type File struct {
	data     []byte
	releases atomic.Int64
}

// NewFile returns a file.
func NewFile(data []byte) *File { return &File{data: data} }

// Size implements reader.File.
func (f *File) Size(context.Context) (int64, error) {
	f.releases.Store(1)
	return int64(len(f.data)), nil
}

// Releases implements reader.File.
func (f *File) Releases() int { return int(f.releases.Load()) }

// ReadRange implements preview.Source.
func (f *File) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	return f.data[off:min(off+n, int64(len(f.data)))], ctx.Err()
}
