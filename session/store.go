package session

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// store is the tokens of one profile at rest: one file, 0600 in a folder
// 0700, and a lock beside it that all processes of this person share.
type store struct {
	path    string
	profile Profile
}

// kept is the file. Server, Pool and Client bind the tokens to whom they are
// for: a profile pointed elsewhere finds none.
type kept struct {
	Version int       `json:"version"`
	Server  string    `json:"server"`
	Pool    string    `json:"user_pool_id"`
	Client  string    `json:"client_id"`
	Access  string    `json:"access_token"`
	Refresh string    `json:"refresh_token"`
	Email   string    `json:"email,omitempty"`
	Asked   time.Time `json:"asked"`
}

const keptVersion = 1

func newStore(f Folders, p Profile) *store {
	return &store{path: filepath.Join(f.State, "tokens", p.Name+".json"), profile: p}
}

// read gives the tokens kept, or zero Tokens where there are none: no file, a
// file cut short or of another version, tokens for another server or pool.
// A file or folder that others can get at is a *FileError.
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
	var k kept
	if json.Unmarshal(data, &k) != nil || k.Version != keptVersion ||
		k.Server != s.profile.Server || k.Pool != s.profile.Config.UserPoolID || k.Client != s.profile.Config.ClientID {
		return Tokens{}, nil
	}
	t, err := newTokens(k.Access, k.Refresh, "", k.Client, k.Asked)
	if err != nil {
		return Tokens{}, nil
	}
	t.Email = k.Email
	return t, nil
}

// write keeps tokens in place of those before, durable when it returns.
func (s *store) write(t Tokens) error {
	if err := ownDir(filepath.Dir(s.path)); err != nil {
		return err
	}
	data, err := json.Marshal(kept{
		Version: keptVersion,
		Server:  s.profile.Server,
		Pool:    s.profile.Config.UserPoolID,
		Client:  s.profile.Config.ClientID,
		Access:  t.Access.Reveal(),
		Refresh: t.Refresh.Reveal(),
		Email:   t.Email,
		Asked:   t.Asked.UTC(),
	})
	if err != nil {
		return err
	}
	return writeOwn(s.path, data)
}

// exists says whether there is a token file, whatever is in it.
func (s *store) exists() bool {
	_, err := os.Lstat(s.path)
	return err == nil
}

// wipe removes the tokens.
func (s *store) wipe() error { return removeOwn(s.path) }

// lock waits until no other process of this person reads, renews or writes.
// Where the file system has no locks (some NFS), or takes no lock file, it
// goes on without: reading again and compare-and-clear keep the session then.
func (s *store) lock(ctx context.Context) (unlock func(), err error) {
	if err := ownDir(filepath.Dir(s.path)); err != nil {
		return nil, err
	}
	l := flock.New(s.path+".lock", flock.SetPermissions(0o600))
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
	return nil, diskError(s.path+".lock", err)
}
