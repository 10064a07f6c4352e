// Package keyring holds a key of 32 bytes for each file of tokens in the
// keyring of the system: the Secret Service, the macOS keychain or the Windows
// credential manager. The tokens stay in their file, sealed with the key: they
// are larger than some keyrings accept (2,560 bytes on Windows).
//
// A call takes at most 3 s. It starts no message bus and shows no prompt: a
// keyring that is locked or absent is an error at once.
//
// The package leaves the file and its tokens to package session.
package keyring

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	system "github.com/zalando/go-keyring"
)

// The failures of a keyring.
var (
	ErrAbsent = errors.New("there is no keyring")
	ErrLocked = errors.New("the keyring is locked")
	ErrSlow   = errors.New("the keyring does not answer")
	ErrNoKey  = errors.New("the keyring has no such key")
)

const (
	service = "usher"
	keySize = 32
	limit   = 3 * time.Second
)

// Ring is the keyring of the system. Getenv and Random are required.
type Ring struct {
	Getenv func(string) string
	Random io.Reader // crypto/rand.Reader
}

// New returns the keyring of this machine.
func New(getenv func(string) string) *Ring { return &Ring{Getenv: getenv, Random: rand.Reader} }

// Key returns the key with a name. With create, an absent key is drawn and
// stored; otherwise it is ErrNoKey.
func (r *Ring) Key(name string, create bool) ([]byte, error) {
	// SPEC: go-keyring and godbus start a bus by dbus-launch without this address.
	bus := r.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if usesBus() && bus == "" {
		return nil, ErrAbsent
	}
	type result struct {
		key []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		key, err := r.key(bus, name, create)
		done <- result{key, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case got := <-done:
		return got.key, got.err
	case <-timer.C:
		return nil, ErrSlow
	}
}

func usesBus() bool { return runtime.GOOS != "darwin" && runtime.GOOS != "windows" }

func (r *Ring) key(bus, name string, create bool) ([]byte, error) {
	if usesBus() {
		if err := unlocked(bus); err != nil {
			return nil, err
		}
	}
	text, err := system.Get(service, name)
	switch {
	case err == nil:
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("reading the key: %w", ErrNoKey)
		}
		return key, nil
	case !errors.Is(err, system.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	case !create:
		return nil, ErrNoKey
	}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(r.Random, key); err != nil {
		return nil, fmt.Errorf("drawing a key: %w", err)
	}
	if err := system.Set(service, name, base64.StdEncoding.EncodeToString(key)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	return key, nil
}
