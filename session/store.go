package session

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"usher/backend/api"
)

// store holds the tokens of one profile on disk: one file, 0600 in a folder
// 0700, and a lock beside it that all processes of this person share.
type store struct {
	path    string
	profile Profile
	seal    *seal
	random  io.Reader
}

// tokenFile is the format of the file. Server, Pool and Client bind the tokens to
// their audience: a profile with another server has no tokens.
type tokenFile struct {
	Version     int       `json:"version"`
	Server      string    `json:"server"`
	Pool        string    `json:"user_pool_id"`
	Client      string    `json:"client_id"`
	Way         api.Way   `json:"way"`                  // absent in version 1: the password
	DeviceKey   string    `json:"device_key,omitempty"` // of a pool that remembers devices
	Access      string    `json:"access_token"`
	Refresh     string    `json:"refresh_token"`
	Email       string    `json:"email,omitempty"`
	RequestedAt time.Time `json:"asked"`
}

// fileVersion is the version that write writes. read also accepts version 1,
// which has neither a way nor a device key.
const fileVersion = 2

func newStore(f Folders, p Profile, o Options) *store {
	path := filepath.Join(f.State, "tokens", p.Name+".json")
	return &store{path: path, profile: p, seal: newSeal(path, p, o), random: o.Random}
}

// read returns the stored tokens. It returns zero Tokens without a file, for a
// truncated file, for another version, and for tokens of another server or
// pool. A file or folder that other users can access is a *FileError.
func (s *store) read() (Tokens, error) {
	if err := checkDir(filepath.Dir(s.path)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Tokens{}, nil
		}
		return Tokens{}, err
	}
	data, err := readOwn(s.path, 0o077)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Tokens{}, nil
	case err != nil:
		return Tokens{}, err
	}
	if data, err = s.seal.open(data); err != nil {
		return Tokens{}, err
	}
	var k tokenFile
	if json.Unmarshal(data, &k) != nil {
		return Tokens{}, nil
	}
	if k.Version == 1 && k.Way == "" {
		k.Version, k.Way = fileVersion, api.WayPassword
	}
	if k.Version != fileVersion || k.Server != s.profile.Server || k.Pool != s.profile.Config.UserPoolID ||
		k.Client == "" || k.Client != s.profile.Config.Offer().Client(k.Way) {
		return Tokens{}, nil
	}
	t, err := newTokens(k.Access, k.Refresh, "", k.Client, k.RequestedAt)
	if err != nil {
		return Tokens{}, nil
	}
	t.Email, t.Way, t.DeviceKey = k.Email, k.Way, k.DeviceKey
	return t, nil
}

// write replaces the stored tokens; they are durable when it returns.
func (s *store) write(t Tokens) error {
	if err := ownDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	data, err := json.Marshal(tokenFile{
		Version:     fileVersion,
		Server:      s.profile.Server,
		Pool:        s.profile.Config.UserPoolID,
		Client:      t.Client,
		Way:         t.Way,
		DeviceKey:   t.DeviceKey,
		Access:      t.Access.Reveal(),
		Refresh:     t.Refresh.Reveal(),
		Email:       t.Email,
		RequestedAt: t.RequestedAt.UTC(),
	})
	if err != nil {
		return err
	}
	if data, err = s.seal.close(data, s.random); err != nil {
		return err
	}
	return writeOwn(s.path, data)
}

// sealed reports whether the stored tokens are sealed with a key of the keyring.
func (s *store) sealed() bool {
	data, err := readOwn(s.path, 0o077)
	return err == nil && isSealed(data)
}

// exists reports whether there is a token file, whatever its content.
func (s *store) exists() bool {
	_, err := os.Lstat(s.path)
	return err == nil
}

// put stores the tokens of a completed sign-in, whatever is stored. It waits for
// other writers at most writeLimit: a sign-in is never lost to a process that
// does not finish.
func (s *store) put(t Tokens) error {
	defer s.exclusive()()
	return s.write(t)
}

// replace stores renewed tokens where the file still has the refresh token old.
// Otherwise it writes nothing and returns the stored tokens, zero after a
// sign-out: a renewal never overwrites a newer sign-in, and never undoes a
// sign-out.
func (s *store) replace(old Secret, fresh Tokens) (stored Tokens, written bool, err error) {
	defer s.exclusive()()
	if stored, err = s.read(); err != nil {
		return Tokens{}, false, err
	}
	if !stored.Refresh.Equal(old) {
		return stored, false, nil
	}
	return fresh, true, s.write(fresh)
}

// wipe removes the tokens, whatever is stored.
func (s *store) wipe() error {
	defer s.exclusive()()
	return removeOwn(s.path)
}

// wipeIf removes the tokens where the file still has the refresh token old.
func (s *store) wipeIf(old Secret) error {
	defer s.exclusive()()
	stored, err := s.read()
	if err != nil || !stored.Refresh.Equal(old) {
		return err
	}
	return removeOwn(s.path)
}

// writeLimit bounds the wait for another writer. A writer holds its lock for
// milliseconds, so a longer wait means that it was stopped.
const writeLimit = time.Second

// exclusive waits until no other process writes, at most writeLimit. The lock of
// renewals is another one: a renewal holds it during its call to the pool.
func (s *store) exclusive() (unlock func()) {
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	unlock, err := s.flock(ctx, ".write.lock")
	if err != nil {
		return func() {}
	}
	return unlock
}

// lock waits until no other process of this person renews.
func (s *store) lock(ctx context.Context) (unlock func(), err error) { return s.flock(ctx, ".lock") }

// flock locks the file with a suffix beside the tokens. Without locks in the file system (some NFS), or without room for the lock
// file, it returns no error: the second read and the compare-and-clear in
// Session protect the tokens then.
func (s *store) flock(ctx context.Context, suffix string) (unlock func(), err error) {
	if err := ownDir(filepath.Dir(s.path)); err != nil {
		return nil, err
	}
	l := flock.New(s.path+suffix, flock.SetPermissions(0o600))
	_, err = l.TryLockContext(ctx, 20*time.Millisecond)
	switch {
	case err == nil:
		return func() { l.Unlock() }, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS),
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOSPC):
		return func() {}, nil
	}
	return nil, diskError(s.path+suffix, err)
}
