package groupsum

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"usher/backend/api"
	"usher/backend/event"
	"usher/backend/safetext"
)

// Error is a failed use of the temporary file, with a sentence for people.
type Error struct {
	text  string
	cause error
}

func (e *Error) Error() string { return e.text }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Exit implements api.Failing.
func (e *Error) Exit() int { return api.ExitDisk }

// failed returns the error of a use of the temporary file.
func failed(err error) error {
	cause := err
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		cause = path.Err // the folder is in the sentence, and the name of the file means nothing
	}
	return &Error{fmt.Sprintf("This count needs a temporary file in %s: %s. Make some space there, or set TMPDIR (on Windows TMP) to another folder.",
		safetext.Line(filepath.Clean(os.TempDir())), safetext.Line(cause.Error())), err}
}

// file is the temporary file of a count. Runs follow each other.
type file struct {
	file *os.File
	name string // "": it has no name any more
	end  int64
}

func newFile() (*file, error) {
	f, err := os.CreateTemp("", "usher-count-*") // 0600
	if err != nil {
		return nil, failed(err)
	}
	out := &file{file: f, name: f.Name()}
	if os.Remove(f.Name()) == nil { // Windows keeps the name of an open file
		out.name = ""
	}
	return out, nil
}

func (f *file) close() error {
	err := f.file.Close()
	if f.name != "" {
		err = errors.Join(err, os.Remove(f.name))
	}
	return err
}

// run is a part of the file with sorted groups.
type run struct{ from, to int64 }

// bufferSize is the size of the buffer of a run: a count of 10 million groups has
// about 500 runs.
const bufferSize = 16 << 10

// write appends a run.
func (f *file) write(groups []event.Group) (run, error) {
	r := run{from: f.end}
	out := bufio.NewWriterSize(io.NewOffsetWriter(f.file, f.end), 64<<10)
	var line []byte
	for _, g := range groups {
		hashes, err := g.Hashes()
		if err != nil {
			return r, err
		}
		line = appendGroup(line[:0], g, hashes)
		f.end += int64(len(line))
		if _, err := out.Write(line); err != nil {
			return r, failed(err)
		}
	}
	if err := out.Flush(); err != nil {
		return r, failed(err)
	}
	r.to = f.end
	return r, nil
}

// appendGroup appends the form of a group in the file: its keys and counts, the number
// of its hashes, and the hashes with 8 bytes each.
func appendGroup(b []byte, g event.Group, hashes []uint64) []byte {
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	at := func(t time.Time) {
		b = binary.AppendUvarint(binary.AppendVarint(b, t.Unix()), uint64(t.Nanosecond()))
	}
	b = binary.AppendUvarint(b, uint64(len(g.Keys)))
	for _, k := range g.Keys {
		text(k)
	}
	text(g.Name)
	for _, n := range []int64{g.Events, int64(g.Files), g.Releases, g.ReleasedBytes, g.Unsized, g.Reported, g.ReportedBytes, g.Denied} {
		b = binary.AppendVarint(b, n)
	}
	at(g.First)
	at(g.Last)
	b = binary.AppendUvarint(b, uint64(len(hashes)))
	for _, h := range hashes {
		b = binary.BigEndian.AppendUint64(b, h)
	}
	return b
}

// reader reads the groups of a run.
type reader struct {
	number int    // of the run
	most   uint64 // bytes of the run: no number of bytes is greater
	in     *bufio.Reader
	err    error // of the first failed read
	group  event.Group
	left   uint64 // hashes of the group that are not read
	hash   uint64 // the present one
	hashed bool   // hash is one of the group
}

func newReader(f *file, r run, number int) *reader {
	return &reader{number: number, most: uint64(r.to - r.from), in: bufio.NewReaderSize(io.NewSectionReader(f.file, r.from, r.to-r.from), bufferSize)}
}

// next reads a group and its first hash. The hashes of the group before were read.
func (r *reader) next() (more bool, err error) {
	if _, err := r.in.Peek(1); errors.Is(err, io.EOF) {
		return false, nil
	}
	keys := make([]string, r.length())
	for i := range keys {
		keys[i] = r.text()
	}
	g := event.Group{Keys: keys, Name: r.text()}
	var files int64
	for _, n := range []*int64{&g.Events, &files, &g.Releases, &g.ReleasedBytes, &g.Unsized, &g.Reported, &g.ReportedBytes, &g.Denied} {
		*n = r.varint()
	}
	g.Files = int(files)
	g.First, g.Last = r.time(), r.time()
	r.group, r.left = g, r.length()
	if r.err != nil {
		return false, failed(r.err)
	}
	return true, r.nextHash()
}

// nextHash reads the next hash of the group.
func (r *reader) nextHash() error {
	if r.hashed = r.left > 0; !r.hashed {
		return nil
	}
	r.left--
	var b [8]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return failed(err)
	}
	r.hash = binary.BigEndian.Uint64(b[:])
	return nil
}

func (r *reader) uvarint() uint64 {
	n, err := binary.ReadUvarint(r.in)
	r.note(err)
	return n
}

// length reads a number of parts.
func (r *reader) length() uint64 {
	n := r.uvarint()
	if n > r.most {
		r.note(io.ErrUnexpectedEOF)
	}
	if r.err != nil {
		return 0
	}
	return n
}

func (r *reader) varint() int64 {
	n, err := binary.ReadVarint(r.in)
	r.note(err)
	return n
}

func (r *reader) time() time.Time {
	seconds := r.varint()
	return time.Unix(seconds, int64(r.uvarint())).UTC()
}

func (r *reader) text() string {
	b := make([]byte, r.length())
	_, err := io.ReadFull(r.in, b)
	r.note(err)
	return string(b)
}

// note keeps the first error.
func (r *reader) note(err error) {
	if r.err == nil {
		r.err = err
	}
}
