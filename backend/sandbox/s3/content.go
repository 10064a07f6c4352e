package s3

import (
	"crypto/rand"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

const (
	copyBuffer = 256 << 10 // bytes per write of a body to the network
	memoryMax  = 1 << 20   // bytes; a longer upload is stored in a file
)

// Content is the bytes of an object. ReadAt has the contract of io.ReaderAt. In
// addition it is safe for concurrent use, its cost does not depend on the
// offset, and the bytes never change.
type Content interface {
	Size() int64
	ReadAt(p []byte, off int64) (int, error)
}

// refCounted is content with a reference count. Each call of retain requires one
// of release.
type refCounted interface {
	retain()
	release()
}

type memory []byte

func (m memory) Size() int64 { return int64(len(m)) }

func (m memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(m)) {
		return 0, io.EOF
	}
	n := copy(p, m[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// blob is an uploaded body in a file with a random name. The last release
// removes the file. References belong to the index and to running GETs, which may
// outlive a DELETE.
type blob struct {
	path string
	size int64
	refs atomic.Int64
}

func (b *blob) Size() int64 { return b.size }

func (b *blob) ReadAt(p []byte, off int64) (int, error) {
	f, err := os.Open(b.path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(p, off)
}

func (b *blob) retain() { b.refs.Add(1) }

func (b *blob) release() {
	if b.refs.Add(-1) == 0 {
		_ = os.Remove(b.path)
	}
}

// joined is the concatenation of the parts of a multipart upload.
type joined struct {
	parts []Content
	size  int64
}

func join(parts []Content) *joined {
	j := &joined{parts: parts}
	for _, p := range parts {
		j.size += p.Size()
	}
	return j
}

func (j *joined) Size() int64 { return j.size }

func (j *joined) ReadAt(p []byte, off int64) (n int, err error) {
	err = j.each(off, int64(len(p)), func(c Content, off, length int64) error {
		m, err := c.ReadAt(p[n:n+int(length)], off)
		n += m
		if int64(m) == length {
			return nil
		}
		return err
	})
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// each calls f with the section of each part within [off, off+length).
func (j *joined) each(off, length int64, f func(c Content, off, length int64) error) error {
	for _, c := range j.parts {
		if length == 0 {
			return nil
		}
		if off >= c.Size() {
			off -= c.Size()
			continue
		}
		n := min(length, c.Size()-off)
		if err := f(c, off, n); err != nil {
			return err
		}
		off, length = 0, length-n
	}
	return nil
}

func (j *joined) retain() {
	for _, p := range j.parts {
		retain(p)
	}
}

func (j *joined) release() {
	for _, p := range j.parts {
		release(p)
	}
}

func retain(c Content) {
	if h, ok := c.(refCounted); ok {
		h.retain()
	}
}

func release(c Content) {
	if h, ok := c.(refCounted); ok {
		h.release()
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// writeContent writes [off, off+length) of c. It writes a file with io.Copy,
// which can use sendfile.
func writeContent(w io.Writer, c Content, off, length int64) error {
	switch c := c.(type) {
	case memory:
		_, err := w.Write(c[off : off+length])
		return err
	case *blob:
		f, err := os.Open(c.path)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Seek(off, io.SeekStart); err != nil {
			return err
		}
		n, err := io.Copy(w, io.LimitReader(f, length))
		if err == nil && n < length {
			err = io.ErrUnexpectedEOF
		}
		return err
	case *joined:
		return c.each(off, length, func(part Content, off, length int64) error {
			return writeContent(w, part, off, length)
		})
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for length > 0 {
		p := (*buf)[:min(int64(len(*buf)), length)]
		n, err := c.ReadAt(p, off)
		if n < len(p) {
			return fmt.Errorf("reading content at %d: %w", off, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if _, err := w.Write(p); err != nil {
			return err
		}
		off, length = off+int64(n), length-int64(n)
	}
	return nil
}

// spool stores r in memory up to memoryMax, and otherwise in a file of dir with
// a random name. The caller owns one reference to the content.
func spool(dir string, r io.Reader, sums ...hash.Hash) (Content, error) {
	writers := make([]io.Writer, 0, len(sums)+1)
	for _, h := range sums {
		writers = append(writers, h)
	}
	in := io.TeeReader(r, io.MultiWriter(writers...))
	small, err := io.ReadAll(io.LimitReader(in, memoryMax))
	if err != nil {
		return nil, err
	}
	if len(small) < memoryMax {
		return memory(small), nil
	}
	b := &blob{path: filepath.Join(dir, "upload-"+rand.Text())}
	f, err := os.OpenFile(b.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("storing an upload: %w", err)
	}
	_, err = f.Write(small)
	if err == nil {
		buf := buffers.Get().(*[]byte)
		b.size, err = io.CopyBuffer(struct{ io.Writer }{f}, in, *buf)
		buffers.Put(buf)
		b.size += int64(len(small))
	}
	err = errors.Join(err, f.Close())
	b.retain()
	if err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}
