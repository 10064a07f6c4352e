package session

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
	"slices"
	"strings"

	"github.com/adrg/xdg"

	"usher/backend/api"
	"usher/backend/api/shape"
	"usher/backend/safetext"
)

// Profile is a trusted server: its organization, origin, region and pool were
// shown to the person and accepted. Config is the accepted configuration.
type Profile struct {
	Name      string      `json:"name"`
	Server    string      `json:"server"` // in the form of Origin
	Config    api.Config  `json:"config"`
	Keyring   KeyringMode `json:"keyring,omitempty"`
	Transient bool        `json:"-"` // a loopback server from USHER_SERVER or --server; not saved
}

// Folders are the folders for usher's own files.
type Folders struct {
	Config string // profiles, defaults
	State  string // tokens, queue, last path
	Cache  string // lists for completions; "": none is kept
}

// DefaultFolders returns the folders of the XDG base directory specification.
func DefaultFolders() Folders {
	return Folders{Config: filepath.Join(xdg.ConfigHome, "usher"), State: filepath.Join(xdg.StateHome, "usher"), Cache: filepath.Join(xdg.CacheHome, "usher")}
}

// StateFile returns the path of a state file, such as that of the last path.
// The name is a constant of the program, never data.
func (f Folders) StateFile(name string) string { return filepath.Join(f.State, filepath.Base(name)) }

// Place identifies the server of a profile: by its origin, or by its pool for one
// on loopback, whose port can change.
func (p Profile) Place() string {
	if onLoopback(p.Server) {
		return p.Config.UserPoolID
	}
	return p.Server
}

// QueueFile returns the path of a person's unfinished transfers at a server.
func (f Folders) QueueFile(p Profile, sub string) string {
	sum := sha256.Sum256([]byte(p.Place() + "\x00" + sub))
	return f.StateFile("queue-" + hex.EncodeToString(sum[:8]) + ".json")
}

// SaveState replaces a state file (0600) atomically.
func (f Folders) SaveState(name string, data []byte) error {
	if err := ownDir(f.State); err != nil {
		return err
	}
	return writeOwn(f.StateFile(name), data)
}

// LoadState reads a state file of at most 64 KiB; a missing file is
// fs.ErrNotExist.
func (f Folders) LoadState(name string) ([]byte, error) {
	return readOwn(f.StateFile(name), 0o077)
}

// LoadConfig reads a file of the config folder, which others cannot write. A missing
// file is fs.ErrNotExist.
func (f Folders) LoadConfig(name string) ([]byte, error) {
	return readOwn(filepath.Join(f.Config, filepath.Base(name)), 0o022)
}

// errNoCache reports that there is no folder for caches.
var errNoCache = errors.New("no cache folder")

func (f Folders) cacheFile(name string) string { return filepath.Join(f.Cache, filepath.Base(name)) }

// SaveCache replaces a file of the cache (0600) atomically.
func (f Folders) SaveCache(name string, data []byte) error {
	if f.Cache == "" {
		return errNoCache
	}
	if err := ownDir(f.Cache); err != nil {
		return err
	}
	return writeOwn(f.cacheFile(name), data)
}

// LoadCache reads a file of the cache, at most limit bytes.
func (f Folders) LoadCache(name string, limit int64) ([]byte, error) {
	if f.Cache == "" {
		return nil, errNoCache
	}
	return readAtMost(f.cacheFile(name), 0o077, limit)
}

// DropCache removes a file of the cache, if there is one.
func (f Folders) DropCache(name string) error {
	if f.Cache == "" {
		return nil
	}
	if err := os.Remove(f.cacheFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return diskError(f.cacheFile(name), err)
	}
	return nil
}

var profileName = shape.NewForm(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// ErrNoServer: no profile is chosen and none is saved.
var ErrNoServer error = &Failure{
	sentence: "No server is configured yet. Run usher configure https://… with the address you were given, or usher demo to try everything on this machine.",
	exit:     api.ExitUsage,
}

// ProfileError is a profile that cannot be used.
type ProfileError struct {
	Name    safetext.Text
	Problem string // a predicate: "is not saved here"
	Fix     string // a sentence
}

func (e *ProfileError) Error() string {
	return fmt.Sprintf("The profile %s %s. %s", e.Name, e.Problem, e.Fix)
}

// Exit returns the exit code of a command that ends with this error.
func (e *ProfileError) Exit() int { return api.ExitUsage }

// NewProfile pins a configuration that the person accepted. An empty name is
// replaced by one made from the host.
func NewProfile(name, server string, config api.Config) (Profile, error) {
	origin, err := Origin(server)
	if err != nil {
		return Profile{}, err
	}
	if name == "" {
		name = nameFor(origin)
	}
	p := Profile{Name: name, Server: origin, Config: config}
	return p, p.check()
}

// nameFor returns a profile name made from an origin's host and port.
func nameFor(origin string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, hostOf(origin))
	name = strings.Trim(name, "-.")
	return name[:min(len(name), 100)]
}

func (p Profile) check() error {
	if !profileName.Matches(p.Name) {
		return &ProfileError{safetext.New(p.Name), "has a name that cannot be used", "Use lowercase letters, digits, dots and dashes."}
	}
	origin, err := Origin(p.Server)
	if err != nil {
		return err
	}
	if origin != p.Server {
		return &AddressError{safetext.New(p.Server), "it is not in canonical form"}
	}
	return checkConfig(p.Server, p.Config)
}

