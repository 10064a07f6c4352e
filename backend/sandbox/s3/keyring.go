package s3

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Credential is what an access key id stands for.
type Credential struct {
	Secret       string
	SessionToken string    // must come with each request if set, and must not come if not
	Expires      time.Time // zero: never
	ReadOnly     bool      // may only GET and HEAD
}

// Format keeps the secret out of every %v, %+v and %#v.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "s3.Credential(redacted)") }

// Keyring holds the credentials in force. Keys may be added and removed while
// the server runs: a URL signed with a removed key is dead at once, as in AWS.
// The zero value is an empty ring.
type Keyring struct {
	mu   sync.RWMutex
	keys map[string]*Credential // pointers: fmt, asked for a struct around the ring, stops at them
}

// Format keeps the secrets out of every %v: fmt would not ask a Credential
// inside an unexported field.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "s3.Keyring(redacted)") }

// Put adds or replaces a credential.
func (k *Keyring) Put(accessKeyID string, c Credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		k.keys = make(map[string]*Credential)
	}
	k.keys[accessKeyID] = &c
}

// Remove forgets a credential.
func (k *Keyring) Remove(accessKeyID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.keys, accessKeyID)
}

func (k *Keyring) get(accessKeyID string) (Credential, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	c, ok := k.keys[accessKeyID]
	if !ok {
		return Credential{}, false
	}
	return *c, true
}
