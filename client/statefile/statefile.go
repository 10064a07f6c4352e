// Package statefile keeps small private files between two runs: one for each kind of
// state of one person at one server, in JSON, with a version of its format. It leaves
// the content to its callers.
package statefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"github.com/gofrs/flock"
)

// MaxBytes is the longest content. session.Folders reads at most 64 KiB.
const MaxBytes = 60_000

// ErrNewer is a file of a newer program, which is not replaced.
var ErrNewer = errors.New("the file is of a newer usher")

// lockLimit is the longest wait for another program that changes the file.
const lockLimit = 5 * time.Second

// Files stores small state files (session.Folders). SaveState replaces a file
// atomically, with mode 0600. LoadState refuses a file of another user of the machine.
type Files interface {
	LoadState(name string) ([]byte, error)
	SaveState(name string, data []byte) error
	StateFile(name string) string
}

// File is one file.
type File struct {
	files   Files
	name    string
	version int
}

// New returns the file of a person, by the identity, at a server. version is that of
// the format.
func New(files Files, kind string, version int, server, identity string) File {
	sum := sha256.Sum256([]byte(server + "\x00" + identity))
	return File{files, kind + "-" + hex.EncodeToString(sum[:8]) + ".json", version}
}

// Read returns the decoded file. Without a readable file of this version, it is the
// zero value. The error is ErrNewer or nil: a damaged file is like none.
func Read[T any](f File) (v T, err error) {
	content, err := f.files.LoadState(f.name)
	if err != nil {
		return v, nil
	}
	var format struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(content, &format) != nil || format.Version < f.version {
		return v, nil
	}
	if format.Version > f.version {
		return v, ErrNewer
	}
	var all T
	if json.Unmarshal(content, &all) != nil {
		return v, nil
	}
	return all, nil
}

// Change replaces the content by the result of change, which reads the present one.
// Other programs wait meanwhile.
func (f File) Change(change func() ([]byte, error)) error {
	// Some file systems have no locks, and the folder does not exist before the first
	// file. A program can then lose the changes of another one.
	ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
	defer cancel()
	lock := flock.New(f.files.StateFile(f.name)+".lock", flock.SetPermissions(0o600))
	if locked, err := lock.TryLockContext(ctx, 10*time.Millisecond); err == nil && locked {
		defer func() { _ = lock.Unlock() }()
	}
	content, err := change()
	if err != nil {
		return err
	}
	return f.files.SaveState(f.name, content)
}

// Encode returns v as one line of JSON, with names as they are.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