func (f Folders) profiles() string { return filepath.Join(f.Config, "profiles") }

func (f Folders) profileFile(name string) string { return filepath.Join(f.profiles(), name+".json") }

// SaveProfile stores a profile; the first one saved becomes the default.
func (f Folders) SaveProfile(p Profile) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := ownDir(f.profiles()); err != nil {
		return err
	}
	before, err := f.Profiles()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("writing profile %s: %w", p.Name, err)
	}
	if err := writeOwn(f.profileFile(p.Name), append(data, '\n')); err != nil {
		return err
	}
	if len(before) == 0 {
		return f.SetDefault(p.Name)
	}
	return nil
}

// LoadProfile reads a saved profile and checks it like an answer of the
// server. A file that other users can change is refused.
func (f Folders) LoadProfile(name string) (Profile, error) {
	if !profileName.Matches(name) {
		return Profile{}, &ProfileError{safetext.New(name), "has a name that cannot be used", "Use lowercase letters, digits, dots and dashes."}
	}
	data, err := readOwn(f.profileFile(name), 0o022)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Profile{}, &ProfileError{safetext.New(name), "is not saved here", f.knownProfiles()}
	case err != nil:
		return Profile{}, err
	}
	var p Profile
	if json.Unmarshal(data, &p) != nil || p.Name != name || p.check() != nil {
		return Profile{}, &ProfileError{safetext.New(name), "cannot be read", "Run usher configure with the server's address again."}
	}
	return p, nil
}

func (f Folders) knownProfiles() string {
	names, err := f.Profiles()
	if err != nil || len(names) == 0 {
		return "Run usher configure with the server's address first."
	}
	return "Saved are: " + strings.Join(names, ", ") + "."
}

// Profiles returns the names of the saved profiles, sorted.
func (f Folders) Profiles() ([]string, error) {
	entries, err := os.ReadDir(f.profiles())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, diskError(f.profiles(), err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok && profileName.Matches(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (f Folders) defaultFile() string { return filepath.Join(f.Config, "default") }

// Default returns the name of the profile that is used when none is named: the
// one set by SetDefault, else the only one, else "".
func (f Folders) Default() string {
	names, err := f.Profiles()
	if err != nil {
		return ""
	}
	data, err := readOwn(f.defaultFile(), 0o022)
	if name := strings.TrimSpace(string(data)); err == nil && slices.Contains(names, name) {
		return name
	}
	if len(names) == 1 {
		return names[0]
	}
	return ""
}

// RemoveProfile forgets a profile and the trust in its server.
func (f Folders) RemoveProfile(name string) error {
	if _, err := f.LoadProfile(name); err != nil {
		return err
	}
	wasDefault := f.Default() == name
	if err := os.Remove(f.profileFile(name)); err != nil {
		return diskError(f.profileFile(name), err)
	}
	if wasDefault {
		if err := os.Remove(f.defaultFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return diskError(f.defaultFile(), err)
		}
	}
	return nil
}

// SetDefault sets the profile that is used when none is named.
func (f Folders) SetDefault(name string) error {
	if !profileName.Matches(name) {
		return &ProfileError{safetext.New(name), "has a name that cannot be used", "Use lowercase letters, digits, dots and dashes."}
	}
	return writeOwn(f.defaultFile(), []byte(name+"\n"))
}

// Resolve returns the profile to use. A flag overrides the environment
// (USHER_PROFILE, USHER_SERVER), and both override the default. A profile and
// a server from the same source must agree. A server that is not saved is
// accepted only on loopback, and is then discovered without consent.
func (f Folders) Resolve(ctx context.Context, profileFlag, serverFlag string, getenv func(string) string) (Profile, error) {
	name, server := profileFlag, serverFlag
	if name == "" && server == "" {
		name, server = getenv("USHER_PROFILE"), getenv("USHER_SERVER")
	}
	if server == "" {
		if name == "" {
			name = f.Default()
		}
		if name == "" {
			return Profile{}, ErrNoServer
		}
		return f.LoadProfile(name)
	}
	origin, err := Origin(server)
	if err != nil {
		return Profile{}, err
	}
	if name != "" {
		p, err := f.LoadProfile(name)
		if err == nil && p.Server != origin {
			err = &ProfileError{safetext.New(name), "is for " + p.Server + ", not for " + origin, "Name one of them."}
		}
		return p, err
	}
	return f.byServer(ctx, origin)
}

func (f Folders) byServer(ctx context.Context, origin string) (Profile, error) {
	names, err := f.Profiles()
	if err != nil {
		return Profile{}, err
	}
	for _, name := range names {
		if p, err := f.LoadProfile(name); err == nil && p.Server == origin {
			return p, nil
		}
	}
	if !onLoopback(origin) {
		return Profile{}, &Failure{
			sentence: fmt.Sprintf("%s is not configured yet. Run usher configure %s first.", hostOf(origin), origin),
			exit:     api.ExitUsage,
		}
	}
	config, err := Discover(ctx, origin)
	if err != nil {
		return Profile{}, err
	}
	p, err := NewProfile("", origin, config)
	p.Transient = true
	return p, err
}
