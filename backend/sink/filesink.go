package sink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// NewFile returns a transport that appends lines to a file, and creates it. A file
// that another program has moved is created again.
func NewFile(path string) Transport { return &fileSink{path: path} }

type fileSink struct {
	path string
	f    *os.File
}

// Send returns after the lines are durable.
func (s *fileSink) Send(_ context.Context, messages []Message) error {
	if err := s.open(); err != nil {
		return err
	}
	var lines bytes.Buffer
	for _, m := range messages {
		lines.Write(m.Text)
		lines.WriteByte('\n')
	}
	_, err := s.f.Write(lines.Bytes())
	if err == nil {
		err = s.f.Sync()
	}
	if err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}

// Check opens the file for writing, or finds its folder. It creates nothing.
func (s *fileSink) Check(context.Context) error {
	f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.ReadDir(filepath.Dir(s.path))
		return err
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// open opens the file at the path, and cuts a line that a crash left incomplete:
// its event is sent again.
func (s *fileSink) open() error {
	if s.f != nil {
		have, err1 := s.f.Stat()
		there, err2 := os.Stat(s.path)
		if err1 == nil && err2 == nil && os.SameFile(have, there) {
			return nil
		}
		_ = s.Close()
	}
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if err := cutTail(f); err != nil {
		return errors.Join(err, f.Close())
	}
	s.f = f
	return nil
}

// cutTail truncates the file after its last line break.
func cutTail(f *os.File) error {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	block := make([]byte, 64<<10)
	for at := end; at > 0; {
		n := min(at, int64(len(block)))
		if _, err := f.ReadAt(block[:n], at-n); err != nil {
			return err
		}
		if i := bytes.LastIndexByte(block[:n], '\n'); i >= 0 {
			if keep := at - n + int64(i) + 1; keep < end {
				return f.Truncate(keep)
			}
			return nil
		}
		at -= n
	}
	if end > 0 {
		return f.Truncate(0)
	}
	return nil
}

func (s *fileSink) Close() error {
	if s.f == nil {
		return nil
	}
	f := s.f
	s.f = nil
	return f.Close()
}
