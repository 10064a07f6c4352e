package proof

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"usher/backend/api"
	"usher/backend/safetext"
)

// Files stores small state files (session.Folders). SaveState replaces a file
// atomically.
type Files interface {
	LoadState(name string) ([]byte, error)
	SaveState(name string, data []byte) error
	StateFile(name string) string
}

// lockLimit is the longest wait for another process that stores a checkpoint.
const lockLimit = time.Second

// memory is the last checkpoint of a log on this machine.
type memory struct {
	Key    string    `json:"key"`
	Note   string    `json:"note"`
	Seen   time.Time `json:"seen"`
	Policy string    `json:"witnesses,omitempty"`
	Found  *finding  `json:"found,omitempty"` // remains until the person trusts the server again
}

// finding is a Fraud in the state file.
type finding struct {
	Kind  Kind   `json:"kind"`
	Now   int64  `json:"now"`   // number of events
	Known int64  `json:"known"` // number of events
	Path  string `json:"path"`
}

// store is the state file of one server.
type store struct {
	files Files
	name  string
}

func newStore(files Files, place string) store {
	sum := sha256.Sum256([]byte(place))
	return store{files, "checkpoint-" + hex.EncodeToString(sum[:8]) + ".json"}
}

// load returns the memory, or the zero memory if there is none.
func (s store) load() (memory, error) {
	data, err := s.files.LoadState(s.name)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if err != nil {
		return memory{}, err
	}
	var m memory
	if json.Unmarshal(data, &m) != nil || m.Key == "" || m.Note == "" {
		return memory{}, s.damaged()
	}
	return m, nil
}

// damaged is the error of a state file without a checkpoint. It is no reason to
// trust any log: the file had one.
func (s store) damaged() error {
	return &DamagedError{safetext.New(s.files.StateFile(s.name))}
}

// replace stores a memory if the stored one is still before.
func (s store) replace(before, after memory) (bool, error) {
	path := s.files.StateFile(s.name)
	// Some file systems have no locks, and the folder does not exist before the
	// first checkpoint. The comparison below is enough then, but for a moment.
	ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
	defer cancel()
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if locked, err := lock.TryLockContext(ctx, 10*time.Millisecond); err == nil && locked {
		defer func() { _ = lock.Unlock() }()
	}
	now, err := s.load()
	if err != nil {
		return false, err
	}
	if !now.Seen.Equal(before.Seen) || now.Note != before.Note || now.Key != before.Key {
		return false, nil
	}
	data, err := json.Marshal(after)
	if err != nil {
		return false, fmt.Errorf("storing a checkpoint: %w", err)
	}
	if err := s.files.SaveState(s.name, data); err != nil {
		return false, err
	}
	return true, nil
}

// setAside renames the file, so the checkpoint is kept.
func (s store) setAside() error {
	path := s.files.StateFile(s.name)
	if err := os.Rename(path, path+asideSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping the checkpoint of the previous log: %w", err)
	}
	return nil
}

// Forget sets the checkpoint of a server aside if there was a finding, because the
// person trusted the server again. It returns the new path of the file, or "".
func Forget(files Files, place string) (string, error) {
	s := newStore(files, place)
	m, err := s.load()
	if err == nil && m.Found == nil {
		return "", nil
	}
	var damaged *DamagedError
	if err != nil && !errors.As(err, &damaged) {
		return "", err
	}
	return s.files.StateFile(s.name) + asideSuffix, s.setAside()
}

const asideSuffix = ".old"

// DamagedError is a state file without a checkpoint.
type DamagedError struct{ Path safetext.Text }

func (e *DamagedError) Error() string {
	return fmt.Sprintf("The file with the last checkpoint of the audit log is damaged: %s. Keep it for your security team, and move it to another folder.", e.Path)
}

// Exit returns the exit code of a command that ends with this error.
func (e *DamagedError) Exit() int { return api.ExitIntegrity }

// Kept is a checkpoint that this machine remembers.
type Kept struct {
	Path string // of the state file
	Note []byte
	Key  string
}

// Memories returns the checkpoints in a folder of state files.
func Memories(files Files) []Kept {
	found, err := filepath.Glob(files.StateFile("checkpoint-*.json"))
	if err != nil {
		return nil
	}
	var all []Kept
	for _, path := range found {
		s := store{files, filepath.Base(path)}
		if m, err := s.load(); err == nil && m.Key != "" {
			all = append(all, Kept{path, []byte(m.Note), m.Key})
		}
	}
	return all
}
