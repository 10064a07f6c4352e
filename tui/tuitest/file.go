package tuitest

import (
	"context"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"time"
)

// File is a file in memory for the pages that show its contents.
type File struct {
	data     []byte
	releases atomic.Int64
	At       time.Time // of Modified
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

// Modified implements reader.Version.
func (f *File) Modified() time.Time { return f.At }

// Sum implements reader.Version.
func (f *File) Sum() string { return fmt.Sprintf("CRC32 %08x", crc32.ChecksumIEEE(f.data)) }

// ReadRange implements preview.Source.
func (f *File) ReadRange(ctx context.Context, off, n int64) ([]byte, error) {
	return f.data[off:min(off+n, int64(len(f.data)))], ctx.Err()
}
