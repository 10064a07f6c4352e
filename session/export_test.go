package session

// Held is the password of a sign-in, for tests.
type Held struct{ held }

// NewHeld holds a password.
func NewHeld(password []byte) *Held {
	h := &Held{}
	h.keep(password)
	return h
}

// Take returns a copy.
func (h *Held) Take() []byte { return h.take() }

// Bytes returns the memory itself.
func (h *Held) Bytes() []byte { return *h.bytes }
