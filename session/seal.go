package session

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"usher/backend/api"
)

// Keyring holds a key of 32 bytes by name (*keyring.Ring).
type Keyring interface {
	Key(name string, create bool) ([]byte, error)
}

// KeyringMode is the use of the keyring. A keyring that is locked, absent or slow
// leaves the file plain, except with KeyringAlways.
type KeyringMode string

const (
	KeyringAuto   KeyringMode = "" // where there is one
	KeyringAlways KeyringMode = "always"
	KeyringNever  KeyringMode = "never"
)

// ParseKeyringMode reads auto, always or never.
func ParseKeyringMode(text string) (KeyringMode, bool) {
	switch text {
	case "", "auto":
		return KeyringAuto, true
	case string(KeyringAlways), string(KeyringNever):
		return KeyringMode(text), true
	}
	return "", false
}

var (
	// errSealed: the file is sealed and the keyring has no key for it now.
	errSealed error = &Failure{
		sentence: "Your sign-in is sealed with a key in your keyring, which is locked or not there. Unlock the keyring, or sign in again.",
		exit:     api.ExitSignedOut, parent: ErrSignedOut,
	}
	// ErrKeyring: the keyring is required and cannot be used.
	ErrKeyring error = &Failure{
		sentence: "Your keyring is locked or not there, and this profile stores sign-ins with it only. Unlock it, or run usher configure with --keyring auto.",
		exit:     api.ExitUnavailable,
	}
)

// seal encrypts a file of usher's own with a key of the keyring (AES-256-GCM).
type seal struct {
	name string // of the key: the file's path
	mode KeyringMode
	ring Keyring // nil: files are plain

	mu  sync.Mutex
	key []byte // after the first use
}

// sealedFile is a file whose content is sealed.
type sealedFile struct {
	Version int    `json:"version"`
	Sealed  []byte `json:"sealed"` // nonce and ciphertext
}

func newSeal(name string, p Profile, o Options) *seal {
	return &seal{name: name, mode: p.Keyring, ring: o.Keyring}
}

func (s *seal) aead(create bool) (cipher.AEAD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key == nil {
		if s.ring == nil {
			return nil, errSealed
		}
		key, err := s.ring.Key(s.name, create)
		if err != nil {
			return nil, err
		}
		s.key = key
	}
	block, err := aes.NewCipher(s.key)
	if err != nil {
		return nil, fmt.Errorf("using the keyring's key: %w", err)
	}
	return cipher.NewGCM(block)
}

// close returns the content for the disk: sealed, or plain where the mode allows
// it.
func (s *seal) close(plain []byte, random io.Reader) ([]byte, error) {
	if s.mode == KeyringNever {
		return plain, nil
	}
	aead, err := s.aead(true)
	if err != nil {
		if s.mode == KeyringAlways {
			return nil, ErrKeyring
		}
		return plain, nil
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("drawing randomness: %w", err)
	}
	return json.Marshal(sealedFile{fileVersion, aead.Seal(nonce, nonce, plain, []byte(s.name))})
}

// open returns the plain content of a file. A sealed file without its key is
// errSealed.
func (s *seal) open(data []byte) ([]byte, error) {
	var f sealedFile
	if json.Unmarshal(data, &f) != nil || len(f.Sealed) == 0 {
		return data, nil
	}
	aead, err := s.aead(false)
	if err != nil {
		return nil, errSealed
	}
	n := aead.NonceSize()
	if f.Version != fileVersion || len(f.Sealed) < n {
		return nil, errSealed
	}
	plain, err := aead.Open(nil, f.Sealed[:n], f.Sealed[n:], []byte(s.name))
	if err != nil {
		return nil, errSealed
	}
	return plain, nil
}

// isSealed reports whether the content of a file is sealed.
func isSealed(data []byte) bool {
	var f sealedFile
	return json.Unmarshal(data, &f) == nil && len(f.Sealed) > 0
}
