package places

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/gofrs/flock"
)

// Files stores small state files (session.Folders). SaveState replaces a file
// atomically, with mode 0600. LoadState refuses a file of another user of the machine.
type Files interface {
	LoadState(name string) ([]byte, error)
	SaveState(name string, data []byte) error
	StateFile(name string) string
}

var (
	// ErrFull is a state whose bookmarks have more bytes than the file can hold.
	ErrFull = errors.New("there is no room for another bookmark: their paths are too long")
	// ErrNewer is a file of a newer program, which is not replaced.
	ErrNewer = errors.New("the places were stored by a newer usher")
)

// lockLimit is the longest wait for another program that stores its places.
const lockLimit = 5 * time.Second

// Store is the file of one person at one server.
type Store struct {
	files Files
	name  string
}

// New returns the store of a person, by the identity, at a server.
func New(files Files, server, identity string) Store {
	sum := sha256.Sum256([]byte(server + "\x00" + identity))
	return Store{files, "places-" + hex.EncodeToString(sum[:8]) + ".json"}
}

// Load returns the stored state. Without a readable file it is the zero State.
func (s Store) Load() State {
	state, _ := s.load()
	return state
}

func (s Store) load() (State, bool) {
	content, err := s.files.LoadState(s.name)
	if err != nil {
		return State{}, false
	}
	return decode(content)
}

// Save stores a change of the state that is stored now.
func (s Store) Save(c Change) error {
	if c.IsZero() {
		return nil
	}
	// Some file systems have no locks, and the folder does not exist before the first
	// file. A program can then lose the changes of another one.
	ctx, cancel := context.WithTimeout(context.Background(), lockLimit)
	defer cancel()
	lock := flock.New(s.files.StateFile(s.name)+".lock", flock.SetPermissions(0o600))
	if locked, err := lock.TryLockContext(ctx, 10*time.Millisecond); err == nil && locked {
		defer func() { _ = lock.Unlock() }()
	}
	now, newer := s.load()
	if newer {
		return ErrNewer
	}
	content, err := now.After(c).encode()
	if err != nil {
		return err
	}
	if err := s.files.SaveState(s.name, content); err != nil {
		return fmt.Errorf("storing the places of the browser: %w", err)
	}
	return nil
}

// themeFile is the file with the theme of a profile. The name of a profile is safe in
// file names.
func themeFile(profile string) string { return "theme-" + profile }

// LoadTheme returns the theme that was chosen in the browser, "dark" or "light"; ""
// without a choice. It depends on the terminal, not on the person: the sign-in has it.
func LoadTheme(files Files, profile string) string {
	content, err := files.LoadState(themeFile(profile))
	if theme := string(content); err == nil && (theme == "dark" || theme == "light") {
		return theme
	}
	return ""
}

// SaveTheme stores a chosen theme.
func SaveTheme(files Files, profile, theme string) error {
	return files.SaveState(themeFile(profile), []byte(theme))
}
