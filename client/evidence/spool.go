package evidence

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"usher/backend/audit/bundle"
	"usher/backend/audit/tree"
)

// The folder of an export beside its file, and its lock. The lock of a process that was
// killed is free.
const (
	spoolPattern = ".usher-export-*"
	lockName     = "lock"
	// emptyAge is the age of a folder without a lock that no export will lock any more.
	emptyAge = time.Hour
)

// spool is the locked folder with the temporary files of an export. It holds everything
// whose size grows with the number of events.
type spool struct {
	dir  string
	lock *flock.Flock
}

// newSpool makes a folder in a folder, and removes those of killed exports.
func newSpool(in string) (*spool, error) {
	removeAbandoned(in)
	dir, err := os.MkdirTemp(in, spoolPattern)
	if err != nil {
		return nil, err
	}
	s := &spool{dir, flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))}
	if held, err := s.lock.TryLock(); err != nil || !held {
		s.remove()
		return nil, errors.Join(err, errors.New("locking the folder"))
	}
	return s, nil
}

func (s *spool) path(name string) string { return filepath.Join(s.dir, name) }

func (s *spool) remove() {
	_ = s.lock.Close()
	_ = os.RemoveAll(s.dir)
}

// removeAbandoned removes the folders of exports whose process has ended.
func removeAbandoned(in string) {
	all, _ := filepath.Glob(filepath.Join(escaped(in), spoolPattern))
	for _, dir := range all {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		own := filepath.Join(dir, lockName)
		held, err := os.Lstat(own)
		switch {
		case errors.Is(err, fs.ErrNotExist) && time.Since(info.ModTime()) > emptyAge:
			_ = os.Remove(dir) // fails unless it is empty
		case err == nil && held.Mode().IsRegular():
			lock := flock.New(own, flock.SetFlag(os.O_RDWR))
			free, _ := lock.TryLock()
			_ = lock.Close()
			if free {
				_ = os.RemoveAll(dir)
			}
		}
	}
}

// escaped returns a path as a pattern for itself.
func escaped(path string) string {
	var b []rune
	for _, r := range path {
		if r == '*' || r == '?' || r == '[' {
			b = append(b, '[', r, ']')
			continue
		}
		b = append(b, r)
	}
	return string(b)
}

// outlet is a file of a spool that is being written.
type outlet struct {
	file *os.File
	out  *bufio.Writer
	size int64
}

func (s *spool) create(name string) (*outlet, error) {
	f, err := os.OpenFile(s.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &outlet{file: f, out: bufio.NewWriterSize(f, 256<<10)}, nil
}

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.out.Write(p)
	o.size += int64(n)
	return n, err
}

// close writes the rest. It can be called twice.
func (o *outlet) close() error {
	if o == nil || o.file == nil {
		return nil
	}
	err := errors.Join(o.out.Flush(), o.file.Close())
	o.file = nil
	return err
}

// source returns the content of a file.
func (s *spool) source(name string) (bundle.Source, error) {
	info, err := os.Stat(s.path(name))
	if err != nil {
		return bundle.Source{}, err
	}
	return bundle.Source{Size: info.Size(), Write: func(w io.Writer) error {
		f, err := os.Open(s.path(name))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		_, err = io.Copy(w, f)
		return err
	}}, nil
}

// nodeSize is the size of a node in a file: its bounds and its hash.
const nodeSize = 16 + len(tree.Hash{})

// maxRuns bounds the runs of nodes. A server has two: the nodes outside of the range,
// and those of its blocks.
const maxRuns = 8

// nodeFile holds the nodes of a server's answers, in runs of rising leaves.
type nodeFile struct {
	*outlet
	last int64   // end of the last node
	runs []int64 // places in the file
}

func (f *nodeFile) add(n bundle.Node) error {
	if len(f.runs) == 0 || n.Lo < f.last {
		if len(f.runs) == maxRuns {
			return errOrder
		}
		f.runs = append(f.runs, f.size)
	}
	f.last = n.Hi
	b := binary.BigEndian.AppendUint64(nil, uint64(n.Lo))
	b = binary.BigEndian.AppendUint64(b, uint64(n.Hi))
	_, err := f.Write(append(b, n.Hash[:]...))
	return err
}

// merged returns the nodes of all runs in order.
func (f *nodeFile) merged(file io.ReaderAt) bundle.Next[bundle.Node] {
	heads := make([]*bundle.Node, len(f.runs)) // nil: read the next one
	readers := make([]*bufio.Reader, len(f.runs))
	for i, at := range f.runs {
		end := f.size
		if i+1 < len(f.runs) {
			end = f.runs[i+1]
		}
		readers[i] = bufio.NewReaderSize(io.NewSectionReader(file, at, end-at), 64<<10)
	}
	return func() (bundle.Node, bool, error) {
		first := -1
		for i := range readers {
			if heads[i] == nil && readers[i] != nil {
				n, err := readNode(readers[i])
				if errors.Is(err, io.EOF) {
					readers[i] = nil
					continue
				}
				if err != nil {
					return bundle.Node{}, false, err
				}
				heads[i] = &n
			}
			if heads[i] != nil && (first < 0 || heads[i].Lo < heads[first].Lo) {
				first = i
			}
		}
		if first < 0 {
			return bundle.Node{}, false, nil
		}
		n := *heads[first]
		heads[first] = nil
		return n, true, nil
	}
}

func readNode(r io.Reader) (n bundle.Node, err error) {
	var b [nodeSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return n, err
	}
	n.Lo, n.Hi = int64(binary.BigEndian.Uint64(b[:])), int64(binary.BigEndian.Uint64(b[8:]))
	copy(n.Hash[:], b[16:])
	return n, nil
}
