package s3

import (
	"fmt"
	"io"
	"sync"
	"time"

	"usher/backend/sandbox/iam"
)

// Credential is the secret and the rights of an access key id.
type Credential struct {
	Secret       string
	SessionToken string    // required in each request if set, forbidden if ""
	Expires      time.Time // zero: never
	ReadOnly     bool      // permits only GET and HEAD
	ARN          string    // of the requester in the access log; "": the owner of the account
	// Policies permit a request only if each of them allows it. Nil: no policy
	// applies, as for an account's owner.
	Policies []*iam.Policy
}

// Format hides the secret from every verb of fmt.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "s3.Credential(redacted)") }

// Keyring holds the valid credentials. Keys can be added and removed while the
// server runs. As in AWS, a URL signed with a removed key is invalid at once. The
// zero value is an empty ring.
type Keyring struct {
	mu   sync.RWMutex
	keys map[string]*Credential // pointers, because fmt does not follow them inside a struct
}

// Format hides the secrets from every verb of fmt, which does not call
// Credential's Format inside an unexported field.
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

// Remove removes a credential. Its key id is unknown from now on.
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
