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
	copyBuffer = 256 << 10 // bytes; what one write of a body hands to the network
	memoryMax  = 1 << 20   // bytes; a longer upload goes to a file
)

// Content is the bytes of an object. ReadAt is io.ReaderAt's: safe for many
// callers at once, and any offset costs the same. What it answers for one
// offset never changes.
type Content interface {
	Size() int64
	ReadAt(p []byte, off int64) (int, error)
}

// held is content with something to give back, once for each hold.
type held interface {
	hold()
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

// blob is an uploaded body in a file with a random name. The file goes when
// the last holder lets go: the index, or a GET that outlives a DELETE.
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

func (b *blob) hold() { b.refs.Add(1) }

func (b *blob) release() {
	if b.refs.Add(-1) == 0 {
		_ = os.Remove(b.path)
	}
}

// joined is the parts of a multipart upload, one after the other.
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

// each calls f with the piece of each part that [off, off+length) touches.
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

func (j *joined) hold() {
	for _, p := range j.parts {
		hold(p)
	}
}

func (j *joined) release() {
	for _, p := range j.parts {
		release(p)
	}
}

func hold(c Content) {
	if h, ok := c.(held); ok {
		h.hold()
	}
}

func release(c Content) {
	if h, ok := c.(held); ok {
		h.release()
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, copyBuffer); return &b }}

// writeContent sends [off, off+length) of c. A file goes by io.Copy, which
// lets the kernel move it to the socket.
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

// spool stores r: in memory up to memoryMax, beyond it in a file of dir whose
// name has nothing of the key. The content is held once, for the caller.
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
	b.hold()
	if err != nil {
		b.release()
		return nil, err
	}
	return b, nil
}
