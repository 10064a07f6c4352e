package places

import (
	"errors"
	"fmt"

	"usher/client/statefile"
)

var (
	// ErrFull is a state whose bookmarks have more bytes than the file can hold.
	ErrFull = errors.New("there is no room for another bookmark: their paths are too long")
	// ErrNewer is a file of a newer program, which is not replaced.
	ErrNewer = errors.New("the places were stored by a newer usher")
)

// Store is the file of one person at one server.
type Store struct {
	file statefile.File
}

// New returns the store of a person, by the identity, at a server.
func New(files statefile.Files, server, identity string) Store {
	return Store{statefile.New(files, "places", version, server, identity)}
}

// Load returns the stored state. Without a readable file it is the zero State.
func (s Store) Load() State {
	state, _ := s.load()
	return state
}

func (s Store) load() (State, error) {
	all, err := statefile.Read[stored](s.file)
	return all.valid(), err
}

// Save stores a change of the state that is stored now.
func (s Store) Save(c Change) error {
	if c.IsZero() {
		return nil
	}
	err := s.file.Change(func() ([]byte, error) {
		now, err := s.load()
		if err != nil {
			return nil, err
		}
		return now.After(c).encode()
	})
	switch {
	case errors.Is(err, statefile.ErrNewer):
		return ErrNewer
	case errors.Is(err, ErrFull):
		return ErrFull
	case err != nil:
		return fmt.Errorf("storing the places of the browser: %w", err)
	}
	return nil
}

// themeFile is the file with the theme of a profile. The name of a profile is safe in
// file names.
func themeFile(profile string) string { return "theme-" + profile }

// LoadTheme returns the theme that was chosen in the browser, "dark" or "light"; ""
// without a choice. It depends on the terminal, not on the person: the sign-in has it.
func LoadTheme(files statefile.Files, profile string) string {
	content, err := files.LoadState(themeFile(profile))
	if theme := string(content); err == nil && (theme == "dark" || theme == "light") {
		return theme
	}
	return ""
}

// SaveTheme stores a chosen theme.
func SaveTheme(files statefile.Files, profile, theme string) error {
	return files.SaveState(themeFile(profile), []byte(theme))
}
